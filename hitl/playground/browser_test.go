package playground

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hitl-go/sdk/internal/chromium"
	"github.com/hitl-go/sdk/message"
)

const pictures = "../../.cache/screenshots"

// visit opens a page in a browser, or skips the test without one.
func visit(t *testing.T, address string) *chromium.Visitor {
	t.Helper()
	return visitor(t)(address)
}

// visitor starts a browser, which opens each page in a tab of its own.
func visitor(t *testing.T) func(address string) *chromium.Visitor {
	t.Helper()
	path, ok := chromium.Path()
	if !ok {
		t.Skip(t.Name(), chromium.HowTo)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	browser, err := chromium.Launch(ctx, path, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := browser.Close(); err != nil {
			t.Error(err)
		}
	})
	return func(address string) *chromium.Visitor {
		t.Helper()
		page, err := browser.Open(ctx, address, chromium.Screen{Width: 1440, Height: 900})
		if err != nil {
			t.Fatal(err)
		}
		return &chromium.Visitor{T: t, Page: page, Context: ctx, Pictures: pictures}
	}
}

// A browser has six connections to a host. There may be more tabs, and each shows what is new when it is in sight.
func TestManyTabsInBrowser(t *testing.T) {
	w := newWorld(t)
	visit := visitor(t)
	var tabs []*chromium.Visitor
	for range 8 {
		tabs = append(tabs, visit(w.url))
	}
	for range 2 {
		for _, v := range tabs {
			fill(w, 0, 1)
			v.Must(v.Page.BringToFront(v.Context))
			v.Finds(fmt.Sprintf(`!document.hidden && document.getElementById("link").textContent === "live" && parseInt(document.getElementById("wire-count").textContent) >= %d`,
				len(w.state().Rows))) // The integration makes calls on its own, so there may be more.
		}
	}
	for _, v := range tabs {
		for _, problem := range v.Complaints(w.url) {
			t.Error(problem)
		}
	}
}

// The page of a program that was started again is the new one's. What somebody has written is still there.
func TestAnotherRunInBrowser(t *testing.T) {
	first := newWorld(t)
	var routes atomic.Value
	routes.Store(protected(first.routes()))
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { routes.Load().(http.Handler).ServeHTTP(w, r) })) //nolint:forcetypeassert // Stored above.
	defer front.Close()
	defer front.CloseClientConnections()
	v := visit(t, front.URL)
	v.Sees("rows", "register")
	v.Clicks("#rows [role=option]")
	v.Sees("detail", "Copy as curl")
	v.Eval(`document.getElementById("hand-template").focus()`, nil)
	v.Presses("ArrowDown")
	v.Eval(`document.getElementById("hand-body").value += "mine"`, nil)
	v.Clicks("#wire-filter")
	v.Must(v.Page.Type(v.Context, "regi"))
	v.Clicks("#chat-text")
	v.Must(v.Page.Type(v.Context, "Dear bot"))

	second := newWorld(t, func(o *Options) { o.Webhooks = append(acmeWebhooks()[1:], Webhook{Name: "Snoozed"}) })
	second.about.Title = "Acme Desk, changed"
	routes.Store(protected(second.routes()))
	front.CloseClientConnections()
	v.SeesWithin(20*time.Second, "title", "Acme Desk, changed")
	v.Sees("detail", "Nothing selected")
	v.Sees("hand-template", "Snoozed")
	v.Finds(`document.getElementById("chat-text").value === "Dear bot" && document.getElementById("wire-filter").value === "regi" &&` +
		`document.getElementById("hand-template").selectedOptions[0].text === "Reply" && document.getElementById("hand-body").value.endsWith("mine")`)
	v.Finds(`/^1 of /.test(document.getElementById("wire-count").textContent)`)
	v.Finds(`document.getElementById("link").textContent === "live" && sessionStorage.length === 0`)
}

