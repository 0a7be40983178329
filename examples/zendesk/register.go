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

// Register makes a webhook and its triggers, and only then removes what an earlier registration has left. It leaves all as it
// is if that is what it would make.
func (a *adapter) Register(ctx context.Context, webhookURL string) error {
	hooks, triggers, err := a.registered(ctx)
	if err != nil || upToDate(hooks, triggers, webhookURL) {
		return err
	}
	old := paths(hooks, triggers)
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

// upToDate reports whether there is one webhook at work, and its triggers. Zendesk writes conditions in a form of its own:
// whether they are ours is told by the version in the description.
func upToDate(hooks, found []thing, webhookURL string) bool {
	if len(hooks) != 1 || hooks[0].Endpoint != webhookURL || hooks[0].Status != "active" || hooks[0].Description != version() {
		return false
	}
	for event := range triggers() {
		same := func(t thing) bool { return t.Active && strings.HasSuffix(t.Title, ": "+event) }
		if !slices.ContainsFunc(found, same) {
			return false
		}
	}
	return len(found) == len(triggers())
}

// version changes with what the triggers do.
func version() string {
	return fmt.Sprintf("Made by the Botpress integration, version %.8x", sha256.Sum256(fmt.Append(nil, triggers(), template)))
}

// register returns the paths of what it has made, even if it fails.
func (a *adapter) register(ctx context.Context, webhookURL string) (made []string, err error) {
	out, err := a.api.call(ctx, http.MethodPost, "webhooks", object{"webhook": object{
		"name": a.name(), "description": version(), "endpoint": webhookURL, "http_method": http.MethodPost, "request_format": "json",
		"status": "active", "subscriptions": []string{"conditional_ticket_events"},
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
func (a *adapter) registered(ctx context.Context) (hooks, triggers []thing, err error) {
	if hooks, err = a.webhooks(ctx); err != nil {
		return nil, nil, err
	}
	found, err := a.api.call(ctx, http.MethodGet, "triggers/search?query="+url.QueryEscape(a.name()), nil)
	for _, t := range found.Triggers {
		if strings.HasPrefix(t.Title, a.name()+": ") {
			triggers = append(triggers, t)
		}
	}
	return hooks, triggers, err
}

// paths returns where webhooks and triggers stand, the webhooks first.
func paths(hooks, triggers []thing) (all []string) {
	for _, w := range hooks {
		all = append(all, "webhooks/"+string(w.ID))
	}
	for _, t := range triggers {
		all = append(all, "triggers/"+string(t.ID))
	}
	return all
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
