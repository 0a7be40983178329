package botpresstest

import (
	"slices"
	"time"
	"unicode/utf8"
)

// Conversation is a conversation: upstream between an end user and the bot, or downstream on an integration's channel.
type Conversation struct {
	ID          string            `json:"id"`
	CreatedAt   time.Time         `json:"createdAt"`
	UpdatedAt   time.Time         `json:"updatedAt"`
	Channel     string            `json:"channel"`
	Integration string            `json:"integration"` // The alias of the installation; "webchat" and the like upstream.
	Tags        map[string]string `json:"tags"`
	Properties  map[string]string `json:"properties,omitempty"`
	// MessageCount is the number of messages.
	MessageCount int `json:"messageCount"`
}

type conversation struct {
	entity
	channel      string
	integration  string
	participants []participant
	joined       uint64   // Counts participants, also former ones.
	messages     []*msg   // Oldest first.
	endUser      *EndUser // Upstream only.
	active       bool     // The plugin's state: a HITL session is under way.
	config       PluginConfig
}

func (c *conversation) view(in *Installation) Conversation {
	return Conversation{
		ID: c.id, CreatedAt: c.createdAt, UpdatedAt: c.updatedAt, Channel: c.channel, Integration: c.integration,
		Tags: ownTags(in, c.tags), Properties: c.properties, MessageCount: len(c.messages),
	}
}

// participant is a user in a conversation.
type participant struct {
	id     string
	number uint64
}

func (c *conversation) has(userID string) bool {
	return slices.ContainsFunc(c.participants, func(p participant) bool { return p.id == userID })
}

func (c *conversation) join(userID string) {
	if !c.has(userID) {
		c.joined++
		c.participants = append(c.participants, participant{userID, c.joined})
	}
}

// Conversations returns all conversations, oldest first, as the bot sees them; see [Server.Users] for the tags.
func (s *Server) Conversations() []Conversation {
	s.mu.Lock()
	defer s.mu.Unlock()
	views := make([]Conversation, len(s.conversations.order))
	for i, c := range s.conversations.order {
		views[i] = c.view(nil)
	}
	return views
}

type conversationBody struct {
	Channel            string            `json:"channel"`
	Tags               map[string]string `json:"tags"`
	Properties         map[string]string `json:"properties"`
	IntegrationName    string            `json:"integrationName"`
	CurrentTaskID      string            `json:"currentTaskId"`
	DiscriminateByTags []string          `json:"discriminateByTags"`
}

type parsedConversation struct {
	conversationBody

	tags map[string]string
	by   map[string]string // Set by get-or-create only.
}

func (r *request) parseConversation(raw []byte, shape string, getOrCreate bool) (p parsedConversation, err *Error) {
	if p.conversationBody, err = decode[conversationBody](raw, shape); err != nil {
		return p, err
	}
	switch {
	case r.in == nil:
		return p, forbidden("only an integration can create conversations, on its own channel")
	case utf8.RuneCountInString(p.Channel) > maxName || p.Channel != r.in.Names.Channel && !slices.Contains(r.in.Channels, p.Channel):
		return p, invalidPayload("the channel %q is not declared in the definition of %s", p.Channel, r.in.Name)
	}
	if err := checkIntegrationName(p.IntegrationName); err != nil {
		return p, err
	}
	if p.tags, err = r.tagNames(onConversation, p.Tags); err == nil && getOrCreate {
		p.by, err = r.discriminators(onConversation, p.tags, p.DiscriminateByTags)
	}
	return p, err
}

// conversation finds a conversation that the caller may see.
func (r *request) conversation(id string) (*conversation, *Error) {
	if c := r.conversations.byID[id]; c != nil && r.maySee(&c.entity) {
		return c, nil
	}
	return nil, notFound("conversation", id)
}

func (r *request) newConversation(p parsedConversation) *conversation {
	c := &conversation{entity: r.newEntity("conv", r.in, p.tags), channel: p.Channel, integration: r.in.Alias}
	c.setProperties(p.Properties)
	r.conversations.add(c)
	return c
}

func (r *request) getOrCreateConversation(p parsedConversation) (c *conversation, created bool) {
	for _, c := range r.conversations.find(p.by) {
		if c.owner == r.in && c.channel == p.Channel {
			r.retagConversation(c, p.tags)
			return c, false
		}
	}
	return r.newConversation(p), true
}

func (s *Server) retagConversation(c *conversation, tags map[string]string) {
	if s.conversations.retag(c, tags) {
		c.updatedAt = s.clock.stamp()
	}
}

