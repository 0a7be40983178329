package lease_test

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/botpress/botpresstest"
	"github.com/hitl-go/sdk/internal/lease"
	"github.com/hitl-go/sdk/internal/memnet"
)

// world is a Botpress in memory with one conversation, in which replicas compete for the lease "work".
type world struct {
	t     *testing.T
	cloud *botpresstest.Server
	api   *botpress.Client
	key   botpress.StateKey
	start time.Time
}

func inWorld(t *testing.T, f func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		network := &memnet.Network{}
		listener, err := network.Listen("botpress.test:80")
		if err != nil {
			t.Fatal(err)
		}
		client := network.Client()
		t.Cleanup(client.CloseIdleConnections)
		cloud := botpresstest.NewServer(&botpresstest.Options{Listener: listener, Client: client})
		t.Cleanup(cloud.Close)

		front, err := network.Listen("acme.test:80")
		if err != nil {
			t.Fatal(err)
		}
		srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("{}")) })}
		served := make(chan struct{})
		go func() {
			defer close(served)
			_ = srv.Serve(front)
		}()
		t.Cleanup(func() {
			_ = srv.Close()
			<-served
		})
		in, err := cloud.Install(t.Context(), botpresstest.Integration{Name: "acme", URL: "http://acme.test", States: []string{"work"}})
		if err != nil {
			t.Fatal(err)
		}
		api, err := botpress.New(botpress.Options{
			BaseURL: "http://botpress.test", Token: cloud.Token, BotID: cloud.BotID, IntegrationID: in.IntegrationID,
			IntegrationAlias: in.Alias, HTTPClient: client,
		})
		if err != nil {
			t.Fatal(err)
		}
		conv, err := api.CreateConversation(t.Context(), botpress.CreateConversationParams{Channel: "hitl", Tags: botpress.Tags{}})
		if err != nil {
			t.Fatal(err)
		}
		f(t, &world{
			t: t, cloud: cloud, api: api, start: time.Now(),
			key: botpress.StateKey{Type: botpress.StateOfConversation, ID: conv.ID, Name: "work"},
		})
	})
}

const ttl = time.Minute

// replica is a holder whose clock is ahead by skew.
func (w *world) replica(skew time.Duration) lease.Leases {
	return lease.Leases{API: w.api, Now: func() time.Time { return time.Now().Add(skew) }}
}

// at waits until a time after the start of the test.
func (w *world) at(d time.Duration) { <-time.After(time.Until(w.start.Add(d))) }

func (w *world) mustAcquire(l lease.Leases) *lease.Lease {
	w.t.Helper()
	held, err := l.Acquire(w.t.Context(), w.key, ttl)
	if err != nil {
		w.t.Fatalf("after %v: %v", time.Since(w.start), err)
	}
	return held
}

func (w *world) wantHeld(l lease.Leases) {
	w.t.Helper()
	if _, err := l.Acquire(w.t.Context(), w.key, ttl); !errors.Is(err, lease.ErrHeld) {
		w.t.Fatalf("after %v: got %v, want that another holds it", time.Since(w.start), err)
	}
}

// compete lets replicas try again and again for a while, and returns how many got the lease.
func (w *world) compete(ctx context.Context, replicas ...lease.Leases) int {
	var mu sync.Mutex
	var wg sync.WaitGroup
	winners := 0
	for _, l := range replicas {
		wg.Go(func() {
			for ctx.Err() == nil {
				if _, err := l.Acquire(ctx, w.key, ttl); err == nil {
					mu.Lock()
					defer mu.Unlock()
					winners++
					return
				}
				<-time.After(500 * time.Millisecond)
			}
		})
	}
	wg.Wait()
	return winners
}

func (w *world) within(d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(w.t.Context(), d)
	w.t.Cleanup(cancel)
	return ctx
}

func TestOneHolderAtATime(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a, b := w.replica(0), w.replica(0)
		held := w.mustAcquire(a)
		w.wantHeld(b)
		if err := held.Release(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := w.mustAcquire(b); got.TakenOver {
			t.Error("a lease that was released is said to be taken over")
		}
		w.wantHeld(a)
	})
}

func TestExpiredLeaseIsTakenOverOnce(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.mustAcquire(w.replica(0)) // and crashes
		w.at(ttl + lease.MaxSkew - time.Second)
		w.wantHeld(w.replica(0))
		if n := w.compete(w.within(30*time.Second), w.replica(0), w.replica(0), w.replica(0)); n != 1 {
			t.Errorf("%d replicas got the expired lease, want one", n)
		}
	})
}

func TestTakenOverIsSaid(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.mustAcquire(w.replica(0))
		w.at(ttl + lease.MaxSkew + time.Second)
		if held := w.mustAcquire(w.replica(0)); !held.TakenOver {
			t.Error("nobody is told that an earlier holder let the lease expire")
		}
	})
}

// The holder's release is sent in time, and arrives while another replica takes the expired lease over.
func TestReleaseThatArrivesDuringTheTakeOver(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		first := w.mustAcquire(w.replica(0))
		w.at(ttl - 5*time.Second)
		takeOver := ttl + lease.MaxSkew
		late := takeOver + lease.Settle/2 - time.Since(w.start)
		defer w.cloud.Fault(botpresstest.Fault{Operation: "setState", Kind: botpresstest.Late, Delay: late, Times: 1})()
		if err := first.Release(t.Context()); err == nil {
			t.Fatal("the release was answered")
		}
		w.at(takeOver)
		if n := w.compete(w.within(30*time.Second), w.replica(0), w.replica(0)); n != 1 {
			t.Errorf("%d replicas hold the lease, want one", n)
		}
	})
}

// A write that takes the lease over is answered too late, and takes effect while another replica does the same.
func TestTakeOverThatArrivesLate(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.mustAcquire(w.replica(0))
		w.at(ttl + lease.MaxSkew)
		defer w.cloud.Fault(botpresstest.Fault{Operation: "setState", Kind: botpresstest.Late, Delay: lease.WriteTimeout + time.Second, Times: 1})()
		if n := w.compete(w.within(30*time.Second), w.replica(0), w.replica(0)); n != 1 {
			t.Errorf("%d replicas hold the lease, want one", n)
		}
	})
}

func TestReleaseOfAnExpiredLeaseFreesNothing(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		paused := w.mustAcquire(w.replica(0))
		w.at(ttl + lease.MaxSkew)
		w.mustAcquire(w.replica(0))
		if err := paused.Release(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.wantHeld(w.replica(0))
	})
}

// A release whose answer is lost is not repeated: the second one would free the lease of the next holder.
func TestReleaseIsSentOnce(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		held := w.mustAcquire(w.replica(0))
		defer w.cloud.Fault(botpresstest.Fault{Operation: "setState", Kind: botpresstest.DropAfter})()
		_ = held.Release(t.Context())
		sent := 0
		for _, c := range w.cloud.Calls() {
			if c.Operation == "setState" {
				sent++
			}
		}
		if sent != 1 {
			t.Errorf("the release was sent %d times, want once", sent)
		}
	})
}

func TestClocksApart(t *testing.T) {
	for _, skew := range []time.Duration{-time.Minute, time.Minute} {
		t.Run(skew.String(), func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				w.mustAcquire(w.replica(skew))
				w.at(ttl - time.Second)
				w.wantHeld(w.replica(0))
				if n := w.compete(w.within(3*time.Minute), w.replica(0), w.replica(-skew), w.replica(skew)); n != 1 {
					t.Errorf("%d replicas got the expired lease, want one", n)
				}
			})
		})
	}
}
