package botpresstest

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/hitl-go/sdk/internal/sleep"
	"github.com/hitl-go/sdk/message"
)

// PluginConfig is the configuration of the HITL plugin. Of the messages, "" means the plugin's default and "NULL" none.
type PluginConfig struct {
	HandoffMessage      string // To the end user, when the session is started.
	AssignedMessage     string // To the end user, at every hitlAssigned.
	StoppedMessage      string // To the end user, at hitlStopped.
	CancelledMessage    string // To the agent, when the end user, the bot or a timeout ends the session.
	IncompatibleMessage string // To the agent, whose message has a type that is not relayed.
	CloseMessage        string // To the end user, who has typed the close command.
	TimeoutMessage      string // To the end user, when no agent came in time.
	CloseCommand        string // Ends the session when the end user types it, in any case. Empty: "/end".

	AssignedTimeout time.Duration // How long to wait for an agent. Zero: forever.
	HideHumanAgent  bool          // Do not show the agent's name and picture in the webchat.
	NoFlowOnStopped bool          // Do not continue the bot's flow when a session ends.
	Farewell        Farewell      // The order of CancelledMessage and stopHitl.
	ActivationDelay time.Duration // From the response to startHitl until the session is active; events in between are ignored.
}

// Farewell is the order in which the last message and the action stopHitl arrive when a session is ended on the end
// user's side. The real plugin sends one after the other, but over different queues, and both orders are seen.
type Farewell int

// The orders of the last message and stopHitl.
const (
	FarewellEither Farewell = iota // Random, by the server's seed.
	FarewellFirst                  // stopHitl is sent after the message has been delivered.
	FarewellLast                   // The message is sent after the response to stopHitl.
)

// The plugin's default messages.
const (
	handoffMessage      = "I have escalated this conversation to a human agent. They should be with you shortly."
	assignedMessage     = "A human agent has joined the conversation."
	stoppedMessage      = "The human agent closed the conversation. I will continue assisting you."
	cancelledMessage    = "( The user has ended the session. )"
	incompatibleMessage = "Sorry, the user can not receive this type of message. Please resend your message as a text message."
	closeMessage        = "You have ended the session with the human agent. I will continue assisting you."
	timeoutMessage      = "No human agent is available at the moment. Please try again later. I will continue assisting you for the time being."
	closeCommand        = "/end"
	brokenMessage       = "Something went wrong, you are not connected to a human agent..."
	silence             = "NULL"
)

// The plugin's tags and events.
const (
	tagUpstream       = "hitl#upstream"
	tagDownstream     = "hitl#downstream"
	tagName           = "hitl#integrationName"
	tagAlias          = "hitl#integrationAlias"
	tagStartMessage   = "hitl#startMessageId"
	tagAgent          = "hitl#humanAgentId"
	tagAgentName      = "hitl#humanAgentName"
	tagEndReason      = "hitl#hitlEndReason"
	tagAdditionalData = "hitl#additionalData"
	eventTimeout      = "hitl#humanAgentAssignedTimeout"
	eventContinue     = "hitl#continueWorkflow"
)

// relayed are the message types that the plugin relays, in the plugin's order, in which it lists them to the end user.
var relayed = []string{"text", "image", "video", "audio", "file", "bloc"}

// ErrIgnored means that the plugin did nothing: on Escalate while a session is active, or a second time without a message
// of the end user in between; on StopHitl without a session. The plugin's actions return no error then.
var ErrIgnored = errors.New("the HITL plugin has ignored it")

// Outcomes of an event: its status once it has been handled.
const (
	processed = "processed"
	ignored   = "ignored"
)

// handle passes an event to the plugin, and to the bot if the plugin does not handle it.
func (s *Server) handle(ctx context.Context, e *event) (outcome string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case e.message != nil && e.message.conversation.endUser != nil:
		return s.onUpstreamMessage(ctx, e.message)
	case e.message != nil:
		return s.onDownstreamMessage(e.message)
	case e.owner != nil && e.kind == e.owner.Alias+":"+e.owner.Names.Assigned:
		return s.onAssigned(e)
	case e.owner != nil && e.kind == e.owner.Alias+":"+e.owner.Names.Stopped:
		return s.onStopped(e)
	case e.kind == eventTimeout:
		return s.onTimeout(ctx, e)
	}
	return processed, nil // The bot ignores it.
}