func createConversation(r *request) (any, *Error) {
	p, err := r.parseConversation(r.body, "channel! tags! properties integrationName", false)
	if err != nil {
		return nil, err
	}
	return map[string]any{"conversation": r.newConversation(p).view(r.in)}, nil
}

func getOrCreateConversation(r *request) (any, *Error) {
	p, err := r.parseConversation(r.body, "channel! tags! properties integrationName discriminateByTags", true)
	if err != nil {
		return nil, err
	}
	c, created := r.getOrCreateConversation(p)
	return map[string]any{"conversation": c.view(r.in), "meta": map[string]bool{"created": created}}, nil
}

func getConversation(r *request) (any, *Error) {
	c, err := r.conversation(r.http.PathValue("id"))
	if err != nil {
		return nil, err
	}
	return map[string]any{"conversation": c.view(r.in)}, nil
}

func updateConversation(r *request) (any, *Error) {
	c, err := r.conversation(r.http.PathValue("id"))
	if err != nil {
		return nil, err
	}
	body, err := decode[conversationBody](r.body, "tags properties currentTaskId")
	if err != nil {
		return nil, err
	}
	tags, err := r.tagNames(onConversation, body.Tags)
	if err != nil {
		return nil, err
	}
	c.setProperties(body.Properties)
	r.conversations.retag(c, tags)
	c.updatedAt = r.clock.stamp()
	return map[string]any{"conversation": c.view(r.in)}, nil
}

func deleteConversation(r *request) (any, *Error) {
	c, err := r.conversation(r.http.PathValue("id"))
	if err != nil {
		return nil, err
	}
	for _, m := range c.messages {
		r.messages.remove(m)
	}
	r.conversations.remove(c)
	return struct{}{}, nil
}

func listConversations(r *request) (any, *Error) {
	q, err := r.query(sortField, sortDirection, "tags", "participantIds", "integrationName", "channel", "afterDate", "beforeDate")
	if err != nil {
		return nil, err
	}
	tags, err := r.tagNames(onConversation, q.tags)
	if err != nil {
		return nil, err
	}
	chosen := choose(r, q, r.conversations.find(tags), func(c *conversation) bool {
		for _, id := range q.Values["participantIds"] {
			if !c.has(id) {
				return false
			}
		}
		return (q.Get("integrationName") == "" || q.Get("integrationName") == c.integration) &&
			(q.Get("channel") == "" || q.Get("channel") == c.channel)
	})
	return listing(q, "conversations", chosen, func(c *conversation) Conversation { return c.view(r.in) })
}

func listParticipants(r *request) (any, *Error) {
	c, err := r.conversation(r.http.PathValue("id"))
	if err != nil {
		return nil, err
	}
	q, err := r.query()
	if err != nil {
		return nil, err
	}
	there := slices.DeleteFunc(slices.Clone(c.participants), func(p participant) bool { return r.users.byID[p.id] == nil })
	page, meta, err := paged(q, there, false, func(p participant) position { return position{Number: p.number} })
	if err != nil {
		return nil, err
	}
	views := make([]User, len(page))
	for i, p := range page {
		views[i] = r.users.byID[p.id].view(r.in)
	}
	return map[string]any{"participants": views, "meta": meta}, nil
}

func addParticipant(r *request) (any, *Error) {
	c, err := r.conversation(r.http.PathValue("id"))
	if err != nil {
		return nil, err
	}
	body, err := decode[struct {
		UserID string `json:"userId"`
	}](r.body, "userId!")
	if err != nil {
		return nil, err
	}
	if err := checkID("userId", body.UserID); err != nil {
		return nil, err
	}
	u, err := r.user(body.UserID)
	if err != nil {
		return nil, unknownReference("user", body.UserID)
	}
	c.join(u.id)
	return map[string]any{"participant": u.view(r.in)}, nil
}

// participant finds the conversation and the participant of the path.
func (r *request) participant() (*conversation, *user, *Error) {
	c, err := r.conversation(r.http.PathValue("id"))
	if err != nil {
		return nil, nil, err
	}
	id := r.http.PathValue("userId")
	if u := r.users.byID[id]; u != nil && c.has(id) {
		return c, u, nil
	}
	return nil, nil, notFound("participant", id)
}

func getParticipant(r *request) (any, *Error) {
	_, u, err := r.participant()
	if err != nil {
		return nil, err
	}
	return map[string]any{"participant": u.view(r.in)}, nil
}

func removeParticipant(r *request) (any, *Error) {
	c, u, err := r.participant()
	if err != nil {
		return nil, err
	}
	c.participants = slices.DeleteFunc(c.participants, func(p participant) bool { return p.id == u.id })
	return struct{}{}, nil
}
