package hitltest

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"unicode"

	"github.com/hitl-go/sdk/hitl"
	"github.com/hitl-go/sdk/message"
)

// media serves small files until the trial ends, and returns their base URL.
func (t *trial) media() string {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		kind, ok := map[string]string{"/a.png": "image/png", "/a.mp3": "audio/mpeg", "/a.mp4": "video/mp4", "/a.pdf": "application/pdf"}[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", kind)
		_, _ = fmt.Fprint(w, "not really ", kind)
	}))
	t.Cleanup(srv.Close)
	return srv.URL
}

func messageTypes(t *trial) {
	a := t.replica()
	s := t.mustOpen(a)
	all := t.everyMessage()
	if t.suite.joinBlocs {
		all = append(all, message.Bloc{Items: []message.BlocItem{message.Text{Text: "Look:"}, message.Image{ImageURL: t.media() + "/a.png"}}})
	}
	for _, m := range all {
		before := t.heardSoFar(s.Session)
		switch _, err := t.sendMessage(a, newMessage(s, m)); {
		case err != nil && !permanent(err):
			t.Errorf("A message of the type %q was neither accepted nor rejected with a *hitl.Error that is final: %v", m.Type(), err)
		case err == nil && message.PlainText(m) != "" && t.suite.desk.Heard != nil && t.heardSoFar(s.Session) == before:
			t.Errorf("A message of the type %q was accepted, and the desk has not heard it: %q", m.Type(), message.PlainText(m))
		}
	}
}

func messageParts(t *trial) {
	a := t.replica()
	s := t.mustOpen(a)
	r := newMessage(s, nil)
	ids := map[string]string{} // The texts sent, by the desk's id.
	for part := range 3 {
		word := unique("part")
		r.Part, r.Message = part, message.Text{Text: word}
		ref := t.mustSend(a, r)
		if other := ids[ref.ID]; ref.ID != "" && other != "" {
			t.Errorf("The messages %s and %s are both %q in the desk.", other, word, ref.ID)
		}
		ids[ref.ID] = word
		if t.suite.desk.Heard == nil {
			continue
		}
		if n := t.heard(s.Session, word); n != 1 {
			t.Errorf("Part %d of a bloc, %q, is in the desk %d times.", part, word, n)
		}
	}
	word := unique("another")
	if ref := t.mustSend(a, newMessage(s, message.Text{Text: word})); ref.ID != "" && ids[ref.ID] != "" {
		t.Errorf("The messages %s and %s are both %q in the desk.", ids[ref.ID], word, ref.ID)
	}
}

func messageTwice(t *trial) {
	a := t.replica()
	s := t.mustOpen(a)
	word := unique("twice")
	r := newMessage(s, message.Text{Text: word})
	var ids []string
	send := func(a adapter) error {
		ref, err := t.sendMessage(a, r)
		if err == nil {
			ids = append(ids, ref.ID)
		}
		return err
	}
	t.withLostAnswers(func() { _ = send(a) })
	t.withFailedRequests(func(a adapter) { _ = send(a) })
	for range 2 {
		if err := send(t.replica()); err != nil {
			t.Fatalf("SendMessage failed when it was retried: %v", err)
		}
	}
	for _, id := range ids {
		if id != ids[0] {
			t.Errorf("The same message was given the ids %q.", ids)
			break
		}
	}
	switch {
	case t.suite.desk.Heard != nil:
		if n := t.heard(s.Session, word); n != 1 {
			t.Errorf("The message %q was sent again after its answer was lost, and after a request that failed, and is in the desk %d times.", word, n)
		}
	case ids[0] == "":
		t.skip("the case has no Desk.Heard, and SendMessage returns no ids")
	}
}

func botSpeaks(t *trial) {
	a := t.replica()
	s := t.mustOpen(a)
	words := func(text, name string) hitl.SendMessageRequest {
		r := newMessage(s, message.Text{Text: text})
		r.UserID, r.Author, r.Name = "", hitl.Ref{}, name
		return r
	}
	for _, name := range []string{"Botty", ""} {
		if _, err := t.sendMessage(a, words("I am still here.", name)); err != nil {
			t.Errorf("A message of the bot failed when the bot's name is %q: %v", name, err)
		}
	}
	if err := t.stopHitl(a, s.Session); err != nil {
		t.Fatalf("StopHitl failed: %v", err)
	}
	last := words("( The user has ended the session. )", "Botty")
	last.Stopped = true
	if _, err := t.sendMessage(a, last); err != nil {
		t.Errorf("A message of the bot after the end of the session failed: %v", err)
	}
}

func longText(t *trial) {
	most := 100_000
	if t.suite.maxText > 0 {
		most = min(most, t.suite.maxText)
	}
	text, words := numbered("word", most, t.suite.textUnit)
	a := t.replica()
	s := t.mustOpen(a)
	before := len(t.suite.desk.Heard(s.Session))
	_, err := t.sendMessage(a, newMessage(s, message.Text{Text: text}))
	if err != nil {
		if !permanent(err) {
			t.Errorf("A text of %d bytes was neither accepted nor rejected with a *hitl.Error that is final: %v", len(text), err)
		}
		return
	}
	t.mustHave(s.Session, before, text, words)
}

