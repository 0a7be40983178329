package docs

import (
	"context"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hitl-go/sdk/hitl"
)

// TestReservedNames checks that the page on definitions lists the tags and states that the server declares itself.
func TestReservedNames(t *testing.T) {
	connect := func(context.Context, hitl.Installation, struct{}) (silent, error) { return silent{}, nil }
	server, err := hitl.NewServer(hitl.Definition{Name: "adapter", Version: "1.0.0"}, connect, &hitl.Options{})
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(root + "/docs/definition.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(page), "| of | reserved |\n")
	body := server.Describe()
	channel := body.Channels["hitl"]
	for of, want := range map[string][]string{
		"users":         slices.Sorted(maps.Keys(body.User.Tags)),
		"conversations": slices.Sorted(maps.Keys(channel.Conversation.Tags)),
		"messages":      slices.Sorted(maps.Keys(channel.Message.Tags)),
		"states":        slices.Sorted(maps.Keys(body.States)),
	} {
		row, _, _ := strings.Cut(table[strings.Index(table, "| "+of+" |")+1:], ";")
		row, _, _ = strings.Cut(row, "\n")
		var got []string
		for _, m := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(row, -1) {
			got = append(got, m[1])
		}
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("reserved names of %s (-declared +on the page):\n%s", of, diff)
		}
	}
}
