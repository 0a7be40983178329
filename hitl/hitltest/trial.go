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

// rule is what an adapter must keep. Its name is that of a subtest and of a heading in docs/adapter-rules.md, so it
// never changes.
type rule struct {
	name  string
	says  string   // The rule and its reason, for who has broken it.
	needs []string // Fields of Desk.
	after string   // A rule without which this one has no chance.
	live  bool     // Its sessions go through Botpress and the server.
	early bool     // Like live, but things happen before the plugin is ready for them, and must be held back for long enough.
	check func(*trial)
}

// times are how long the suite waits for nothing to happen.
type times struct {
	prompt   time.Duration // How soon a method must return when its context has ended.
	down     time.Duration // For how long methods may try while the desk is down.
	handover time.Duration // For rules with early: it must outlast whatever keeps the plugin from being ready.
}

var usual = times{prompt: time.Second, down: 500 * time.Millisecond, handover: time.Second}

// docs is where the rules are explained.
const docs = "https://github.com/hitl-go/sdk/blob/main/docs/adapter-rules.md#"

// trial is one rule being checked. It is the subtest that the check and the bot see, and adds to each failure what whoever
// has to mend the adapter must know.
type trial struct {
	runner

	rule    rule
	suite   *suite
	skipped func(why string)
	in      *installed
	bot     *Bot
	mark    int // Of the wire, when the trial began.

	mu        sync.Mutex // Guards what follows.
	asked     []string   // Requests and answers, as failures show them.
	explained bool
}

func (t *trial) run() {
	t.Helper()
	t.suite.log.clear()
	t.Cleanup(func() { // After all that has been cleaned up.
		if t.Failed() {
			t.suite.log.copyTo(t.runner.Output())
		}
	})
	if w := t.suite.desk.Wire; w != nil {
		t.mark = w.mark()
		defer func() { w.set(fault{}) }() // Before anything is cleaned up, which may need the desk.
	}
	switch {
	case t.rule.early:
		t.in = t.suite.install(t, t.suite.times.handover)
	case t.rule.live:
		t.in = t.suite.live
	default:
		t.in = t.suite.other
	}
	bot := *t.in.bot
	bot.t = t // Its failures are this trial's.
	t.bot = &bot
	t.rule.check(t)
}

// Output is where the server logs to.
func (t *trial) Output() io.Writer { return &t.suite.log }

// skip ends the trial, and leaves the rule unchecked.
func (t *trial) skip(why string) {
	t.Helper()
	t.skipped(why)
	t.Skipf("not checked: %s\n\nThe rule: %s\n%s%s", why, t.rule.says, docs, t.rule.name)
}

// Errorf and Fatalf report that the rule is broken.

func (t *trial) Errorf(format string, args ...any) {
	t.Helper()
	t.runner.Errorf("%s", t.explain(fmt.Sprintf(format, args...)))
}

func (t *trial) Fatalf(format string, args ...any) {
	t.Helper()
	t.runner.Fatalf("%s", t.explain(fmt.Sprintf(format, args...)))
}

const shown = 6 // How many requests of each kind a failure shows.

// explain adds to a failure what whoever has to mend the adapter must know, and to further ones only what they are about.
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
		section("The adapter was asked:", t.asked, 1)
		return b.String()
	}
	t.explained = true
	fmt.Fprintf(&b, "    The rule: %s\n", t.rule.says)
	section("The adapter was asked:", t.asked, shown)
	if w := t.suite.desk.Wire; w != nil {
		var lines []string
		for _, e := range w.since(t.mark) {
			lines = append(lines, e.String())
		}
		section("The desk was asked:", lines, shown)
	}
	fmt.Fprintf(&b, "    Read more: %s%s\n", docs, t.rule.name)
	return b.String()
}

func (t *trial) note(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.asked = append(t.asked, fmt.Sprintf(format, args...))
}

// replica makes another adapter.
func (t *trial) replica() adapter {
	t.Helper()
	a, err := t.in.replica(t.Context())
	if err != nil {
		t.Fatalf("The adapter was made once, but not a second time: %v", err)
	}
	return a
}

// broken is the error of a call that did not come to a regular end. No adapter may do that.
type broken struct{ how string }

func (b *broken) Error() string { return b.how }

func isBroken(err error) bool {
	var b *broken
	return errors.As(err, &b)
}

// attempt calls a method of an adapter and notes what came of it. It may be called by several goroutines at once.
func attempt[T any](ctx context.Context, t *trial, method string, request any, call func(context.Context) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, slowest)
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
				r.err = &broken{fmt.Sprintf("%s panicked: %v\n%s", method, v, debug.Stack())}
			}
			results <- r
		}()
		r.value, r.err = call(ctx)
	}()
	late := time.NewTimer(slowest + patience)
	defer late.Stop()
	var r result
	select {
	case r = <-results:
	case <-late.C:
		r.err = &broken{fmt.Sprintf("%s did not return, though its context ended after %s.", method, slowest)}
	}
	switch {
	case isBroken(r.err):
		t.note("%s %s → (no answer)", method, sketch(request))
	case r.err != nil:
		t.note("%s %s → error: %v", method, sketch(request), r.err)
	default:
		t.note("%s %s → %s", method, sketch(request), sketch(r.value))
	}
	return r.value, r.err
}

// ask is attempt on the trial's own goroutine: it ends the trial if the method does not come to a regular end.
func ask[T any](t *trial, method string, request any, call func(context.Context) (T, error)) (T, error) {
	t.Helper()
	v, err := attempt(t.Context(), t, method, request, call)
	if isBroken(err) {
		t.Fatalf("%v", err)
	}
	return v, err
}

// final tells an error that keeps Botpress from trying again.
func final(err error) bool {
	var e *hitl.Error
	return errors.As(err, &e)
}

// sketch is a value as failures show it: without what is empty.
func sketch(v any) string {
	switch v := v.(type) {
	case string:
		return shorten(v)
	case hitl.Webhook:
		return shorten(fmt.Sprintf("%#v", v.Events))
	}
	raw, err := json.Marshal(v)
	if err != nil {
		return shorten(fmt.Sprintf("%+v", v))
	}
	var parts any
	if err := json.Unmarshal(raw, &parts); err != nil {
		return shorten(string(raw))
	}
	raw, err = json.Marshal(filled(parts))
	if err != nil {
		return err.Error() // It was JSON before.
	}
	return shorten(string(raw))
}

// filled is a JSON value without empty parts, whose texts are short.
func filled(v any) any {
	switch v := v.(type) {
	case string:
		const most = 80
		if runes := []rune(v); len(runes) > most {
			return fmt.Sprintf("%s… (%d bytes)", string(runes[:most/2]), len(v))
		}
		return v
	case map[string]any:
		for name, part := range v {
			v[name] = filled(part)
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
			v[i] = filled(v[i])
		}
		return v
	default:
		return v
	}
}

// shorten leaves out the middle of what is too long to read, and control characters.
func shorten(s string) string {
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
