package hitl

import (
	"context"
	"testing"

	"github.com/hitl-go/sdk/message"
)

func TestTranscriptNames(t *testing.T) {
	named := func(name string) func(context.Context, string) (string, error) {
		return func(context.Context, string) (string, error) { return name, nil }
	}
	r := StartHitlRequest[struct{}]{
		History: []message.Turn{{UserID: "user_01", Message: message.Text{Text: "Hi"}}},
		name:    named("Jane"),
	}
	markdown := message.TranscriptOptions{Format: message.FormatMarkdown}
	for _, tt := range []struct {
		opts *message.TranscriptOptions
		want string
	}{
		{nil, "Jane:\n  Hi"},
		{&markdown, "### Jane\n\n> Hi"},
		{&message.TranscriptOptions{Name: named("Other")}, "Other:\n  Hi"},
	} {
		if got := r.Transcript(t.Context(), tt.opts); got != tt.want {
			t.Errorf("%+v: %q, want %q", tt.opts, got, tt.want)
		}
	}
	if markdown.Name != nil {
		t.Error("Transcript changed the options that it was given")
	}
}
