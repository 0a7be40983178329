package message

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
)

// The bounds of looking up names. Whoever is beyond them is called by [Words.User].
const (
	maxNames    = 100 // People, the latest speakers first.
	maxLookups  = 8   // Calls at a time.
	namesWithin = 5 * time.Second
	maxNameLen  = 200 // Runes. A user's name in Botpress is no longer.
)

// names asks for the name of everyone who speaks, each once. People whose name it could not get in
// time are missing from the result.
//
// It waits no longer than namesWithin even for a function that ignores its context: such a call is
// left to end by itself, because a transcript may not hold up a hand-over.
func names(ctx context.Context, history []Turn, ask func(context.Context, string) (string, error)) map[string]string {
	ids := speakers(history)
	if ask == nil || len(ids) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, namesWithin)
	defer cancel()

	type answer struct{ id, name string }
	queue := make(chan string, len(ids))
	answers := make(chan answer, len(ids)) // Has room for all: nobody blocks when we have left.
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
				name, err := safely(ctx, ask, id)
				if err != nil {
					name = ""
				}
				answers <- answer{id, oneName(name)}
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

// safely calls ask. Its panic would be nobody's to recover: we are in a goroutine of our own.
func safely(ctx context.Context, ask func(context.Context, string) (string, error), id string) (name string, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	return ask(ctx, id)
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

// oneName makes a name fit for a heading. Marks of direction would turn around what follows.
func oneName(s string) string {
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
