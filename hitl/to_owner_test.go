package hitl_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/botpress/botpresstest"
	"github.com/hitl-go/sdk/hitl"
	"github.com/hitl-go/sdk/hitl/bplog"
)

// ownersLog is a log as Botpress reads it.
type ownersLog struct {
	mu  sync.Mutex
	out bytes.Buffer
}

func (l *ownersLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.out.Write(p)
}

// read returns how many lines the bot's owner reads, and how many of them have a text. Then it forgets them.
func (l *ownersLog) read(text string) (all, with int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range strings.Lines(l.out.String()) {
		if strings.Contains(line, `"visible_to_bot_owner":true`) {
			all++
			if strings.Contains(line, text) && strings.Contains(line, `"botId":"bot_`) && !strings.Contains(line, "not for them") {
				with++
			}
		}
	}
	l.out.Reset()
	return all, with
}

func (l *ownersLog) options(o hitl.Options) hitl.Options {
	o.Logger = slog.New(bplog.NewHandler(l, nil))
	return o
}

// What is said of the work that the server does by itself has no answer. The bot's owner reads it all the same.
func TestBotOwnerReadsWhatNoAnswerSays(t *testing.T) {
	signIn := &hitl.Error{Message: "Sign in again", Temporary: true, Err: errors.New("not for them")}
	closed := &hitl.Error{Message: "The ticket is locked", Err: errors.New("not for them")}
	for name, test := range map[string]struct {
		method string  // of the desk
		errs   []error // of its calls; the last one is that of all others
		act    func(w *world, jane *botpresstest.EndUser)
		says   string
		lines  int // within 150 minutes
	}{
		"a message that waits": {
			method: "SendMessage", errs: []error{signIn},
			act:  func(w *world, jane *botpresstest.EndUser) { w.sayMany(jane, 0, 1) },
			says: "Sign in again", lines: 1 + 3, // the dispatch, and the same once an hour
		},
		"a message that the desk refuses later": {
			method: "SendMessage", errs: []error{errors.New("down"), closed},
			act:  func(w *world, jane *botpresstest.EndUser) { w.sayMany(jane, 0, 1) },
			says: "The ticket is locked", lines: 1,
		},
		"messages that the desk refuses later": {
			method: "SendMessage", errs: []error{errors.New("down"), errors.New("down"), closed},
			act:  func(w *world, jane *botpresstest.EndUser) { w.sayMany(jane, 0, 2) },
			says: "The ticket is locked", lines: 1,
		},
		"an end that waits": {
			method: "StopHitl", errs: []error{signIn},
			act: func(w *world, jane *botpresstest.EndUser) {
				if err := jane.StopHitl(w.t.Context()); err != nil {
					w.t.Errorf("stopHitl: %v", err)
				}
			},
			says: "Sign in again", lines: 3,
		},
		"an end that the desk refuses later": {
			method: "StopHitl", errs: []error{signIn, signIn, signIn, signIn, signIn, signIn, signIn, closed},
			act: func(w *world, jane *botpresstest.EndUser) {
				if err := jane.StopHitl(w.t.Context()); err != nil {
					w.t.Errorf("stopHitl: %v", err)
				}
			},
			says: "The ticket is locked", lines: 1,
		},
		"what is for the log alone": {
			method: "SendMessage", errs: []error{errors.New("down")},
			act: func(w *world, jane *botpresstest.EndUser) {
				w.sayMany(jane, 0, 1)
			},
			says: "An unexpected error", lines: 1, // the dispatch
		},
	} {
		t.Run(name, func(t *testing.T) {
			var log ownersLog
			inBubble(t, setting{server: log.options(hitl.Options{}), cloud: once}, func(t *testing.T, w *world, jane *botpresstest.EndUser) {
				w.escalate(jane, "Help")
				var mu sync.Mutex
				calls := 0
				w.desk.Before = func(_ context.Context, method string) error {
					if method != test.method {
						return nil
					}
					mu.Lock()
					defer mu.Unlock()
					calls++
					return test.errs[min(calls, len(test.errs))-1]
				}
				test.act(w, jane)
				w.pass(150 * time.Minute)
				all, with := log.read(test.says)
				if with != test.lines {
					t.Errorf("the owner reads %d lines that say %q, want %d (of %d), after %d calls", with, test.says, test.lines, all, calls)
				}
			})
		})
	}
}

// A session that ends while the account of the desk is signed out is answered with success, which tells nobody why its ticket is open.
func TestBotOwnerReadsOfUnconnected(t *testing.T) {
	var log ownersLog
	api := conversationAPI{tags: `{"id":"T-1","startedAt":"1999-01-01T00:00:00.000Z","phase":"open"}`}
	desk := &fakeDesk{connect: func(context.Context, hitl.Installation, fakeConfig) error {
		return &hitl.Error{Message: "Sign in again", Temporary: true}
	}}
	s := desk.server(t, log.options(hitl.Options{SweepEvery: -1, Botpress: botpress.Options{HTTPClient: &http.Client{Transport: api}}}))
	shutDown(t, s)
	if a := ask(s, request([2]string{"action_triggered", `{"type":"stopHitl","input":{"conversationId":"conv_1"}}`})); a.status != http.StatusOK {
		t.Fatalf("answered %d %s", a.status, a.body)
	}
	if all, with := log.read("Sign in again"); all != 1 || with != 1 {
		t.Errorf("the owner reads %d lines, %d of them the right one, want one", all, with)
	}
}

// A desk that cannot be listened to is seen by who watches the metrics, and by the owner who can mend it.
func TestReceiveThatFailsIsReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log ownersLog
		var mu sync.Mutex
		var got []hitl.Operation
		errs := []error{errors.New("the socket broke"), hitl.Errorf("Give the token the right to read")}
		runs := 0
		desk := &fullDesk{receive: func(ctx context.Context, deliver func(context.Context, ...hitl.Event) error) error {
			if runs++; runs <= len(errs) {
				return errs[runs-1]
			}
			if runs == len(errs)+1 {
				return fmt.Errorf("acme: %w", deliver(ctx, replied("", "It needs an ID"))) // That counts once.
			}
			<-ctx.Done()
			return ctx.Err()
		}}
		s := serve(t, desk, log.options(hitl.Options{SweepEvery: -1, OnOperation: func(_ context.Context, o hitl.Operation) {
			mu.Lock()
			defer mu.Unlock()
			if o.Name == "receive" {
				got = append(got, o)
			}
		}}))
		ask(s, request(webhook)) // the installation is seen
		<-time.After(20 * time.Second)
		if err := s.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
		if runs != len(errs)+2 || len(got) != 3 || got[0].Outcome() != hitl.OutcomeFailed || got[1].Outcome() != hitl.OutcomeRefused || got[1].BotID != "bot_1" {
			t.Errorf("the operations are %+v", got)
		}
		if all, with := log.read("Give the token the right to read"); all != 1 || with != 1 {
			t.Errorf("the owner reads %d lines, %d of them the right one, want one", all, with)
		}
	})
}
