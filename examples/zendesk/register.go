package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// triggers are what calls us, by what they report. They exclude each other: one update of a ticket – somebody takes it,
// answers and solves it at once – makes one webhook, whose events are in order. In conditions, "value" means "changed to".
func triggers() map[string]object {
	is := func(field, operator, value string) object {
		return object{"field": field, "operator": operator, "value": value}
	}
	fromAPI := is("via_id", "is", "5") // Tickets that were made in another way are none of our business.
	return map[string]object{
		assigned: {"all": []object{fromAPI, is("assignee_id", "changed", ""), is("status", "less_than", "solved")}},
		replied: {"all": []object{
			fromAPI, is("update_type", "is", "Change"), is("comment_is_public", "is", "requester_can_see_comment"),
			is("assignee_id", "not_changed", ""), is("status", "not_value", "solved"),
		}},
		solved: {"all": []object{fromAPI}, "any": []object{is("status", "value", "solved"), is("status", "value", "closed")}},
	}
}

// Register makes a webhook and its triggers, and only then removes what an earlier registration has left.
func (a *adapter) Register(ctx context.Context, webhookURL string) error {
	old, err := a.registered(ctx)
	if err != nil {
		return err
	}
	made, err := a.register(ctx, webhookURL)
	if err != nil {
		old = made // The earlier registration stays at work.
	}
	a.remove(ctx, old)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.genuine = nil
	return err
}

// register returns the paths of what it has made, even if it fails.
func (a *adapter) register(ctx context.Context, webhookURL string) (made []string, err error) {
	out, err := a.api.call(ctx, http.MethodPost, "webhooks", object{"webhook": object{
		"name": a.name(), "endpoint": webhookURL, "http_method": http.MethodPost, "request_format": "json", "status": "active",
		"subscriptions": []string{"conditional_ticket_events"},
	}})
	if err != nil {
		return nil, err
	}
	hook := string(out.Webhook.ID)
	made = append(made, "webhooks/"+hook)
	for event, conditions := range triggers() {
		out, err := a.api.call(ctx, http.MethodPost, "triggers", object{"trigger": object{
			"title": a.name() + ": " + event, "conditions": conditions,
			"actions": []object{{"field": "notification_webhook", "value": []string{hook, fmt.Sprintf(template, event)}}},
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
	all, err := a.registered(ctx)
	if err != nil {
		a.in.Logger.WarnContext(ctx, "webhook and triggers stay in Zendesk: remove what is called so", "name", a.name(), "error", err)
	}
	a.remove(ctx, all)
	return nil
}

// name begins the names of all that belongs to this installation, and to no other on the same account.
func (a *adapter) name() string { return "Botpress " + a.in.WebhookID }

// registered returns the paths of this installation's webhooks and triggers, the webhooks first. Searches find too much.
func (a *adapter) registered(ctx context.Context) (paths []string, err error) {
	hooks, err := a.webhooks(ctx)
	if err != nil {
		return nil, err
	}
	for _, w := range hooks {
		paths = append(paths, "webhooks/"+string(w.ID))
	}
	found, err := a.api.call(ctx, http.MethodGet, "triggers/search?query="+url.QueryEscape(a.name()), nil)
	for _, t := range found.Triggers {
		if strings.HasPrefix(t.Title, a.name()+": ") {
			paths = append(paths, "triggers/"+string(t.ID))
		}
	}
	return paths, err
}

func (a *adapter) webhooks(ctx context.Context) ([]thing, error) {
	found, err := a.api.call(ctx, http.MethodGet, "webhooks?filter[name_contains]="+url.QueryEscape(a.name()), nil)
	return slices.DeleteFunc(found.Webhooks, func(w thing) bool { return w.Name != a.name() }), err
}

// remove deletes what stands under these paths, the last first: a webhook that has triggers cannot be deleted.
func (a *adapter) remove(ctx context.Context, paths []string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 20*time.Second)
	defer cancel()
	for _, path := range slices.Backward(paths) {
		if _, err := a.api.call(ctx, http.MethodDelete, path, nil); err != nil && !refused(err, http.StatusNotFound) {
			a.in.Logger.WarnContext(ctx, "this stays in Zendesk", "path", path, "error", err)
		}
	}
}