// onUpstreamMessage relays an end user's message. Hold s.mu; it is released during calls.
func (s *Server) onUpstreamMessage(ctx context.Context, m *msg) (string, error) {
	up := m.conversation
	if !up.active {
		return processed, s.answerAsBot(m)
	}
	cfg := up.config
	if !slices.Contains(relayed, m.kind) {
		s.say(up, "Sorry, I can only handle one of the following message types: "+strings.Join(relayed, ", "))
		return processed, nil
	}
	if up.tags[tagDownstream] == "" || s.userTag(m.userID, tagDownstream) == "" {
		s.abort(up)
		return processed, nil
	}
	down := s.conversations.byID[up.tags[tagDownstream]]
	if down == nil {
		return "", notFound("conversation", up.tags[tagDownstream])
	}
	var payload struct {
		Text string `json:"text"`
	}
	_ = json.Unmarshal(m.payload, &payload) // A payload without a text has no command.
	if text := strings.TrimSpace(payload.Text); text != "" && strings.EqualFold(text, strings.TrimSpace(cmp.Or(cfg.CloseCommand, closeCommand))) {
		if err := s.endSession(ctx, up, down, "patient-used-termination-command"); err != nil {
			return "", err
		}
		s.maybeSay(up, cfg.CloseMessage, closeMessage)
		s.goOn(up)
		return processed, nil
	}
	s.relay(m, down, s.userTag(m.userID, tagDownstream), map[string]string{tagUpstream: m.id})
	return processed, nil
}

// onDownstreamMessage relays an agent's message. Hold s.mu.
func (s *Server) onDownstreamMessage(m *msg) (string, error) {
	down := m.conversation
	if !down.active {
		return ignored, nil
	}
	agent := s.users.byID[m.userID]
	if agent == nil {
		return "", notFound("user", m.userID)
	}
	if down.tags[tagUpstream] == "" {
		s.abort(down)
		return processed, nil
	}
	up := s.conversations.byID[down.tags[tagUpstream]]
	if up == nil {
		return "", notFound("conversation", down.tags[tagUpstream])
	}
	if !slices.Contains(relayed, m.kind) {
		s.maybeSay(down, up.config.IncompatibleMessage, incompatibleMessage)
		return processed, nil
	}
	face := s.face(up, agent, false)
	if down.tags[tagAgent] == "" {
		s.assign(up, down, agent)
	}
	tags := map[string]string{tagDownstream: m.id}
	var payload struct {
		AdditionalData any `json:"additionalData"`
	}
	if json.Unmarshal(m.payload, &payload) == nil {
		if text, ok := payload.AdditionalData.(string); ok {
			if utf8.RuneCountInString(text) > maxTagValue {
				return "", invalidPayload("additionalData has more than %d characters, which no tag can hold", maxTagValue)
			}
			tags[tagAdditionalData] = text
		}
	}
	s.relay(m, up, face, tags)
	return processed, nil
}

// sides returns both conversations of an active session, given the downstream one; up is nil if there is none. Hold s.mu.
func (s *Server) sides(downID string) (down, up *conversation, err error) {
	down = s.conversations.byID[downID]
	switch {
	case down == nil:
		return nil, nil, notFound("conversation", downID)
	case !down.active || down.tags[tagUpstream] == "":
		return down, nil, nil
	}
	if up = s.conversations.byID[down.tags[tagUpstream]]; up == nil {
		return down, nil, notFound("conversation", down.tags[tagUpstream])
	}
	return down, up, nil
}

// onAssigned handles the event hitlAssigned. Hold s.mu.
func (s *Server) onAssigned(e *event) (string, error) {
	down, up, err := s.sides(e.field("conversationId"))
	if up == nil {
		return ignored, err
	}
	agent := s.users.byID[e.field("userId")]
	if agent == nil {
		return "", notFound("user", e.field("userId"))
	}
	s.assign(up, down, agent)
	return processed, nil
}