// The form of a session says what its schema allows: false, empty texts, defaults, and nothing.
func TestHandOverInBrowser(t *testing.T) {
	w := newWorld(t)
	w.about.Session = json.RawMessage(`{"type": "object", "required": ["urgent", "topic", "order"], "properties": {
		"urgent": {"type": "boolean"}, "loud": {"type": "boolean", "default": true}, "vip": {"type": "boolean"},
		"topic": {"type": "string"}, "order": {"type": "string", "minLength": 1}, "note": {"type": "string", "default": "Hello"}, "aside": {"type": "string"},
		"level": {"type": "integer", "minimum": 1, "maximum": 5, "default": 2}, "count": {"type": "integer"},
		"team": {"type": "string", "enum": ["a", "b"], "default": "b"}, "shift": {"enum": ["", "late"]}, "tags": {"type": "array", "default": ["new"]}}}`)
	v := visit(t, w.url)
	v.Sees("link", "live")
	v.Eval(`window.said = [], window.fetch = async (what, how) => { said.push(JSON.parse(how.body).session); return new Response(null, {status: 204}); }`, nil)
	sends := func(change, want string) {
		t.Helper()
		v.Finds(`!document.getElementById("handover-open").hidden`)
		v.Clicks("#handover-open")
		v.Eval(`{ const field = (name) => document.querySelector("#handover-session [name=" + name + "]"); `+change+` }`, nil)
		v.Clicks("#handover .primary")
		v.Finds(`!document.getElementById("handover").open`)
		v.Finds(fmt.Sprintf(`JSON.stringify(said.at(-1)) === JSON.stringify(%s)`, want))
	}
	sends(`field("order").value = "4711"`, `{urgent: false, loud: true, topic: "", order: "4711", note: "Hello", level: 2, team: "b", tags: ["new"]}`)
	sends(`field("urgent").checked = true; field("loud").checked = false; field("vip").value = "false"; field("note").value = ""; field("aside").value = "x";
		field("order").value = "4711"; field("level").value = ""; field("count").value = "0"; field("team").value = ""; field("shift").selectedIndex = 1; field("tags").value = "[]"`,
		`{urgent: true, loud: false, vip: false, topic: "", order: "4711", note: "", aside: "x", count: 0, shift: "", tags: []}`)
	v.Clicks("#handover-open")
	v.Picture("hand-over")
	for _, invalid := range []string{`order = ""`, `level = "0"`, `level = "6"`} {
		name, value, _ := strings.Cut(invalid, " = ")
		v.Finds(fmt.Sprintf(`((field) => { const before = field.value; field.value = %s; const valid = field.checkValidity(); field.value = before; return !valid; })`+
			`(document.querySelector("#handover-session [name=%s]"))`, value, name))
	}
}

// What was written is there until it has been sent.
func TestWrittenInBrowser(t *testing.T) {
	w := newWorld(t)
	w.about.Session = json.RawMessage(`{"type": "object", "properties": {"priority": {"type": "integer"}}}`) // The integration wants a text.
	v := visit(t, w.url)
	v.Sees("link", "live")
	const payload = `document.querySelector("#attach [name=json]")`
	writes := func(text string) {
		v.Eval(fmt.Sprintf(`%s.value = %q, %[1]s.dispatchEvent(new Event("input"))`, payload, text), nil)
		v.Clicks("#attach .primary")
	}
	chooses := func(n int) { v.Clicks(fmt.Sprintf("#attach-types label:nth-of-type(%d)", n)) }
	const image, choice = 1, 9
	v.Clicks("#chat-attach")
	chooses(choice)
	writes(`{"text": "Mine",}`)
	v.Finds(`document.getElementById("attach").open && ` + payload + `.validationMessage.startsWith("This is no JSON")`)
	v.Picture("no-json")
	v.Eval(`window.working = window.fetch, window.fetch = async () => { throw new Error("out of order"); }`, nil)
	writes(`{"text": "Mine", "options": []}`)
	v.Sees("toasts", "out of order")
	v.Finds(`!document.getElementById("attach").open`)
	v.Eval(`window.fetch = window.working`, nil)
	v.Clicks("#chat-attach")
	chooses(image)
	v.Finds("!" + payload)
	chooses(choice)
	v.Finds(payload + `.value === '{"text": "Mine", "options": []}'`)
	v.Clicks("#attach .primary")
	v.Sees("chat-log", "Mine")
	v.Clicks("#chat-attach")
	v.Finds(payload + `.value.includes("4712")`)
	v.Clicks("#attach .cancel")

	v.Clicks("#handover-open")
	v.Must(v.Page.Type(v.Context, "My title"))
	v.Eval(`document.querySelector("[name=priority]").value = 7`, nil)
	v.Clicks("#handover .primary")
	v.Sees("chat-log", "The session could not be started")
	v.Finds(`!document.getElementById("handover-open").hidden`)
	v.Clicks("#handover-open")
	v.Finds(`document.getElementById("handover-title").value === "My title" && document.querySelector("[name=priority]").value === "7"`)
	v.Eval(`document.querySelector("[name=priority]").value = ""`, nil)
	v.Clicks("#handover .primary")
	v.Finds(`!document.getElementById("chat-end").hidden`)
	v.Clicks("#chat-end")
	v.Finds(`!document.getElementById("handover-open").hidden`)
	v.Clicks("#handover-open")
	v.Finds(`document.getElementById("handover-title").value === "I would like to talk to a human."`)
	v.Clicks("#handover .cancel")

	v.Eval(`document.getElementById("hand-body").value += "mine", document.getElementById("hand-template").focus()`, nil)
	v.Presses("ArrowDown")
	v.Finds(`document.getElementById("hand-body").value.includes("comment")`)
	v.Presses("ArrowUp")
	v.Finds(`document.getElementById("hand-body").value.endsWith("mine")`)
}

