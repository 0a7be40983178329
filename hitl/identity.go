package hitl

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net/mail"
	"regexp"
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/internal/keyed"
)

// identities maps end users and agents of an installation between the desk and Botpress.
type identities struct {
	api      *botpress.Client
	def      *Definition
	log      *slog.Logger
	owner    *toOwner
	scope    scope
	locks    *keyed.Mutex[memoryKey]
	clock    *clock
	speakers cache[speaker]
	linked   cache[linkedUser]
	agents   cache[string]
	profiles cache[*profile]

	connection string // Profiles are what this one has read: another configuration may have another desk.
}

// speaker is an end user in a session.
type speaker struct {
	ref           Ref
	name, picture string
}

func speakerOf(user botpress.User, ref Ref) speaker {
	s := speaker{ref: ref.clone(), name: user.Name}
	if strings.HasPrefix(user.PictureURL, "https://") && len(user.PictureURL) <= maxDeskPictureURL {
		s.picture = user.PictureURL
	}
	return s
}

// maxDeskPictureURL is the longest address of a picture that desks are given: in Botpress, it may be the picture itself.
const maxDeskPictureURL = 2_048

// profile is an agent as the desk had them at a time.
type profile struct {
	Agent
	at   time.Time
	told atomic.Bool // Botpress has had it since: what it has may be newer.
}

// profileTTL is how long an agent is not read again.
const profileTTL = 10 * time.Minute

// linkedUser is an end user as Botpress had them when they were linked with the desk.
type linkedUser struct {
	user botpress.User
	at   time.Time
}

// justLinked is how long after createUser a session begins as a rule. Until then, the user is not read again.
const justLinked = 5 * time.Second

// End users.

// lockEndUser waits until no other createUser of this process works for an address.
func (i *identities) lockEndUser(ctx context.Context, email string) (unlock func(), err error) {
	key := userKey(email)
	if key == "" {
		return func() {}, nil
	}
	if unlock, err = i.locks.Lock(ctx, i.scope.key(key)); err != nil {
		return nil, lockError(err)
	}
	return unlock, nil
}

// endUser finds an end user by address, or creates one. Without an address nothing tells two people apart, so each is a
// new one.
func (i *identities) endUser(ctx context.Context, name, email, picture string) (botpress.User, error) {
	if email == "" {
		return i.api.CreateUser(ctx, botpress.CreateUserParams{Name: userName(name), PictureURL: pictureURL(picture)})
	}
	user, _, err := i.api.GetOrCreateUser(ctx, botpress.GetOrCreateUserParams{
		// The address alone would also find an agent who has it.
		Tags: botpress.Tags{tagUserKey: userKey(email), tagEmail: tagValue(email)}, DiscriminateByTags: []string{tagUserKey},
		Name: userName(name), PictureURL: pictureURL(picture),
	})
	return user, err
}

// userKey finds an end user again: addresses that differ in case are one person's.
func userKey(email string) string { return tagValue(strings.ToLower(email)) }

// link writes who an end user is in the desk.
func (i *identities) link(ctx context.Context, userID string, ref Ref, name, picture string) error {
	tags, err := i.def.userTags(ref)
	if err != nil {
		return err
	}
	user, err := i.api.UpdateUser(ctx, userID, botpress.UpdateUserParams{
		Tags: tags, Name: change(userName(name)), PictureURL: change(pictureURL(picture)),
	})
	if err != nil {
		return fmt.Errorf("hitl: link user %s with the desk's %s: %w", userID, ref.ID, err)
	}
	i.linked.put(linkedUser{user, i.clock.now()}, userID)
	return nil
}

// speaker returns an end user in a session. They may have changed by the next session: createUser runs in between.
func (i *identities) speaker(ctx context.Context, conversationID, userID string) (speaker, error) {
	if s, ok := i.speakers.get(conversationID, userID); ok {
		return s, nil
	}
	user, ref, err := i.readUser(ctx, userID)
	if err != nil {
		return speaker{}, err
	}
	s := speakerOf(user, ref)
	i.speakers.put(s, conversationID, userID)
	return s, nil
}

