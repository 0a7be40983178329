package playground

import (
	"fmt"
	"strings"
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

// The page is as wide as the screen, however long the integration's name is.
func TestNarrowScreensInBrowser(t *testing.T) {
	w := newWorld(t)
	v := visit(t, w.url)
	v.Shows(chromium.Screen{Width: 360, Height: 740, Phone: true})
	v.Finds(`((title) => title.textContent === "Acme Desk" && title.scrollWidth <= title.clientWidth)(document.getElementById("title"))`)
	for _, title := range []string{"Acme Desk", "Freshdesk for Customer Service", strings.Repeat("Desk", 30)} {
		v.Eval(fmt.Sprintf(`document.getElementById("title").textContent = %q`, title), nil)
		for _, screen := range []chromium.Screen{{Width: 320, Height: 640, Phone: true}, {Width: 360, Height: 740, Phone: true}, {Width: 720, Height: 900}, {Width: 1024, Height: 768}, {Width: 1440, Height: 900}} {
			v.Shows(screen)
			v.Finds(fmt.Sprintf(`innerWidth === %d && document.documentElement.scrollWidth === innerWidth`, screen.Width))
			// Neither the name, "Simulation" nor the button covers another.
			v.Finds(`((boxes) => boxes.every((box, i) => box.width > 0 && (i === 0 || box.left >= boxes[i - 1].right)) && boxes.at(-1).right <= innerWidth)(
				["title", "played", "restart"].map((id) => document.getElementById(id).getBoundingClientRect()))`)
		}
	}
}