// onStopped handles the event hitlStopped. Hold s.mu.
func (s *Server) onStopped(e *event) (string, error) {
	down, up, err := s.sides(e.field("conversationId"))
	if up == nil {
		return ignored, err
	}
	s.maybeSay(up, up.config.StoppedMessage, stoppedMessage)
	s.deactivate(down, "agent-closed-ticket")
	s.deactivate(up, "agent-closed-ticket")
	s.goOn(up)
	return processed, nil
}

// onTimeout ends a session that no agent has joined. As in the real plugin, it looks at a tag that is never cleared, so
// that a second session in the same chat never times out. Hold s.mu; it is released during calls.
func (s *Server) onTimeout(ctx context.Context, e *event) (string, error) {
	up, down := s.conversations.byID[e.conversationID], s.conversations.byID[e.field("downstreamConversationId")]
	if up == nil || down == nil {
		return "", errors.New("the conversations of the timeout do not exist")
	}
	started, err := time.Parse(time.RFC3339, e.field("sessionStartedAt"))
	if err != nil {
		return "", err
	}
	cfg := up.config
	if up.tags[tagAgent] != "" || !up.active || !down.active || cfg.AssignedTimeout <= 0 || s.clock.now().Sub(started) < cfg.AssignedTimeout {
		return ignored, nil
	}
	if err := s.endSession(ctx, up, down, "agent-assignment-timeout"); err != nil {
		return "", err
	}
	s.maybeSay(up, cfg.TimeoutMessage, timeoutMessage)
	s.goOn(up)
	return processed, nil
}

// escalation is the input of the plugin's action startHitl.
type escalation struct {
	in                 *Installation
	up                 *conversation
	user               *user
	title, description string
	email              string
	session            any
	config             PluginConfig
}

// escalate is the plugin's action startHitl. The session becomes active at its end. Nothing is undone when the integration
// fails, although the end user has been promised an agent by then.
func (s *Server) escalate(ctx context.Context, x escalation) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	up := x.up
	var last string
	for _, m := range slices.Backward(up.messages) {
		if !m.outgoing {
			last = m.id
			break
		}
	}
	switch {
	case up.active:
		return fmt.Errorf("%w: a session is active already", ErrIgnored)
	case last != "" && up.tags[tagStartMessage] == last:
		return fmt.Errorf("%w: the end user has said nothing since the last session was started", ErrIgnored)
	}
	up.config = x.config
	s.maybeSay(up, x.config.HandoffMessage, handoffMessage)

	downUser, err := s.link(ctx, x)
	if err != nil {
		return err
	}
	input := map[string]any{"userId": downUser, "messageHistory": s.history(up, downUser)}
	for name, text := range map[string]string{"title": x.title, "description": x.description} {
		if text != "" {
			input[name] = text
		}
	}
	if x.session != nil {
		input["hitlSession"] = x.session
	}
	var output struct {
		ConversationID string `json:"conversationId"`
	}
	s.mu.Unlock()
	err = x.in.act(ctx, x.in.Names.StartHitl, input, &output)
	s.mu.Lock()
	if err != nil {
		return err
	}
	down := s.conversations.byID[output.ConversationID]
	if down == nil {
		return fmt.Errorf("startHitl of %s returned a conversation that cannot be read: %w", x.in.Alias, notFound("conversation", output.ConversationID))
	}
	s.retagConversation(up, map[string]string{tagDownstream: down.id})
	s.retagConversation(down, map[string]string{tagUpstream: up.id})
	if last != "" {
		s.retagConversation(up, map[string]string{tagStartMessage: last})
	}
	if x.config.ActivationDelay > 0 {
		s.mu.Unlock()
		err = sleep.For(ctx, x.config.ActivationDelay)
		s.mu.Lock()
		if err != nil {
			return err
		}
	}
	up.active, down.active = true, true
	if x.config.AssignedTimeout > 0 {
		started := s.clock.now()
		s.receive(&event{
			kind: eventTimeout, conversationID: up.id, userID: x.user.id, at: started.Add(x.config.AssignedTimeout),
			payload: mustJSON(map[string]any{"sessionStartedAt": started.UTC(), "downstreamConversationId": down.id}),
		})
	}
	return nil
}

