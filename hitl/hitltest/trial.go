package hitltest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/hitl-go/sdk/hitl"
)

// rule is a rule for adapters. Its name is the name of a subtest and a heading in docs/adapter-rules.md, so it never
// changes.
type rule struct {
	name  string
	text  string   // The rule and its reason, as failures show them.
	is    *kind    // The optional interface that the rule is about, or nil.
	needs []string // Fields of Desk.
	after string   // The rule on which this one depends.
	live  bool     // Its sessions go through Botpress and the server.
	early bool     // Like live, but with events before the plugin is ready for them: the activation delay is longer.
	check func(*trial)
}

// kind is an optional interface of adapters.
type kind struct {
	name string
	of   func(adapter any) bool
}

func implements[T any](a any) bool {
	_, ok := a.(T)
	return ok
}

var (
	registrar  = &kind{"Registrar", implements[hitl.Registrar]}
	receiver   = &kind{"Receiver", implements[hitl.Receiver]}
	backfiller = &kind{"Backfiller", implements[hitl.Backfiller]}
)

// times are the waits of the suite that a correct adapter does not shorten.
type times struct {
	prompt          time.Duration // Within which a method must return when its context has ended.
	down            time.Duration // The deadline of methods while the desk is down.
	activationDelay time.Duration // For rules with early: it must outlast the start of the session.
	arrival         time.Duration // Within which an end user must receive what Receive hears of.
}

var defaultTimes = times{prompt: time.Second, down: 500 * time.Millisecond, activationDelay: time.Second, arrival: shortTimeout}

// docs is the address of the documentation of the rules.
const docs = "https://github.com/hitl-go/sdk/blob/main/docs/adapter-rules.md#"

// trial is the check of one rule. It is the test for the check and the bot, and adds to each failure what an author needs to
// fix the adapter.
type trial struct {
	runner

	rule    rule
	suite   *suite
	skipped func(why string)
	in      *installed
	bot     *Bot
	mark    int // The wire's, at the beginning of the trial.

	// stopReceive ends the Receive of the server's adapter, which runs in live trials. It may be called twice.
	stopReceive func() (inTime bool)

	mu        sync.Mutex // Guards what follows.
	calls     []string   // Calls of the adapter, as failures show them.
	explained bool
	attempted map[string]bool // Messages that were sent, by their Key.
}

func (t *trial) run() {
	t.Helper()
	t.suite.log.clear()
	t.Cleanup(func() { // After the other cleanups.
		if t.Failed() {
			t.suite.log.copyTo(t.runner.Output())
		}
	})
	if w := t.suite.desk.Wire; w != nil {
		t.mark = w.mark()
		defer func() { w.set(fault{}) }() // Before the cleanup, which may need the desk.
	}
	switch {
	case t.rule.early:
		t.in = t.suite.install(t, t.suite.times.activationDelay)
	case t.rule.live:
		t.in = t.suite.live
	default:
		t.in = t.suite.other
	}
	bot := *t.in.bot
	bot.t = t // Its failures fail this trial.
	t.bot = &bot
	t.stopReceive = func() bool { return true }
	if r, ok := t.in.adapter().(hitl.Receiver); ok && (t.rule.live || t.rule.early) {
		t.stopReceive = t.receive(r, t.deliverFunc())
		defer func() { t.stopReceive() }() // That of the last Receive.
	}
	t.rule.check(t)
}

// Output is the log of the servers.
func (t *trial) Output() io.Writer { return &t.suite.log }

// keeps reports whether the adapter keeps a rule that was checked before this one: the case does not waive it.
func (t *trial) keeps(rule string) bool { return t.suite.waived[rule] == "" && !t.suite.broken[rule] }

// skip skips the trial.
func (t *trial) skip(why string) {
	t.Helper()
	t.skipped(why)
	t.Skipf("skipped: %s\n\nThe rule: %s\n%s%s", why, t.rule.text, docs, t.rule.name)
}

// Errorf and Fatalf explain the failure.

func (t *trial) Errorf(format string, args ...any) {
	t.Helper()
	t.runner.Errorf("%s", t.explain(fmt.Sprintf(format, args...)))
}

func (t *trial) Fatalf(format string, args ...any) {
	t.Helper()
	t.runner.Fatalf("%s", t.explain(fmt.Sprintf(format, args...)))
}

const shown = 6 // Calls, and requests to the desk, in a failure.

// explain adds the rule, the calls and the requests to the first failure, and only the last call to others.
func (t *trial) explain(what string) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var b strings.Builder
	b.WriteString(what + "\n")
	section := func(title string, lines []string, most int) {
		if len(lines) == 0 {
			return
		}
		fmt.Fprintf(&b, "    %s\n", title)
		for _, line := range lines[max(0, len(lines)-most):] {
			fmt.Fprintf(&b, "        %s\n", line)
		}
	}
	if t.explained {
		section("Calls of the adapter:", t.calls, 1)
		return b.String()
	}
	t.explained = true
	fmt.Fprintf(&b, "    The rule: %s\n", t.rule.text)
	section("Calls of the adapter:", t.calls, shown)
	if w := t.suite.desk.Wire; w != nil {
		var lines []string
		for _, e := range w.since(t.mark) {
			lines = append(lines, e.String())
		}
		section("Requests to the desk:", lines, shown)
	}
	fmt.Fprintf(&b, "    Read more: %s%s\n", docs, t.rule.name)
	return b.String()
}