// What is written one after the other arrives so, and a filtered list has the order of time.
func TestOrderInBrowser(t *testing.T) {
	desk := &paperDesk{entries: map[string][]Entry{}}
	w := newWorld(t, func(o *Options) { o.Desk = desk })
	desk.put(w, Ticket{ID: "1", Subject: "Lost"}, message.Text{Text: "Where is it?"})
	v := visit(t, w.url)
	v.Sees("ticket-log", "Where is it?")
	v.Eval(`window.working = window.fetch, window.late = 200, window.fetch = async (...what) => {
		await new Promise((done) => setTimeout(done, late -= 20)); // Each is faster than the one before.
		return working(...what);
	}`, nil)
	for _, id := range []string{"chat-text", "reply-text"} {
		v.Eval(fmt.Sprintf(`for (const text of ["one", "two", "three", "four"]) {
			const field = document.getElementById(%q);
			field.value = text;
			field.form.requestSubmit();
		}`, id), nil)
	}
	v.Finds(`[...document.querySelectorAll("#chat-log .user .body")].map((said) => said.textContent).join(" ") === "one two three four"`)
	v.Finds(`[...document.querySelectorAll("#ticket-log .agent .body")].map((said) => said.textContent).join(" ") === "one two three four"`)
	v.Eval(`window.fetch = working`, nil)

	v.Clicks("#wire-filter")
	v.Must(v.Page.Type(v.Context, "418"))
	slow := w.view.begin(exchange{row: row{From: atBotpress, To: atIntegration, Operation: "slow"}})
	for range 3 {
		w.view.end(w.view.begin(exchange{row: row{From: atBotpress, To: atIntegration, Operation: "fast"}}), outcome{status: http.StatusTeapot})
	}
	v.Finds(`document.querySelectorAll("#rows .row").length === 3`)
	w.view.end(slow, outcome{status: http.StatusTeapot})
	v.Finds(`document.querySelectorAll("#rows .row").length === 4 && document.querySelector("#rows .row").textContent.includes("slow")`)
	for _, problem := range v.Complaints(w.url) {
		t.Error(problem)
	}
}

// A page that receives the whole state again, such as after a break of its connection, shows and announces only what is new.
func TestStateAgainInBrowser(t *testing.T) {
	w := newWorld(t)
	w.view.setTicket(Ticket{ID: "early", Subject: "An early one"})
	fill(w, 40, 100)
	w.view.addEntries("full", 40, []Entry{{Author: "Jane", By: EndUser, Message: message.Text{Text: strings.Repeat("A long text. ", 100)}}})
	v := visit(t, w.url)
	v.Sees("ticket-log", "Show all of it")
	v.Sees("chat-log", "Message 39 ")
	v.Eval(`document.querySelector(".unfold").click()`, nil)
	w.view.addEntries("early", 0, []Entry{{Author: "Omar", By: EndUser, Message: message.Text{Text: "Hello?"}}})
	v.Sees("tickets", "An early one")
	v.Finds(`document.querySelector("#tickets .unread")`)
	const boxes = `["chat-log", "ticket-log", "rows"].map((id) => document.getElementById(id))`
	v.Eval(`(async () => {
		const frame = () => new Promise(requestAnimationFrame);
		for (const box of `+boxes+`) box.scrollTop = 0;
		await frame(), await frame();
		window.added = [];
		for (const box of `+boxes+`) new MutationObserver((changes) => added.push(...changes.flatMap((change) => [...change.addedNodes]))).observe(box, {childList: true});
	})()`, nil)

	w.view.mu.Lock()
	for watcher := range w.view.watchers {
		watcher.behind = true
	}
	w.view.mu.Unlock()
	w.view.addChat(w.currentUser().UserID(), chatMessage{From: Bot, Message: message.Envelope{Message: message.Text{Text: "One more"}}, At: time.Now()})
	v.Sees("chat-log", "One more")
	v.Finds(`added.length === 1 && added[0].textContent.includes("One more")`)
	v.Finds(boxes + `.every((box) => box.scrollTop === 0 && box.scrollHeight > box.clientHeight)`)
	v.Finds(`!document.querySelector("#ticket-log .folded") && document.querySelector("#tickets .unread")`)
	for _, problem := range v.Complaints(w.url) {
		t.Error(problem)
	}
}

