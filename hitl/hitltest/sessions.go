package hitltest

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/hitl-go/sdk/hitl"
	"github.com/hitl-go/sdk/message"
)

// withLostAnswers runs something while the answers of the desk are lost, if the case has a Wire.
func (t *trial) withLostAnswers(do func()) {
	if w := t.suite.desk.Wire; w != nil {
		defer w.set(fault{kind: lose})()
	}
	do()
}

// withFailedRequests repeats a call on new replicas while one of its requests fails: the first one, then the second, and so on. A look-up
// that fails has found nothing, and so has an adapter that takes that for an answer.
func (t *trial) withFailedRequests(do func(adapter)) {
	w := t.suite.desk.Wire
	if w == nil {
		return
	}
	for n := 1; n <= maxFaulty; n++ {
		a := t.replica()
		before := w.count()
		repair := w.set(fault{kind: refuse, status: http.StatusServiceUnavailable, nth: n})
		do(a)
		repair()
		if w.count()-before < n {
			return // It needs no more requests.
		}
	}
}

func startTwice(t *trial) {
	a := t.replica()
	r := t.start(t.mustCreatePerson(a))
	var ids []string
	start := func(a adapter) error {
		ref, err := t.startHitl(a, r)
		if err == nil {
			ids = append(ids, ref.ID)
		}
		return err
	}
	t.withLostAnswers(func() { _ = start(a) }) // An error is fine.
	t.withFailedRequests(func(a adapter) { _ = start(a) })
	for range 2 {
		if err := start(t.replica()); err != nil {
			t.Fatalf("StartHitl failed when it was retried: %v", err)
		}
	}
	for _, id := range ids {
		if id != ids[0] {
			t.Fatalf("The same conversation became the sessions %q.", ids)
		}
	}
}

func startApart(t *trial) {
	a := t.replica()
	p := t.mustCreatePerson(a)
	one, other := t.mustStart(a, t.start(p)), t.mustStart(a, t.start(p))
	if one.ID == other.ID {
		t.Errorf("Two conversations of an end user are both the session %q.", one.ID)
	}
}

func startAnything(t *trial) {
	a := t.replica()
	p := t.mustCreatePerson(a)
	var everything, long []message.Turn
	for i, m := range t.everyMessage() {
		everything = append(everything, message.Turn{UserID: []string{p.id, ""}[i%2], Message: m})
	}
	everything = append(everything, message.Turn{UserID: p.id, Message: message.Bloc{Items: []message.BlocItem{message.Text{Text: "one"}}}})
	for i := range 1_000 {
		long = append(long, message.Turn{UserID: p.id, Message: message.Text{Text: fmt.Sprintf("%d %s", i, strings.Repeat("x", 100))}})
	}
	for _, start := range []struct {
		with               string
		title, description string
		history            []message.Turn
	}{
		{with: "nothing but the end user"},
		{"every type of message", "Title", "Description", everything},
		{"a description and a history of 100 kB", strings.Repeat("title ", 100), strings.Repeat("<description> & ", 7_000), long},
		{"a title of many lines", "One\nTwo\r\n\x00\u202eThree 👩‍👩‍👧‍👦 <b>&", "A\nB", nil},
	} {
		r := t.start(p)
		r.Title, r.Description, r.History = start.title, start.description, start.history
		if _, err := t.startHitl(a, r); err != nil {
			t.Errorf("A session with %s was not opened: %v", start.with, err)
		}
	}
}

func startHistory(t *trial) {
	a := t.replica()
	r, all := t.telling(t.mustCreatePerson(a))
	wire := t.suite.desk.Wire
	mark, before := wire.mark(), wire.count()
	s := Session{t.mustStart(a, r), r.ConversationID}
	t.mustHaveAsked(wire.count() > before)
	if missing := t.untold(all, mark, s); len(missing) > 0 {
		t.Errorf("StartHitl has not told the desk %s.", strings.Join(missing, ", "))
	}
}

func stopTwice(t *trial) {
	s := t.mustOpen(t.replica())
	if err := t.stopHitl(t.replica(), s.Session); err != nil {
		t.Fatalf("StopHitl failed: %v", err)
	}
	if err := t.stopHitl(t.replica(), s.Session); err != nil {
		t.Errorf("StopHitl failed when the session was over already: %v", err)
	}
}

func stopUnknown(t *trial) {
	a := t.replica()
	s := t.mustOpen(a).Session
	if vanish := t.suite.desk.Vanish; vanish != nil {
		vanish(s)
	} else {
		s.ID = unknownID(s.ID)
	}
	err := t.stopHitl(a, s)
	if own, ok := errors.AsType[*hitl.Error](err); err != nil && (!ok || !own.Gone) {
		t.Errorf("StopHitl failed for a session that the desk does not have: %v", err)
	}
}

func stopStaysClosed(t *trial) {
	open := t.suite.desk.Open
	a := t.replica()
	s := t.mustOpen(a)
	t.mustSend(a, newMessage(s, message.Text{Text: "Where is my order?"}))
	if !open(s.Session) {
		t.Fatalf("Desk.Open says that a session is over which was just opened.")
	}
	if err := t.stopHitl(a, s.Session); err != nil {
		t.Fatalf("StopHitl failed: %v", err)
	}
	if open(s.Session) {
		t.Fatalf("StopHitl has returned, and the session is still open in the desk.")
	}
	last := newMessage(s, message.Text{Text: "The user has ended the session."})
	last.UserID, last.Author, last.Name, last.Stopped = "", hitl.Ref{}, "Botty", true
	for range 2 { // It may be retried.
		_, _ = t.sendMessage(t.replica(), last) // Another rule is about errors.
	}
	if open(s.Session) {
		t.Errorf("The session was over, the bot said its last words, and now the session is open again.")
	}
}

// unknownID is an id of the same form, but of no session.
func unknownID(id string) string {
	other := strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return '9'
		}
		return r
	}, id)
	if other == id {
		other += "9"
	}
	return other
}

// everyMessage has each type of message but the bloc, and unusual ones. Their media can be downloaded.
func (t *trial) everyMessage() []message.Message {
	at := t.media()
	card := message.Card{Title: "Card", Subtitle: "Sub", ImageURL: at + "/a.png", Actions: []message.Action{
		{Kind: message.ActionURL, Label: "Open", Value: "https://example.com"}, {Kind: "tomorrow", Label: "?", Value: "?"},
	}}
	options := []message.Option{{Label: "Yes", Value: "y"}, {Label: "No", Value: "n"}}
	return []message.Message{
		message.Text{Text: "Hello"},
		message.Markdown{Markdown: "**Hello**"},
		message.Image{ImageURL: at + "/a.png", Title: "A picture"},
		message.Image{ImageURL: at + "/missing.png"},
		message.Audio{AudioURL: at + "/a.mp3"},
		message.Video{VideoURL: at + "/a.mp4"},
		message.File{FileURL: at + "/a.pdf", Title: "../A file/with a strange name?.pdf"},
		message.File{FileURL: "no address at all"},
		message.Location{Latitude: 45.5, Longitude: -73.6, Address: "Montréal"},
		card,
		message.Carousel{Items: []message.Card{card, {Title: "Bare"}}},
		message.Carousel{},
		message.Choice{Text: "Sure?", Options: options},
		message.Dropdown{Text: "Which?", Options: options},
		message.Text{},
		message.Unknown{Kind: "tomorrow", Payload: json.RawMessage(`{"a":[1,{"b":null}]}`)},
		message.Unknown{Kind: "tomorrow"},
		message.Unknown{Payload: json.RawMessage(`null`)},
	}
}
