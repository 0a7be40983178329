package hitl

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"unicode/utf8"

	"github.com/hitl-go/sdk/botpress"
)

// userRef is the desk's name for an end user in a session. It may be another one in the next: createUser runs in between.
func (c *call) userRef(ctx context.Context, conversationID, userID string) (Ref, error) {
	key := c.key(conversationID, userID)
	if ref, ok := c.refs.Get(key); ok {
		return ref.clone(), nil
	}
	ref, err := c.readUserRef(ctx, userID)
	if err == nil {
		c.refs.Add(key, ref.clone())
	}
	return ref, err
}

func (c *call) readUserRef(ctx context.Context, userID string) (Ref, error) {
	user, err := c.client.GetUser(ctx, userID)
	if err != nil && !unknownID(err) {
		return Ref{}, fmt.Errorf("hitl: read user %s: %w", userID, err)
	}
	ref := c.def.userRef(user.Tags)
	if ref.ID == "" {
		return Ref{}, Errorf("The user %s is not linked to the help desk: call %s first", userID, c.def.Names.CreateUser)
	}
	return ref, nil
}

// clone keeps an adapter that writes into the tags it was given from writing into ours.
func (r Ref) clone() Ref { return Ref{ID: r.ID, Tags: maps.Clone(r.Tags)} }

// userName is the name of a speaker, for transcripts.
func (c *call) userName(ctx context.Context, userID string) (string, error) {
	user, err := c.client.GetUser(ctx, userID)
	return user.Name, err
}

// agent makes an agent known to Botpress as they are now, and returns the user that stands for them: the end user is shown
// what stands there. The same call brings the session up to date, which matters while it is young: its start moves when
// startHitl is asked for again.
func (c *call) agent(ctx context.Context, ses *session, a Agent) (userID string, now *session, err error) {
	profile := c.key("agent", agentID(ses, a), a.Name, a.PictureURL)
	if id, ok := c.agents.Get(profile); ok && !c.young(ses) {
		return id, ses, nil
	}
	params := agentParams(ses, a)
	p := botpress.InitializeIncomingMessageParams{ConversationID: ses.conversationID, User: &params}
	got, err := again(ctx, func() (botpress.InitializeIncomingMessageResult, error) {
		return c.client.InitializeIncomingMessage(ctx, p)
	})
	if err != nil {
		return "", ses, fmt.Errorf("hitl: make agent %s known: %w", a.ID, err)
	}
	if err := c.refreshAgent(ctx, got.User, a); err != nil {
		return "", ses, err
	}
	c.agents.Add(profile, got.User.ID)
	now = c.sessionOf(got.Conversation)
	c.remember(now)
	return got.User.ID, now, nil
}

// refreshAgent brings name and picture up to date. An existing user is found as it was, whatever the finder says of it.
func (c *call) refreshAgent(ctx context.Context, user botpress.User, a Agent) error {
	name, picture := cmp.Or(userName(a.Name), user.Name), cmp.Or(pictureURL(a.PictureURL), user.PictureURL)
	if name == user.Name && picture == user.PictureURL {
		return nil
	}
	_, err := c.client.UpdateUser(ctx, user.ID, botpress.UpdateUserParams{Name: change(name), PictureURL: change(picture)})
	if err != nil {
		return fmt.Errorf("hitl: update agent %s: %w", a.ID, err)
	}
	return nil
}

// agentID identifies an agent. One whom the desk does not name is somebody else in each session.
func agentID(ses *session, a Agent) string { return cmp.Or(a.ID, "of session "+ses.conversationID) }

// agentParams find or create an agent. Agents are kept apart from end users: a desk may count both from one.
func agentParams(ses *session, a Agent) botpress.GetOrCreateUserParams {
	return botpress.GetOrCreateUserParams{
		Tags: botpress.Tags{tagAgentID: tagValue(agentID(ses, a))}, DiscriminateByTags: []string{tagAgentID},
		Name: userName(a.Name), PictureURL: pictureURL(a.PictureURL),
	}
}

// madeUpAddress is what the HITL plugin invents for end users without an address: <user>@no-reply.<bot>.botpress.com.
var madeUpAddress = regexp.MustCompile(`(?i)@no-reply\.[^@]*\.?botpress\.com$`)

func madeUp(email string) bool { return madeUpAddress.MatchString(email) }

// Limits of the Botpress API.
const (
	maxUserName   = 200    // characters
	maxPictureURL = 40_000 // characters
)

// userName cuts a name to what the API takes.
func userName(name string) string {
	if utf8.RuneCountInString(name) <= maxUserName {
		return name
	}
	return string([]rune(name)[:maxUserName])
}

// pictureURL leaves out what the API would refuse; half an address is of no use.
func pictureURL(url string) string {
	if utf8.RuneCountInString(url) > maxPictureURL {
		return ""
	}
	return url
}

// change sets a field of a user, or leaves it as it is if there is nothing to set.
func change(s string) botpress.Optional[string] {
	if s == "" {
		return botpress.Optional[string]{}
	}
	return botpress.Set(s)
}

var errNoID = errors.New("it has no ID")