// A session without Options.Desk: the test sends the webhooks.
func TestByHandInBrowser(t *testing.T) {
	w := newWorld(t)
	v := visit(t, w.url)
	v.Sees("desk-empty", "Play the desk with the webhooks below")
	v.Sees("simulation", "This program simulates Botpress.")
	v.Clicks("#chat-suggestions button:nth-of-type(2)")
	v.Sees("chat-log", "Parcel 4712")
	v.Picture("by-hand-0")
	v.Clicks("#chat-suggestions button:nth-of-type(3)") // They are still there.
	v.Sees("chat-log", "Where shall we leave it?")
	v.Types("#chat-text", "Can I talk to a human?")
	v.Sees("ticket-subject", "Show me a carousel (T-1)")
	v.Sees("ticket-log", "Where shall we leave it?")
	v.Finds(`document.querySelector("#ticket-log .entry").textContent.includes("Show me a carousel")`) // What was said before comes first.
	v.Finds(`document.getElementById("chat-suggestions").hidden`)                                      // The agent does not know them.
	v.Clicks("#hand .primary")
	v.Sees("chat-log", "A human agent has joined")
	v.Eval(`document.getElementById("hand-template").focus()`, nil)
	v.Presses("ArrowDown")
	v.Clicks("#hand .primary")
	v.Sees("chat-log", "How can I help?")
	v.Types("#chat-text", "It is lost.")
	v.Sees("ticket-log", "It is lost.")
	v.Clicks("#rows [role=option]:last-of-type")
	v.Picture("by-hand-1")
	v.Eval(`document.getElementById("hand-body").value = "no JSON"`, nil)
	v.Clicks("#hand .primary")
	v.Sees("hand-answer", "Answered 400: Acme Desk sent a webhook that is no JSON")
	countsHeaders(w, v)
	readsRowsInOrder(v)
	for name, height := range map[string]int{"upright": 1180, "flat": 600} { // On a tablet, end user and desk are next to each other.
		v.Shows(chromium.Screen{Width: 800, Height: height})
		v.Eval(`document.querySelector(".back").click()`, nil)
		v.Picture("by-hand-2-tablet-" + name)
		v.Finds(`document.getElementById("chat").offsetWidth > 280 && document.getElementById("desk").offsetWidth > 280`)
	}
	v.Shows(chromium.Screen{Width: 390, Height: 844, Phone: true})
	v.Clicks("nav [data-tab=desk]")
	v.Picture("by-hand-3-phone-desk")
	v.Clicks("nav [data-tab=wire]")
	v.Finds(`document.getElementById("fault-outage-tip").offsetHeight > 0`) // Nothing hovers over a phone.
	v.Picture("by-hand-3-phone-requests")
	v.Shows(chromium.Screen{Width: 1440, Height: 900})
	for _, problem := range v.Complaints(w.url) {
		t.Error(problem)
	}
}

// countsHeaders looks at a request with one header, and one with more.
func countsHeaders(w *world, v *chromium.Visitor) {
	v.T.Helper()
	for n, want := range []string{"0 headers", "1 header", "2 headers"} {
		header := http.Header{}
		for i := range n {
			header.Set(fmt.Sprintf("X-%d", i), "x")
		}
		seq := w.view.begin(exchange{row: row{From: atDesk, To: atBotpress, Operation: want}, header: header})
		w.view.end(seq, outcome{status: http.StatusOK})
		v.Sees("rows", want)
		v.Clicks("#rows [role=option]:last-of-type")
		v.Finds(fmt.Sprintf(`document.querySelector("#detail summary")?.textContent === %q && document.querySelector("#detail h3").textContent.includes(%[1]q)`, want))
	}
}