func (i *identities) readUser(ctx context.Context, userID string) (botpress.User, Ref, error) {
	if l, ok := i.linked.get(userID); ok && i.clock.since(l.at) < justLinked {
		return l.user, i.def.userRef(l.user.Tags), nil
	}
	user, err := i.api.GetUser(ctx, userID)
	if err != nil && !unknownID(err) {
		return user, Ref{}, fmt.Errorf("hitl: read user %s: %w", userID, err)
	}
	ref := i.def.userRef(user.Tags)
	if ref.ID == "" {
		return user, Ref{}, Errorf("The user %s is not linked to the help desk: call %s first", userID, i.def.CreateUser.Name)
	}
	return user, ref, nil
}

// name is the name of a speaker, for transcripts.
func (i *identities) name(ctx context.Context, userID string) (string, error) {
	user, err := i.api.GetUser(ctx, userID)
	return user.Name, err
}

// botName is the name of the bot, for messages that are delivered later than they were dispatched.
func (i *identities) botName(ctx context.Context, botUserID string) (string, error) {
	user, err := i.api.GetUser(ctx, botUserID)
	if err != nil && !unknownID(err) {
		return "", fmt.Errorf("hitl: read the bot's name: %w", err)
	}
	return user.Name, nil
}

// syntheticEmail is what the HITL plugin generates for end users without an address: <user>@no-reply.<bot>.botpress.com.
var syntheticEmail = regexp.MustCompile(`(?i)@no-reply\.[^@]*\.?botpress\.com$`)

// realEmail returns an address, or nothing for a synthetic one.
func realEmail(email string) string {
	if syntheticEmail.MatchString(email) {
		return ""
	}
	return emailAddress(email)
}

// maxEmail is the most that RFC 5321 lets a path have, less its angle brackets.
const maxEmail = 254

// emailAddress returns the address in what somebody typed as one, or nothing: people without an address type "n/a", and would all be
// one person with it. Desks refuse addresses that need quotes, and domains that the Internet does not have.
func emailAddress(s string) string {
	mailbox, err := mail.ParseAddress(strings.TrimSpace(s))
	if err != nil || len(mailbox.Address) > maxEmail {
		return ""
	}
	plain, err := mail.ParseAddress(mailbox.Address)
	_, domain, _ := strings.Cut(mailbox.Address, "@")
	if err != nil || plain.Address != mailbox.Address || !strings.Contains(domain, ".") || strings.Contains(domain, "[") {
		return ""
	}
	return mailbox.Address
}

// Agents.

// author is an agent in an event.
type author struct {
	Agent
	profile *profile // nil if the event says it all
}

func (a author) isTold() bool { return a.profile != nil && a.profile.told.Load() }

// readAgent completes an agent whom the desk reports without a name. One who is not known does not answer end users.
func (i *identities) readAgent(ctx context.Context, adapter Integration[any], a Agent) (by author, known bool, err error) {
	desk, ok := adapterAs[AgentReader](adapter)
	if !ok || a.ID == "" || a.Name != "" {
		return author{Agent: a}, true, nil
	}
	p, ok := i.profiles.get(i.connection, a.ID)
	if !ok || i.clock.since(p.at) >= profileTTL {
		p = &profile{at: i.clock.now()}
		switch p.Agent, err = desk.ReadAgent(ctx, a.ID); {
		case isPermanent(err): // must not cost the end user a reply
			i.owner.warn(ctx, "an agent cannot be read", err, "agent", a.ID)
			return author{Agent: a}, true, nil
		case err != nil:
			return author{}, false, fmt.Errorf("hitl: read agent %s: %w", a.ID, err)
		case p.ID == "":
			i.log.DebugContext(ctx, "ignored an event of somebody who is no agent", "author", a.ID)
			return author{}, false, nil
		}
		p.Name, p.PictureURL, p.Tags = userName(p.Name), pictureURL(p.PictureURL), maps.Clone(p.Tags)
		i.profiles.put(p, i.connection, a.ID)
	}
	a.Name, a.PictureURL, a.Email = p.Name, cmp.Or(a.PictureURL, p.PictureURL), cmp.Or(a.Email, p.Email)
	if a.Tags == nil {
		a.Tags = p.Tags
	}
	return author{a, p}, true, nil
}

