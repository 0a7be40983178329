package hitl

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/internal/invisible"
	"github.com/hitl-go/sdk/internal/wire"
)

// redeliveryWindow is how long after its end, or after a first attempt that failed, a session may still be asked for by a
// repeated startHitl: Botpress repeats a request whose answer was lost, and the desk may have closed the session in the meantime.
const redeliveryWindow = 10 * time.Minute

// startHitl opens a session once, however often and by however many replicas it is asked to. The idempotency key finds the
// conversation of an earlier attempt, the lease keeps two attempts from opening a ticket each, and the tag startedAt says
// that it is open.
func (d *toDesk) startHitl(ctx context.Context, input json.RawMessage) (wire.ConversationRef, error) {
	arrived := d.sessions.clock.now()
	var in wire.StartHitlInput
	if err := decode(input, &in); err != nil {
		return wire.ConversationRef{}, err
	}
	if !isID(in.UserID) {
		return wire.ConversationRef{}, invalidf("startHitl needs a userId")
	}
	extra, err := d.decodeSession(in.Session)
	if err != nil {
		return wire.ConversationRef{}, invalidf("hitlSession is invalid: %w", err)
	}
	user, ref, err := d.identities.readUser(ctx, in.UserID)
	if err != nil {
		return wire.ConversationRef{}, err
	}
	key, err := d.idempotencyKey(input)
	if err != nil {
		return wire.ConversationRef{}, err
	}
	defer d.sessions.starts.begin(d.sessions.scope)()

	conv, err := d.conversation(ctx, key)
	if err != nil {
		return wire.ConversationRef{}, err
	}
	unlock, err := d.sessions.lock(ctx, conv.ID)
	if err != nil {
		return wire.ConversationRef{}, err
	}
	defer unlock()

	started, err := d.openInDesk(ctx, conv, user, StartHitlRequest[any]{
		ConversationID: conv.ID, UserID: in.UserID, User: ref, UserName: user.Name, UserEmail: realEmail(user.Tags[tagEmail]),
		Title: visible(in.Title), Description: visible(in.Description), Session: extra, History: in.History, name: d.identities.name,
	})
	if err == nil && started == nil {
		// The desk has been told long ago if writing that down has taken its time. The plugin has not.
		if ses, ok := d.sessions.cache.get(conv.ID); ok && d.isLate(ses) {
			started, arrived = ses, d.sessions.clock.now()
		}
	}
	if err == nil && started != nil {
		err = d.onDuplicateStart(ctx, started, arrived)
	}
	if err != nil {
		return wire.ConversationRef{}, err
	}
	return wire.ConversationRef{ConversationID: conv.ID}, nil
}

// idempotencyKey is the same for each attempt to start the same session, and for no other session: the history sees to that.
func (d *toDesk) idempotencyKey(input json.RawMessage) (string, error) {
	var v any
	decoder := json.NewDecoder(bytes.NewReader(input)) //nolint:forbidigo // Every key counts, and none is looked for.
	decoder.UseNumber()                                // large numbers that differ must not become one
	if err := decoder.Decode(&v); err != nil {
		return "", invalidf("the input is not valid: %w", err)
	}
	canonical, err := json.Marshal(v) // with sorted keys
	if err != nil {
		return "", err
	}
	whose := strings.Join([]string{d.in.BotID, d.in.IntegrationID, d.in.Alias, d.in.WebhookID}, "\x00")
	sum := sha256.Sum256(append([]byte(whose+"\n"), canonical...))
	return hex.EncodeToString(sum[:]), nil
}

// conversation finds the conversation of an earlier attempt, or creates one. Conversations that were closed before the
// redelivery window are never reused, nor those that were created before it and have not started: nobody expects them to.
func (d *toDesk) conversation(ctx context.Context, key string) (botpress.Conversation, error) {
	for tries := 0; ; tries++ {
		// The phase is overwritten in a conversation that is found. It is put right as soon as that is noticed.
		conv, _, err := d.in.Client.GetOrCreateConversation(ctx, botpress.GetOrCreateConversationParams{
			Channel: d.def.Channel.Name, Tags: botpress.Tags{tagStartKey: key, tagPhase: phaseOpening},
			DiscriminateByTags: []string{tagStartKey},
		})
		if err != nil {
			return conv, fmt.Errorf("hitl: create the conversation: %w", err)
		}
		ses := d.sessions.snapshot(conv)
		var age time.Duration
		phase := ses.truePhase()
		switch {
		case ses.closed():
			age = d.sessions.clock.since(ses.closedAt)
		case ses.startedAt.IsZero():
			age, phase = d.sessions.clock.since(ses.createdAt), ""
		}
		if age < redeliveryWindow || tries > 0 {
			return conv, nil
		}
		if _, err := d.sessions.write(ctx, conv.ID, botpress.Tags{tagStartKey: "", tagPhase: phase}); err != nil {
			return conv, err
		}
	}
}

// visible is a text, or nothing if nothing is seen of it: desks refuse that, or show it.
func visible(text string) string {
	if invisible.Only(text) {
		return ""
	}
	return text
}

