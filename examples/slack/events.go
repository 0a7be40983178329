package main

import (
	"cmp"
	"context"
	"encoding/json"
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
	var hook hitl.Webhook
	var err error
	switch e.Type {
	case socketmode.EventTypeConnectionError:
		err = e.Data.(*slack.ConnectionErrorEvent).ErrorObj
	case socketmode.EventTypeHello: // While there was no connection, something may have changed unheard.
		hook.Events = []hitl.Event{hitl.Changed{}}
	case socketmode.EventTypeInteractive:
		if err = socket.AckCtx(ctx, e.Request.EnvelopeID, nil); err == nil {
			hook, err = d.heard(ctx, e.Request.Payload)
		}
	case socketmode.EventTypeEventsAPI:
		hook, err = d.heard(ctx, e.Request.Payload)
	default: // What happens to the connection.
	}
	if err == nil && len(hook.Events) > 0 {
		err = deliver(ctx, hook.Events...)
	}
	if err == nil && e.Type == socketmode.EventTypeEventsAPI {
		err = socket.AckCtx(ctx, e.Request.EnvelopeID, nil)
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
		payload, _ = io.ReadAll(r.Body) // It is in memory, since its signature was checked.
	}
	return d.heard(ctx, payload)
}

// heard says what an event of the Events API means, or a button.
func (d *desk) heard(ctx context.Context, payload []byte) (hook hitl.Webhook, err error) {
	var body struct {
		Type      string      `json:"type"`
		Challenge string      `json:"challenge"`
		Event     slack.Event `json:"event"`
	}
	var told struct {
		Event slackevents.MessageEvent `json:"event"`
	}
	var button slack.InteractionCallback
	err = json.Unmarshal(payload, &body)
	switch {
	case body.Type == slackevents.URLVerification:
		hook.Header, hook.Body = http.Header{"Content-Type": {"text/plain"}}, []byte(body.Challenge)
	case body.Type == slackevents.CallbackEvent && body.Event.Type == string(slackevents.Message):
		err = json.Unmarshal(payload, &told)
		hook.Events = d.wrote(&told.Event)
	case body.Type == string(slack.InteractionTypeBlockActions):
		if err = json.Unmarshal(payload, &button); err == nil && len(button.ActionCallback.BlockActions) == 1 {
			hook.Events, err = d.pressed(ctx, &button, button.ActionCallback.BlockActions[0])
			return hook, explain(err)
		}
	}
	if err != nil {
		err = hitl.Errorf("Slack's request is none of the Events API: %w", err)
	}
	return hook, err
}

// wrote says what a message means: the thread has changed, and is read back. Of what was edited, the event alone knows what it was.
func (d *desk) wrote(e *slackevents.MessageEvent) []hitl.Event {
	m, was := e.Message, e.PreviousMessage
	if m == nil || m.ThreadTimestamp == "" || m.BotID != "" || cmp.Or(m.ParentUserId, d.me) != d.me {
		return nil
	}
	t := thread{e.Channel, m.ThreadTimestamp}
	if m.Edited == nil || was == nil || was.Text == m.Text || !isReply(was) || !isReply(m) {
		return []hitl.Event{hitl.Changed{SessionID: t.String()}}
	}
	return []hitl.Event{hitl.Replied{
		SessionID: t.String(), ID: fmt.Sprintf("%s:%s/%s", e.Channel, m.Timestamp, m.Edited.Timestamp), Author: hitl.Agent{ID: m.User},
		Load: func(ctx context.Context) (message.Message, error) {
			for now, err := range d.read(ctx, t, m.Timestamp) {
				if err != nil || now.Timestamp == m.Timestamp && now.Text == m.Text {
					return message.Text{Text: "Correction: " + d.text(ctx, m)}, explain(err)
				}
			}
			return message.Text{}, nil // It has been deleted, or edited again, of which another event tells.
		},
	}}
}

// pressed writes down what a button means, from where it is read back.
func (d *desk) pressed(ctx context.Context, in *slack.InteractionCallback, button *slack.BlockAction) ([]hitl.Event, error) {
	t, by := thread{in.Container.ChannelID, in.Container.MessageTs}, in.User.ID
	_, isOver, err := d.status(ctx, t)
	switch {
	case err != nil || isOver:
	case button.ActionID == actionTake:
		_, err = d.write(ctx, t, taken+button.ActionTs+"/"+by, slack.MsgOptionText("Taken by <@"+by+">", false))
	case button.ActionID == actionClose:
		_, err = d.write(ctx, t, closed, over("<@"+by+">"))
	}
	if err == nil {
		err = d.draw(ctx, t)
	}
	if refusal(err).Gone { // To read the session back ends it.
		err = nil
	}
	return []hitl.Event{hitl.Changed{SessionID: t.String()}}, err
}
