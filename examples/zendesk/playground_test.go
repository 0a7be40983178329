package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/hitl-go/sdk/internal/chromium"
)

var (
	desktop = chromium.Screen{Width: 1440, Height: 900}
	phone   = chromium.Screen{Width: 390, Height: 844, Phone: true}
)

// Whole sessions, played on the page as the end user and as the agent. The pictures are for people to look at.
func TestPlaygroundInBrowser(t *testing.T) {
	path, ok := chromium.Path()
	if !ok {
		t.Skip("TestPlaygroundInBrowser", chromium.HowTo)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	address := playgroundAddress(ctx, t)
	browser, err := chromium.Launch(ctx, path, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := browser.Close(); err != nil {
			t.Error(err)
		}
	})
	page, err := browser.Open(ctx, address, desktop)
	if err != nil {
		t.Fatal(err)
	}
	v := &chromium.Visitor{T: t, Page: page, Context: ctx, Pictures: "../../.cache/screenshots"}
	handsOver(v)
	talks(v)
	survivesFaults(v)
	usesKeyboard(v)
	looksGood(v)
	for _, problem := range v.Complaints(address) {
		t.Error(problem)
	}
}

// handsOver chats with the bot and asks for a human.
func handsOver(v *chromium.Visitor) {
	v.Sees("chat-name", "Jane Miller")
	v.Sees("simulation", "No account is involved")
	v.Picture("zendesk-1-empty")
	v.Types("#chat-text", "Where is my parcel?")
	v.Sees("chat-log", "Which parcel is it?")
	v.Clicks("#chat-log .options button")
	v.Sees("chat-log", "Handed over to a neighbour")
	v.Clicks("#handover-open")
	v.Picture("zendesk-2-hand-over")
	v.Presses("Enter")
	v.Sees("chat-log", "I have escalated this conversation")
	v.Sees("ticket-subject", "Where is my parcel?")
	v.Sees("ticket-log", "Where is my parcel?")
	v.Sees("chat-state", "Waiting for an agent")
}

// talks says something of every kind in both directions.
func talks(v *chromium.Visitor) {
	v.Clicks("#ticket-assign")
	v.Sees("chat-log", "A human agent has joined")
	v.Types("#reply-text", "Hello Jane, I am Rosa. Have you got a photo of the door?")
	v.Sees("chat-log", "Have you got a photo of the door?")
	v.Sees("chat-state", "With Rosa Diaz")
	v.Clicks("#chat-attach")
	v.Picture("zendesk-3-attach")
	v.Clicks("#attach .primary")
	v.Sees("ticket-log", "The parcel at the door")
	v.Clicks("#chat-attach")
	v.Clicks("#attach-types label:nth-of-type(6)") // A bloc.
	v.Clicks("#attach .primary")
	v.Sees("ticket-log", "This is my street")
	v.Types("#chat-text", "The neighbours say it is not theirs.\nAnd <b>I</b> was at home all day.")
	v.Sees("ticket-log", "And <b>I</b> was at home all day.")
	v.Clicks("#reply-form label:last-of-type")
	v.Types("#reply-text", "The driver mixed up 1 and 11 again.")
	v.Sees("ticket-log", "The driver mixed up")
	v.Clicks("#reply-form label:first-of-type")
	v.Types("#reply-text", "Found it: next door but ten. It comes to you today.")
	v.Sees("chat-log", "It comes to you today.")
	v.Finds(`!document.getElementById("chat-log").textContent.includes("The driver mixed up")`)
	v.Picture("zendesk-4-session")
}