// What is shown of a body is what was sent: digits that no JavaScript number has, keys in their order, and those that come twice.
func TestBodiesInBrowser(t *testing.T) {
	w := newWorld(t)
	v := visit(t, w.url)
	const body = `{"z":9007199254740993,"10":1.0,"2":[],"x":1,"x":{"y":[true,{}]},"text":"{\"id\":1234567890123456789}","quoted":"a \"{\" \u00e9"}`
	const want = "{\n  \"z\": 9007199254740993,\n  \"10\": 1.0,\n  \"2\": [],\n  \"x\": 1,\n  \"x\": {\n    \"y\": [\n      true,\n      {}\n    ]\n  },\n" +
		"  \"text\": JSON in a text: {\n    \"id\": 1234567890123456789\n  },\n  \"quoted\": \"a \\\"{\\\" é\"\n}"
	for _, tt := range []struct{ body, want string }{
		{body, want},
		{"[" + strings.Repeat(" ", 120_000) + "9007199254740993]", "[\n  9007199254740993\n]"},
		{`"a"`, `"a"`},
		{"no {json", "no {json"},
		{"[[],{}]", "[\n  [],\n  {}\n]"},
	} {
		seq := w.view.begin(exchange{row: row{From: atDesk, To: atBotpress, Operation: "body"}, body: []byte(tt.body)})
		w.view.end(seq, outcome{status: http.StatusOK})
		v.Finds(fmt.Sprintf(`document.getElementById("row-%d")`, seq))
		v.Clicks(fmt.Sprintf("#row-%d", seq))
		v.Finds(fmt.Sprintf(`document.querySelector("#detail .json")?.textContent === %q`, tt.want))
	}
	const levels = 5_000
	seq := w.view.begin(exchange{row: row{From: atDesk, To: atBotpress, Operation: "body"}, body: []byte(strings.Repeat("[", levels) + strings.Repeat("]", levels))})
	v.Finds(fmt.Sprintf(`document.getElementById("row-%d")`, seq))
	v.Clicks(fmt.Sprintf("#row-%d", seq))
	v.Finds(fmt.Sprintf(`((text) => text.length < %d && text.replace(/\s/g, "").length === %d)(document.querySelector("#detail .json")?.textContent ?? "")`, 210*levels, 2*levels))
	for _, problem := range v.Complaints(w.url) {
		t.Error(problem)
	}
}

// A request that ends while its detail is read shows how it ended, and opens no detail that was closed.
func TestRequestThatEndsInBrowser(t *testing.T) {
	w := newWorld(t)
	v := visit(t, w.url)
	begin := func() (seq uint64) {
		seq = w.view.begin(exchange{row: row{From: atBotpress, To: atIntegration, Operation: "ping"}})
		v.Finds(fmt.Sprintf(`document.getElementById("row-%d")`, seq))
		return seq
	}
	first := begin()
	v.Clicks(fmt.Sprintf("#row-%d", first))
	v.Sees("detail", "under way")
	v.Eval(`document.querySelector("#detail .back").click()`, nil)
	w.view.end(first, outcome{status: http.StatusOK})
	v.Sees("detail", "200 after")
	v.Finds(`!document.body.classList.contains("reading")`)

	v.Eval(`window.quick = window.fetch, window.slow = 0, window.fetch = async (...what) => {
		const answer = await quick(...what), first = String(what[0]).includes("wire/") && !slow++;
		if (first) await new Promise((done) => { window.late = done; });
		return answer;
	}`, nil)
	second := begin()
	v.Clicks(fmt.Sprintf("#row-%d", second))
	v.Finds(`window.late`)
	w.view.end(second, outcome{status: http.StatusAccepted})
	v.Sees("detail", "202 after")
	v.Eval(`late(); new Promise((done) => setTimeout(done, 100))`, nil)
	v.Sees("detail", "202 after")
}

// readsRowsInOrder makes sure that the elements of the list are in the order of time, whichever way somebody has scrolled.
func readsRowsInOrder(v *chromium.Visitor) {
	v.T.Helper()
	for _, top := range []int{0, 300, 120, 10_000} {
		v.Eval(fmt.Sprintf(`document.getElementById("rows").scrollTop = %d; new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))`, top), nil)
		v.Finds(`((seqs) => seqs.length > 5 && seqs.every((seq, i) => i === 0 || seq === seqs[i - 1] + 1))(` +
			`[...document.querySelectorAll("#rows [role=option]")].map((row) => Number(row.dataset.seq)))`)
	}
}

