package hitltest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/hitl-go/sdk/hitl"
	"github.com/hitl-go/sdk/message"
)

// backfill reads a session back. The adapter is a [hitl.Backfiller].
func (t *trial) backfill(a adapter, s Session, since time.Time) ([]hitl.Event, error) {
	t.Helper()
	desk, _ := optional[hitl.Backfiller](a) // The rule is for backfillers.
	r := hitl.BackfillRequest{ConversationID: s.ConversationID, Session: s.Ref, Since: since}
	return ask(t, "Backfill", r, func(ctx context.Context) ([]hitl.Event, error) {
		events, err := desk.Backfill(ctx, r)
		identify(ctx, desk, events)
		return events, errors.Join(err, load(ctx, events))
	})
}

// identify asks an [hitl.AgentReader] who has written, as the server does. Who is no agent is nobody.
func identify(ctx context.Context, desk any, events []hitl.Event) {
	reader, ok := desk.(hitl.AgentReader)
	for i, e := range events {
		r, isReply := e.(hitl.Replied)
		if !ok || !isReply || r.Author.ID == "" || r.Author.Name != "" {
			continue
		}
		if read, err := reader.ReadAgent(ctx, r.Author.ID); err == nil && read.ID == "" {
			r.Author = hitl.Agent{}
			events[i] = r
		}
	}
}

func (t *trial) mustBackfill(s Session, since time.Time) []hitl.Event {
	t.Helper()
	events, err := t.backfill(t.replica(), s, since)
	if err != nil {
		t.Fatalf("Backfill failed: %v", err)
	}
	return events
}

// agentSays has the agent say something in the desk. It returns the ids that the webhook gives it, if there is one.
func (t *trial) agentSays(a adapter, s Session, text string) (ids []string) {
	t.Helper()
	desk := t.suite.desk
	if desk.Replied == nil {
		desk.Act(s, text)
		return nil
	}
	for _, e := range replies(t.mustHandle(a, t.report(desk.Replied(s, text))).Events, text) {
		ids = append(ids, e.ID)
	}
	return ids
}

// replies are what agents say that contains a text.
func replies(events []hitl.Event, text string) (all []hitl.Replied) {
	for _, e := range events {
		r, ok := e.(hitl.Replied)
		byAgent := r.Author.ID != "" || r.Author.Name != ""
		if ok && byAgent && strings.Contains(message.PlainText(r.Message), text) {
			all = append(all, r)
		}
	}
	return all
}

func backfillComplete(t *trial) {
	const most = 30 // More than the page of many an API.
	desk := t.suite.desk
	a := t.replica()
	begin := time.Now().Add(-time.Hour)
	s, other := t.mustOpen(a), t.mustOpen(a)
	var words []string
	ids := map[string][]string{} // From webhooks.
	for i := range most {
		word := unique(fmt.Sprintf("reply%02d", i))
		words, ids[word] = append(words, word), t.agentSays(a, s.Session, word)
	}
	elsewhere, spoken, noted := unique("elsewhere"), unique("spoken"), unique("noted")
	t.agentSays(a, other.Session, elsewhere)
	sent := t.mustSend(a, newMessage(s, message.Text{Text: spoken}))
	if desk.Note != nil {
		t.report(desk.Note(s.Session, noted))
	}
	if desk.Stopped != nil {
		t.report(desk.Stopped(s.Session))
	}

	events := t.mustBackfill(s.Session, begin)
	last, seen := -1, map[string]string{} // Words, by id.
	for _, word := range words {
		found := replies(events, word)
		if len(found) == 0 {
			t.Errorf("Agents said %d things, and of them Backfill did not return %q. It returned %d events.", most, word, len(events))
			break
		}
		r := found[0]
		at := slices.IndexFunc(events, func(e hitl.Event) bool { return len(replies([]hitl.Event{e}, word)) > 0 })
		switch {
		case r.ID == "":
			t.Fatalf("Backfill returned the reply %q without an ID.", word)
		case seen[r.ID] != "":
			t.Fatalf("Backfill returned the replies %q and %q with the same ID %q.", seen[r.ID], word, r.ID)
		case len(ids[word]) > 0 && !slices.Contains(ids[word], r.ID):
			t.Fatalf("The reply %q has the ID %q in the webhook, and in Backfill the ID %q: the end user would receive it twice.", word, ids[word], r.ID)
		case at < last:
			t.Errorf("Backfill did not return the oldest reply first: %q comes after what was said later.", word)
		}
		last, seen[r.ID] = at, word
	}
	for _, e := range events {
		if _, changed := e.(hitl.Changed); changed {
			t.Errorf("Backfill returned %#v, which asks to read back.", e)
		}
	}
	for _, r := range replies(events, spoken) {
		if r.ID != sent.ID {
			t.Errorf("What the end user said was returned by Backfill as an agent's, with the ID %q; SendMessage had returned %q.", r.ID, sent.ID)
		}
	}
	if n := len(replies(events, elsewhere)); n > 0 {
		t.Errorf("Backfill returned what was said in another session.")
	}
	if n := len(replies(events, noted)); n > 0 {
		t.Errorf("Backfill returned an internal note as an agent's reply.")
	}
	if stopped := slices.IndexFunc(events, isStopped); desk.Stopped != nil && stopped < last {
		t.Errorf("The agent said the last word and closed the session. In what Backfill returned, the reply is number %d of %d, and Stopped number %d.",
			last+1, len(events), stopped+1)
	}
	if t.suite.desk.Wire != nil && !t.Failed() {
		t.mustNotLeaveOut(s.Session, begin, words)
	}
}

