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
	const atOnce = 10 // Besides the connection.
	socket := socketmode.New(d.api, socketmode.OptionDialer(d.dialer))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(1 + atOnce)
	group.Go(func() error { return explain(socket.RunContext(ctx)) })
	for {
		select {
		case <-ctx.Done():
			return group.Wait()
		case e := <-socket.Events:
			group.Go(func() error {
				if err := d.received(ctx, socket, e, deliver); err != nil {
					d.in.Logger.WarnContext(ctx, "an event of Slack was not passed on, and is read back later", "error", err)
				}
				return nil
			})
		}
	}
}

// received passes on what has come through a socket, and acknowledges it.
func (d *desk) received(ctx context.Context, socket *socketmode.Client, e socketmode.Event, deliver func(context.Context, ...hitl.Event) error) error {
	if e.Type == socketmode.EventTypeHello { // While there was no connection, something may have changed unheard.
		d.members.Purge()
		return deliver(ctx, hitl.Changed{})
	}
	if e.Request == nil || e.Type != socketmode.EventTypeEventsAPI && e.Type != socketmode.EventTypeInteractive {
		return nil
	}
	hook, err := d.heard(ctx, e.Request.Payload)
	if err == nil {
		err = deliver(ctx, hook.Events...)
	}
	if err == nil {
		err = socket.AckCtx(ctx, e.Request.EnvelopeID, nil)
	}
	return err
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
	m := e.Message
	if m == nil || m.ThreadTimestamp == "" || m.BotID != "" || cmp.Or(m.ParentUserId, d.me) != d.me {
		return nil, nil
	}
	t := thread{e.Channel, m.ThreadTimestamp}
	events := []hitl.Event{hitl.Changed{SessionID: t.String()}}
	if e.SubType != slack.MsgSubTypeMessageChanged || m.Edited == nil || e.PreviousMessage == nil || isNote(m) || isNote(e.PreviousMessage) {
		return events, nil
	}
	was, err := d.text(ctx, e.PreviousMessage)
	is, err2 := d.text(ctx, m)
	author, err3 := d.author(ctx, m.User)
	if err = errors.Join(err, err2, err3); err != nil || is == was || author == nil {
		return events, err
	}
	return append(events, hitl.Replied{
		SessionID: t.String(), ID: fmt.Sprintf("%s:%s/%s", e.Channel, m.Timestamp, m.Edited.Timestamp), Author: author,
		Load: func(ctx context.Context) (message.Message, error) {
			for now, err := range d.read(ctx, t, m.Timestamp) {
				if err != nil || now.Timestamp == m.Timestamp && now.Text == m.Text {
					return message.Text{Text: "Correction: " + is}, explain(err)
				}
			}
			return message.Text{}, nil // It has been deleted, or edited again, of which another event tells.
		},
	}), nil
}

// pressed writes down what a button means, from where it is read back. Whoever presses Take at the same time may overwrite that the
// session is closed, so that is told as well.
func (d *desk) pressed(ctx context.Context, t thread, by string, button *slack.BlockAction) ([]hitl.Event, error) {
	c, err := d.card(ctx, t)
	switch {
	case isGone(err):
		return nil, nil
	case err != nil || c.is[closed] != nil: // In a thread that is closed, there are no buttons any more.
	case button.ActionID == actionTake:
		err = d.take(ctx, t, c, map[string]any{takenBy: by, taken: button.ActionTs})
	case button.ActionID == actionClose:
		return []hitl.Event{hitl.Stopped{SessionID: t.String()}}, d.end(ctx, t, c, by)
	}
	return []hitl.Event{hitl.Changed{SessionID: t.String()}}, err
}