func (t *trial) note(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.calls = append(t.calls, fmt.Sprintf(format, args...))
}

// replica makes another adapter.
func (t *trial) replica() adapter {
	t.Helper()
	return t.replicaOf(t.in)
}

// replicaOf makes another adapter of an installation.
func (t *trial) replicaOf(in *installed) adapter {
	t.Helper()
	a, err := in.replica(t.Context())
	if err != nil {
		t.Fatalf("connect succeeded once, but not a second time: %v", err)
	}
	if c, ok := optional[io.Closer](a); ok {
		t.Cleanup(func() { _ = c.Close() }) // No rule is about it.
	}
	return a
}

// aborted is the error of a call that panicked or did not return. It is always a failure.
type aborted struct{ how string }

func (a *aborted) Error() string { return a.how }

func isAborted(err error) bool {
	var a *aborted
	return errors.As(err, &a)
}

// attempt calls a method of an adapter and records the result. It is safe for concurrent use.
func attempt[T any](ctx context.Context, t *trial, method string, request any, call func(context.Context) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	type result struct {
		value T
		err   error
	}
	results := make(chan result, 1)
	go func() {
		var r result
		defer func() {
			if v := recover(); v != nil {
				r.err = &aborted{fmt.Sprintf("%s panicked: %v\n%s", method, v, debug.Stack())}
			}
			results <- r
		}()
		r.value, r.err = call(ctx)
	}()
	late := time.NewTimer(callTimeout + shortTimeout)
	defer late.Stop()
	var r result
	select {
	case r = <-results:
	case <-late.C:
		r.err = &aborted{fmt.Sprintf("%s did not return, though its context ended after %s.", method, callTimeout)}
	}
	switch {
	case isAborted(r.err):
		t.note("%s %s → (no answer)", method, summary(request))
	case r.err != nil:
		t.note("%s %s → error: %v", method, summary(request), r.err)
	default:
		t.note("%s %s → %s", method, summary(request), summary(r.value))
	}
	return r.value, r.err
}

// ask is attempt on the goroutine of the trial: it ends the trial if the method panics or does not return.
func ask[T any](t *trial, method string, request any, call func(context.Context) (T, error)) (T, error) {
	t.Helper()
	v, err := attempt(t.Context(), t, method, request, call)
	if isAborted(err) {
		t.Fatalf("%v", err)
	}
	return v, err
}

// isRefusal reports whether an error is an answer to the bot's owner.
func isRefusal(err error) bool {
	var e *hitl.Error
	return errors.As(err, &e)
}

// permanent reports whether a message with this error is never sent again.
func permanent(err error) bool {
	var e *hitl.Error
	return errors.As(err, &e) && !e.Temporary
}

// summary is a value as failures show it: short, and without empty fields.
func summary(v any) string {
	switch v := v.(type) {
	case string:
		return truncate(v)
	case hitl.Webhook:
		return truncate(fmt.Sprintf("%#v", v.Events))
	}
	raw, err := json.Marshal(v)
	if err != nil {
		return truncate(fmt.Sprintf("%+v", v))
	}
	var parts any
	if err := json.Unmarshal(raw, &parts); err != nil {
		return truncate(string(raw))
	}
	raw, err = json.Marshal(withoutEmpty(parts))
	if err != nil {
		return err.Error() // It was JSON before.
	}
	return truncate(string(raw))
}

// withoutEmpty is a JSON value without empty fields and with truncated texts.
func withoutEmpty(v any) any {
	switch v := v.(type) {
	case string:
		const most = 80
		if runes := []rune(v); len(runes) > most {
			return fmt.Sprintf("%s… (%d bytes)", string(runes[:most/2]), len(v))
		}
		return v
	case map[string]any:
		for name, part := range v {
			v[name] = withoutEmpty(part)
			switch part := v[name].(type) {
			case nil:
				delete(v, name)
			case string:
				if part == "" {
					delete(v, name)
				}
			case map[string]any:
				if len(part) == 0 {
					delete(v, name)
				}
			}
		}
		return v
	case []any:
		for i := range v {
			v[i] = withoutEmpty(v[i])
		}
		return v
	default:
		return v
	}
}

// truncate removes the middle of a long text, and control characters.
func truncate(s string) string {
	const most = 500
	if len(s) > most {
		s = fmt.Sprintf("%s … (%d bytes) … %s", s[:most/2], len(s), s[len(s)-most/2:])
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, ""))
}
