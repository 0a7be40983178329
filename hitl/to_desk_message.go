package hitl

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/internal/sleep"
	"github.com/hitl-go/sdk/internal/wire"
	"github.com/hitl-go/sdk/message"
)

// messageCreated hands the desk what the end user or the bot says, after what was said before it.
func (d *toDesk) messageCreated(ctx context.Context, body []byte) error {
	var b wire.Message
	if err := decode(body, &b); err != nil {
		return err
	}
	target, err := d.readMessage(b)
	if err != nil {
		return err
	}
	if delivered, parts, begun := progress(b.Message.Tags); begun && delivered >= parts {
		return nil
	}
	err = d.deliver(ctx, b, target)
	if err != nil && !isPermanent(err) {
		if !errors.As(err, new(markedError)) {
			d.markFailedEarly(ctx, target)
		}
		d.retry(b.Conversation.ID, err)
	}
	return err
}

// markedError is the error of an attempt that has written what has become of its message.
type markedError struct{ error }

func (e markedError) Unwrap() error { return e.error }

// markFailedEarly notes that an attempt that has not come to its message works on it no more. Others would wait for it for longer
// than an attempt takes.
func (d *toDesk) markFailedEarly(ctx context.Context, o outgoing) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), ackGrace)
	defer cancel()
	tags := botpress.Tags{tagFailed: timestamp(d.sessions.clock.now())}
	if err := d.in.Client.TagMessage(ctx, o.id, tags); err != nil && !unknownID(err) {
		d.log.WarnContext(ctx, "an undelivered message could not be marked", "message", o.id, "error", err)
	}
}

// deliver delivers a dispatched message. While an earlier one may be in flight at another replica, it waits for it, without
// the lock.
func (d *toDesk) deliver(ctx context.Context, b wire.Message, target outgoing) error {
	until := time.Now().Add(inFlightWait)
	for wait := 100 * time.Millisecond; ; wait = min(2*wait, time.Second) {
		err := d.locked(ctx, b.Conversation.ID, func() error {
			ses, err := d.linkedSession(ctx, b)
			if err != nil {
				return err
			}
			return d.deliverThrough(ctx, ses, target)
		})
		if !errors.Is(err, errInFlight) {
			return err
		}
		if left := time.Until(until); left <= 0 || sleep.For(ctx, min(wait, left)) != nil {
			return Retryable(5*time.Second, err)
		}
	}
}

// locked runs do while nothing else happens in the conversation.
func (d *toDesk) locked(ctx context.Context, conversationID string, do func() error) error {
	unlock, err := d.sessions.lock(ctx, conversationID)
	if err != nil {
		return err
	}
	defer unlock()
	return do()
}

// readMessage decodes a dispatched message, and checks that it is one of our channel.
func (d *toDesk) readMessage(b wire.Message) (outgoing, error) {
	o := outgoing{id: b.Message.ID, createdAt: b.Message.CreatedAt, tags: b.Message.Tags, dispatch: true}
	if err := d.def.checkChannel(b.Conversation.Channel); err != nil {
		return o, err
	}
	if !slices.Contains(channelTypes(), message.Type(b.Type)) {
		return o, invalidf("Message of type %s not found in channel %s", b.Type, b.Conversation.Channel)
	}
	if !isID(b.Conversation.ID) || !isID(b.Message.ID) {
		return o, invalidf("the body has no conversation or no message")
	}
	if err := decode(b.Payload, &o.extras); err != nil {
		return o, err
	}
	if o.extras.UserID != "" && !isID(o.extras.UserID) {
		return o, invalidf("the payload's userId is not an ID")
	}
	var err error
	if o.message, err = message.Decode(message.Type(b.Type), b.Payload); err != nil {
		return o, invalidf("the payload is not valid: %w", err)
	}
	if o.extras.UserID == "" {
		o.botName = b.User.Name
	}
	known, _ := d.pendingAcks.get(o.id)
	delivered, _, _ := progress(o.tags)
	o.delivered = max(known.delivered, delivered)
	return o, nil
}

// channelTypes are the messages that the hitl channel has: Botpress refuses to create others in it.
func channelTypes() []message.Type {
	return []message.Type{
		message.TypeText, message.TypeImage, message.TypeAudio, message.TypeVideo, message.TypeFile, message.TypeBloc,
	}
}

// checkChannel refuses channels that are not ours, with the words of Botpress' SDK.
func (d *Definition) checkChannel(channel string) error {
	if channel == "" {
		return invalidf("the body has no conversation with a channel")
	}
	if channel != d.Channel.Name {
		return invalidf("Channel %s not found", channel)
	}
	return nil
}

