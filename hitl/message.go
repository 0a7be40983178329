package hitl

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/internal/wire"
	"github.com/hitl-go/sdk/message"
)

// messageCreated hands the desk what the end user or the bot says, each part of it once.
func (c *call) messageCreated(ctx context.Context, body []byte) (response, error) {
	var b wire.Message
	if err := decode(body, &b); err != nil {
		return response{}, err
	}
	if err := c.checkChannel(b.Conversation.Channel); err != nil {
		return response{}, err
	}
	if !slices.Contains(channelTypes(), message.Type(b.Type)) {
		return response{}, invalidf("Message of type %s not found in channel %s", b.Type, b.Conversation.Channel)
	}
	if !isID(b.Conversation.ID) || !isID(b.Message.ID) {
		return response{}, invalidf("the body has no conversation or no message")
	}
	var extras wire.Extras
	if err := decode(b.Payload, &extras); err != nil {
		return response{}, err
	}
	if extras.UserID != "" && !isID(extras.UserID) {
		return response{}, invalidf("the payload's userId is none")
	}
	msg, err := message.Decode(message.Type(b.Type), b.Payload)
	if err != nil {
		return response{}, invalidf("the payload is not valid: %w", err)
	}

	unlock, err := c.conversations.Lock(ctx, c.key(b.Conversation.ID))
	if err != nil {
		return response{}, busy(err)
	}
	defer unlock()

	parts := slices.Collect(message.Flatten(msg))
	sent, err := c.alreadySent(ctx, b, len(parts))
	if err != nil {
		return response{}, err
	}
	if sent >= len(parts) {
		return jsonResponse(struct{}{})
	}
	request, err := c.sendRequest(ctx, b, extras)
	if err != nil {
		return response{}, err
	}
	return c.send(ctx, request, parts, sent)
}

// channelTypes are the messages that the hitl channel has: Botpress refuses to create others in it.
func channelTypes() []message.Type {
	return []message.Type{
		message.TypeText, message.TypeImage, message.TypeAudio, message.TypeVideo, message.TypeFile, message.TypeBloc,
	}
}

// send hands over the parts that the desk does not have yet, and writes down what it has, also when it stops half-way:
// the next attempt goes on from there.
func (c *call) send(ctx context.Context, request SendMessageRequest, parts []message.Message, sent int) (response, error) {
	tags := botpress.Tags{}
	var others []botpress.ImportedMessage
	defer func() {
		if len(tags) > 0 {
			c.acknowledge(ctx, request.MessageID, tags, others)
		}
	}()
	for i, part := range parts[sent:] {
		request.Part, request.Message = sent+i, part
		ref, err := c.adapter.SendMessage(ctx, request)
		if err != nil {
			return response{}, err
		}
		tags[tagSent] = strconv.Itoa(request.Part + 1)
		if ref.ID != "" {
			c.known.Add(c.key(tagValue(ref.ID)), true)
		}
		if request.Part == 0 {
			if err := c.def.addMessageTags(tags, ref); err != nil {
				return response{}, err
			}
		} else if ref.ID != "" {
			others = append(others, c.partOfBloc(request, ref))
		}
	}
	return jsonResponse(struct{}{})
}

// partOfBloc is a message of the past that carries the desk's id of a later part of a bloc: a message has one such tag,
// and by it, the desk's own report of that part is recognised as ours.
func (c *call) partOfBloc(r SendMessageRequest, ref Ref) botpress.ImportedMessage {
	kind, payload, err := message.Encode(relayable(r.Message)) // the channel has no other types
	if err != nil {
		kind, payload = message.TypeText, json.RawMessage(`{"text":"…"}`)
	}
	return botpress.ImportedMessage{
		ConversationID: r.ConversationID, UserID: c.in.BotUserID, Type: string(kind), Payload: payload, CreatedAt: time.Now(),
		Tags: botpress.Tags{tagID: tagValue(ref.ID), tagSent: "1"}, DiscriminateByTags: []string{tagID},
	}
}