// link returns the end user's counterpart in the desk, which the integration creates unless it exists. Hold s.mu; it is
// released during calls.
func (s *Server) link(ctx context.Context, x escalation) (string, error) {
	u := x.user
	if id := u.tags[tagDownstream]; id != "" && u.tags[tagAlias] == x.in.Alias && s.users.byID[id] != nil {
		return id, nil
	}
	input := map[string]any{
		"name":  cmp.Or(u.name, "Unknown User"),
		"email": cmp.Or(x.email, u.id+"@no-reply."+strings.ReplaceAll(s.BotID, "_", "-")+".botpress.com"),
	}
	if u.picture != "" {
		input["pictureUrl"] = u.picture
	}
	var output struct {
		UserID string `json:"userId"`
	}
	s.mu.Unlock()
	err := x.in.act(ctx, x.in.Names.CreateUser, input, &output)
	s.mu.Lock()
	if err != nil {
		return "", err
	}
	down := s.users.byID[output.UserID]
	if down == nil {
		return "", fmt.Errorf("createUser of %s returned a user who cannot be read: %w", x.in.Alias, notFound("user", output.UserID))
	}
	s.retagUser(u, map[string]string{tagDownstream: down.id, tagName: x.in.Name, tagAlias: x.in.Alias})
	s.retagUser(down, map[string]string{tagUpstream: u.id, tagName: x.in.Name, tagAlias: x.in.Alias})
	return down.id, nil
}

// history returns the newest page of a conversation, oldest message first. Hold s.mu.
func (s *Server) history(up *conversation, downUser string) []any {
	turns := []any{}
	for _, m := range up.messages[max(0, len(up.messages)-s.opts.PageSize):] {
		source := map[string]string{"type": "user", "userId": downUser}
		if m.outgoing {
			source = map[string]string{"type": "bot"}
		}
		turns = append(turns, map[string]any{"source": source, "type": m.kind, "payload": m.payload})
	}
	return turns
}

// stopHitl is the plugin's action stopHitl.
func (s *Server) stopHitl(ctx context.Context, up *conversation) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !up.active {
		return fmt.Errorf("%w: no session is active", ErrIgnored)
	}
	down := s.conversations.byID[up.tags[tagDownstream]]
	if down == nil {
		return fmt.Errorf("%w: the session has no conversation downstream", ErrIgnored)
	}
	return s.endSession(ctx, up, down, "close-action-called")
}