// linkedSession finds the session of a dispatched message.
func (d *toDesk) linkedSession(ctx context.Context, b wire.Message) (*session, error) {
	ses, ok := d.sessions.cache.get(b.Conversation.ID)
	if !ok {
		ses = d.sessions.snapshot(botpress.Conversation{ID: b.Conversation.ID, Tags: b.Conversation.Tags})
	}
	if ses.ref.ID == "" {
		var err error
		ses, err = d.sessions.read(ctx, b.Conversation.ID)
		if err != nil && !unknownID(err) {
			return nil, err
		}
		if ses == nil || ses.ref.ID == "" {
			return nil, Errorf("The conversation %s is not linked to the help desk: call %s first", b.Conversation.ID, d.def.StartHitl.Name)
		}
	}
	if dispatched := d.sessions.snapshot(botpress.Conversation{Tags: b.Conversation.Tags}); dispatched.startedAt.After(ses.startedAt) {
		again := *ses // at another replica
		again.startedAt, again.repeatedUntil = dispatched.startedAt, dispatched.repeatedUntil
		ses = &again
	}
	if closedAt := parseTimestamp(b.Conversation.Tags[tagClosedAt]); !ses.closed() && !closedAt.IsZero() {
		over := *ses
		over.closedAt = closedAt
		ses = &over
	}
	d.sessions.remember(ses)
	ses.activation.markReady()
	observed(ctx).works(ses.key())
	return ses, nil
}

// send delivers the parts of a message that the desk does not have yet, and writes what has become of it.
func (d *toDesk) send(ctx context.Context, ses *session, o outgoing) (err error) {
	ack, _ := d.pendingAcks.get(o.id) // of an earlier attempt
	ack.tags = maps.Clone(ack.tags)
	if ack.tags == nil {
		ack.tags = botpress.Tags{}
	}
	parts := d.parts(o.message)
	ack.delivered, ack.parts = o.delivered, len(parts)
	if o.delivered >= len(parts) {
		d.acknowledge(ctx, ses, o, ack)
		return nil
	}
	if d.def.SendOnce && (o.failed || d.isOld(o)) {
		ack.tags[tagResent] = "true"
	}
	defer func() { // a panic is among the ways to get here
		if ack.delivered > o.delivered || err != nil {
			d.acknowledge(ctx, ses, o, ack)
		}
	}()
	failed := func(err error) {
		if d.markFailed(ctx, ses, ack.tags, err); isPermanent(err) {
			ack.tags[tagRefused] = cutRunes(failureOf(err).body.Message, maxTag)
		}
	}
	request, err := d.sendRequest(ctx, ses, o)
	if err != nil {
		failed(err)
		return err
	}
	for i, part := range parts[o.delivered:] {
		if err := d.mayBegin(ctx); err != nil {
			return err
		}
		request.Part, request.Message = o.delivered+i, part
		ref, err := d.adapter.SendMessage(ctx, request)
		if err != nil {
			failed(err)
			return err
		}
		ack.delivered = request.Part + 1
		if ref.ID != "" {
			d.seenMessages.put(ours, tagValue(ref.ID))
		}
		if request.Part > 0 {
			if ref.ID != "" {
				ack.markers = append(ack.markers, d.dedupeMarker(request, ref))
			}
			continue
		}
		own, err := d.def.messageTags(ref)
		if err != nil {
			return err
		}
		maps.Copy(ack.tags, own)
	}
	return nil
}

// mayBegin refuses to begin a part when there is little time left: a desk that recognises no repetition may take it when the
// time is up, and the next attempt would send it again.
func (d *toDesk) mayBegin(ctx context.Context) error {
	if !d.def.SendOnce || !exceedsDeadline(ctx, d.timeout/4) {
		return nil
	}
	return Retryable(5*time.Second, errors.New("hitl: too little time is left to send a message"))
}

// markFailed notes in the session that something is undelivered, and in the tags that this attempt works on it no more.
func (d *toDesk) markFailed(ctx context.Context, ses *session, tags botpress.Tags, err error) {
	if isPermanent(err) {
		return
	}
	tags[tagFailed] = timestamp(d.sessions.clock.now())
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), ackGrace)
	defer cancel()
	if err := d.sessions.markOutbox(ctx, ses, true); err != nil {
		d.log.WarnContext(ctx, "a session with undelivered messages could not be marked", "error", err)
	}
}