// alreadySent is how many of the parts the desk has already. The tags that came along, and what this process knows, may be
// older than another replica's acknowledgement, so the API is asked unless it is known that all are sent.
func (c *call) alreadySent(ctx context.Context, b wire.Message, parts int) (int, error) {
	known, _ := c.sent.Get(c.key(b.Message.ID))
	if known = max(known, sentParts(b.Message.Tags)); known >= parts {
		return known, nil
	}
	msg, err := c.client.GetMessage(ctx, b.Message.ID)
	if err != nil {
		if unknownID(err) {
			return known, nil // deleted since, but it was said
		}
		return 0, fmt.Errorf("hitl: look whether message %s was sent already: %w", b.Message.ID, err)
	}
	return max(known, sentParts(msg.Tags)), nil
}

func sentParts(tags map[string]string) int {
	n, err := strconv.Atoi(tags[tagSent])
	if err != nil {
		return 0
	}
	return max(0, n)
}

// lastWords is how long an operation may take beyond its time, to write down what has been done.
const lastWords = 15 * time.Second

// acknowledge writes down what the desk has. If that fails the message is still sent, and saying otherwise would send it
// again: so it is only logged, and this process remembers. It has a time of its own, since the desk may have used up ours.
func (c *call) acknowledge(ctx context.Context, messageID string, tags botpress.Tags, others []botpress.ImportedMessage) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWords)
	defer cancel()
	c.sent.Add(c.key(messageID), sentParts(tags))
	_, err := again(ctx, func() (botpress.Message, error) {
		return c.client.UpdateMessage(ctx, messageID, botpress.UpdateMessageParams{Tags: tags})
	})
	for parts := range slices.Chunk(others, 100) { // as many as the API takes at once
		_, importErr := again(ctx, func() ([]botpress.Message, error) { return c.client.ImportMessages(ctx, parts) })
		err = errors.Join(err, importErr)
	}
	if err != nil {
		c.in.Logger.WarnContext(ctx, "the desk has the message, but Botpress did not take the acknowledgement",
			"message", messageID, "sent", tags[tagSent], "error", err)
	}
}

// sendRequest gathers what all parts of a message have in common: where it goes and who speaks.
func (c *call) sendRequest(ctx context.Context, b wire.Message, extras wire.Extras) (SendMessageRequest, error) {
	r := SendMessageRequest{ConversationID: b.Conversation.ID, MessageID: b.Message.ID, UserID: extras.UserID}
	ses, ok := c.sessions.Get(c.key(b.Conversation.ID))
	if !ok {
		ses = c.sessionOf(botpress.Conversation{ID: b.Conversation.ID, Tags: b.Conversation.Tags})
	}
	if ses.ref.ID == "" {
		conv, err := c.client.GetConversation(ctx, b.Conversation.ID)
		if err != nil && !unknownID(err) {
			return r, fmt.Errorf("hitl: read conversation %s: %w", b.Conversation.ID, err)
		}
		if ses = c.sessionOf(conv); ses.ref.ID == "" {
			return r, Errorf("The conversation %s is not linked to the help desk: call %s first", b.Conversation.ID, c.def.Names.StartHitl)
		}
	}
	c.remember(ses)
	r.Session, r.Stopped = ses.ref, ses.closed() || b.Conversation.Tags[tagClosedAt] != ""
	if extras.UserID == "" {
		r.BotName = b.User.Name
		return r, nil
	}
	var err error
	r.Author, err = c.userRef(ctx, b.Conversation.ID, extras.UserID)
	return r, err
}

// relayable is the message as the HITL plugin takes it: it refuses all other types.
func relayable(m message.Message) message.Message {
	switch m.(type) {
	case message.Text, message.Image, message.Audio, message.Video, message.File, message.Bloc:
		return m
	case message.Markdown: // a text may hold Markdown; most channels show it
		return message.Text{Text: message.ToMarkdown(m)}
	default:
		return message.Text{Text: message.PlainText(m)}
	}
}

// encodeRelayed makes the type and the payload of a message from the desk.
func encodeRelayed(e Replied) (message.Type, json.RawMessage, error) {
	m := relayable(e.Message)
	if err := message.Validate(m); err != nil {
		return "", nil, Errorf("The help desk's message %s cannot be sent: %w", e.ID, err)
	}
	kind, payload, err := message.Encode(m)
	if err != nil || e.AdditionalData == "" {
		return kind, payload, err
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(payload, &fields); err != nil {
		return kind, nil, err
	}
	if fields["additionalData"], err = json.Marshal(e.AdditionalData); err != nil {
		return kind, nil, err
	}
	payload, err = json.Marshal(fields)
	return kind, payload, err
}