// survivesFaults does everything while webhooks come twice and answers are lost: nothing is missing, nothing is there twice.
func survivesFaults(v *chromium.Visitor) {
	turn := func(on string) {
		for _, fault := range []string{"duplicate", "retry"} {
			v.Clicks("[data-fault=" + fault + "]")
			v.Finds(`document.querySelector("[data-fault=` + fault + `][aria-checked=` + on + `]")`)
		}
	}
	turn("true")
	v.Types("#reply-text", "Is there anything else?")
	v.Sees("chat-log", "Is there anything else?")
	v.Types("#chat-text", "No, thank you!")
	v.Sees("ticket-log", "No, thank you!")
	v.Clicks("#ticket-resolve")
	v.Sees("chat-log", "The human agent closed the conversation.")
	v.Sees("chat-state", "With the bot")
	v.Types("#chat-text", "Oh, but I want to talk to a human again.")
	v.SeesWithin(3*time.Second, "ticket-log", "Oh, but I want to talk to a human again.") // Botpress asks again after a while.
	filter := func(words string) {
		v.Eval(fmt.Sprintf(`{const f = document.getElementById("wire-filter"); f.value = %q; f.dispatchEvent(new Event("input"))}`, words), nil)
	}
	filter("startHitl") // The list draws what is in sight.
	v.Sees("rows", "answer lost")
	v.SeesWithin(5*time.Second, "rows", "again") // It is answered when what was scheduled before is due.
	filter("")
	v.Picture("zendesk-5-faults")
	turn("false")
	v.SeesOnce("chat-log", "Is there anything else?")
	v.SeesOnce("chat-log", "The human agent closed the conversation.")
	v.SeesOnce("ticket-log", "Oh, but I want to talk to a human again.")
	v.Finds(`document.querySelectorAll("#tickets [role=option]").length === 2`)
	v.Sees("chat-state", "Waiting for an agent")
	v.Types("#chat-text", "/end")
	v.SeesWithin(2*time.Second, "chat-log", "You have ended the session")
	v.Sees("ticket-facts", "solved")
}

// usesKeyboard finds a request and copies it, without a mouse.
func usesKeyboard(v *chromium.Visitor) {
	v.Eval(`document.getElementById("wire-filter").focus()`, nil)
	v.Must(v.Page.Type(v.Context, "startHitl"))
	v.Sees("wire-count", " of ")
	for range 5 { // Past the switches.
		v.Presses("Tab")
	}
	v.Finds(`document.activeElement.id === "rows"`)
	v.Presses("End")
	v.Presses("ArrowUp")
	v.Sees("detail", "messageHistory")
	v.Finds(`document.querySelector("#rows [aria-selected=true]").id === document.activeElement.getAttribute("aria-activedescendant")`)
	v.Picture("zendesk-6-request")
	v.Eval(`navigator.clipboard.writeText = async (text) => { window.copied = text; }`, nil)
	v.Presses("Tab")
	v.Finds(`document.activeElement.textContent === "Copy as curl"`)
	v.Presses("Enter")
	v.Finds(`window.copied`)
	var curl string
	v.Eval(`window.copied`, &curl)
	for _, part := range []string{"curl -X POST 'http://127.0.0.1:", "/api/replay/", "-H 'X-Bp-Operation: action_triggered'", "-H 'X-Bp-Configuration: [secret]'", `"type":"startHitl"`} {
		if !strings.Contains(curl, part) {
			v.T.Errorf("the command has no %s: %s", part, curl)
		}
	}
	if part := "X-Bp-Signature"; strings.Contains(curl, part) {
		v.T.Errorf("the command has %s: %s", part, curl)
	}
	v.Eval(`document.getElementById("wire-filter").select()`, nil)
	v.Must(v.Page.Type(v.Context, " "))
}

// looksGood takes pictures of the page on other screens.
func looksGood(v *chromium.Visitor) {
	v.Clicks("#tickets [role=option]:last-of-type")
	v.Finds(`document.getElementById("ticket-log").textContent.includes("next door but ten")`)
	dark := desktop
	dark.Dark = true
	v.Shows(dark)
	v.Picture("zendesk-7-dark")
	v.Shows(chromium.Screen{Width: 1024, Height: 768})
	v.Picture("zendesk-8-tablet")
	v.Clicks("#rows [role=option]:last-of-type")
	for name, screen := range map[string]chromium.Screen{
		"light": phone, "dark": {Width: phone.Width, Height: phone.Height, Phone: true, Dark: true},
	} {
		v.Shows(screen)
		for _, tab := range []string{"chat", "desk", "wire"} {
			v.Clicks("nav [data-tab=" + tab + "]")
			v.Picture("zendesk-9-phone-" + name + "-" + tab)
		}
		v.Clicks(".back")
		v.Picture("zendesk-9-phone-" + name + "-requests")
		v.Clicks("#rows [role=option]:last-of-type")
	}
}

// playgroundAddress serves the playground as the command does.
func playgroundAddress(ctx context.Context, t *testing.T) string {
	t.Helper()
	ctx, cancel := context.WithCancel(ctx)
	out, in := io.Pipe()
	done := make(chan error, 1)
	go func() {
		err := play(ctx, "127.0.0.1:0", false, in, io.Discard)
		_ = in.Close() // It never fails.
		done <- err
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	go func() { _, _ = io.Copy(io.Discard, out) }()
	_, address, _ := strings.Cut(strings.TrimSpace(line), ": ")
	return address
}