// The page stays fast at its limits. The measurements are in the test's log.
func TestFullPageInBrowser(t *testing.T) {
	w := newWorld(t)
	v := visit(t, w.url)
	fill(w, maxMessages, maxRows)
	v.SeesWithin(10*time.Second, "wire-count", fmt.Sprintf("%d in all", maxRows))
	v.SeesWithin(10*time.Second, "chat-log", fmt.Sprintf("Message %d ", maxMessages-1))
	v.Eval(`document.getElementById("wire-count").textContent = "", location.reload()`, nil)
	v.SeesWithin(10*time.Second, "wire-count", fmt.Sprintf("%d in all", maxRows)) // The whole state at once.
	v.Picture("full")

	// The delay of a new message: from its time until a frame with it has been drawn.
	v.Eval(`window.delays = [];
		window.observer = new MutationObserver((changes) => {
			const said = changes.flatMap((change) => [...change.addedNodes]).map((node) => Date.parse(node.querySelector("time").dateTime));
			requestAnimationFrame(() => setTimeout(() => delays.push(...said.map((at) => Date.now() - at))));
		});
		observer.observe(document.getElementById("chat-log"), {childList: true});`, nil)
	const more = 40
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for range more {
		fill(w, 1, 5) // 20 messages and 100 requests a second.
		<-tick.C
	}
	v.Finds(fmt.Sprintf("delays.length >= %d", more))

	var took struct {
		Delay, Append, Frame     struct{ Median, Most float64 }
		Messages, Rows, Elements int
	}
	v.Eval(`(async () => {
		observer.disconnect();
		const frame = () => new Promise(requestAnimationFrame);
		const log = document.getElementById("chat-log"), rows = document.getElementById("rows"), appends = [], frames = [];
		for (let i = 0; i < 60; i++) { // The cost of one more message: its element, the removed one, and the layout.
			await frame();
			const begin = performance.now(), entries = log.getElementsByClassName("entry");
			log.append(entries[entries.length - 1].cloneNode(true));
			entries[0].remove();
			log.scrollTop = log.scrollHeight;
			appends.push(performance.now() - begin);
		}
		rows.scrollTop = 0;
		for (let i = 0, before = await frame(); i < 120; i++) { // Somebody scrolls through all requests.
			rows.scrollTop += rows.scrollHeight / 120;
			const now = await frame();
			frames.push(now - before);
			before = now;
		}
		const of = (list) => { const sorted = [...list].sort((a, b) => a - b); return {median: sorted[Math.floor(sorted.length / 2)], most: sorted.at(-1)}; };
		return {
			delay: of(delays), append: of(appends), frame: of(frames), messages: log.querySelectorAll(".entry").length,
			rows: rows.querySelectorAll("[role=option]").length, elements: document.querySelectorAll("*").length,
		};
	})()`, &took)
	t.Logf("%d messages, %d requests, %d elements: a message is drawn after %.0f ms (at most %.0f), costs %.1f ms of work (at most %.1f), "+
		"and a frame of scrolling takes %.0f ms (at most %.0f)", maxMessages, maxRows, took.Elements, took.Delay.Median, took.Delay.Most,
		took.Append.Median, took.Append.Most, took.Frame.Median, took.Frame.Most)
	if took.Messages != maxMessages || took.Rows > 100 {
		t.Errorf("the page has %d messages and %d rows", took.Messages, took.Rows)
	}
	if took.Delay.Most > 1000 || took.Append.Median > 16 || took.Frame.Median > 34 { // Half of what people notice, without a GPU.
		t.Error("the page is slow")
	}
	for _, problem := range v.Complaints(w.url) {
		t.Error(problem)
	}
}

// fill adds messages to the chat and to a ticket, and requests to the list.
func fill(w *world, messages, requests int) {
	for range requests {
		seq := w.view.begin(exchange{
			row: row{From: atIntegration, To: atBotpress, Operation: "getOrCreateMessage", Detail: "text"}, method: http.MethodPost, body: []byte(`{}`),
		})
		w.view.end(seq, outcome{status: http.StatusOK, body: []byte(`{}`)})
	}
	const ticket = "full"
	known := w.view.setTicket(Ticket{ID: ticket, Subject: "A long story"})
	user := w.currentUser().UserID()
	for i := range messages {
		n := known + i
		said := message.Text{Text: fmt.Sprintf("Message %d is a little longer, so that it needs more than one line on most screens.", n)}
		from := []Role{EndUser, Agent}[n%2]
		w.view.addEntries(ticket, n, []Entry{{Author: "Jane", By: from, Message: said, At: time.Now()}})
		w.view.addChat(user, chatMessage{From: from, Name: "Rosa", Message: message.Envelope{Message: said}, At: time.Now()})
	}
}
