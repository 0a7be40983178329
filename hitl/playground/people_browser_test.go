package playground

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

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

// What the end user has sent can be read as well as what others have, on paper and in the dark, and by ear.
func TestOwnMessagesInBrowser(t *testing.T) {
	w := newWorld(t)
	v := visit(t, w.url)
	option := []map[string]string{{"label": "4711", "value": "4711"}}
	card := map[string]any{"title": "Parcel 4711", "subtitle": "From Lisbon", "actions": []map[string]string{{"action": "say", "label": "Where is it?", "value": "Where?"}}}
	for kind, payload := range map[string]map[string]any{
		"text": {"text": "Where is my parcel?"}, "dropdown": {"text": "Which parcel?", "options": option}, "choice": {"text": "Which parcel?", "options": option},
		"file": {"fileUrl": "https://files.example.com/receipt.pdf", "title": "receipt.pdf"}, "location": {"latitude": 52.5, "longitude": 13.4},
		"image": {"imageUrl": w.url + "/parcel.svg", "title": "The parcel at the door"}, "card": card, "carousel": {"items": []any{card}}, "poll": {"question": "A new type"},
	} {
		w.must("say", map[string]any{"type": kind, "payload": payload})
	}
	v.Finds(`document.querySelectorAll(".bubble.user").length === 9`)
	for _, dark := range []bool{false, true} {
		v.Shows(chromium.Screen{Width: 1440, Height: 3600, Dark: dark})
		v.Picture(fmt.Sprintf("own-messages-dark-%t", dark))
		v.Finds(`[...document.querySelectorAll(".bubble.user")].every((bubble) => bubble.innerText.startsWith("You"))`) // Which leaves out what is not rendered.
		var faint []string
		v.Eval(faintTexts, &faint)
		if len(faint) > 0 {
			t.Errorf("dark %t: %s cannot be read well", dark, faint)
		}
	}

	// The mark of a tab with something new has a text.
	v.Shows(chromium.Screen{Width: 390, Height: 844, Phone: true})
	const tab = `document.querySelector("nav [data-tab=chat]")`
	v.Clicks("nav [data-tab=wire]")
	w.says("Show me a carousel")
	v.Finds(tab + `.getAttribute("aria-label") === "End user, something new"`)
	v.Clicks("nav [data-tab=chat]")
	v.Finds(tab + `.getAttribute("aria-label") === "End user"`)
}

// faintTexts are the texts of the chat whose contrast is below 4.5, which is what WCAG asks for.
const faintTexts = `(() => {
	const numbers = (colour) => colour.match(/[\d.]+/g).map(Number);
	const onto = ([r, g, b, a = 1], below) => [r, g, b].map((c, i) => c * a + below[i] * (1 - a));
	const light = (colour) => colour.map((c) => c / 255).map((c) => (c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
		.reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
	const seen = (element) => { // The colours of an element's text and of what is behind it.
		const style = getComputedStyle(element), [, below] = element === document.body ? [, [0, 0, 0]] : seen(element.parentElement);
		const behind = onto(numbers(style.backgroundColor), below);
		let opacity = 1;
		for (let e = element; e; e = e.parentElement) opacity *= getComputedStyle(e).opacity;
		const [r, g, b, a = 1] = numbers(style.color);
		return [onto([r, g, b, a * opacity], behind), behind];
	};
	return [...document.querySelectorAll("#chat-log *")].filter((element) => (element.matches("select") || [...element.childNodes].some((n) => n.nodeType === 3 && n.data.trim()))
		&& !element.matches("option, :disabled")).flatMap((element) => {
		const [less, more] = seen(element).map(light).sort((a, b) => a - b), ratio = (more + 0.05) / (less + 0.05);
		return ratio < 4.5 ? [element.textContent + " with " + ratio.toFixed(2)] : [];
	});
})()`

// busyDesk is a desk whose agents do all that the page offers.
type busyDesk struct{ *paperDesk }

func (d busyDesk) Assign(_ context.Context, ticket, agent string) error {
	return d.change(ticket, func(t *Ticket) { t.Assignee = agent })
}

func (d busyDesk) Resolve(_ context.Context, ticket, _ string) error {
	return d.change(ticket, func(t *Ticket) { t.Over = true })
}