// openInDesk opens the session, or returns it if an earlier attempt has opened it.
func (d *toDesk) openInDesk(ctx context.Context, conv botpress.Conversation, user botpress.User, r StartHitlRequest[any]) (started *session, err error) {
	if ses := d.sessions.snapshot(conv); !ses.startedAt.IsZero() {
		return ses, nil
	}
	started, err = d.open(ctx, conv.ID, func() (Ref, error) {
		ref, err := d.adapter.StartHitl(ctx, r)
		if err != nil {
			d.markRefused(ctx, conv.ID, err)
		}
		return ref, err
	})
	if started == nil && err == nil {
		d.identities.speakers.put(speakerOf(user, r.User), conv.ID, r.UserID)
	}
	return started, err
}

// open opens a session, or returns it if that is done. The attempt that opens it keeps the lease until it expires: so no
// attempt can get the lease whose view of the conversation is older than that.
func (d *toDesk) open(ctx context.Context, conversationID string, ask func() (Ref, error)) (started *session, err error) {
	held, err := d.leases.acquire(ctx, conversationID, stateStart, func() (settled bool, err error) {
		ses, err := d.sessions.read(ctx, conversationID)
		if err != nil || ses.startedAt.IsZero() {
			return false, err
		}
		started = ses
		return true, nil
	})
	if err != nil || held == nil {
		return started, err
	}
	opened := false
	defer func() {
		if !opened { // a panic is among the reasons
			d.leases.release(ctx, held)
		}
	}()
	ref, known := d.startedRefs.get(conversationID)
	if !known {
		if ref, err = ask(); err != nil {
			return nil, err
		}
	}
	if err := d.markStarted(ctx, conversationID, ref); err != nil {
		return nil, err
	}
	opened = true
	return nil, nil
}

// markRefused takes a session that the desk refuses out of those that are being opened: events of unknown sessions need not
// wait for it.
func (d *toDesk) markRefused(ctx context.Context, conversationID string, err error) {
	if !isPermanent(err) {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), ackGrace)
	defer cancel()
	if _, err := d.sessions.write(ctx, conversationID, botpress.Tags{tagPhase: ""}); err != nil {
		d.log.WarnContext(ctx, "a session that the desk refused is still marked as opening", "error", err)
	}
}

// markStarted writes that the session is open. It is one call, so that no one sees half of it. It has a time of its own, since
// the desk may have used up the operation's: a ticket that nobody knows of would be an orphan. If it fails all the same, this
// process remembers the ticket, and writes that down later.
func (d *toDesk) markStarted(ctx context.Context, conversationID string, ref Ref) error {
	observed(ctx).works(sessionKey{ref.ID, conversationID})
	tags, err := d.def.conversationTags(ref)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), ackGrace)
	defer cancel()
	now := d.sessions.clock.now()
	tags[tagStartedAt], tags[tagPhase] = timestamp(now), phaseOpen
	unanswered := !observed(ctx).awaited()
	if unanswered {
		tags[tagUnanswered] = "true"
	}
	if _, err := d.sessions.write(ctx, conversationID, tags); err != nil {
		d.startedRefs.put(ref.clone(), conversationID)
		d.retry(conversationID, err)
		return fmt.Errorf("hitl: link it with the desk's %s: %w", ref.ID, err)
	}
	d.startedRefs.remove(conversationID)
	d.sessions.remember(&session{
		conversationID: conversationID, ref: ref.clone(), startedAt: now, unanswered: unanswered, phase: phaseOpen,
	})
	return nil
}

// answerTime is how long after the start of a session its answer is sent, and the least time until Botpress repeats the request.
const answerTime = 100 * time.Millisecond

// onDuplicateStart handles a repeated startHitl: the plugin has not seen our answer, so for it the session is still to begin.
// But a message that the plugin has sent to the desk proves that it has seen an answer: then this request is only late. And if
// the session has started just now, what is scheduled comes late enough for this answer, too.
//
// A request that arrived before the earlier answer was sent may be a duplicate of the one whose answer the plugin has seen, or
// the one whose answer it waits for. It fails if it is late: if it is waited for, Botpress repeats it, and all is clear.
func (d *toDesk) onDuplicateStart(ctx context.Context, ses *session, arrived time.Time) error {
	observed(ctx).works(ses.key())
	current, err := d.sessions.write(ctx, ses.conversationID, botpress.Tags{tagPhase: ses.truePhase()})
	if err != nil {
		return err
	}
	d.sessions.remember(current)
	ready, err := d.pluginIsReady(ctx, ses)
	switch {
	case err != nil:
		return err
	case ready || !d.isLate(ses):
		return d.markAnswered(ctx, current, ready)
	case arrived.Sub(ses.startedAt) < answerTime:
		return Retryable(time.Second, errors.New("hitl: the answer comes too late, and startHitl may have been answered before"))
	default:
		return d.startAgain(ctx, current)
	}
}

// isLate reports whether a session has started too long ago for an answer that is sent now.
func (d *toDesk) isLate(ses *session) bool {
	return d.sessions.clock.since(ses.startedAt) > max(d.sessions.activationDelay/4, answerTime)
}

// pluginIsReady reports whether the plugin has sent a message in the session.
func (d *toDesk) pluginIsReady(ctx context.Context, ses *session) (bool, error) {
	for m, err := range d.in.Client.ListMessages(ctx, botpress.ListMessagesParams{ConversationID: ses.conversationID}) {
		if err != nil {
			return false, fmt.Errorf("hitl: read the messages of conversation %s: %w", ses.conversationID, err)
		}
		if _, ok := d.outgoingOf(m); ok {
			return true, nil
		}
	}
	return false, nil
}
