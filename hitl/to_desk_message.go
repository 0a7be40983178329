package hitl

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/internal/wire"
	"github.com/hitl-go/sdk/message"
)

// messageCreated hands the desk what the end user or the bot says, each part of it once.
func (d *toDesk) messageCreated(ctx context.Context, body []byte) error {
	var b wire.Message
	if err := decode(body, &b); err != nil {
		return err
	}
	msg, extras, err := d.readMessage(b)
	if err != nil {
		return err
	}
	unlock, err := d.sessions.lock(ctx, b.Conversation.ID)
	if err != nil {
		return err
	}
	defer unlock()

	parts := slices.Collect(message.Flatten(msg))
	delivered, err := d.alreadyDelivered(ctx, b, len(parts))
	if err != nil || delivered >= len(parts) {
		return err
	}
	request, err := d.sendRequest(ctx, b, extras)
	if err != nil {
		return err
	}
	return d.send(ctx, request, parts, delivered)
}

// readMessage decodes a dispatched message, and checks that it is one of our channel.
func (d *toDesk) readMessage(b wire.Message) (msg message.Message, extras wire.Extras, err error) {
	if err := d.def.checkChannel(b.Conversation.Channel); err != nil {
		return nil, extras, err
	}
	if !slices.Contains(channelTypes(), message.Type(b.Type)) {
		return nil, extras, invalidf("Message of type %s not found in channel %s", b.Type, b.Conversation.Channel)
	}
	if !isID(b.Conversation.ID) || !isID(b.Message.ID) {
		return nil, extras, invalidf("the body has no conversation or no message")
	}
	if err := decode(b.Payload, &extras); err != nil {
		return nil, extras, err
	}
	if extras.UserID != "" && !isID(extras.UserID) {
		return nil, extras, invalidf("the payload's userId is none")
	}
	msg, err = message.Decode(message.Type(b.Type), b.Payload)
	if err != nil {
		return nil, extras, invalidf("the payload is not valid: %w", err)
	}
	return msg, extras, nil
}

// channelTypes are the messages that the hitl channel has: Botpress refuses to create others in it.
func channelTypes() []message.Type {
	return []message.Type{
		message.TypeText, message.TypeImage, message.TypeAudio, message.TypeVideo, message.TypeFile, message.TypeBloc,
	}
}

// checkChannel refuses channels that are not ours, with the words of the reference.
func (d *Definition) checkChannel(channel string) error {
	if channel == "" {
		return invalidf("the body has no conversation with a channel")
	}
	if channel != d.Channel.Name {
		return invalidf("Channel %s not found", channel)
	}
	return nil
}

// send delivers the parts that the desk does not have yet. It acknowledges what it has delivered, also when it stops half-way:
// the next attempt continues from there.
func (d *toDesk) send(ctx context.Context, request SendMessageRequest, parts []message.Message, delivered int) error {
	tags := botpress.Tags{}
	var markers []botpress.ImportedMessage
	defer func() {
		if len(tags) > 0 {
			d.acknowledge(ctx, request.MessageID, tags, markers)
		}
	}()
	for i, part := range parts[delivered:] {
		request.Part, request.Message = delivered+i, part
		ref, err := d.adapter.SendMessage(ctx, request)
		if err != nil {
			return err
		}
		tags[tagSent] = strconv.Itoa(request.Part + 1)
		if ref.ID != "" {
			d.seenMessages.put(true, tagValue(ref.ID))
		}
		if request.Part > 0 {
			if ref.ID != "" {
				markers = append(markers, d.dedupeMarker(request, ref))
			}
			continue
		}
		own, err := d.def.messageTags(ref)
		if err != nil {
			return err
		}
		maps.Copy(tags, own)
	}
	return nil
}

// dedupeMarker is a message of the past that carries the desk's id of a later part of a bloc: a message has one such tag,
// and by it, the desk's echo of that part is recognised.
func (d *toDesk) dedupeMarker(r SendMessageRequest, ref Ref) botpress.ImportedMessage {
	kind, payload, err := message.Encode(relayable(r.Message)) // the channel has no other types
	if err != nil {
		kind, payload = message.TypeText, json.RawMessage(`{"text":"…"}`)
	}
	return botpress.ImportedMessage{
		ConversationID: r.ConversationID, UserID: d.in.BotUserID, Type: string(kind), Payload: payload, CreatedAt: time.Now(),
		Tags: botpress.Tags{tagID: tagValue(ref.ID), tagSent: "1"}, DiscriminateByTags: []string{tagID},
	}
}

