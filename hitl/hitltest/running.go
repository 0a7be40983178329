package hitltest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hitl-go/sdk/hitl"
	"github.com/hitl-go/sdk/message"
)

func concurrent(t *trial) {
	desk := t.suite.desk
	a := t.replica()
	const people, texts = 8, 3
	type scene struct {
		create  hitl.CreateUserRequest
		start   hitl.StartHitlRequest[any]
		session openSession
		words   []string
		reply   *report
	}
	scenes := make([]scene, people)
	for i := range scenes {
		s := &scenes[i]
		s.create = t.newUser()
		s.start = t.start(person{id: s.create.UserID})
		for range texts {
			s.words = append(s.words, unique("word"))
		}
	}
	t.concurrently(people, func(ctx context.Context, i int) error {
		s := &scenes[i]
		user, err := attempt(ctx, t, "CreateUser", s.create, func(ctx context.Context) (hitl.Ref, error) { return a.CreateUser(ctx, s.create) })
		if err != nil {
			return err
		}
		s.start.User = user
		ref, err := attempt(ctx, t, "StartHitl", s.start, func(ctx context.Context) (hitl.Ref, error) { return a.StartHitl(ctx, s.start) })
		s.session = openSession{Session{ref, s.start.ConversationID}, person{s.create.UserID, user}}
		return err
	})
	if desk.Replied != nil {
		for i := range scenes {
			rep := t.report(desk.Replied(scenes[i].session.Session, unique("reply")))
			scenes[i].reply = &rep
		}
	}
	t.concurrently(people*(texts+1), func(ctx context.Context, i int) error {
		s := &scenes[i%people]
		if n := i / people; n < texts {
			r := newMessage(s.session, message.Text{Text: s.words[n]})
			_, err := t.attemptMessage(ctx, a, r)
			return err
		}
		if s.reply == nil {
			return nil
		}
		_, err := attempt(ctx, t, "HandleWebhook", s.reply.String(), func(ctx context.Context) (hitl.Webhook, error) {
			return a.HandleWebhook(ctx, s.reply.request(ctx))
		})
		return err
	})
	seen := map[string]string{}
	for _, s := range scenes {
		if other := seen[s.session.ID]; other != "" {
			t.Errorf("The conversations %s and %s, started concurrently, are both the session %q.", other, s.session.ConversationID, s.session.ID)
		}
		seen[s.session.ID] = s.session.ConversationID
		for _, word := range s.words {
			if desk.Heard == nil {
				break
			}
			if n := t.heard(s.session.Session, word); n != 1 {
				t.Errorf("Of %d messages sent concurrently, %q is in its session %q %d times.", people*texts, word, s.session.ID, n)
			}
		}
	}
	t.concurrently(people, func(ctx context.Context, i int) error {
		r := hitl.StopHitlRequest{ConversationID: scenes[i].session.ConversationID, Session: scenes[i].session.Ref}
		_, err := attempt(ctx, t, "StopHitl", r, func(ctx context.Context) (ok string, err error) { return "ok", a.StopHitl(ctx, r) })
		return err
	})
}

// concurrently does something n times at the same time, and ends the trial if one fails.
func (t *trial) concurrently(n int, do func(ctx context.Context, i int) error) {
	t.Helper()
	errs := make([]error, n)
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { errs[i] = do(t.Context(), i) })
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatalf("Concurrent calls failed: %v", err)
	}
}

func registerConverges(t *trial) {
	t.mustRegister(t.in) // Rules before this one may have changed something.
	if writes := t.writes(func() { t.mustRegister(t.in) }); writes != "" {
		t.Errorf("Nothing has changed since Register ran, and it wrote to the desk when it ran again:%s", writes)
	}
}

