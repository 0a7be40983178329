package message_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hitl-go/sdk/internal/chromium"
	"github.com/hitl-go/sdk/internal/corpus"
	"github.com/hitl-go/sdk/message"
)

// A browser shows each text of the corpus as it was written, and its links lead to what the browser's own parser makes of the addresses.
func TestLinksInBrowser(t *testing.T) {
	type seen struct {
		Text  string
		Links []string
	}
	address := regexp.MustCompile(`(?i)<(https?://[^<>]*)>`)
	var page strings.Builder
	var names []string
	var want []seen
	for _, kind := range corpus.Load(t, "testdata/links.txt") {
		for _, c := range kind.Cases {
			s := seen{Text: readable(address.ReplaceAllString(c.Want, "$1")), Links: []string{}}
			for _, match := range address.FindAllStringSubmatch(c.Want, -1) {
				s.Links = append(s.Links, match[1])
			}
			for name, markup := range rendered(t, c.In) {
				if strings.HasPrefix(name, "Markdown") && strings.Contains(c.In, "::1]") {
					continue // Renderers of CommonMark encode brackets, even those of IPv6.
				}
				page.WriteString("<section>" + markup + "</section>")
				names = append(names, fmt.Sprintf("line %d, %s, %s", c.Line, kind.Name, name))
				want = append(want, s)
			}
		}
	}
	v := visit(t, page.String())
	var got []seen
	v.Eval(`[...document.querySelectorAll("section")].map((section) => ({
		Text: section.innerText,
		Links: [...section.querySelectorAll("a")].map((a) => a.href),
	}))`, &got)
	if len(got) != len(want) {
		t.Fatalf("%d texts, want %d", len(got), len(want))
	}
	for i := range want {
		got[i].Text = readable(got[i].Text)
		for j := range got[i].Links {
			got[i].Links[j] = decoded(got[i].Links[j])
		}
		for j, link := range want[i].Links {
			literal, err := json.Marshal(link)
			if err != nil {
				t.Fatal(err)
			}
			v.Eval(fmt.Sprintf("new URL(%s).href", literal), &want[i].Links[j])
			want[i].Links[j] = decoded(want[i].Links[j])
		}
		if diff := cmp.Diff(want[i], got[i]); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", names[i], diff)
		}
	}
}

// A browser shows messages of all types, with lists, as they were meant.
func TestMessagesInBrowser(t *testing.T) {
	var page strings.Builder
	var want []string
	for _, kind := range corpus.Load(t, "testdata/links.txt") {
		for _, c := range kind.Cases {
			for _, m := range messagesWith(c.In) {
				for _, markup := range []string{message.ToHTML(m), commonMark(t, message.ToMarkdown(m))} {
					page.WriteString("<section>" + markup + "</section>")
					want = append(want, readable(show(t, markup).text))
				}
			}
		}
	}
	v := visit(t, page.String())
	var got []string
	v.Eval(`document.querySelectorAll("ul > li").forEach((item) => item.prepend("- "))`, nil)
	v.Eval(`[...document.querySelectorAll("section")].map((section) => section.innerText)`, &got)
	for i := range got {
		got[i] = readable(got[i])
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// visit shows a page in a browser, or skips the test without one.
func visit(t *testing.T, body string) *chromium.Visitor {
	t.Helper()
	path, ok := chromium.Path()
	if !ok {
		t.Skip(t.Name(), chromium.HowTo)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `<!doctype html><html lang="en"><meta charset="utf-8"><title>Messages</title><link rel="icon" href="data:,"><body>`+body)
	}))
	t.Cleanup(server.Close)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	browser, err := chromium.Launch(ctx, path, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := browser.Close(); err != nil {
			t.Error(err)
		}
	})
	page, err := browser.Open(ctx, server.URL, chromium.Screen{Width: 1440, Height: 900})
	if err != nil {
		t.Fatal(err)
	}
	return &chromium.Visitor{T: t, Page: page, Context: ctx, Pictures: t.TempDir()}
}
