package hitl_test

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hitl-go/sdk/botpress/botpresstest"
	"github.com/hitl-go/sdk/hitl"
	"github.com/hitl-go/sdk/internal/acme"
	"github.com/hitl-go/sdk/message"
)

// save has the owner of the bot save the configuration, with another token.
func (w *world) save() {
	w.t.Helper()
	w.must(w.in.Configure(w.t.Context(), acme.Config{APIURL: "https://desk.example.com", APIToken: "another"}))
}

func (w *world) apiIsDown() (lift func()) {
	return w.cloud.Fault(botpresstest.Fault{Operation: botpresstest.AnyAPICall, Kind: botpresstest.InternalError})
}

// isClosed checks that the only ticket is closed a day later.
func (w *world) isClosed() {
	w.t.Helper()
	w.pass(24 * time.Hour)
	if tickets := w.desk.Tickets(); len(tickets) != 1 || tickets[0].Status != "closed" {
		w.t.Errorf("a day later the tickets are %+v, want a closed one", tickets)
	}
}

// An adapter that is replaced leaves the next one what it had to try again.
func TestSaveWhileThereIsWorkLeft(t *testing.T) {
	for name, test := range map[string]func(*world, *botpresstest.EndUser){
		"an end that Botpress did not take": func(w *world, jane *botpresstest.EndUser) {
			w.escalate(jane, "Help")
			lift := w.apiIsDown()
			if err := jane.StopHitl(w.t.Context()); err == nil {
				w.t.Error("the bot was told that the session has ended")
			}
			lift()
			w.save()
			w.isClosed()
		},
		"an end that is under way": func(w *world, jane *botpresstest.EndUser) {
			w.escalate(jane, "Help")
			w.pass(time.Minute)
			lift := w.apiIsDown()
			ended := make(chan error, 1)
			go func() { ended <- jane.StopHitl(w.t.Context()) }()
			<-time.After(2 * time.Second)
			w.save()
			if err := <-ended; err == nil {
				w.t.Error("the bot was told that the session has ended")
			}
			lift()
			w.isClosed()
		},
		"a message that the desk did not take": func(w *world, jane *botpresstest.EndUser) {
			w.escalate(jane, "Help")
			w.desk.Before = failing("SendMessage", 1, errors.New("503"))
			w.sayMany(jane, 0, 1)
			<-time.After(time.Second)
			w.save()
			w.pass(time.Hour)
			if got := w.log("T-1"); !slices.Equal(got, []string{"Jane: said 0"}) {
				w.t.Errorf("an hour later the desk has %q", got)
			}
		},
		"a message that is under way": func(w *world, jane *botpresstest.EndUser) {
			w.escalate(jane, "Help")
			fails := failing("SendMessage", 1, errors.New("503"))
			w.desk.Before = func(ctx context.Context, method string) error {
				err := fails(ctx, method)
				if err != nil {
					<-time.After(5 * time.Second)
				}
				return err
			}
			w.must(jane.Say(w.t.Context(), message.Text{Text: "said 0"}))
			<-time.After(time.Second)
			w.save()
			w.pass(time.Hour)
			if got := w.log("T-1"); !slices.Equal(got, []string{"Jane: said 0"}) {
				w.t.Errorf("an hour later the desk has %q", got)
			}
		},
	} {
		for how, every := range map[string]time.Duration{"with sweeps": 0, "without sweeps": -1} {
			t.Run(name+" "+how, func(t *testing.T) {
				inBubble(t, setting{cloud: once, server: hitl.Options{SweepEvery: every}}, func(_ *testing.T, w *world, jane *botpresstest.EndUser) {
					test(w, jane)
				})
			})
		}
	}
}

// A ticket that Botpress does not know of is written down, and ends with the next sweep, since nobody waits for it.
func TestSaveWhileATicketIsUnknown(t *testing.T) {
	inBubble(t, setting{cloud: once}, func(t *testing.T, w *world, jane *botpresstest.EndUser) {
		lift := w.cloud.Fault(botpresstest.Fault{Operation: "updateConversation", Kind: botpresstest.InternalError})
		if err := jane.Escalate(t.Context(), botpresstest.Escalation{Title: "Help"}); err == nil {
			t.Error("the bot was told that the session has begun")
		}
		lift()
		w.save()
		w.isClosed()
	})
}

// Both the desk and Botpress are down when a session ends. The process remembers it until the desk is connected.
func TestEndWhileAllIsDown(t *testing.T) {
	atSignIn(t, func(t *testing.T, w *world, jane *botpresstest.EndUser, s *signIn, replace func()) {
		w.escalate(jane, "Help")
		w.pass(time.Minute)
		replace()
		s.fails(errDown)
		lift := w.apiIsDown()
		if err := jane.StopHitl(t.Context()); err == nil {
			t.Error("the bot was told that the session has ended")
		}
		lift()
		s.fails(nil)
		w.isClosed()
	})
}

// What a retry or a sweep has begun is finished when the process ends, or the configuration is saved: the desk takes it once.
func TestEndDuringBackgroundWork(t *testing.T) {
	for begun, bySweep := range map[string]bool{"by a retry": false, "by a sweep": true} {
		for name, end := range map[string]func(t *testing.T, w *world, replace func()){
			"process":       func(_ *testing.T, _ *world, replace func()) { replace() },
			"configuration": func(_ *testing.T, w *world, _ func()) { w.save() },
		} {
			t.Run(name+" "+begun, func(t *testing.T) {
				desk := &acme.Desk{Forgetful: true}
				var opts hitl.Options
				server := func(o *hitl.Options) (*hitl.Server, error) {
					opts = *o
					def := acme.Definition(true)
					def.SendOnce = true
					return acme.NewServer(def, desk, o)
				}
				inBubble(t, setting{cloud: once, make: server}, func(t *testing.T, w *world, jane *botpresstest.EndUser) {
					w.desk = desk
					replace := func() {
						ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
						defer cancel()
						w.must(w.replicas[0].(*hitl.Server).Shutdown(ctx))
						next, err := server(&opts)
						w.must(err)
						shutDown(t, next)
						w.replicas[0] = next
					}
					w.escalate(jane, "Help")
					var attempts atomic.Int64
					sending := make(chan struct{})
					desk.Before = func(_ context.Context, method string) error {
						if method == "SendMessage" && attempts.Add(1) < 2 {
							return errors.New("503")
						}
						return nil
					}
					desk.After = func(ctx context.Context, method string) error {
						if method != "SendMessage" || attempts.Load() != 2 {
							return nil
						}
						close(sending)
						select {
						case <-ctx.Done():
							return context.Cause(ctx)
						case <-time.After(2 * time.Second):
							return nil
						}
					}
					w.must(jane.Say(t.Context(), message.Text{Text: "said 0"}))
					if bySweep { // The retry is lost with its process.
						<-time.After(time.Second)
						replace()
						w.must(w.asks("ping"))
					}
					<-sending
					end(t, w, replace)
					w.must(w.asks("ping"))
					w.pass(30 * time.Minute)
					if got := w.log("T-1"); !slices.Equal(got, []string{"Jane: said 0"}) {
						t.Errorf("the desk has %q", got)
					}
				})
			})
		}
	}
}