func registerApart(t *trial) {
	one, other := t.suite.other, t.suite.live
	t.mustRegister(one)
	t.mustRegister(other)
	if writes := t.writes(func() { t.mustRegister(one); t.mustRegister(other) }); writes != "" {
		t.Fatalf("Nothing has changed since two installations were registered, and Register wrote to the desk when it ran again:%s", writes)
	}
	r, _ := optional[hitl.Registrar](t.replicaOf(other)) // The rule is for registrars.
	address := other.bot.Installation.WebhookURL
	if _, err := ask(t, "Unregister", address, func(ctx context.Context) (ok string, err error) { return "ok", r.Unregister(ctx, address) }); err != nil {
		t.Fatalf("Unregister failed: %v", err)
	}
	if writes := t.writes(func() { t.mustRegister(one) }); writes != "" {
		t.Errorf("Another installation was unregistered, and Register had to write to the desk again:%s", writes)
	}
	t.mustRegister(other)
}

// mustRegister registers an installation.
func (t *trial) mustRegister(in *installed) {
	t.Helper()
	r, _ := optional[hitl.Registrar](t.replicaOf(in)) // The rule is for registrars.
	address := in.bot.Installation.WebhookURL
	if _, err := ask(t, "Register", address, func(ctx context.Context) (ok string, err error) { return "ok", r.Register(ctx, address) }); err != nil {
		t.Fatalf("Register failed: %v", err)
	}
}

// writes does something, and returns the requests to the desk that may have changed something there.
func (t *trial) writes(do func()) string {
	t.Helper()
	wire := t.suite.desk.Wire
	before := wire.mark()
	do()
	var writes strings.Builder
	for _, e := range wire.since(before) {
		if e.method != http.MethodGet && e.method != http.MethodHead {
			fmt.Fprintf(&writes, "\n    %s", e)
		}
	}
	return writes.String()
}

// job is a call of a method that sends requests to the desk.
type job struct {
	method string
	run    func(context.Context, adapter) error
	reads  bool // It may have all that it returns without the desk. Else success means that the desk did something.
}

// errIncomplete is returned by a job that reads, if the method returned no error and left something out.
var errIncomplete = errors.New("it returned less than when the desk answers")

// succeeded reports whether a job claims to be done, while the desk does nothing.
func (j job) succeeded(err error) bool {
	return err == nil && !j.reads || errors.Is(err, errIncomplete)
}

// work is a call of each such method, with users and sessions that are new. The last one is StopHitl for the session.
type work struct {
	jobs    []job
	session openSession
	word    string // What SendMessage sends.
	notice  string // What Notify leaves, if the adapter is a [hitl.Notifier].

	told    []told  // What StartHitl tells the desk,
	heard   int     // how many messages the desk hears of it,
	started Session // and the session that it has opened, once it has succeeded.
}

func (w *work) add(method string, run func(context.Context, adapter) error) {
	w.jobs = append(w.jobs, job{method: method, run: run})
}

