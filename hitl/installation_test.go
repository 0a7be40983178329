package hitl_test

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/hitl-go/sdk/botpress/botpresstest"
	"github.com/hitl-go/sdk/hitl"
	"github.com/hitl-go/sdk/internal/acme"
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
