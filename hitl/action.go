package hitl

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/internal/wire"
)

// action runs what a bot, most often its HITL plugin, asks of us.
func (c *call) action(ctx context.Context, body []byte) (response, error) {
	a, err := decodeAction(body)
	if err != nil {
		return response{}, err
	}
	var output any
	switch a.Type {
	case c.def.Names.CreateUser:
		output, err = c.createUser(ctx, a.Input)
	case c.def.Names.StartHitl:
		output, err = c.startHitl(ctx, a.Input)
	case c.def.Names.StopHitl:
		output, err = c.stopHitl(ctx, a.Input)
	default:
		return c.added(ctx, a.Type, a.Input)
	}
	observed(ctx).action = a.Type
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
	return wire.UserRef{UserID: user.ID}, nil
}

// findOrCreateUser finds an end user by address. Without one nothing tells two people apart, so each is a new one.
func (c *call) findOrCreateUser(ctx context.Context, email string, in wire.CreateUserInput) (botpress.User, error) {
	name, picture := userName(in.Name), pictureURL(in.PictureURL)
	if email == "" {
		return c.client.CreateUser(ctx, botpress.CreateUserParams{Name: name, PictureURL: picture})
	}
	return again(ctx, func() (botpress.User, error) {
		user, _, err := c.client.GetOrCreateUser(ctx, botpress.GetOrCreateUserParams{
			Tags: botpress.Tags{tagEmail: email}, DiscriminateByTags: []string{tagEmail}, Name: name, PictureURL: picture,
		})
		return user, err
	})
}

// startHitl opens a session once, however often and by however many replicas it is asked to. The start key finds the
// conversation of an earlier attempt, the claim keeps two attempts from opening a ticket each, and the
// tag startedAt says that it is open.
func (c *call) startHitl(ctx context.Context, input json.RawMessage) (wire.ConversationRef, error) {
	var in wire.StartHitlInput
	if err := decode(input, &in); err != nil {
		return wire.ConversationRef{}, err
	}
	if !isID(in.UserID) {
		return wire.ConversationRef{}, invalidf("startHitl needs a userId")
	}
	extra, err := c.decodeSession(in.Session)
	if err != nil {
		return wire.ConversationRef{}, invalidf("hitlSession does not fit: %w", err)
	}
	user, err := c.readUserRef(ctx, in.UserID)
	if err != nil {
		return wire.ConversationRef{}, err
	}
	key, err := c.startKey(input)
	if err != nil {
		return wire.ConversationRef{}, err
	}
	defer c.starts.begin(c.scope())()

	conv, err := c.startConversation(ctx, key)
	if err != nil {
		return wire.ConversationRef{}, err
	}
	unlock, err := c.conversations.Lock(ctx, c.key(conv.ID))
	if err != nil {
		return wire.ConversationRef{}, busy(err)
	}
	defer unlock()

	err = c.openInDesk(ctx, conv, StartHitlRequest[any]{
		ConversationID: conv.ID, UserID: in.UserID, User: user,
		Title: in.Title, Description: in.Description, Session: extra, History: in.History, name: c.userName,
	})
	if err != nil {
		return wire.ConversationRef{}, err
	}
	return wire.ConversationRef{ConversationID: conv.ID}, nil
}

// startConversation finds the conversation of an earlier attempt, or creates one. What was over before that can have
// been an attempt of this one is never resumed.
func (c *call) startConversation(ctx context.Context, key string) (botpress.Conversation, error) {
	for tries := 0; ; tries++ {
		conv, err := again(ctx, func() (botpress.Conversation, error) {
			conv, _, err := c.client.GetOrCreateConversation(ctx, botpress.GetOrCreateConversationParams{
				Channel: c.def.Names.Channel, Tags: botpress.Tags{tagStartKey: key}, DiscriminateByTags: []string{tagStartKey},
			})
			return conv, err
		})
		if err != nil {
			return conv, fmt.Errorf("hitl: create the conversation: %w", err)
		}
		ses := c.sessionOf(conv)
		if !ses.closed() || time.Since(ses.closedAt) < maxRetrying || tries > 0 {
			return conv, nil
		}
		_, err = c.client.UpdateConversation(ctx, conv.ID, botpress.UpdateConversationParams{Tags: botpress.Tags{tagStartKey: ""}})
		if err != nil {
			return conv, fmt.Errorf("hitl: let go of conversation %s, which is over: %w", conv.ID, err)
		}
	}
}