// parts are the messages that a message is sent as: the items of a bloc, unless they are joined, and the pieces of a text that is longer
// than the desk takes.
func (d *toDesk) parts(m message.Message) []message.Message {
	if bloc, ok := m.(message.Bloc); ok && d.def.JoinBlocs && len(bloc.Items) > 1 && len(message.Split(message.PlainText(m), d.def.MaxText, d.def.TextUnit)) == 1 {
		return []message.Message{m}
	}
	var parts []message.Message
	for part := range message.Flatten(m) {
		switch part := part.(type) {
		case message.Text:
			for _, text := range message.Split(part.Text, d.def.MaxText, d.def.TextUnit) {
				parts = append(parts, message.Text{Text: text})
			}
		case message.Markdown:
			for _, text := range message.Split(part.Markdown, d.def.MaxText, d.def.TextUnit) {
				parts = append(parts, message.Markdown{Markdown: text})
			}
		default:
			parts = append(parts, part)
		}
	}
	if len(parts) == 0 { // blank, which is for the desk to take or to refuse
		parts = slices.Collect(message.Flatten(m))
	}
	return parts
}

// dedupeMarker is a message of the past that carries the desk's id of a later part of a message: a message has one such tag,
// and by it, the desk's echo of that part is recognised.
func (d *toDesk) dedupeMarker(r SendMessageRequest, ref Ref) botpress.ImportedMessage {
	kind, payload, err := message.Encode(relayable(r.Message)) // the channel has no other types
	if err != nil {
		kind, payload = message.TypeText, json.RawMessage(`{"text":"…"}`)
	}
	return botpress.ImportedMessage{
		ConversationID: r.ConversationID, UserID: d.in.BotUserID, Type: string(kind), Payload: payload, CreatedAt: d.sessions.clock.now(),
		Tags: botpress.Tags{tagID: tagValue(ref.ID), tagPartOf: r.MessageID}, DiscriminateByTags: []string{tagID},
	}
}

// pendingAck is what is to be written about a message.
type pendingAck struct {
	delivered, parts int
	tags             botpress.Tags
	markers          []botpress.ImportedMessage
}

// acknowledge writes how much of a message the desk has. If that fails the message is delivered all the same, and an error
// would deliver it twice: so it is only logged, and this process remembers what Botpress does not know, and retries. It has a
// time of its own, since the desk may have used up the operation's. The markers come first: a message is settled when all is
// written.
func (d *toDesk) acknowledge(ctx context.Context, ses *session, o outgoing, ack pendingAck) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), ackGrace)
	defer cancel()
	if ack.delivered > 0 || ack.parts == 0 {
		ack.tags[tagDelivered] = fmt.Sprintf("%d/%d", ack.delivered, ack.parts)
	}
	if o.failed && ack.delivered >= ack.parts {
		ack.tags[tagFailed] = ""
	}
	var err error
	for chunk := range slices.Chunk(ack.markers, 100) { // as many as the API takes at once
		if _, err = d.in.Client.ImportMessages(ctx, chunk); err != nil {
			break
		}
	}
	if err == nil && len(ack.tags) > 0 {
		err = d.in.Client.TagMessage(ctx, o.id, ack.tags)
	}
	if err == nil || unknownID(err) {
		d.pendingAcks.remove(o.id)
		return
	}
	d.pendingAcks.put(ack, o.id)
	d.log.WarnContext(ctx, "Botpress did not take the acknowledgement of a message", "message", o.id, "delivered", ack.tags[tagDelivered], "error", err)
	d.retry(ses.conversationID, err)
}

// sendRequest gathers what all parts of a message have in common: where it goes and who speaks.
func (d *toDesk) sendRequest(ctx context.Context, ses *session, o outgoing) (SendMessageRequest, error) {
	r := SendMessageRequest{
		ConversationID: ses.conversationID, Session: ses.ref, Stopped: ses.closed() && !ses.stopPending,
		MessageID: o.id, UserID: o.extras.UserID, Name: o.botName, Repeated: o.failed || o.delivered > 0 || d.isOld(o),
	}
	var err error
	if r.UserID != "" {
		var by speaker
		by, err = d.identities.speaker(ctx, ses.conversationID, r.UserID)
		r.Author, r.Name, r.PictureURL = by.ref.clone(), by.name, by.picture
	} else if !o.dispatch {
		r.Name, err = d.identities.botName(ctx, d.in.BotUserID)
	}
	return r, err
}

// cutRunes truncates a text to a number of characters.
func cutRunes(s string, most int) string {
	if r := []rune(s); len(r) > most {
		return string(r[:most-1]) + "…"
	}
	return s
}