func (t *trial) work(a adapter) *work {
	t.Helper()
	s := t.mustOpen(a)
	w := &work{session: s, word: unique("word"), heard: t.heardSoFar(s.Session)}
	create, send := t.newUser(), newMessage(s, message.Text{Text: w.word})
	start, told := t.telling(t.mustCreatePerson(a))
	w.told = told
	stop := hitl.StopHitlRequest{ConversationID: s.ConversationID, Session: s.Ref}
	add := func(method string, request any, call func(context.Context, adapter) (hitl.Ref, error)) {
		w.add(method, func(ctx context.Context, a adapter) error {
			_, err := attempt(ctx, t, method, request, func(ctx context.Context) (hitl.Ref, error) { return call(ctx, a) })
			return err
		})
	}
	add("CreateUser", create, func(ctx context.Context, a adapter) (hitl.Ref, error) { return a.CreateUser(ctx, create) })
	w.add("StartHitl", func(ctx context.Context, a adapter) error {
		ref, err := attempt(ctx, t, "StartHitl", start, func(ctx context.Context) (hitl.Ref, error) { return a.StartHitl(ctx, start) })
		if err == nil {
			w.started = Session{ref, start.ConversationID}
		}
		return err
	})
	w.add("SendMessage", func(ctx context.Context, a adapter) error {
		_, err := t.attemptMessage(ctx, a, send)
		return err
	})
	if _, ok := optional[hitl.Backfiller](a); ok {
		read := hitl.BackfillRequest{ConversationID: s.ConversationID, Session: s.Ref, Since: time.Now().Add(-time.Hour)}
		add("Backfill", read, func(ctx context.Context, a adapter) (hitl.Ref, error) {
			desk, _ := optional[hitl.Backfiller](a)
			_, err := desk.Backfill(ctx, read)
			return hitl.Ref{}, err
		})
	}
	if _, ok := optional[hitl.Notifier](a); ok {
		n, word := newNotice(s.Session)
		w.notice = word
		add("Notify", n, func(ctx context.Context, a adapter) (hitl.Ref, error) {
			desk, _ := optional[hitl.Notifier](a)
			return hitl.Ref{}, desk.Notify(ctx, n)
		})
	}
	if _, ok := optional[hitl.Registrar](a); ok {
		address := t.bot.Installation.WebhookURL
		add("Register", address, func(ctx context.Context, a adapter) (hitl.Ref, error) {
			desk, _ := optional[hitl.Registrar](a)
			return hitl.Ref{}, desk.Register(ctx, address)
		})
	}
	for _, read := range []func(*trial, Session) (job, bool){webhookJob, agentJob} {
		if j, ok := read(t, s.Session); ok {
			w.jobs = append(w.jobs, j)
		}
	}
	add("StopHitl", stop, func(ctx context.Context, a adapter) (hitl.Ref, error) { return hitl.Ref{}, a.StopHitl(ctx, stop) })
	return w
}

// webhookJob reads a reply of the agent from a webhook, if it is there to be read.
func webhookJob(t *trial, s Session) (job, bool) {
	if t.suite.desk.Replied == nil {
		return job{}, false
	}
	word := unique("reply")
	rep := t.report(t.suite.desk.Replied(s, word))
	read := func(ctx context.Context, a adapter) error {
		hook, err := attempt(ctx, t, "HandleWebhook", rep.String(), func(ctx context.Context) (hitl.Webhook, error) {
			hook, err := a.HandleWebhook(ctx, rep.request(ctx))
			return hook, errors.Join(err, load(ctx, hook.Events))
		})
		if err != nil || slices.ContainsFunc(hook.Events, func(e hitl.Event) bool {
			r, isReply := e.(hitl.Replied)
			_, isHint := e.(hitl.Changed)
			return isHint || isReply && strings.Contains(message.PlainText(r.Message), word)
		}) {
			return err
		}
		return errIncomplete
	}
	return job{"HandleWebhook", read, true}, read(t.Context(), t.replica()) == nil
}

// agentJob reads the agent, if the adapter is an AgentReader.
func agentJob(t *trial, _ Session) (job, bool) {
	id := t.suite.desk.Agent.ID
	var known hitl.Agent
	read := func(ctx context.Context, a adapter) error {
		agent, err := attempt(ctx, t, "ReadAgent", id, func(ctx context.Context) (hitl.Agent, error) {
			desk, _ := optional[hitl.AgentReader](a)
			return desk.ReadAgent(ctx, id)
		})
		switch {
		case err != nil:
			return err
		case known.ID == "":
			known = agent
		case agent.ID != known.ID || agent.Name != known.Name:
			return errIncomplete
		}
		return nil
	}
	a := t.replica()
	if _, ok := optional[hitl.AgentReader](a); !ok || id == "" {
		return job{}, false
	}
	return job{"ReadAgent", read, true}, read(t.Context(), a) == nil && known.ID != ""
}

