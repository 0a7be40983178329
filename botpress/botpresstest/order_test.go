package botpresstest_test

import (
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hitl-go/sdk/botpress/botpresstest"
	"github.com/hitl-go/sdk/message"
)

// deliver says "0", "1"… and returns the texts in the order in which they reach the integration, which answers as told.
func deliver(t *testing.T, a *acme, in *botpresstest.Installation, n int, answer func(text string) int) (texts []string, took time.Duration) {
	t.Helper()
	jane := session(t, in, botpresstest.Profile{Name: "Jane"})
	a.answer(func(op operation) (int, string) {
		text := fmt.Sprint(field(t, op.body, "payload.text"))
		a.mu.Lock()
		texts = append(texts, text)
		a.mu.Unlock()
		return answer(text), "{}"
	})
	start := time.Now()
	for i := range n {
		if err := jane.Say(t.Context(), message.Text{Text: strconv.Itoa(i)}); err != nil {
			t.Fatal(err)
		}
	}
	settle(t, a.server)
	return texts, time.Since(start)
}

// TestGivingUp: a message that is given up does not hold up the next one for ever.
func TestGivingUp(t *testing.T) {
	inBubble(t, botpresstest.Options{Attempts: 2}, func(t *testing.T, a *acme, in *botpresstest.Installation) {
		t.Helper()
		got, took := deliver(t, a, in, 3, func(text string) int {
			if text == "1" {
				return 503
			}
			return 200
		})
		if diff := cmp.Diff([]string{"0", "1", "1", "2"}, got); diff != "" {
			t.Errorf("attempts (-want +got):\n%s", diff)
		}
		if took != time.Second {
			t.Errorf("it took %s, want 1s", took)
		}
	})
}

// TestDispatchParallel: every message is sent at once, and a retry holds up nothing.
func TestDispatchParallel(t *testing.T) {
	inBubble(t, botpresstest.Options{Dispatch: botpresstest.DispatchParallel}, func(t *testing.T, a *acme, in *botpresstest.Installation) {
		t.Helper()
		tried := false
		got, took := deliver(t, a, in, 3, func(text string) int {
			<-time.After(time.Minute / 2) // All are in flight at once.
			a.mu.Lock()
			defer a.mu.Unlock()
			if text == "0" && !tried {
				tried = true
				return 503
			}
			return 200
		})
		slices.Sort(got[:3])
		if diff := cmp.Diff([]string{"0", "1", "2", "0"}, got); diff != "" {
			t.Errorf("attempts (-want +got):\n%s", diff)
		}
		if took != time.Minute+time.Second {
			t.Errorf("it took %s, want two attempts of 30s at one message, 1s apart", took)
		}
	})
}

// TestDispatchShuffled: later messages overtake earlier ones, and none is late by more than 50 ms or lost.
func TestDispatchShuffled(t *testing.T) {
	orders := map[string]bool{}
	for seed := range uint64(10) {
		inBubble(t, botpresstest.Options{Seed: seed, Dispatch: botpresstest.DispatchShuffled}, func(t *testing.T, a *acme, in *botpresstest.Installation) {
			t.Helper()
			got, took := deliver(t, a, in, 5, func(string) int { return 200 })
			if took == 0 || took > 50*time.Millisecond {
				t.Errorf("it took %s, want up to 50ms", took)
			}
			orders[fmt.Sprint(got)] = true
			slices.Sort(got)
			if diff := cmp.Diff([]string{"0", "1", "2", "3", "4"}, got); diff != "" {
				t.Errorf("messages (-want +got):\n%s", diff)
			}
		})
	}
	if len(orders) < 5 {
		t.Errorf("the orders were %v, want more", orders)
	}
}
