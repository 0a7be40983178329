package message_test

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/hitl-go/sdk/message"
)

func TestTry(t *testing.T) {
	var turns []message.Turn
	json.Unmarshal(read(t, "history.json"), &turns)
	for _, f := range []message.Format{0, 1, 2} {
		fmt.Println("=================")
		fmt.Println(message.Transcript(context.Background(), turns, &message.TranscriptOptions{Format: f}))
	}
	fmt.Println("=================")
	for _, l := range []int{400, 100, 60, 40, 20, 10, 5, 2, 1} {
		s := message.Transcript(context.Background(), turns, &message.TranscriptOptions{Limit: l, Format: 1})
		fmt.Printf("%d: %d %q\n", l, len(s), s)
	}
	for _, s := range message.TranscriptParts(context.Background(), turns, &message.TranscriptOptions{Limit: 200, Format: 1}) {
		fmt.Printf("%d %q\n", len(s), s)
	}
}
