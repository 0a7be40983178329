package hitl

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/internal/wire"
)

// action runs what a bot, most often its HITL plugin, asks of us.
func (c *call) action(ctx context.Context, body []byte) (response, error) {
	var a wire.Action
	if err := decode(body, &a); err != nil {
		return response{}, err
	}
	if a.Type == "" {
		return response{}, invalidf("Missing action type")
	}
	var output any
	var err error
	switch a.Type {
	case c.def.Names.CreateUser:
		output, err = c.createUser(ctx, a.Input)
	case c.def.Names.StartHitl:
		output, err = c.startHitl(ctx, a.Input)
	case c.def.Names.StopHitl:
		output, err = c.stopHitl(ctx, a.Input)
	default:
		return response{}, invalidf("Action %s not found", a.Type)
	}
	if err != nil {
		return response{}, err
	}
	return jsonResponse(wire.Output{Output: output})
}

// createUser links an end user with the desk. The Botpress user comes first, so that the desk can store its id.
func (c *call) createUser(ctx context.Context, input json.RawMessage) (wire.UserRef, error) {
	var in wire.CreateUserInput
	if err := decode(input, &in); err != nil {
		return wire.UserRef{}, err
	}
	email := strings.TrimSpace(in.Email)
	key := tagValue(strings.ToLower(email)) // addresses that differ in case are one person's
	if key != "" {
		unlock, err := c.users.Lock(ctx, c.key(key))
		if err != nil {
			return wire.UserRef{}, busy(err)
		}
		defer unlock()
	}
	user, err := c.findOrCreateUser(ctx, key, in)
	if err != nil {
		return wire.UserRef{}, err
	}

	request := CreateUserRequest{
		UserID: user.ID, User: c.def.userRef(user.Tags),
		Name: in.Name, Email: email, PictureURL: in.PictureURL,
	}
	if madeUp(email) {
		request.Email = ""
	}
	ref, err := c.adapter.CreateUser(ctx, request)
	if err != nil {
		return wire.UserRef{}, err
	}
	tags, err := c.def.userTags(ref)
	if err != nil {
		return wire.UserRef{}, err
	}
	_, err = c.client.UpdateUser(ctx, user.ID, botpress.UpdateUserParams{
		Tags: tags, Name: change(userName(in.Name)), PictureURL: change(pictureURL(in.PictureURL)),
	})
	if err != nil {
		return wire.UserRef{}, fmt.Errorf("hitl: link user %s with the desk's %s: %w", user.ID, ref.ID, err)
	}
	c.refs.Add(c.key(user.ID), ref)
	return wire.UserRef{UserID: user.ID}, nil
}

// findOrCreateUser finds an end user by address. Without one nothing tells two people apart, so each is a new one.
func (c *call) findOrCreateUser(ctx context.Context, email string, in wire.CreateUserInput) (botpress.User, error) {
	name, picture := userName(in.Name), pictureURL(in.PictureURL)
	if email == "" {
		return c.client.CreateUser(ctx, botpress.CreateUserParams{Name: name, PictureURL: picture})
	}
	user, _, err := c.client.GetOrCreateUser(ctx, botpress.GetOrCreateUserParams{
		Tags: botpress.Tags{tagEmail: email}, DiscriminateByTags: []string{tagEmail}, Name: name, PictureURL: picture,
	})
	return user, err
}