// mustNotLeaveOut reads a session back while the desk refuses one request of the call.
func (t *trial) mustNotLeaveOut(s Session, since time.Time, words []string) {
	t.Helper()
	wire := t.suite.desk.Wire
	for n := 1; n <= maxFaulty; n++ {
		f := fault{kind: refuse, status: http.StatusServiceUnavailable, nth: n}
		a := t.replica()
		before := wire.count()
		repair := wire.set(f)
		events, err := t.backfill(a, s, since)
		repair()
		if wire.count()-before < n {
			return
		}
		if err != nil {
			continue // The server tries again.
		}
		for _, word := range words {
			if len(replies(events, word)) == 0 {
				t.Fatalf("While %s, Backfill returned no error, and not the reply %q.", f, word)
			}
		}
		if t.suite.desk.Stopped != nil && !slices.ContainsFunc(events, isStopped) {
			t.Fatalf("While %s, Backfill returned no error, and not that the session is over.", f)
		}
	}
}

func isStopped(e hitl.Event) bool {
	_, ok := e.(hitl.Stopped)
	return ok
}

func backfillSince(t *trial) {
	a := t.replica()
	s := t.mustOpen(a)
	early, late := unique("early"), unique("late")
	t.agentSays(a, s.Session, early)
	t.agentSays(a, s.Session, late)
	for _, since := range []struct {
		what string
		time time.Time
	}{
		{"a year ago", time.Now().AddDate(-1, 0, 0)},
		{"a minute ago", time.Now().Add(-time.Minute)},
		{"a minute ago, in another time zone", time.Now().Add(-time.Minute).In(time.FixedZone("later", 5*60*60))},
		{"a minute ago, in yet another time zone", time.Now().Add(-time.Minute).In(time.FixedZone("earlier", -5*60*60))},
	} {
		events := t.mustBackfill(s.Session, since.time)
		for _, word := range []string{early, late} {
			if len(replies(events, word)) == 0 {
				t.Errorf("The agent has just said %q, and Backfill did not return it, called with Since %s (%s).",
					word, since.what, since.time.Format(time.RFC3339))
			}
		}
	}

	gone := s.Session
	if vanish := t.suite.desk.Vanish; vanish != nil {
		vanish(gone)
	} else {
		gone.ID = unknownID(gone.ID)
	}
	events, err := t.backfill(t.replica(), gone, time.Now().Add(-time.Minute))
	if own, _ := errors.AsType[*hitl.Error](err); t.suite.desk.Vanish != nil && (own == nil || !own.Gone) && !slices.ContainsFunc(events, isStopped) {
		t.Errorf("The session was deleted in the desk, and Backfill returned neither hitl.Stopped nor a *hitl.Error that is Gone, but %v: the end user stays in it.", err)
	}
	for _, e := range events {
		if !isStopped(e) {
			t.Errorf("For a session that the desk does not have, Backfill returned %#v.", e)
		}
	}
}