// alreadyDelivered is how many of the parts the desk has. The tags that came along may be older than an acknowledgement, so
// the API is asked unless it is known that all are delivered.
func (d *toDesk) alreadyDelivered(ctx context.Context, b wire.Message, parts int) (int, error) {
	known, _ := d.deliveredParts.get(b.Message.ID)
	if known = max(known, deliveredParts(b.Message.Tags)); known >= parts {
		return known, nil
	}
	msg, err := d.in.Client.GetMessage(ctx, b.Message.ID)
	if err != nil {
		if unknownID(err) {
			return known, nil // Deleted since. Still deliver the remaining parts.
		}
		return 0, fmt.Errorf("hitl: look whether message %s was delivered already: %w", b.Message.ID, err)
	}
	return max(known, deliveredParts(msg.Tags)), nil
}

func deliveredParts(tags map[string]string) int {
	n, err := strconv.Atoi(tags[tagSent])
	if err != nil {
		return 0
	}
	return max(0, n)
}

// acknowledge writes how much of a message the desk has. If that fails the message is delivered all the same, and an error
// would deliver it twice: so it is only logged, and this process remembers what Botpress does not know. It has a time of its
// own, since the desk may have used up the operation's.
func (d *toDesk) acknowledge(ctx context.Context, messageID string, tags botpress.Tags, markers []botpress.ImportedMessage) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), ackGrace)
	defer cancel()
	_, err := d.in.Client.UpdateMessage(ctx, messageID, botpress.UpdateMessageParams{Tags: tags})
	if err == nil || errors.Is(err, botpress.ErrNotFound) {
		d.deliveredParts.remove(messageID)
	} else {
		d.deliveredParts.put(deliveredParts(tags), messageID)
	}
	for chunk := range slices.Chunk(markers, 100) { // as many as the API takes at once
		_, importErr := d.in.Client.ImportMessages(ctx, chunk)
		err = errors.Join(err, importErr)
	}
	if err != nil {
		d.log.WarnContext(ctx, "the desk has the message, but Botpress did not take the acknowledgement",
			"message", messageID, "sent", tags[tagSent], "error", err)
	}
}

// sendRequest gathers what all parts of a message have in common: where it goes and who speaks.
func (d *toDesk) sendRequest(ctx context.Context, b wire.Message, extras wire.Extras) (SendMessageRequest, error) {
	r := SendMessageRequest{ConversationID: b.Conversation.ID, MessageID: b.Message.ID, UserID: extras.UserID}
	ses, err := d.linkedSession(ctx, b)
	if err != nil {
		return r, err
	}
	d.sessions.remember(ses)
	observed(ctx).works(ses.key())
	r.Session, r.Stopped = ses.ref, ses.closed() || b.Conversation.Tags[tagClosedAt] != ""
	if extras.UserID == "" {
		r.BotName = b.User.Name
		return r, nil
	}
	r.Author, err = d.identities.ref(ctx, b.Conversation.ID, extras.UserID)
	return r, err
}

// linkedSession finds the session of a dispatched message.
func (d *toDesk) linkedSession(ctx context.Context, b wire.Message) (*session, error) {
	if ses, ok := d.sessions.cache.get(b.Conversation.ID); ok {
		return ses, nil
	}
	ses := d.sessions.snapshot(botpress.Conversation{ID: b.Conversation.ID, Tags: b.Conversation.Tags})
	if ses.ref.ID != "" {
		return ses, nil
	}
	ses, err := d.sessions.read(ctx, b.Conversation.ID)
	if err != nil && !unknownID(err) {
		return nil, err
	}
	if ses == nil || ses.ref.ID == "" {
		return nil, Errorf("The conversation %s is not linked to the help desk: call %s first", b.Conversation.ID, d.def.StartHitl.Name)
	}
	return ses, nil
}
