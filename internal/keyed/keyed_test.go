package keyed_test

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hitl-go/sdk/internal/keyed"
)

func TestOneAtATimeInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m keyed.Mutex[string]
		var got []int
		var wg sync.WaitGroup
		unlock, err := m.Lock(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		for i := range 10 {
			wg.Go(func() {
				unlock, err := m.Lock(t.Context(), "a")
				if err != nil {
					t.Error(err)
					return
				}
				defer unlock()
				got = append(got, i) // a data race if two hold the key
			})
			synctest.Wait() // i is queued before i+1
		}
		unlock()
		wg.Wait()
		if want := []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}; !slices.Equal(got, want) {
			t.Errorf("order %v, want %v", got, want)
		}
	})
}

func TestKeysAreIndependent(t *testing.T) {
	var m keyed.Mutex[string]
	for i := range 5 {
		unlock, err := m.Lock(t.Context(), strconv.Itoa(i))
		if err != nil {
			t.Fatal(err)
		}
		defer unlock()
	}
}

func TestWaitingEndsWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m keyed.Mutex[string]
		unlock, _ := m.Lock(t.Context(), "a")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := m.Lock(ctx, "a"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v, want the context's", err)
		}
		unlock()
		again, err := m.Lock(t.Context(), "a") // the cancelled waiter does not block the queue
		if err != nil {
			t.Fatal(err)
		}
		again()
	})
}

func TestQueueIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := keyed.Mutex[string]{MaxWaiting: 1}
		unlock, _ := m.Lock(t.Context(), "a")
		var wg sync.WaitGroup
		wg.Go(func() {
			second, err := m.Lock(t.Context(), "a")
			if err != nil {
				t.Error(err)
				return
			}
			second()
		})
		synctest.Wait()
		if _, err := m.Lock(t.Context(), "a"); !errors.Is(err, keyed.ErrFull) {
			t.Errorf("error %v, want ErrFull", err)
		}
		unlock()
		wg.Wait()
	})
}
