package hitl_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/botpress/botpresstest"
	"github.com/hitl-go/sdk/hitl"
	"github.com/hitl-go/sdk/internal/acme"
	"github.com/hitl-go/sdk/message"
)

// counter is a state that replicas change at the same time.
type counter struct {
	N int `json:"n"`
}

type countingDesk struct {
	stub[struct{}]

	in hitl.Installation
}

func TestStateUpdate(t *testing.T) {
	makeServer := func(opts *hitl.Options) (*hitl.Server, error) {
		def := hitl.Definition{Name: "counting", Version: "1.0.0", States: []hitl.StateDefinition{{Name: "counter", Payload: counter{}}}}
		connect := func(_ context.Context, in hitl.Installation, _ acme.Config) (*countingDesk, error) {
			return &countingDesk{in: in}, nil
		}
		s, err := hitl.NewServer(def, connect, opts)
		if err != nil {
			return nil, err
		}
		return s, hitl.AddAction(s, hitl.Action{Name: "count"}, func(ctx context.Context, d *countingDesk, _ struct{}) (counter, error) {
			var c counter
			err := d.in.State.Update(ctx, "counter", &c, func(context.Context) error {
				<-time.After(50 * time.Millisecond)
				c.N++
				return nil
			})
			return c, err
		})
	}
	inBubble(t, setting{replicas: 3, make: makeServer}, func(t *testing.T, w *world, _ *botpresstest.EndUser) {
		var all sync.WaitGroup
		for range 12 {
			all.Go(func() {
				if status := w.dispatch("action_triggered", `{"type":"count","input":{}}`); status != http.StatusOK {
					t.Errorf("answered %d", status)
				}
			})
		}
		all.Wait()
		if body := w.act(`{"type":"count","input":{}}`); body != `{"output":{"n":13},"meta":{"cost":0}}` {
			t.Errorf("after 12 changes at 3 replicas, and one more: %s", body)
		}
	})
}

// A state that Botpress does not have is a mistake of the author's, and the error says where to mend it.
func TestUndeclaredState(t *testing.T) {
	const want = `hitl: the state "Counter" is not declared: add it to Definition.States`
	var in hitl.Installation
	desk := &fakeDesk{connect: func(_ context.Context, i hitl.Installation, _ fakeConfig) error {
		in = i
		return nil
	}}
	s := desk.server(t, hitl.Options{SweepEvery: -1, Botpress: botpress.Options{HTTPClient: &http.Client{
		Transport: roundTrip(func(*http.Request) (*http.Response, error) { return nil, errDown }),
	}}})
	shutDown(t, s)
	ask(s, request(createUser))
	ctx, change := t.Context(), func(context.Context) error { return nil }
	_, err := in.State.Get(ctx, "Counter", &counter{})
	for method, err := range map[string]error{
		"Get": err, "Set": in.State.Set(ctx, "Counter", counter{}), "Update": in.State.Update(ctx, "Counter", &counter{}, change),
	} {
		if err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", method, err, want)
		}
	}
}

// repeatingDesk sees whether messages come again.
type repeatingDesk struct {
	stub[struct{}]

	mu    sync.Mutex // Guards what follows.
	fails int
	seen  []string
}

func (d *repeatingDesk) SendMessage(_ context.Context, r hitl.SendMessageRequest) (hitl.Ref, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.seen = append(d.seen, fmt.Sprint(message.PlainText(r.Message), " ", r.Repeated))
	if d.fails > 0 {
		d.fails--
		return hitl.Ref{}, errors.New("no answer")
	}
	return hitl.Ref{ID: fmt.Sprint("m", len(d.seen))}, nil
}

func (*repeatingDesk) CreateUser(_ context.Context, r hitl.CreateUserRequest) (hitl.Ref, error) {
	return hitl.Ref{ID: r.UserID}, nil
}

func (*repeatingDesk) StartHitl(_ context.Context, r hitl.StartHitlRequest[struct{}]) (hitl.Ref, error) {
	return hitl.Ref{ID: r.ConversationID}, nil
}

// A message whose first attempt may have reached the desk says so.
func TestRepeatedMessages(t *testing.T) {
	desk := &repeatingDesk{fails: 1}
	makeServer := func(opts *hitl.Options) (*hitl.Server, error) {
		connect := func(context.Context, hitl.Installation, acme.Config) (*repeatingDesk, error) { return desk, nil }
		return hitl.NewServer(hitl.Definition{Name: "repeating", Version: "1.0.0"}, connect, opts)
	}
	inBubble(t, setting{make: makeServer}, func(t *testing.T, w *world, jane *botpresstest.EndUser) {
		w.escalate(jane, "Help")
		w.say(jane, message.Text{Text: "one"})
		w.pass(time.Minute)
		w.say(jane, message.Text{Text: "two"})
		desk.mu.Lock()
		defer desk.mu.Unlock()
		if got := strings.Join(desk.seen, ", "); got != "one false, one true, two false" {
			t.Errorf("the desk has seen %s", got)
		}
	})
}
