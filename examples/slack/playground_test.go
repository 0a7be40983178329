package main

import (
	"bufio"
	"context"
	"io"
	"regexp"
	"testing"
	"time"

	"github.com/hitl-go/sdk/internal/chromium"
)

// A session on the page, as the end user and as a member of the channel. The pictures are for people to look at.
func TestSlackPlaygroundInBrowser(t *testing.T) {
	path, ok := chromium.Path()
	if !ok {
		t.Skip(t.Name(), chromium.HowTo)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	out, in := io.Pipe()
	served := make(chan int, 1)
	playing, stop := context.WithCancel(ctx)
	go func() {
		served <- run(playing, []string{"playground", "--addr", "127.0.0.1:0"}, in, io.Discard)
		_ = in.Close()
	}()
	t.Cleanup(func() { stop(); go func() { _, _ = io.Copy(io.Discard, out) }(); <-served })
	address := ""
	for lines := bufio.NewScanner(out); address == "" && lines.Scan(); {
		address = regexp.MustCompile(`http://\S+`).FindString(lines.Text())
	}
	browser, err := chromium.Launch(ctx, path, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := browser.Close(); err != nil {
			t.Error(err)
		}
	}()
	page, err := browser.Open(ctx, address, chromium.Screen{Width: 1440, Height: 900})
	if err != nil {
		t.Fatal(err)
	}
	v := &chromium.Visitor{T: t, Page: page, Context: ctx, Pictures: "../../.cache/screenshots"}
	v.Sees("link", "live")
	v.Types("#chat-text", "Where is my parcel?")
	v.Sees("chat-log", "Which parcel is it?")
	v.Clicks("#chat-log .options button")
	v.Clicks("#handover-open")
	v.Presses("Enter")
	v.Sees("ticket-log", "Where is my parcel?")
	v.Clicks("#ticket-assign")
	v.Sees("chat-log", "A human agent has joined")
	v.Types("#reply-text", "Hello Jane, have you got a photo? 📷")
	v.Sees("chat-log", "have you got a photo? 📷")
	v.Clicks("#chat-attach")
	v.Clicks("#attach .primary")
	v.Sees("ticket-log", "The parcel at the door")
	v.Types("#chat-text", "It is not <b>mine</b>.")
	v.Sees("ticket-log", "It is not <b>mine</b>.")
	v.Clicks("#reply-form label:last-of-type")
	v.Types("#reply-text", "The driver mixed up 1 and 11.")
	v.Sees("ticket-log", "The driver mixed up")
	v.Picture("slack-session")
	v.Clicks("#ticket-resolve")
	v.Sees("chat-log", "The human agent closed the conversation.")
	v.Finds(`!document.getElementById("chat-log").textContent.includes("The driver mixed up")`)
	v.Picture("slack-closed")
	for _, problem := range v.Complaints(address) {
		t.Error(problem)
	}
}