func cancelled(t *trial) {
	a := t.replica()
	asked := false
	for _, j := range t.work(a).jobs {
		for _, f := range []fault{{kind: hang}, {kind: refuse, status: http.StatusTooManyRequests, retryAfter: 3 * time.Second}} {
			asked = t.cancelDuring(f, j, a) || asked
		}
	}
	t.mustHaveAsked(asked)
}

// cancelDuring does a job during a fault of the desk, and ends its context once it waits. It reports whether it has sent a request.
func (t *trial) cancelDuring(f fault, j job, a adapter) (asked bool) {
	wire, prompt := t.suite.desk.Wire, t.suite.times.prompt
	before := wire.count()
	repair := wire.set(f)
	defer repair()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- j.run(ctx, a) }()
	select {
	case <-done: // It sent no request, or returns when it is refused.
		return wire.count() > before
	case <-wire.strikes():
	}
	if f.kind == refuse { // Only an adapter that has read the refusal waits because of it.
		read := time.NewTimer(prompt / 4)
		defer read.Stop()
		select {
		case <-done:
			return true
		case <-read.C:
		}
	}
	cancel()
	late := time.NewTimer(prompt)
	defer late.Stop()
	select {
	case err := <-done:
		switch {
		case j.succeeded(err):
			t.Errorf("While %s, the context of %s was cancelled, and it returned no error.", f, j.method)
		case isAborted(err):
			t.Errorf("%v", err)
		}
	case <-late.C:
		t.Errorf("While %s, the context of %s was cancelled, and after %s it had not returned.", f, j.method, prompt)
		repair()
		<-done
	}
	return true
}

func deskDown(t *trial) {
	asked := false
	for _, f := range []fault{
		{kind: refuse, status: http.StatusTooManyRequests},
		{kind: refuse, status: http.StatusInternalServerError},
		{kind: refuse, status: http.StatusServiceUnavailable},
		{kind: reset},
		{kind: hang},
	} {
		a := t.replica()
		w := t.work(a)
		for _, j := range w.jobs {
			sent, err := t.whileDown(f, j, a)
			asked = asked || sent > 0
			switch {
			case sent == 0: // It sent no request.
			case j.succeeded(err):
				t.Errorf("While %s, %s returned no error.", f, j.method)
			case isAborted(err):
				t.Errorf("%v", err)
			case isRefusal(err):
				t.Errorf("While %s, %s returned the *hitl.Error %q, which is no transient error.", f, j.method, err)
			}
		}
		for _, j := range w.jobs {
			if err := t.eventually(j); err != nil {
				t.Errorf("While %s, %s failed; a retry afterwards failed, too: %v", f, j.method, err)
			}
		}
		if t.suite.desk.Heard != nil {
			if n := t.heard(w.session.Session, w.word); n != 1 {
				t.Errorf("While %s, SendMessage failed; after a retry the message is in the desk %d times.", f, n)
			}
		}
	}
	t.mustHaveAsked(asked)
	for n := 1; n <= maxFaulty && t.brieflyDown(n); n++ {
	}
}

// maxFaulty is how many requests of a call are refused, one after the other, unless it sends fewer.
const maxFaulty = 10

