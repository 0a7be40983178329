package hitltest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/hitl"
)

// rule is what an adapter must keep. Its name is that of a subtest and of a heading in docs/adapter-rules.md, so it
// never changes.
type rule struct {
	name  string
	says  string   // The rule and its reason, for who has broken it.
	needs []string // Fields of Desk.
	after string   // A rule without which this one has no chance.
	check func(*trial)

	// handover replaces the usual one. It must outlast whatever keeps the plugin from being ready.
	handover time.Duration
}

// docs is where the rules are explained.
const docs = "https://github.com/hitl-go/sdk/blob/main/docs/adapter-rules.md#"

// trial is one rule being checked. It is the subtest that the check and its bot see, and adds to each failure what whoever
// has to mend the adapter must know.
type trial struct {
	runner

	rule    rule
	suite   *suite
	skipped func(why string)
	bot     *Bot
	mark    int // Of the wire, when the trial began.

	mu        sync.Mutex // Guards what follows.
	api       *botpress.Client
	connect   func(context.Context) (adapter, error)
	asked     []string // Requests and answers, as failures show them.
	explained bool
	onStart   func(hitl.Ref, string)
	onHook    func()
}

func (t *trial) run() {
	t.Helper()
	if w := t.suite.desk.Wire; w != nil {
		w.mend()
		t.mark = w.mark()
		t.Cleanup(w.mend)
	}
	t.bot = t.suite.install(t)
	t.rule.check(t)
}

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

// connected is told how the server's adapter was made, so that others can be made like it.
func (t *trial) connected(in hitl.Installation, connect func(context.Context) (adapter, error)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.api, t.connect = in.Client, connect
}

// client calls Botpress as the integration does.
func (t *trial) client() *botpress.Client {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.api
}

func (t *trial) started(ref hitl.Ref, conversationID string) {
	t.mu.Lock()
	f := t.onStart
	t.mu.Unlock()
	if f != nil {
		f(ref, conversationID)
	}
}

func (t *trial) handled() {
	t.mu.Lock()
	f := t.onHook
	t.mu.Unlock()
	if f != nil {
		f()
	}
}

// watch sets what is called when the server's adapter has opened a session, and when it has read a webhook.
func (t *trial) watch(start func(hitl.Ref, string), hook func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.onStart, t.onHook = start, hook
}

// replica makes another adapter, as another process would have it: what the first one knows, it does not.
func (t *trial) replica() adapter {
	t.Helper()
	t.mu.Lock()
	connect := t.connect
	t.mu.Unlock()
	if connect == nil {
		t.Fatalf("The integration was installed without its adapter being made.")
	}
	a, err := connect(t.Context())
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
	ctx, cancel := context.WithTimeout(ctx, patience)
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
	late := time.NewTimer(patience + patience/2)
	defer late.Stop()
	var r result
	select {
	case r = <-results:
	case <-late.C:
		r.err = &broken{fmt.Sprintf("%s did not return, though its context ended after %s.", method, patience)}
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
	if s, ok := v.(string); ok {
		return shorten(s)
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
