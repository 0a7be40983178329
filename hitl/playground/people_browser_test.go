package playground

import (
	"testing"

	"github.com/hitl-go/sdk/internal/chromium"
	"github.com/hitl-go/sdk/message"
)

// The field for replies is as high as its text, also if the text was put there before the field came into sight.
func TestReplyFieldInBrowser(t *testing.T) {
	const (
		oneLine = `document.getElementById("reply-text").offsetHeight === document.getElementById("chat-text").offsetHeight`
		more    = `document.getElementById("reply-text").offsetHeight >= 76 && document.getElementById("reply-text").scrollHeight <= document.getElementById("reply-text").offsetHeight`
	)
	desk := &paperDesk{entries: map[string][]Entry{}}
	w := newWorld(t, func(o *Options) { o.Desk = desk })
	v := visit(t, w.url)
	desk.put(w, Ticket{ID: "1", Subject: "Refund", Status: "open", From: "Jane"}, message.Text{Text: "I want my money back."})
	v.Sees("ticket-log", "my money")
	v.Finds(oneLine)
	v.Clicks("#reply-form .field")
	v.Finds(`document.activeElement.id === "reply-text"`)

	v.Must(v.Page.Type(v.Context, "Dear Jane,\nit is on its way.\n\nRosa"))
	v.Finds(more)

	// A ticket that opens while another part is in sight, and a draft that waits there.
	v.Shows(chromium.Screen{Width: 390, Height: 844, Phone: true})
	desk.put(w, Ticket{ID: "2", Subject: "Lost", Status: "open", From: "Omar"})
	v.Sees("tickets", "Lost")
	v.Clicks("nav [data-tab=desk]")
	v.Finds(more)
	v.Clicks("nav [data-tab=chat]")
	v.Eval(`document.querySelector("#tickets [data-id='2']").click()`, nil)
	v.Clicks("nav [data-tab=desk]")
	v.Finds(`document.getElementById("reply-text").offsetHeight === 32`)
	v.Clicks("nav [data-tab=chat]")
	v.Eval(`document.querySelector("#tickets [data-id='1']").click()`, nil)
	v.Clicks("nav [data-tab=desk]")
	v.Finds(more)

	// What is refused is there again, with all its lines.
	desk.close()
	v.Clicks("#reply-text")
	v.Eval(`window.quick = window.fetch, window.fetch = async (...what) => {
		await new Promise((done) => setTimeout(done, 100)); // The desk takes longer than the page's next frame.
		return quick(...what);
	}`, nil)
	v.Presses("Enter")
	v.Sees("toasts", "the desk is closed")
	v.Finds(more)
}