func splitText(t *trial) {
	if t.suite.maxText <= 0 {
		t.skip("the Definition has no MaxText")
	}
	const beyond = 100_000 // Enough of a long text.
	text, words := numbered("дом👍", min(3*t.suite.maxText, t.suite.maxText+beyond), t.suite.textUnit)
	u := t.escalate()
	s := u.Session()
	before := len(t.suite.desk.Heard(s))
	var mu sync.Mutex
	var sent []hitl.SendMessageRequest
	var refs []hitl.Ref
	t.in.watch(watchers{sent: func(r hitl.SendMessageRequest, ref hitl.Ref) {
		mu.Lock()
		defer mu.Unlock()
		if r.ConversationID == s.ConversationID {
			t.note("SendMessage %s → %s", summary(r), summary(ref))
			sent, refs = append(sent, r), append(refs, ref)
		}
	}})
	defer t.in.watch(watchers{})
	u.Say(text)
	t.mustHave(s, before, text, words)

	mu.Lock()
	defer mu.Unlock()
	for i, r := range sent {
		if n := t.suite.textUnit.Len(message.PlainText(r.Message)); n > t.suite.maxText {
			t.Errorf("The Definition has a MaxText of %d, and SendMessage was given a text of %d.", t.suite.maxText, n)
		}
		for j, other := range sent[:i] {
			if refs[i].ID != "" && refs[i].ID == refs[j].ID && r.Part != other.Part {
				t.Errorf("The parts %d and %d of a long text are both %q in the desk.", other.Part, r.Part, refs[i].ID)
			}
		}
	}
}

// numbered is a text of numbered words, at most so long.
func numbered(word string, most int, unit message.Unit) (text string, words []string) {
	var b strings.Builder
	for length := 0; ; {
		next := fmt.Sprintf("%s%05d ", word, len(words))
		if length += unit.Len(next); length > most {
			return b.String(), words
		}
		b.WriteString(next)
		words = append(words, strings.TrimSpace(next))
	}
}

// mustHave checks that the desk has the words of a text, in order, in the messages after the first ones.
func (t *trial) mustHave(s Session, before int, text string, words []string) {
	t.Helper()
	after := t.suite.desk.Heard(s)
	all := strings.Join(after[min(before, len(after)):], "\n")
	for i, word := range words {
		_, rest, found := strings.Cut(all, word)
		if !found {
			t.Errorf("Of a text of %d bytes, the desk has only the first %d words of %d.", len(text), i, len(words))
			return
		}
		all = rest
	}
}

func strangeText(t *trial) {
	a := t.replica()
	for _, strange := range []struct{ what, text string }{
		{"emoji", "family 👩‍👩‍👧‍👦, thumb 👍🏽, flag 🇩🇪, rainbow 🏳️‍🌈, Scotland 🏴󠁧󠁢󠁳󠁣󠁴󠁿"},
		{"accents that stand alone", "e\u0301 n\u0303 Z\u0351\u036b\u0343"},
		{"Hebrew and Arabic", "שלום, קוראים לי דנה (42). مرحبا، أين طلبي؟"},
		{"Chinese, Japanese and Korean", "你好 こんにちは 안녕하세요 𠮷"},
		{"lines", "first\r\nsecond\nthird\n\nfourth\ttabbed"},
		{"control characters", "bell\x07 null\x00 escape\x1b delete\x7f end"},
		{"markup", "<b>bold</b> &amp; &lt; <script>alert(1)</script> [link](https://example.com) *stars* `ticks`"},
		{"templates and queries", `{{ticket.id}} ${x} %s %d \n \u0041 '; DROP TABLE tickets; --`},
	} {
		s := t.mustOpen(a)
		if _, err := t.sendMessage(a, newMessage(s, message.Text{Text: strange.text})); err != nil {
			t.Errorf("A text with %s was rejected: %v", strange.what, err)
			continue
		}
		want, lines := normalized(strange.text), t.suite.desk.Heard(s.Session)
		if !strings.Contains(normalized(strings.Join(lines, "\n")), want) {
			last := ""
			if len(lines) > 0 {
				last = lines[len(lines)-1]
			}
			t.Errorf("A text with %s was changed.\nsent:  %+q\nheard: %+q", strange.what, strange.text, last)
		}
	}
}

// normalized is a text without what desks may change: invisible characters, and the width of white space.
func normalized(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case unicode.IsControl(r), r == unicode.ReplacementChar, unicode.Is(unicode.Bidi_Control, r), r == '\ufeff':
			return -1
		}
		return r
	}, s)
	return strings.Join(strings.Fields(s), " ")
}
