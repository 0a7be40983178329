package richtext_test

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/hitl-go/sdk/internal/chromium"
	"github.com/hitl-go/sdk/internal/corpus"
	"github.com/hitl-go/sdk/internal/invisible"
	"github.com/hitl-go/sdk/message/richtext"
)

// seen is what people see of a document.
type seen struct {
	Text    string
	Links   []string
	Numbers []string // of lists
}

// render shows a document in a browser. It gives the words, with the alt texts of images, and where links lead; images that are
// in no link lead to themselves. ours are our own links, as the browser writes them.
const render = `((source, ours) => {
	document.open();
	document.write(source);
	document.close();
	const opens = (url) => URL.canParse(url) && /^(https?|mailto|tel):/.test(new URL(url).href);
	const visible = (text) => text.replace(/[\p{Default_Ignorable_Code_Point}\p{White_Space}\p{Cf}\u2800]/gu, "");
	const hidden = (e) => e && (getComputedStyle(e).display === "none" || hidden(e.parentElement));
	const tiny = (length) => ["0", "1", "1px"].includes(length);
	const pixel = (img) => tiny(img.getAttribute("width")) || tiny(img.getAttribute("height"));
	const links = [];
	for (const img of document.querySelectorAll("img")) {
		const isSeen = !hidden(img) && !pixel(img), link = img.closest("a[href]");
		if (isSeen && link && !visible(link.innerText)) link.dataset.picture = "";
		const alt = isSeen ? img.alt.trim() : "";
		const inLink = link && opens(link.getAttribute("href"));
		if (isSeen && !inLink && !/^\p{RGI_Emoji}$/v.test(alt) && opens(img.getAttribute("src") ?? "")) links.push(new URL(img.src).href);
		img.replaceWith(alt);
	}
	for (const a of document.querySelectorAll("a[href]")) {
		const url = a.getAttribute("href"), label = visible(a.innerText);
		const isSame = label && /^(mailto|tel):/.test(url) && url.endsWith(":" + label);
		if (!hidden(a) && (label || "picture" in a.dataset) && opens(url) && !isSame) links.push(new URL(url).href);
	}
	document.querySelectorAll("hr").forEach((hr) => hr.remove());
	return {text: document.body?.innerText ?? "", links: links, ours: ours.map((url) => new URL(url).href)};
})`

var (
	urls     = regexp.MustCompile(`(https?://|mailto:|tel:)[^\s<>]*[^\s<>.,]`)
	markers  = regexp.MustCompile(`^[> ]*(- |-?\d+\. )`)
	number   = regexp.MustCompile(`^-?\d+`)
	stray    = regexp.MustCompile(`%([^0-9A-Fa-f]|$|.[^0-9A-Fa-f]|.$)`)
	brackets = strings.NewReplacer(" ", "%20", "(", "%28", ")", "%29", `\`, "%5C")
	added    = strings.NewReplacer("|", "", "^", "", "(", "", ")", "", "<", "", ">", "")
)

// words is what is left of a text without blanks, URLs, and what we add to show what a text cannot.
func words(text string) string {
	return strings.Map(func(r rune) rune {
		if invisible.Is(r) {
			return -1
		}
		return r
	}, added.Replace(urls.ReplaceAllString(text, "")))
}

// addresses are URLs in one order and spelling.
func addresses(urls []string) []string {
	out := make([]string, len(urls))
	for i, u := range urls {
		out[i] = brackets.Replace(stray.ReplaceAllString(u, "%25$1"))
	}
	slices.Sort(out)
	return out
}

// read is what people see of our text.
func read(text string) (s seen) {
	for line := range strings.SplitSeq(text, "\n") {
		for m := markers.FindString(line); m != ""; m = markers.FindString(line) {
			line = line[len(m):]
			if n := number.FindString(strings.TrimLeft(m, "> ")); n != "" {
				s.Numbers = append(s.Numbers, n)
			}
		}
		if line != "---" {
			s.Text += line + "\n"
		}
	}
	s.Text, s.Links = words(s.Text), urls.FindAllString(s.Text, -1)
	return s
}

// The corpus shows the same words, links and numbers in Chromium as in our text, unless a case says that it does not.
func TestCorpusInBrowser(t *testing.T) {
	page := open(t)
	for path := range tables {
		for _, kind := range corpus.Load(t, path) {
			for _, c := range kind.Cases {
				want, got := show(t, page, c.In, read(richtext.Text(c.In, nil)))
				diff := cmp.Diff(want, got, cmpopts.EquateEmpty())
				if differs := strings.HasPrefix(c.Note, "browsers"); differs != (diff != "") {
					t.Errorf("%s:%d: %s\nmay differ: %v (-Chromium +ours)\n%s", path, c.Line, c.In, differs, diff)
				}
			}
		}
	}
}

func open(t *testing.T) *chromium.Page {
	t.Helper()
	path, ok := chromium.Path()
	if !ok {
		t.Skip(t.Name(), chromium.HowTo)
	}
	browser, err := chromium.Launch(t.Context(), path, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := browser.Close(); err != nil {
			t.Error(err)
		}
	})
	page, err := browser.Open(t.Context(), "data:text/html,", chromium.Screen{Width: 1440, Height: 900})
	if err != nil {
		t.Fatal(err)
	}
	return page
}

// show returns what people see of a document in a browser, and of ours in the same spelling.
func show(t *testing.T, page *chromium.Page, source string, ours seen) (theirs, same seen) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	arguments, err := json.Marshal([]any{source, append([]string{}, ours.Links...)})
	if err != nil {
		t.Fatal(err)
	}
	var shown struct {
		Text        string
		Links, Ours []string
	}
	if err := page.Eval(ctx, fmt.Sprintf("%s(...%s)", render, arguments), &shown); err != nil {
		t.Fatalf("%s: %v", source, err)
	}
	shownMarkers, err := page.ListMarkers(ctx)
	if err != nil {
		t.Fatal(err)
	}
	theirs = seen{Text: words(shown.Text), Links: addresses(shown.Links)}
	for _, m := range shownMarkers {
		if n := number.FindString(m); n != "" {
			theirs.Numbers = append(theirs.Numbers, n)
		}
	}
	return theirs, seen{Text: ours.Text, Links: addresses(shown.Ours), Numbers: ours.Numbers}
}