// brieflyDown refuses one request of each call, and looks whether the call is then done as if nothing had happened, at the latest
// when it is retried. It reports whether there was a call with so many requests.
func (t *trial) brieflyDown(nth int) (asked bool) {
	f := fault{kind: refuse, status: http.StatusServiceUnavailable, nth: nth}
	wire, desk := t.suite.desk.Wire, t.suite.desk
	a := t.replica()
	w := t.work(a)
	var untold []string
	for _, j := range w.jobs {
		mark := wire.mark()
		sent, err := t.whileDown(f, j, a)
		asked = asked || sent >= nth
		switch {
		case isAborted(err):
			t.Fatalf("%v", err)
		case errors.Is(err, errIncomplete):
			t.Errorf("While %s, %s returned no error.", f, j.method)
		case isRefusal(err):
			t.Errorf("While %s, %s returned the *hitl.Error %q, which is no transient error.", f, j.method, err)
		case err != nil:
			if err := t.eventually(j); err != nil {
				t.Errorf("While %s, %s failed; a retry afterwards failed, too: %v", f, j.method, err)
			}
		}
		if j.method == "StartHitl" { // The wire keeps the latest requests only.
			untold = t.untold(w.told, mark, w.started)
		}
	}
	if !asked {
		return false
	}
	const once = "While %s, %s succeeded, or failed and was retried; "
	if len(untold) > 0 && t.keeps("start-history") {
		t.Errorf(once+"the desk was not told %s.", f, "StartHitl", strings.Join(untold, ", "))
	}
	if n := t.heardSoFar(w.started); n < w.heard {
		t.Errorf(once+"the desk has heard %d messages of the history. It hears %d if it answers.", f, "StartHitl", n, w.heard)
	}
	if desk.Heard != nil {
		if n := t.heard(w.session.Session, w.word); n < 1 || n > 1 && t.keeps("message-twice") {
			t.Errorf(once+"the message is in the desk %d times.", f, "SendMessage", n)
		}
	}
	if desk.Noted != nil && w.notice != "" && count(desk.Noted(w.session.Session), w.notice) == 0 && t.keeps("late-reply") {
		t.Errorf(once+"the notice is not in the desk.", f, "Notify")
	}
	if desk.Open != nil && desk.Open(w.session.Session) && t.keeps("stop-stays-closed") {
		t.Errorf(once+"the session is open.", f, "StopHitl")
	}
	return true
}

func notFound(t *trial) {
	f, asked := fault{kind: refuse, status: http.StatusNotFound}, false
	a := t.replica()
	for _, j := range t.work(a).jobs {
		if !slices.Contains([]string{"SendMessage", "Backfill", "StopHitl"}, j.method) {
			continue
		}
		sent, err := t.whileDown(f, j, a)
		asked = asked || sent > 0
		own, _ := errors.AsType[*hitl.Error](err)
		switch {
		case sent == 0: // It sent no request.
		case err == nil:
			t.Errorf("A web server answered 404 in the desk's place, and %s returned no error.", j.method)
		case isAborted(err):
			t.Errorf("%v", err)
		case own != nil && own.Gone:
			t.Errorf("A web server answered 404 in the desk's place, and %s returned the error %q, which is Gone.", j.method, err)
		}
	}
	t.mustHaveAsked(asked)
}

func (t *trial) mustHaveAsked(asked bool) {
	t.Helper()
	if !asked {
		t.Fatalf("No request of the adapter has passed Desk.Wire: put it between the adapter and the desk.")
	}
}

// whileDown does a job during a fault of the desk. A job that outlasts its context, which another rule checks, ends with the
// fault.
func (t *trial) whileDown(f fault, j job, a adapter) (sent int, err error) {
	wire, enough := t.suite.desk.Wire, t.suite.times.down
	before := wire.count()
	repair := wire.set(f)
	defer repair()
	ctx, cancel := context.WithTimeout(t.Context(), enough)
	defer cancel()
	cut := time.AfterFunc(2*enough, repair)
	defer cut.Stop()
	err = j.run(ctx, a)
	return wire.count() - before, err
}

// eventually retries a job on new replicas until it succeeds: an adapter may be in a backoff.
func (t *trial) eventually(j job) error {
	t.Helper()
	give, cancel := context.WithTimeout(t.Context(), shortTimeout/2)
	defer cancel()
	for {
		err := j.run(t.Context(), t.replica())
		if err == nil || isRefusal(err) {
			return err
		}
		again := time.NewTimer(100 * time.Millisecond)
		select {
		case <-again.C:
		case <-give.Done():
			again.Stop()
			return err
		}
	}
}
