package zendesktest

import (
	"slices"
	"time"
)

// breaker keeps a webhook from calling what is broken. What is triggered during a pause is lost.
type breaker struct {
	attempts []attempt // Of the last minutes, oldest first.
	until    time.Time // When the pause is over.
}

type attempt struct {
	at     time.Time
	failed bool
}

// When a webhook is paused: at 70 % errors or after 1,000 of them in five minutes. That a share counts only after some attempts,
// and how long a pause is, are guesses.
const (
	breakerWindow   = 5 * time.Minute
	breakerFailures = 1000
	breakerPercent  = 70
	breakerAttempts = 100
	breakerPause    = 5 * time.Second
)

func (b *breaker) paused() bool { return time.Now().Before(b.until) }

func (b *breaker) count(succeeded bool) {
	now := time.Now()
	b.attempts = slices.DeleteFunc(b.attempts, func(a attempt) bool { return now.Sub(a.at) >= breakerWindow })
	b.attempts = append(b.attempts, attempt{now, !succeeded})
	failed := 0
	for _, a := range b.attempts {
		if a.failed {
			failed++
		}
	}
	if failed >= breakerFailures || len(b.attempts) >= breakerAttempts && failed*100 >= breakerPercent*len(b.attempts) {
		b.until, b.attempts = now.Add(breakerPause), nil
	}
}