// maxRetrying is how long after its end a session may still be asked for by an attempt to start it: Botpress repeats a
// request whose answer was lost, and the desk may have closed the session in the meantime.
const maxRetrying = 10 * time.Minute

// openInDesk opens the session, unless it is open already. Whoever has opened it keeps the claim until it expires, so that
// nobody can get it whose view of the conversation is older than that.
func (c *call) openInDesk(ctx context.Context, conv botpress.Conversation, r StartHitlRequest[any]) error {
	if ses := c.sessionOf(conv); !ses.startedAt.IsZero() {
		return c.startedAgain(ctx, ses)
	}
	release, err := c.claim(ctx, conv.ID, stateStart, func() (bool, error) {
		now, err := c.client.GetConversation(ctx, conv.ID)
		if err != nil {
			return false, fmt.Errorf("hitl: read conversation %s: %w", conv.ID, err)
		}
		ses := c.sessionOf(now)
		if ses.startedAt.IsZero() {
			return false, nil
		}
		return true, c.startedAgain(ctx, ses)
	})
	if err != nil || release == nil {
		return err
	}
	opened := false
	defer func() {
		if !opened { // a panic is among the reasons
			release()
		}
	}()
	ref, err := c.adapter.StartHitl(ctx, r)
	if err != nil {
		return err
	}
	if err := c.started(ctx, conv.ID, ref); err != nil {
		return err
	}
	opened = true
	c.refs.Add(c.key(conv.ID, r.UserID), r.User.clone())
	return nil
}

// started writes down that the session is open. It is one call, so that no one sees half of it.
func (c *call) started(ctx context.Context, conversationID string, ref Ref) error {
	tags, err := c.def.conversationTags(ref)
	if err != nil {
		return err
	}
	tags[tagStartedAt] = timestamp(time.Now())
	if _, err := c.client.UpdateConversation(ctx, conversationID, botpress.UpdateConversationParams{Tags: tags}); err != nil {
		return fmt.Errorf("hitl: link conversation %s with the desk's %s: %w", conversationID, ref.ID, err)
	}
	c.remember(&session{conversationID: conversationID, ref: ref.clone(), startedAt: time.Now()})
	return nil
}

// stopHitl ends a session in the desk. The conversation's lock lets messages that came before go first.
func (c *call) stopHitl(ctx context.Context, input json.RawMessage) (struct{}, error) {
	var in wire.ConversationRef
	if err := decode(input, &in); err != nil {
		return struct{}{}, err
	}
	if !isID(in.ConversationID) {
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
	if ses.ref.ID == "" || ses.closed() {
		return struct{}{}, nil
	}
	return struct{}{}, c.closeInDesk(ctx, ses)
}

// closeInDesk asks the desk to close the session, several times if need be. When the desk is down all that while, the
// session is over all the same: if Botpress got an error, the plugin would not even tell the end user. What is left to do
// is noted in the conversation, and done when the desk reports anything about the session again.
func (c *call) closeInDesk(ctx context.Context, ses *session) error {
	trying, cancel := context.WithTimeout(ctx, c.opts.Timeout/2)
	defer cancel()
	err := c.stop(trying, ses)
	for wait := 500 * time.Millisecond; err != nil && wait < 5*time.Second; wait *= 2 {
		if failureOf(err).status == http.StatusBadRequest || sleep(trying, wait) != nil {
			break
		}
		err = c.stop(trying, ses)
	}
	if err != nil && !outage(err) {
		return err
	}
	if err != nil {
		c.in.Logger.ErrorContext(ctx, "the desk could not be told that a session is over; it will be when it reports anything about it",
			"conversation", ses.conversationID, "session", ses.ref.ID, "error", err)
	}
	over := *ses
	over.stopping = err != nil
	return c.closed(ctx, &over)
}

func (c *call) stop(ctx context.Context, ses *session) error {
	return c.adapter.StopHitl(ctx, StopHitlRequest{ConversationID: ses.conversationID, Session: ses.ref})
}

// closed writes down that the session is over.
func (c *call) closed(ctx context.Context, ses *session) error {
	over := *ses
	over.closedAt = time.Now()
	tags := botpress.Tags{tagClosedAt: timestamp(over.closedAt)}
	if ses.stopping {
		tags[tagStopping] = "true"
	}
	_, err := c.client.UpdateConversation(ctx, ses.conversationID, botpress.UpdateConversationParams{Tags: tags})
	if err != nil {
		return fmt.Errorf("hitl: mark conversation %s as closed: %w", ses.conversationID, err)
	}
	c.remember(&over)
	return nil
}
