package message

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
)

// The limits of the lookup of names. Users beyond them are called [Words.User].
const (
	maxNames     = 100 // Users, the latest speakers first.
	maxLookups   = 8   // Concurrent calls.
	namesTimeout = 5 * time.Second
	maxNameLen   = 200 // Runes. Botpress allows no more.
)

// names looks up the name of each speaker once. Names that it could not get in time are missing
// from the result.
//
// It returns after namesTimeout even if a call ignores its context. It abandons such a call,
// because a transcript must not delay a handover.
func names(ctx context.Context, history []Turn, lookup func(context.Context, string) (string, error)) map[string]string {
	ids := speakers(history)
	if lookup == nil || len(ids) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, namesTimeout)
	defer cancel()

	type answer struct{ id, name string }
	queue := make(chan string, len(ids))
	answers := make(chan answer, len(ids)) // Buffered, so that no goroutine blocks after the return.
	for _, id := range ids {
		queue <- id
	}
	close(queue)
	for range min(maxLookups, len(ids)) {
		go func() {
			for id := range queue {
				if ctx.Err() != nil {
					return
				}
				name, err := safely(ctx, lookup, id)
				if err != nil {
					name = ""
				}
				answers <- answer{id, cleanName(name)}
			}
		}()
	}
	found := make(map[string]string, len(ids))
	for range ids {
		select {
		case a := <-answers:
			if a.name != "" {
				found[a.id] = a.name
			}
		case <-ctx.Done():
			return found
		}
	}
	return found
}

// safely calls lookup and makes an error of a panic: the caller could not recover it from another
// goroutine.
func safely(ctx context.Context, lookup func(context.Context, string) (string, error), id string) (name string, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	return lookup(ctx, id)
}

// speakers lists the users of a history, the latest first.
func speakers(history []Turn) []string {
	var ids []string
	for _, turn := range slices.Backward(history) {
		if len(ids) == maxNames {
			break
		}
		if turn.UserID != "" && !slices.Contains(ids, turn.UserID) {
			ids = append(ids, turn.UserID)
		}
	}
	return ids
}

// cleanName sanitizes a name for a heading. It removes bidirectional controls, which would reverse
// the text after them.
func cleanName(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Bidi_Control, r) {
			return -1
		}
		return r
	}, oneLine(s))
	s = strings.Join(strings.Fields(s), " ")
	if characters, runes := Runes.cuts(s, maxNameLen); len(characters) > 0 {
		s = s[:characters[len(characters)-1]]
	} else if len(runes) > 0 {
		s = s[:runes[len(runes)-1]]
	}
	return s
}
