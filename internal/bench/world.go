package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/hitl-go/sdk/internal/bench/api"
)

const (
	installations = 8
	agents        = 4 // of each desk
)

// world is what Botpress and the desks have for one run of a server: bots, sessions that are open, and people who speak.
type world struct {
	api  *api.Server
	bots []installation
	pool []openSession
	last atomic.Int64 // numbers users, messages and comments
}

// openSession is one that has started long ago: what is said in it needs no attention to its start.
type openSession struct {
	in                     *installation
	conversationID, userID string
}

// newWorld makes a world with an API of its own, which the caller closes.
func newWorld(ctx context.Context, sessions int) (*world, error) {
	a, err := api.Listen(ctx)
	if err != nil {
		return nil, err
	}
	w := &world{api: a}
	for n := range installations {
		w.bots = append(w.bots, newInstallation(n))
	}
	for n := range sessions {
		s := openSession{in: &w.bots[n%installations]}
		s.conversationID, s.userID = a.Seed(n, time.Now().Add(-time.Hour))
		w.pool = append(w.pool, s)
	}
	return w, nil
}

func (w *world) request(operation string, in *installation, body any) (request, error) {
	data, err := json.Marshal(body)
	return request{operation, in, data, w.last.Add(1)}, err
}

// action is the body of action_triggered.
type action struct {
	Type  string `json:"type"`
	Input any    `json:"input"`
}

func (w *world) createUser(in *installation) (request, error) {
	n := w.last.Add(1)
	return w.request("action_triggered", in, action{"createUser", map[string]string{
		"name": fmt.Sprintf("Jane Miller %d", n), "email": fmt.Sprintf("jane.miller.%d@example.com", n),
		"pictureUrl": fmt.Sprintf("https://pictures.example.com/%d.png", n),
	}})
}

// turn is an entry of the history.
type turn struct {
	Source  map[string]string `json:"source"`
	Type    string            `json:"type"`
	Payload map[string]string `json:"payload"`
}

func (w *world) startHitl(in *installation, userID string) (request, error) {
	n := w.last.Add(1)
	return w.request("action_triggered", in, action{"startHitl", map[string]any{
		"userId": userID, "title": fmt.Sprintf("Order %d has not arrived", n), "description": "The customer wants to speak with somebody.",
		"messageHistory": []turn{
			{map[string]string{"type": "user", "userId": userID}, "text", map[string]string{"text": fmt.Sprintf("Where is order %d?", n)}},
			{map[string]string{"type": "bot"}, "text", map[string]string{"text": "I will get somebody who knows."}},
		},
	}})
}

func (w *world) stopHitl(in *installation, conversationID string) (request, error) {
	return w.request("action_triggered", in, action{"stopHitl", map[string]string{"conversationId": conversationID}})
}

// message is something that an end user says: it is in the conversation, and not delivered yet.
func (w *world) message(s openSession) (request, error) {
	text := fmt.Sprintf("This is what I wanted to say, in words that are not said twice: number %d.", w.last.Add(1))
	d, err := w.api.Say(s.in.bot, s.conversationID, s.userID, text)
	if err != nil {
		return request{}, err
	}
	return w.request("message_created", s.in, d)
}

// report is a webhook of the desk.
type report struct {
	ConversationID string `json:"conversationId"`
	CommentID      string `json:"commentId"`
	Text           string `json:"text"`
	Agent          agent  `json:"agent"`
}

type agent struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// reply is something that an agent says.
func (w *world) reply(s openSession, by int) (request, error) {
	n := w.last.Add(1)
	body, err := json.Marshal(report{
		s.conversationID, fmt.Sprintf("reply-%d", n), fmt.Sprintf("This is an agent's answer, and the number of it is %d.", n),
		agent{fmt.Sprintf("agent-%d", by%agents), fmt.Sprintf("Alice Agent %d", by%agents)},
	})
	if err != nil {
		return request{}, err
	}
	return w.request("webhook_received", s.in, map[string]any{"req": map[string]any{
		"method": "POST", "path": "/", "query": "", "body": string(body),
		"headers": map[string]string{
			"host": "webhook.botpress.cloud", "content-type": "application/json", "user-agent": "Desk Webhook 2.1",
			"accept": "*/*", "accept-encoding": "gzip", "x-forwarded-proto": "https", "x-desk-delivery": strconv.FormatInt(n, 10),
			"content-length": strconv.Itoa(len(body)),
		},
	}})
}

func (w *world) ping(in *installation) (request, error) {
	return w.request("ping", in, struct{}{})
}