// startHitl opens a session once, however often and by however many replicas it is asked to. The start key finds the
// conversation of an earlier attempt, the claim keeps two attempts from opening a ticket each, and the
// tag startedAt says that it is open.
func (c *call) startHitl(ctx context.Context, input json.RawMessage) (wire.ConversationRef, error) {
	var in wire.StartHitlInput
	if err := decode(input, &in); err != nil {
		return wire.ConversationRef{}, err
	}
	if in.UserID == "" {
		return wire.ConversationRef{}, invalidf("startHitl needs a userId")
	}
	extra, err := c.decodeSession(in.Session)
	if err != nil {
		return wire.ConversationRef{}, invalidf("hitlSession does not fit: %w", err)
	}
	user, err := c.userRef(ctx, in.UserID)
	if err != nil {
		return wire.ConversationRef{}, err
	}
	key, err := c.startKey(input)
	if err != nil {
		return wire.ConversationRef{}, err
	}
	defer c.starts.begin(c.scope())()

	conv, _, err := c.client.GetOrCreateConversation(ctx, botpress.GetOrCreateConversationParams{
		Channel: c.def.Names.Channel, Tags: botpress.Tags{tagStartKey: key}, DiscriminateByTags: []string{tagStartKey},
	})
	if err != nil {
		return wire.ConversationRef{}, fmt.Errorf("hitl: create the conversation: %w", err)
	}
	unlock, err := c.conversations.Lock(ctx, c.key(conv.ID))
	if err != nil {
		return wire.ConversationRef{}, busy(err)
	}
	defer unlock()

	claimed, err := c.claimStart(ctx, conv)
	if err != nil || !claimed {
		return wire.ConversationRef{ConversationID: conv.ID}, err
	}
	ref, err := c.adapter.StartHitl(ctx, StartHitlRequest[any]{
		ConversationID: conv.ID, UserID: in.UserID, User: user,
		Title: in.Title, Description: in.Description, Session: extra, History: in.History, name: c.userName,
	})
	if err == nil {
		err = c.started(ctx, conv.ID, ref)
	}
	if err != nil {
		c.releaseStart(ctx, conv.ID)
		return wire.ConversationRef{}, err
	}
	return wire.ConversationRef{ConversationID: conv.ID}, nil
}

// started writes down that the session is open. It is one call, so that no one sees half of it.
func (c *call) started(ctx context.Context, conversationID string, ref Ref) error {
	tags, err := c.def.conversationTags(ref)
	if err != nil {
		return err
	}
	now := time.Now()
	tags[tagStartedAt] = timestamp(now)
	if _, err := c.client.UpdateConversation(ctx, conversationID, botpress.UpdateConversationParams{Tags: tags}); err != nil {
		return fmt.Errorf("hitl: link conversation %s with the desk's %s: %w", conversationID, ref.ID, err)
	}
	c.remember(&session{conversationID: conversationID, ref: ref, startedAt: now})
	return nil
}

// stopHitl ends a session in the desk. The conversation's lock lets messages that came before go first.
func (c *call) stopHitl(ctx context.Context, input json.RawMessage) (struct{}, error) {
	var in wire.ConversationRef
	if err := decode(input, &in); err != nil {
		return struct{}{}, err
	}
	if in.ConversationID == "" {
		return struct{}{}, invalidf("stopHitl needs a conversationId")
	}
	unlock, err := c.conversations.Lock(ctx, c.key(in.ConversationID))
	if err != nil {
		return struct{}{}, busy(err)
	}
	defer unlock()

	conv, err := c.client.GetConversation(ctx, in.ConversationID)
	if errors.Is(err, botpress.ErrNotFound) {
		return struct{}{}, nil // there is nothing left to stop
	}
	if err != nil {
		return struct{}{}, fmt.Errorf("hitl: read conversation %s: %w", in.ConversationID, err)
	}
	ses := c.sessionOf(conv)
	if ses.ref.ID == "" || ses.closed {
		return struct{}{}, nil
	}
	if err := c.adapter.StopHitl(ctx, StopHitlRequest{ConversationID: conv.ID, Session: ses.ref}); err != nil {
		return struct{}{}, err
	}
	return struct{}{}, c.closed(ctx, ses)
}

// closed writes down that the session is over, and lets go of the start key: what is over is never resumed.
func (c *call) closed(ctx context.Context, ses *session) error {
	_, err := c.client.UpdateConversation(ctx, ses.conversationID, botpress.UpdateConversationParams{
		Tags: botpress.Tags{tagClosedAt: timestamp(time.Now()), tagStartKey: ""},
	})
	if err != nil {
		return fmt.Errorf("hitl: mark conversation %s as closed: %w", ses.conversationID, err)
	}
	over := *ses
	over.closed = true
	c.remember(&over)
	return nil
}
