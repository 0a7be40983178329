package hitl

import (
	"context"
	"net/http"
	"strconv"
	"testing"

	"github.com/hitl-go/sdk/botpress"
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

// However many requests there are, only so many signatures are remembered.
func TestSignaturesAreBounded(t *testing.T) {
	var s signatures
	for i := range 3 * maxSignatures {
		stamp := strconv.Itoa(i)
		header := http.Header{http.CanonicalHeaderKey(botpress.SignatureHeader): {stamp + ",x"}}
		if s.isReplay(header, nil) {
			t.Fatalf("request %d is taken for a replay", i)
		}
	}
	if n := len(s.current) + len(s.previous); n > 2*maxSignatures || n < maxSignatures {
		t.Errorf("%d signatures are remembered, want %d to %d", n, maxSignatures, 2*maxSignatures)
	}
}