// agent makes an agent known to Botpress as they are now, and returns the user that stands for them. The end user is shown
// that user's name and picture. The conversation comes with the same call. It is nil if no call was needed.
func (i *identities) agent(ctx context.Context, ses *session, a author) (userID string, conv *botpress.Conversation, err error) {
	params := i.agentParams(ctx, ses, a.Agent)
	profile := i.profile(params)
	if id, ok := i.agents.get(profile...); ok {
		return id, nil, nil
	}
	got, err := i.api.InitializeIncomingMessage(ctx, botpress.InitializeIncomingMessageParams{ConversationID: ses.conversationID, User: &params})
	if err != nil {
		return "", nil, fmt.Errorf("hitl: find or create agent %s: %w", a.ID, err)
	}
	wasTold := a.isTold()
	if err := i.refreshAgent(ctx, a, got.User, params); err != nil {
		return "", nil, err
	}
	if !wasTold { // else Botpress may have something else
		i.agents.put(got.User.ID, profile...)
	}
	return got.User.ID, &got.Conversation, nil
}

// profile identifies all that Botpress knows of an agent.
func (i *identities) profile(p botpress.GetOrCreateUserParams) []string {
	profile := []string{"agent", p.Name, p.PictureURL}
	for _, name := range sortedKeys(p.Tags) {
		profile = append(profile, name, p.Tags[name])
	}
	return profile
}

// refreshAgent brings name and picture up to date. Get-or-create leaves those of an existing user as they are. What Botpress was told
// before is not repeated: another process may have read the agent since.
func (i *identities) refreshAgent(ctx context.Context, a author, user botpress.User, p botpress.GetOrCreateUserParams) error {
	name, picture := cmp.Or(p.Name, user.Name), cmp.Or(p.PictureURL, user.PictureURL)
	if a.isTold() {
		name = cmp.Or(user.Name, name)
		if p.PictureURL == a.profile.PictureURL {
			picture = cmp.Or(user.PictureURL, picture)
		}
	}
	if name != user.Name || picture != user.PictureURL {
		_, err := i.api.UpdateUser(ctx, user.ID, botpress.UpdateUserParams{Name: change(name), PictureURL: change(picture)})
		if err != nil {
			return fmt.Errorf("hitl: update agent %s: %w", p.Tags[tagAgentID], err)
		}
	}
	if a.profile != nil {
		a.profile.told.Store(true)
	}
	return nil
}

// agentParams find or create an agent. The tag agentId keeps agents apart from end users: a desk may count both from one.
// An agent whom the desk does not name is another one in each session.
func (i *identities) agentParams(ctx context.Context, ses *session, a Agent) botpress.GetOrCreateUserParams {
	tags := botpress.Tags{tagAgentID: tagValue(cmp.Or(a.ID, "of session "+ses.conversationID))}
	extra, err := refTags("the adapter", Ref{Tags: a.Tags}, i.def.UserTags, ownUserTags)
	if err != nil { // a mistake in an adapter must not cost the end user a reply
		i.log.WarnContext(ctx, "the tags of an agent were left out", "agent", a.ID, "error", err)
	}
	maps.Copy(tags, extra)
	if a.ID != "" {
		tags[tagID] = tagValue(a.ID)
	}
	if a.Email != "" {
		tags[tagEmail] = tagValue(a.Email)
	}
	return botpress.GetOrCreateUserParams{
		Tags: tags, DiscriminateByTags: []string{tagAgentID}, Name: userName(a.Name), PictureURL: pictureURL(a.PictureURL),
	}
}

// Limits of the Botpress API.
const (
	maxUserName   = 200    // characters
	maxPictureURL = 40_000 // characters
)

// userName truncates a name to what the API takes.
func userName(name string) string {
	if utf8.RuneCountInString(name) <= maxUserName {
		return name
	}
	return string([]rune(name)[:maxUserName])
}

// pictureURL leaves out what the API would refuse: a truncated address is of no use.
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
