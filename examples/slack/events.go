package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/slack-go/slack"
	"github.com/slack-go/slack/slackevents"
	"github.com/slack-go/slack/socketmode"
	"golang.org/x/sync/errgroup"

	"github.com/hitl-go/sdk/hitl"
	"github.com/hitl-go/sdk/message"
)

// Receive holds a connection of Socket Mode. Slack sends each event to one of the connections of all replicas, and again if it is
// not acknowledged within three seconds.
func (d *desk) Receive(ctx context.Context, deliver func(context.Context, ...hitl.Event) error) error {
	if d.AppToken == "" {
		<-ctx.Done()
		return ctx.Err()
	}
	const atOnce = 100 // Besides the connection, which breaks if nobody takes what it brings.
	socket := socketmode.New(d.api, socketmode.OptionDialer(d.dialer))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(1 + atOnce)
	group.Go(func() error { return explain(socket.RunContext(ctx)) })
	for {
		select {
		case <-ctx.Done():
			return group.Wait()
		case e := <-socket.Events:
			group.Go(func() error { d.received(ctx, socket, e, deliver); return nil })
		}
	}
}

// received passes on what has come through a socket, and acknowledges it: buttons at once, since their member waits for it and would
// press again.
func (d *desk) received(ctx context.Context, socket *socketmode.Client, e socketmode.Event, deliver func(context.Context, ...hitl.Event) error) {
	var err error
	if failed, ok := e.Data.(*slack.ConnectionErrorEvent); ok {
		err = failed.ErrorObj
	}
	if e.Type == socketmode.EventTypeInteractive {
		err = socket.AckCtx(ctx, e.Request.EnvelopeID, nil)
	}
	if e.Type == socketmode.EventTypeHello { // While there was no connection, something may have changed unheard.
		d.members.Purge()
		err = deliver(ctx, hitl.Changed{})
	} else if err == nil && e.Request != nil && e.Request.EnvelopeID != "" {
		var hook hitl.Webhook
		if hook, err = d.heard(ctx, e.Request.Payload); err == nil {
			err = deliver(ctx, hook.Events...)
		}
		if err == nil && e.Type != socketmode.EventTypeInteractive {
			err = socket.AckCtx(ctx, e.Request.EnvelopeID, nil)
		}
	}
	if err != nil {
		d.in.Logger.WarnContext(ctx, "what Slack reports does not get through; what members write is read back later", "error", explain(err))
	}
}

// HandleWebhook reads what Slack sends to the app's request URL: what it would send through a socket, buttons in a form.
func (d *desk) HandleWebhook(ctx context.Context, r *http.Request) (hitl.Webhook, error) {
	if err := d.genuine(r); err != nil {
		return hitl.Webhook{}, err
	}
	payload := []byte(r.PostFormValue("payload"))
	if len(payload) == 0 {
		var err error
		if payload, err = io.ReadAll(r.Body); err != nil {
			return hitl.Webhook{}, err
		}
	}
	return d.heard(ctx, payload)
}

// heard says what an event of the Events API means, or a button.
func (d *desk) heard(ctx context.Context, payload []byte) (hook hitl.Webhook, err error) {
	var body struct {
		Type      string `json:"type"`
		Challenge string `json:"challenge"`
		Event     struct {
			Type string `json:"type"`
		} `json:"event"`
	}
	var told struct {
		Event slackevents.MessageEvent `json:"event"`
	}
	var button slack.InteractionCallback
	err = json.Unmarshal(payload, &body)
	switch {
	case err != nil:
	case body.Type == slackevents.URLVerification:
		hook.Header, hook.Body = http.Header{"Content-Type": {"text/plain"}}, []byte(body.Challenge)
	case body.Type == slackevents.CallbackEvent && body.Event.Type == string(slackevents.Message):
		if err = json.Unmarshal(payload, &told); err == nil {
			hook.Events, err = d.wrote(ctx, &told.Event)
			return hook, explain(err)
		}
	case body.Type == string(slack.InteractionTypeBlockActions):
		if err = json.Unmarshal(payload, &button); err == nil && len(button.ActionCallback.BlockActions) == 1 {
			hook.Events, err = d.pressed(ctx, thread{button.Channel.ID, button.Message.Timestamp}, button.User.ID, button.ActionCallback.BlockActions[0])
			return hook, explain(err)
		}
	}
	if err != nil {
		err = hitl.Errorf("Slack's request is none of the Events API: %w", err)
	}
	return hook, err
}

// wrote says what a message means: the thread has changed, and is read back. Of what was edited, the event alone knows what it was.
func (d *desk) wrote(ctx context.Context, e *slackevents.MessageEvent) ([]hitl.Event, error) {
	m, was := e.Message, e.PreviousMessage
	if m == nil || m.ThreadTimestamp == "" || m.BotID != "" || cmp.Or(m.ParentUserId, d.me) != d.me {
		return nil, nil
	}
	t := thread{e.Channel, m.ThreadTimestamp}
	if m.Edited == nil || was == nil || was.Text == m.Text || !isReply(was) || !isReply(m) {
		return []hitl.Event{hitl.Changed{SessionID: t.String()}}, nil
	}
	author, err := d.author(ctx, m.User)
	return []hitl.Event{hitl.Replied{
		SessionID: t.String(), ID: fmt.Sprintf("%s:%s/%s", e.Channel, m.Timestamp, m.Edited.Timestamp), Author: author,
		Load: func(ctx context.Context) (message.Message, error) {
			for now, err := range d.read(ctx, t, m.Timestamp) {
				if err != nil {
					return nil, explain(err)
				}
				if now.Timestamp == m.Timestamp && now.Text == m.Text {
					words, err := d.text(ctx, m)
					return message.Text{Text: "Correction: " + words}, explain(err)
				}
			}
			return message.Text{}, nil // It has been deleted, or edited again, of which another event tells.
		},
	}}, err
}

// pressed writes down what a button means, from where it is read back.
func (d *desk) pressed(ctx context.Context, t thread, by string, button *slack.BlockAction) ([]hitl.Event, error) {
	c, err := d.card(ctx, t)
	switch {
	case errors.Is(err, errNoCard), isRefusal(err, "thread_not_found"):
		return nil, nil
	case err != nil || c.closed:
	case button.ActionID == actionTake:
		err = d.write(ctx, t, taken+button.ActionTs, by, slack.MsgOptionText("<@"+by+"> has taken the conversation.", false))
	case button.ActionID == actionClose:
		err = d.write(ctx, t, closed, by, words(over)...)
	}
	if err == nil {
		err = d.draw(ctx, t)
	}
	return []hitl.Event{hitl.Changed{SessionID: t.String()}}, err
}