func (d busyDesk) change(ticket string, change func(*Ticket)) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i := range d.tickets {
		if d.tickets[i].ID == ticket {
			change(&d.tickets[i])
		}
	}
	return nil
}

// Whoever works with the keyboard goes on where they were: no action takes the focus back to the top of the page, or behind something.
func TestKeyboardInBrowser(t *testing.T) {
	desk := &paperDesk{entries: map[string][]Entry{}}
	w := newWorld(t, func(o *Options) { o.Desk = busyDesk{desk} })
	v := visit(t, w.url)
	press := func(selector string) {
		t.Helper()
		v.Finds(fmt.Sprintf(`document.querySelector(%[1]q) && (document.querySelector(%[1]q).focus(), document.activeElement === document.querySelector(%[1]q))`, selector))
		v.Presses("Enter")
	}
	goesTo := func(selector string) {
		t.Helper()
		v.Finds(fmt.Sprintf(`document.activeElement.matches(%q)`, selector))
	}

	w.says("Can I talk to a human?")
	v.Sees("chat-state", "Waiting for an agent")
	press("#chat-end")
	v.Sees("chat-state", "With the bot")
	goesTo("#chat-text")

	desk.put(w, Ticket{ID: "1", Subject: "Refund", Status: "open", From: "Jane"}, message.Text{Text: strings.Repeat("A long story. ", 100)})
	v.Sees("ticket-log", "A long story.")
	press(".unfold")
	v.Finds(`!document.querySelector(".unfold")`)
	goesTo("#ticket-log .body")
	press("#ticket-assign")
	v.Finds(`document.getElementById("ticket-assign").disabled`)
	goesTo("#reply-text")
	press("#ticket-resolve")
	v.Finds(`document.getElementById("ticket-resolve").disabled`)
	goesTo("#reply-text")

	// The list of requests.
	fill(w, 0, 100)
	v.Sees("rows", "getOrCreateMessage")
	press("#rows")
	v.Presses("Home")
	press("#rows-latest")
	v.Finds(`document.getElementById("rows-latest").hidden`)
	goesTo("#rows")

	// Where the detail of a request takes the place of the list, arrows do not open it.
	const covers = `getComputedStyle(document.getElementById("detail")).display === "flex"`
	v.Shows(chromium.Screen{Width: 720, Height: 450})
	v.Presses("Home")
	v.Presses("ArrowDown")
	v.Sees("detail", "after")
	v.Finds(`document.querySelector("#rows [aria-selected=true]")?.ariaPosInSet === "2" && !(` + covers + `)`)
	goesTo("#rows")
	v.Picture("keyboard-1-rows")
	v.Presses("Enter")
	goesTo(".back")
	v.Finds(covers + ` && getComputedStyle(document.getElementById("rows")).visibility === "hidden"`)
	v.Picture("keyboard-2-detail")
	v.Presses("Enter")
	goesTo("#rows")
	v.Finds(`!(` + covers + `)`)

	// The detail of a request that ends meanwhile. The integration makes calls on its own, which come after it in the list.
	selects := func(name string) {
		v.Presses("End")
		for range 20 {
			var selected string
			v.Eval(`new Promise((shown) => requestAnimationFrame(() => requestAnimationFrame(shown)))
				.then(() => document.querySelector("#rows [aria-selected=true]").textContent)`, &selected)
			if strings.Contains(selected, name) {
				return
			}
			v.Presses("ArrowUp")
		}
		t.Fatalf("no row has %q", name)
	}
	v.Presses("End")
	seq := w.view.begin(exchange{row: row{From: atBotpress, To: atIntegration, Operation: "ping"}})
	v.Sees("rows", "ping")
	selects("ping")
	v.Presses("Enter")
	v.Sees("detail", "under way")
	goesTo(".back")
	w.view.end(seq, outcome{status: http.StatusOK})
	v.Sees("detail", "200 after")
	goesTo(".back")
	v.Shows(chromium.Screen{Width: 1440, Height: 900})
	seq = w.view.begin(exchange{row: row{From: atBotpress, To: atIntegration, Operation: "pong"}})
	v.Sees("rows", "pong")
	v.Clicks("#rows")
	selects("pong")
	v.Sees("detail", "under way")
	v.Presses("Tab")
	goesTo("#detail .actions button")
	w.view.end(seq, outcome{status: http.StatusOK})
	v.Sees("detail", "200 after")
	goesTo("#detail .actions button")

	// What is sent again says how it was answered.
	w.must("webhook", map[string]any{"body": "no JSON"})
	v.Sees("rows", "webhook_received")
	v.Clicks("#rows [role=option]:nth-last-of-type(2)")
	press("#detail .actions button:nth-child(2)")
	v.Sees("toasts", "Answered 400: Acme Desk sent a webhook that is no JSON")
}