// endSession ends a session on the end user's side. Hold s.mu; it is released during calls.
func (s *Server) endSession(ctx context.Context, up, down *conversation, reason string) error {
	cfg, in := up.config, down.owner
	first := cfg.Farewell == FarewellFirst || cfg.Farewell == FarewellEither && s.rand.Uint64()&1 == 0
	var told <-chan struct{}
	held := make(chan struct{})
	defer close(held)
	if text := cmp.Or(cfg.CancelledMessage, cancelledMessage); text != silence {
		m := s.store(down, s.users.byID[s.BotID], textMessage(text))
		if first {
			told = s.sendOut(m, nil)
		} else {
			s.sendOut(m, held)
		}
	}
	s.deactivate(up, reason)
	s.deactivate(down, reason)
	s.mu.Unlock()
	defer s.mu.Lock()
	if told != nil {
		select {
		case <-told:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	var output struct{}
	return in.act(ctx, in.Names.StopHitl, map[string]string{"conversationId": down.id}, &output)
}

// assign makes a user the agent of a session, and sends AssignedMessage every time. Hold s.mu.
func (s *Server) assign(up, down *conversation, agent *user) {
	tags := map[string]string{tagAgent: agent.id, tagAgentName: cmp.Or(agent.name, "A Human Agent")}
	s.retagConversation(down, tags)
	s.retagConversation(up, tags)
	s.maybeSay(up, up.config.AssignedMessage, assignedMessage)
	s.face(up, agent, true)
}

// face returns the id of the user that shows an agent in the webchat, empty elsewhere: a copy of the agent, whose name and
// picture are updated only when the agent is assigned. Hold s.mu.
func (s *Server) face(up *conversation, agent *user, refresh bool) string {
	if up.integration != webchat || up.config.HideHumanAgent {
		return ""
	}
	if id := agent.tags[tagUpstream]; id != "" && !refresh {
		return id
	}
	twin := s.copies[agent.id]
	if twin == nil {
		twin = &user{entity: s.newEntity("user", nil, nil)}
		s.users.add(twin)
		s.copies[agent.id] = twin
	}
	twin.name, twin.picture = agent.name, agent.picture
	s.retagUser(agent, map[string]string{tagUpstream: twin.id})
	return twin.id
}

// relay sends a message to the other conversation as the bot, with the speaker in payload.userId. As in the real plugin, a type
// in the payload goes before that of the message, and one that is not relayed drops the message without a word. Hold s.mu.
func (s *Server) relay(m *msg, to *conversation, speaker string, tags map[string]string) {
	payload := map[string]json.RawMessage{"type": mustJSON(m.kind)}
	var own map[string]json.RawMessage
	_ = json.Unmarshal(m.payload, &own) // The API takes objects only.
	maps.Copy(payload, own)
	var kind string
	if json.Unmarshal(payload["type"], &kind) != nil || !slices.Contains(relayed, kind) {
		return
	}
	delete(payload, "userId")
	if speaker != "" {
		payload["userId"] = mustJSON(speaker)
	}
	p := parsedMessage{messageBody: messageBody{Type: kind, Payload: mustJSON(payload)}, tags: tags}
	s.send(to, s.users.byID[s.BotID], p)
}

// say sends a message of the bot. Hold s.mu.
func (s *Server) say(c *conversation, text string) {
	s.send(c, s.users.byID[s.BotID], textMessage(text))
}

func textMessage(text string) parsedMessage {
	return parsedMessage{messageBody: messageBody{Type: "text", Payload: mustJSON(map[string]string{"type": "text", "text": text})}}
}

// maybeSay sends a configured text, or the plugin's default, or nothing. Hold s.mu.
func (s *Server) maybeSay(c *conversation, text, otherwise string) {
	if text != silence {
		s.say(c, cmp.Or(text, otherwise))
	}
}

// answerAsBot lets the bot answer. Hold s.mu; it is released during the call of Options.Bot.
func (s *Server) answerAsBot(m *msg) error {
	if s.opts.Bot == nil {
		return nil
	}
	said, err := message.Decode(message.Type(m.kind), m.payload)
	if err != nil {
		return err
	}
	s.mu.Unlock()
	answers := s.opts.Bot(said)
	s.mu.Lock()
	for _, a := range answers {
		kind, payload, err := message.Encode(a)
		if err != nil {
			return err
		}
		s.send(m.conversation, s.users.byID[s.BotID], parsedMessage{messageBody: messageBody{Type: string(kind), Payload: payload}})
	}
	return nil
}

// deactivate ends the session in one of its conversations. Hold s.mu.
func (s *Server) deactivate(c *conversation, reason string) {
	c.active = false
	s.retagConversation(c, map[string]string{tagEndReason: reason})
}

// abort ends a session whose conversations are not linked. Hold s.mu.
func (s *Server) abort(c *conversation) {
	s.deactivate(c, "internal-error")
	s.say(c, brokenMessage)
}

// goOn continues the bot's flow. Hold s.mu.
func (s *Server) goOn(up *conversation) {
	if !up.config.NoFlowOnStopped {
		s.receive(&event{
			kind: eventContinue, conversationID: up.id, userID: up.endUser.user.id,
			payload: mustJSON(map[string]string{"conversationId": up.id}),
		})
	}
}

func (s *Server) userTag(id, name string) string {
	if u := s.users.byID[id]; u != nil {
		return u.tags[name]
	}
	return ""
}

func mustJSON(v any) json.RawMessage {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err) // A bug in this package: it encodes only plain data.
	}
	return data
}
