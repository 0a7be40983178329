package sleep_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hitl-go/sdk/internal/sleep"
)

func TestFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		if err := sleep.For(t.Context(), time.Hour); err != nil || time.Since(start) != time.Hour {
			t.Errorf("it has returned %v after %s, want nil after an hour", err, time.Since(start))
		}
		enough := errors.New("enough")
		ctx, cancel := context.WithCancelCause(t.Context())
		start = time.Now()
		time.AfterFunc(time.Minute, func() { cancel(enough) })
		if err := sleep.For(ctx, time.Hour); !errors.Is(err, enough) || time.Since(start) != time.Minute {
			t.Errorf("it has returned %v after %s, want the cause after a minute", err, time.Since(start))
		}
	})
}

func TestJitter(t *testing.T) {
	seen := map[time.Duration]bool{}
	for range 100 {
		d := sleep.Jitter(time.Hour)
		if seen[d] = true; d < 0 || d >= time.Hour {
			t.Errorf("it is %s, want less than an hour", d)
		}
	}
	if len(seen) < 2 {
		t.Error("it is always the same")
	}
	for _, most := range []time.Duration{0, -time.Hour} {
		if d := sleep.Jitter(most); d != 0 {
			t.Errorf("of %s it is %s", most, d)
		}
	}
}