// Names are as long as people's names are, and have the direction of their script.
const (
	longName   = "Alexandra.KonstantinopoulouWeissenbergerWolfeschlegelsteinhausenDonaudampfschifffahrt@support.example.com"
	arabicName = "محمد عبد الله (VIP)"
)

// namedDesk has agents with such names.
type namedDesk struct{ *paperDesk }

func (namedDesk) Agents() []string { return []string{strings.Repeat(longName, 2), arabicName} }

func TestNamesInBrowser(t *testing.T) {
	desk := &paperDesk{entries: map[string][]Entry{}}
	w := newWorld(t, func(o *Options) { o.Desk = namedDesk{desk} })
	v := visit(t, w.url)
	w.says("Can I talk to a human?")
	v.Sees("chat-state", "Waiting for an agent")
	user := w.currentUser().UserID()
	say := func(name string, m message.Message) {
		w.view.addChat(user, chatMessage{From: Agent, Name: name, Message: message.Envelope{Message: m}, At: time.Now()})
	}
	say(arabicName, message.Card{Title: "طرد رقم 4711!", Subtitle: "في الطريق (Oslo).", Actions: []message.Action{{Kind: message.ActionSay, Label: "شكرا!", Value: "x"}}})
	say(arabicName, message.Choice{Text: "أي طرد؟", Options: []message.Option{{Label: "4711 (لشبونة)!", Value: "1"}}})
	say(arabicName, message.Dropdown{Text: "أي طرد؟", Options: []message.Option{{Label: "4711 (لشبونة)!", Value: "1"}}})
	say(arabicName, message.File{FileURL: "https://files.example.com/a.pdf", Title: "إيصال (1).pdf"})
	say(longName, message.Text{Text: "How can I help?"})
	desk.put(w, Ticket{ID: "1", Subject: strings.Repeat("Donaudampfschifffahrt", 10), Status: longName, From: longName, Assignee: longName}, message.Text{Text: "Hello"})
	v.Sees("ticket-log", "Hello")
	desk.put(w, Ticket{ID: "2", Subject: "رقم الطلب 4711: أين طردي؟ (ABC) - 12/34", Status: "مفتوح", From: arabicName, Assignee: "ليلى"}, message.Text{Text: "مرحبا!"})
	v.Sees("ticket-log", "مرحبا!")
	v.Sees("chat-log", "How can I help?")

	// What an element shows is within it, and nothing covers what is next to it.
	const fits = `[...document.querySelectorAll("#chat *, #desk *")].every((element) => {
		const next = element.nextElementSibling?.getBoundingClientRect(), box = element.getBoundingClientRect();
		if (!box.width || element.matches("svg *, .tickets > *")) return true;
		const style = getComputedStyle(element);
		return (style.overflowX !== "visible" || style.display === "inline" || element.scrollWidth <= element.clientWidth + 1)
			&& (!next?.width || next.left >= box.right - 1 || next.top >= box.bottom - 1 || next.right <= box.left + 1 || next.bottom <= box.top + 1);
	})`
	for _, tt := range []struct{ ticket, agent, direction, picture string }{{"1", longName, "ltr", "names-long"}, {"2", arabicName, "rtl", "names-arabic"}} {
		w.must("webhook", map[string]any{
			"header": map[string]string{"Content-Type": "application/json"},
			"body":   fmt.Sprintf(`{"type": "assigned", "ticketId": "T-1", "agent": {"id": "agent-%s", "name": %q}}`, tt.ticket, tt.agent),
		})
		v.Sees("chat-state", "With "+tt.agent)
		v.Finds(fmt.Sprintf(`getComputedStyle(document.querySelector("#chat-state bdi")).direction === %q`, tt.direction))
		v.Shows(chromium.Screen{Width: 1280, Height: 900})
		v.Clicks("#tickets [data-id='" + tt.ticket + "']")
		v.Finds(fits)
		v.Picture(tt.picture)
		v.Shows(chromium.Screen{Width: 360, Height: 740, Phone: true})
		for _, tab := range []string{"chat", "desk"} {
			v.Clicks("nav [data-tab=" + tab + "]")
			v.Finds(fits + ` && document.documentElement.scrollWidth === 360`)
			v.Picture(tt.picture + "-phone-" + tab)
		}
	}

	// Each text is in the direction of its own script, and the page in that of English.
	v.Finds(`getComputedStyle(document.body).direction === "ltr"`)
	v.Finds(`[...document.querySelectorAll("#ticket-subject, #ticket-facts .pill, #ticket-facts bdi, #tickets [data-id='2'] b, #tickets [data-id='2'] bdi, #ticket-log .by b, #chat-log .agent :is(b, .card > span, button, option)")]
		.filter((element) => /[\u0600-\u06ff]/.test(element.textContent) !== (getComputedStyle(element).direction === "rtl")).length === 0`)
	v.Finds(`document.querySelectorAll("#ticket-facts bdi").length > 2 && document.querySelectorAll("#chat-log .agent option").length === 2`)
	for _, field := range []string{"chat-text", "reply-text", "handover-title", "handover-description"} {
		v.Finds(fmt.Sprintf(`getComputedStyle(document.getElementById(%q)).unicodeBidi === "plaintext"`, field))
	}
	v.Finds(`getComputedStyle(document.getElementById("hand-body")).unicodeBidi !== "plaintext"`)
}

