package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// What triggers report.
const (
	assigned = "assigned"
	replied  = "replied"
	solved   = "solved"
)

// template is the body that a trigger sends.
const template = `{"event":%q,"ticketId":"{{ticket.id}}","conversationId":"{{ticket.external_id}}"}`

// rule is a trigger of ours.
type rule struct {
	event string
	all   []object
}

// rules are what calls us. They exclude each other: one update of a ticket – somebody takes it, answers and solves it at once – makes
// one webhook. In conditions, "value" means "changed to".
func rules() []rule {
	return []rule{
		{assigned, []object{is("assignee_id", "changed", ""), is("status", "less_than", "solved")}},
		{replied, []object{
			is("update_type", "is", "Change"), is("comment_is_public", "is", "requester_can_see_comment"),
			is("assignee_id", "not_changed", ""), is("status", "less_than", "solved"),
		}},
		{solved, []object{is("status", "changed", ""), is("status", "greater_than", "hold")}},
	}
}

func is(field, operator, value string) object {
	return object{"field": field, "operator": operator, "value": value}
}

// conditions are those of a rule, for tickets that we have made, and for updates that are not ours: that somebody else has made, or that
// were made in another way than by the API.
func (r rule) conditions(me id) object {
	const viaAPI = "5"
	return object{
		"all": append([]object{is("via_id", "is", viaAPI), is("current_tags", "includes", mark)}, r.all...),
		"any": []object{is("role", "is_not", string(me)), is("current_via_id", "is_not", viaAPI)},
	}
}

// Register has Zendesk call the webhook. While no account is connected there is nothing to be done.
func (a *adapter) Register(ctx context.Context, webhookURL string) error {
	if a.account != nil {
		if connected, err := a.account.Register(ctx, webhookURL); err != nil || !connected {
			return err
		}
	}
	return a.setUp(ctx, webhookURL)
}

// setUp makes a webhook and its triggers, and only then removes what an earlier registration has left. It leaves all as it
// is if that is what it would make.
func (a *adapter) setUp(ctx context.Context, webhookURL string) error {
	me, err := call[userAnswer](ctx, a.api, http.MethodGet, "users/me.json", nil)
	if err != nil {
		return err
	}
	hooks, triggers, err := a.registered(ctx)
	if err != nil || upToDate(hooks, triggers, webhookURL, me.User.ID) {
		return err
	}
	old := paths(hooks, triggers)
	made, err := a.register(ctx, webhookURL, me.User.ID)
	if err != nil {
		old = made // The earlier registration stays at work.
	}
	a.remove(ctx, old)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.genuine = nil
	return err
}

// upToDate reports whether there is one webhook at work, and its triggers. Zendesk writes conditions in a form of its own:
// whether they are ours is told by the version in the description.
func upToDate(hooks []webhook, found []trigger, webhookURL string, me id) bool {
	if len(hooks) != 1 || hooks[0].Endpoint != webhookURL || hooks[0].Status != "active" || hooks[0].Description != version(me) {
		return false
	}
	for _, r := range rules() {
		same := func(t trigger) bool { return t.Active && strings.HasSuffix(t.Title, ": "+r.event) }
		if !slices.ContainsFunc(found, same) {
			return false
		}
	}
	return len(found) == len(rules())
}

// version changes with what the triggers do.
func version(me id) string {
	text := []byte(template)
	for _, r := range rules() {
		text = fmt.Append(text, r.event, r.conditions(me))
	}
	return fmt.Sprintf("Made by the Botpress integration, version %.8x", sha256.Sum256(text))
}

// register returns the paths of what it has made, even if it fails.
func (a *adapter) register(ctx context.Context, webhookURL string, me id) (made []string, err error) {
	out, err := call[webhookAnswer](ctx, a.api, http.MethodPost, "webhooks", object{"webhook": object{
		"name": a.name(), "description": version(me), "endpoint": webhookURL, "http_method": http.MethodPost, "request_format": "json",
		"status": "active", "subscriptions": []string{"conditional_ticket_events"},
	}})
	if err != nil {
		return nil, err
	}
	hook := string(out.Webhook.ID)
	made = append(made, "webhooks/"+hook)
	for _, r := range rules() {
		out, err := call[triggerAnswer](ctx, a.api, http.MethodPost, "triggers", object{"trigger": object{
			"title": a.name() + ": " + r.event, "conditions": r.conditions(me),
			"actions": []object{{"field": "notification_webhook", "value": []string{hook, fmt.Sprintf(template, r.event)}}},
		}})
		if err != nil {
			return made, err
		}
		made = append(made, "triggers/"+string(out.Trigger.ID))
	}
	return made, nil
}

// Unregister removes the webhook and the triggers as far as Zendesk lets us: credentials that have ceased to be valid must
// not keep anyone from uninstalling the integration.
func (a *adapter) Unregister(ctx context.Context, _ string) error {
	hooks, triggers, err := a.registered(ctx)
	if err != nil {
		a.in.Logger.WarnContext(ctx, "webhook and triggers stay in Zendesk: remove what is called so", "name", a.name(), "error", err)
	}
	a.remove(ctx, paths(hooks, triggers))
	return nil
}

// name begins the names of all that belongs to this installation, and to no other on the same account.
func (a *adapter) name() string { return "Botpress " + a.in.WebhookID }

// registered returns this installation's webhooks and triggers. Searches find too much.
func (a *adapter) registered(ctx context.Context) (hooks []webhook, triggers []trigger, err error) {
	if hooks, err = a.webhooks(ctx); err != nil {
		return nil, nil, err
	}
	found, err := call[triggersAnswer](ctx, a.api, http.MethodGet, "triggers/search?query="+url.QueryEscape(a.name()), nil)
	for _, t := range found.Triggers {
		if strings.HasPrefix(t.Title, a.name()+": ") {
			triggers = append(triggers, t)
		}
	}
	return hooks, triggers, err
}

// paths returns where webhooks and triggers stand, the webhooks first.
func paths(hooks []webhook, triggers []trigger) (all []string) {
	for _, w := range hooks {
		all = append(all, "webhooks/"+string(w.ID))
	}
	for _, t := range triggers {
		all = append(all, "triggers/"+string(t.ID))
	}
	return all
}

func (a *adapter) webhooks(ctx context.Context) ([]webhook, error) {
	found, err := call[webhooksAnswer](ctx, a.api, http.MethodGet, "webhooks?filter[name_contains]="+url.QueryEscape(a.name()), nil)
	return slices.DeleteFunc(found.Webhooks, func(w webhook) bool { return w.Name != a.name() }), err
}

// remove deletes what stands under these paths, the last first: a webhook that has triggers cannot be deleted.
func (a *adapter) remove(ctx context.Context, paths []string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 20*time.Second)
	defer cancel()
	for _, path := range slices.Backward(paths) {
		if _, err := call[struct{}](ctx, a.api, http.MethodDelete, path, nil); err != nil && !deleted(err) {
			a.in.Logger.WarnContext(ctx, "this stays in Zendesk", "path", path, "error", err)
		}
	}
}
