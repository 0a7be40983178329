package hitl

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/internal/sleep"
	"github.com/hitl-go/sdk/message"
)

// A desk may report a message of ours back as an agent's, and faster than we can write that it is ours. Such an echo has an
// unknown id and the words of a message that is being delivered.

const (
	// echoWindow is how far back settled messages are looked at.
	echoWindow = 2 * time.Minute
	// resentEchoWindow is the same for a desk that recognises no repetition: an echo whose id nobody knows may be read back late.
	resentEchoWindow = 90 * time.Minute
	// echoWait is how long a possible echo waits for the message to be settled.
	echoWait = 3 * time.Second
)

// What is known of an author of replies.
const (
	authorHuman  = "human"  // its first reply was no echo
	authorEchoes = "echoes" // it has echoed before
)

// isEcho reports whether a reply is an echo. It asks Botpress about the first reply of each author, and about all of those who
// have echoed before: others cost no call. If the message is not settled in time, the reply's sender is asked to retry.
func (b *toBot) isEcho(ctx context.Context, ses *session, agent Agent, e Replied) (bool, error) {
	if known, _ := b.authors.get(agent.ID); known == authorHuman {
		return false, nil
	}
	until := time.Now().Add(echoWait)
	for wait := 100 * time.Millisecond; ; wait *= 2 {
		echo, unsettled, err := b.lookForEcho(ctx, ses, e)
		if err != nil {
			return false, err
		}
		if echo {
			b.authors.put(authorEchoes, agent.ID)
			b.seenMessages.put(ours, tagValue(e.ID))
			return true, nil
		}
		if !unsettled {
			if known, _ := b.authors.get(agent.ID); known == "" {
				b.authors.put(authorHuman, agent.ID)
			}
			return false, nil
		}
		if left := time.Until(until); left <= 0 || sleep.For(ctx, min(wait, left)) != nil {
			return false, Retryable(5*time.Second, errors.New("hitl: the reply may be the echo of a message that is being delivered"))
		}
	}
}

// lookForEcho looks through the newest messages: for one that has the reply's id, and for one with its words that is not settled.
// Of a message that the desk may have several times, only one id is known: its words have to do.
func (b *toBot) lookForEcho(ctx context.Context, ses *session, e Replied) (echo, unsettled bool, err error) {
	window := echoWindow
	if b.def.SendOnce {
		window = resentEchoWindow
	}
	words := strings.TrimSpace(message.PlainText(e.Message))
	looked := 0
	for m, err := range b.api.ListMessages(ctx, botpress.ListMessagesParams{ConversationID: ses.conversationID}) {
		if err != nil {
			return false, false, fmt.Errorf("hitl: look for the message of an echo: %w", err)
		}
		if m.Direction == botpress.Outgoing && m.Tags[tagID] == tagValue(e.ID) {
			return true, false, nil
		}
		o, ok := b.desk.outgoingOf(m)
		if ok && o.message != nil && b.desk.says(o, words) {
			if o.settled {
				return true, false, nil
			}
			unsettled = true
		}
		// What is undelivered may be old. It is newer than what is settled.
		if looked++; looked >= maxLook || ok && o.settled && b.sessions.clock.since(latest(m.CreatedAt, m.UpdatedAt)) > window {
			break
		}
	}
	return false, unsettled, nil
}

// says reports whether a part of a message has these words.
func (d *toDesk) says(o outgoing, words string) bool {
	return slices.ContainsFunc(d.parts(o.message), func(part message.Message) bool {
		return strings.TrimSpace(message.PlainText(part)) == words
	})
}