// On a screen that is small both ways, such as one at 200 % or a phone on its side, each part is higher than the screen rather than its
// list too low to be read.
func TestShortScreensInBrowser(t *testing.T) {
	desk := &paperDesk{entries: map[string][]Entry{}}
	w := newWorld(t, func(o *Options) { o.Desk = desk })
	v := visit(t, w.url)
	desk.put(w, Ticket{ID: "1", Subject: "Lost", Status: "open", From: "Omar"}, message.Text{Text: "Where is it?"})
	desk.put(w, Ticket{ID: "2", Subject: "Refund", Status: "open", From: "Jane"}, message.Text{Text: "I want my money back."})
	fill(w, 30, 30)
	v.Sees("rows", "getOrCreateMessage")
	for _, screen := range []chromium.Screen{{Width: 640, Height: 360}, {Width: 320, Height: 256}, {Width: 667, Height: 375, Phone: true}, {Width: 360, Height: 740, Phone: true}} {
		v.Shows(screen)
		for tab, parts := range map[string]struct{ list, last string }{
			"chat": {"chat-log", "chat-form"}, "desk": {"ticket-log", "reply-form"}, "wire": {"rows", "rows"},
		} {
			v.Clicks("nav [data-tab=" + tab + "]")
			v.Finds(`document.querySelector("main").scrollTop === 0`)
			v.Picture(fmt.Sprintf("short-%dx%d-%s", screen.Width, screen.Height, tab))
			v.Finds(fmt.Sprintf(`((list, pane) => list.clientHeight >= 120 && list.clientHeight < innerHeight && pane.scrollHeight === pane.clientHeight)(
				document.getElementById(%q), document.getElementById(%q))`, parts.list, tab))
			v.Finds(fmt.Sprintf(`((end) => { // All of it can be scrolled into sight, and the tabs stay there.
				end.scrollIntoView({block: "end"});
				return end.getBoundingClientRect().bottom <= document.querySelector(".tabs").getBoundingClientRect().top + 1
					&& document.querySelector(".tabs").getBoundingClientRect().bottom <= innerHeight && document.documentElement.scrollWidth === innerWidth;
			})(document.getElementById(%q))`, parts.last))
		}
	}
	v.Shows(chromium.Screen{Width: 640, Height: 360})
	v.Clicks("nav [data-tab=wire]")
	v.Clicks("#rows [role=option]:last-of-type")
	v.Finds(`document.activeElement.matches(".back") && document.getElementById("detail").clientHeight >= 120`)
	v.Picture("short-detail")
}
