package hitl

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/internal/wire"
)

// redeliveryWindow is how long after its end a session may still be asked for by a repeated startHitl: Botpress repeats a
// request whose answer was lost, and the desk may have closed the session in the meantime.
const redeliveryWindow = 10 * time.Minute

// startHitl opens a session once, however often and by however many replicas it is asked to. The idempotency key finds the
// conversation of an earlier attempt, the lease keeps two attempts from opening a ticket each, and the tag startedAt says
// that it is open.
func (d *toDesk) startHitl(ctx context.Context, input json.RawMessage) (wire.ConversationRef, error) {
	var in wire.StartHitlInput
	if err := decode(input, &in); err != nil {
		return wire.ConversationRef{}, err
	}
	if !isID(in.UserID) {
		return wire.ConversationRef{}, invalidf("startHitl needs a userId")
	}
	extra, err := d.decodeSession(in.Session)
	if err != nil {
		return wire.ConversationRef{}, invalidf("hitlSession does not fit: %w", err)
	}
	user, err := d.identities.readRef(ctx, in.UserID)
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

	started, err := d.openInDesk(ctx, conv, StartHitlRequest[any]{
		ConversationID: conv.ID, UserID: in.UserID, User: user,
		Title: in.Title, Description: in.Description, Session: extra, History: in.History, name: d.identities.name,
	})
	if err == nil && started != nil {
		err = d.onDuplicateStart(ctx, started)
	}
	if err != nil {
		return wire.ConversationRef{}, err
	}
	return wire.ConversationRef{ConversationID: conv.ID}, nil
}

// idempotencyKey is the same for each attempt to start the same session, and for no other session: the history sees to that.
func (d *toDesk) idempotencyKey(input json.RawMessage) (string, error) {
	var v any
	if err := json.Unmarshal(input, &v); err != nil {
		return "", invalidf("the input is not valid: %w", err)
	}
	canonical, err := json.Marshal(v) // with sorted keys
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(append([]byte(d.sessions.scope.key(d.in.WebhookID)+"\n"), canonical...))
	return hex.EncodeToString(sum[:]), nil
}

// conversation finds the conversation of an earlier attempt, or creates one. Conversations that were closed before the
// redelivery window are never reused.
func (d *toDesk) conversation(ctx context.Context, key string) (botpress.Conversation, error) {
	for tries := 0; ; tries++ {
		conv, _, err := d.in.Client.GetOrCreateConversation(ctx, botpress.GetOrCreateConversationParams{
			Channel: d.def.Channel.Name, Tags: botpress.Tags{tagStartKey: key}, DiscriminateByTags: []string{tagStartKey},
		})
		if err != nil {
			return conv, fmt.Errorf("hitl: create the conversation: %w", err)
		}
		ses := d.sessions.snapshot(conv)
		if !ses.closed() || time.Since(ses.closedAt) < redeliveryWindow || tries > 0 {
			return conv, nil
		}
		if err := d.sessions.write(ctx, conv.ID, botpress.Tags{tagStartKey: ""}); err != nil {
			return conv, err
		}
	}
}

// openInDesk opens the session, or returns it if an earlier attempt has opened it. The attempt that opens it keeps the
// lease until it expires: so no attempt can get the lease whose view of the conversation is older than that.
func (d *toDesk) openInDesk(ctx context.Context, conv botpress.Conversation, r StartHitlRequest[any]) (started *session, err error) {
	if ses := d.sessions.snapshot(conv); !ses.startedAt.IsZero() {
		return ses, nil
	}
	held, err := d.leases.acquire(ctx, conv.ID, stateStart, func() (settled bool, err error) {
		ses, err := d.sessions.read(ctx, conv.ID)
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
	ref, err := d.adapter.StartHitl(ctx, r)
	if err != nil {
		return nil, err
	}
	if err := d.markStarted(ctx, conv.ID, ref); err != nil {
		return nil, err
	}
	opened = true
	d.identities.refs.put(r.User.clone(), conv.ID, r.UserID)
	return nil, nil
}

// markStarted writes that the session is open. It is one call, so that no one sees half of it.
func (d *toDesk) markStarted(ctx context.Context, conversationID string, ref Ref) error {
	observed(ctx).works(sessionKey{ref.ID, conversationID})
	tags, err := d.def.conversationTags(ref)
	if err != nil {
		return err
	}
	tags[tagStartedAt] = timestamp(time.Now())
	if err := d.sessions.write(ctx, conversationID, tags); err != nil {
		return fmt.Errorf("hitl: link it with the desk's %s: %w", ref.ID, err)
	}
	d.sessions.remember(&session{conversationID: conversationID, ref: ref.clone(), startedAt: time.Now()})
	return nil
}

// onDuplicateStart notes that startHitl was redelivered. The plugin has not seen our answer, so for it the session is still
// to begin. If it is over by now, the plugin must hear that later, too.
func (d *toDesk) onDuplicateStart(ctx context.Context, ses *session) error {
	observed(ctx).works(ses.key())
	if err := d.sessions.write(ctx, ses.conversationID, botpress.Tags{tagStartedAt: timestamp(time.Now())}); err != nil {
		return err
	}
	restarted := *ses
	restarted.startedAt = time.Now() // later than what is written if that took several attempts
	d.sessions.remember(&restarted)
	if restarted.closed() {
		return d.events.emitStopped(ctx, &restarted)
	}
	return nil
}
