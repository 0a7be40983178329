package zendesktest

import (
	"crypto/rand"
	"net/http"
	"slices"
	"strings"
)

// webhookFields are a webhook as it is sent. What is missing changes nothing.
type webhookFields struct {
	Name     *string   `json:"name"`
	About    *string   `json:"description"`
	Endpoint *string   `json:"endpoint"`
	Method   *string   `json:"http_method"`
	Format   *string   `json:"request_format"`
	Status   *string   `json:"status"`
	Events   *[]string `json:"subscriptions"`
}

// newWebhookID returns an id in the form of Zendesk's, which are not numbers.
func newWebhookID() string { return "01" + rand.Text()[:24] }

// webhookAnswer is a webhook as the API shows it. The secret has an address of its own.
func webhookAnswer(w *webhook) wire {
	return wire{
		"id": w.ID, "name": w.Name, "description": w.About, "endpoint": w.Endpoint, "http_method": w.Method, "request_format": w.Format,
		"status": w.Status, "subscriptions": append([]string{}, w.Events...), "created_at": w.Created, "created_by": "1",
		"updated_at": w.Created, "updated_by": "1", "external_source": nil, "custom_headers": nil,
	}
}

// saveWebhook writes what was sent, if it is valid.
func (d *Desk) saveWebhook(r *request, w *webhook) *apiError {
	var in struct{ Webhook webhookFields }
	if err := r.decode(&in); err != nil {
		return err
	}
	f, n := in.Webhook, *w
	for to, from := range map[*string]*string{
		&n.Name: f.Name, &n.About: f.About, &n.Endpoint: f.Endpoint, &n.Method: f.Method, &n.Format: f.Format, &n.Status: f.Status,
	} {
		if from != nil {
			*to = *from
		}
	}
	if f.Events != nil {
		n.Events = *f.Events
	}
	switch {
	case n.Name == "" || n.Endpoint == "" || n.Method != http.MethodPost || n.Format != "json" || n.Status != "active" && n.Status != "inactive":
		return badRequest("BadRequest", "a webhook needs name, endpoint, http_method, request_format and status")
	case !slices.Equal(n.Events, []string{"conditional_ticket_events"}):
		return badRequest("BadRequest", "only webhooks for triggers are known here")
	}
	*w = n
	return nil
}

func (d *Desk) createWebhook(r *request) (any, *apiError) {
	w := &webhook{ID: newWebhookID(), Created: now(), secret: rand.Text()}
	if refused := d.saveWebhook(r, w); refused != nil {
		return nil, refused
	}
	d.webhooks = append(d.webhooks, w)
	return wire{"webhook": webhookAnswer(w)}, nil
}

func (d *Desk) webhookByPath(r *request) (*webhook, *apiError) {
	if w := d.webhook(r.PathValue("id")); w != nil {
		return w, nil
	}
	return nil, notFound()
}

func (d *Desk) showWebhook(r *request) (any, *apiError) {
	w, refused := d.webhookByPath(r)
	if refused != nil {
		return nil, refused
	}
	return wire{"webhook": webhookAnswer(w)}, nil
}

func (d *Desk) updateWebhook(r *request) (any, *apiError) {
	w, refused := d.webhookByPath(r)
	if refused == nil {
		refused = d.saveWebhook(r, w)
	}
	r.status = http.StatusNoContent
	return nil, refused
}

func (d *Desk) listWebhooks(r *request) (any, *apiError) {
	all := []wire{}
	for _, w := range d.webhooks {
		if strings.Contains(strings.ToLower(w.Name), strings.ToLower(r.query("filter[name_contains]"))) {
			all = append(all, webhookAnswer(w))
		}
	}
	out := d.pageOf(r, "webhooks", all)
	if out["meta"] == nil {
		out["meta"] = wire{"has_more": false, "after_cursor": nil, "before_cursor": nil}
	}
	return out, nil
}

func (d *Desk) showSecret(r *request) (any, *apiError) {
	w, refused := d.webhookByPath(r)
	if refused != nil {
		return nil, refused
	}
	return wire{"signing_secret": wire{"algorithm": "SHA256", "secret": w.secret}}, nil
}

// resetSecret gives the webhook a new secret, at once.
func (d *Desk) resetSecret(r *request) (any, *apiError) {
	w, refused := d.webhookByPath(r)
	if refused != nil {
		return nil, refused
	}
	w.secret = rand.Text()
	return d.showSecret(r)
}

func (d *Desk) deleteWebhook(r *request) (any, *apiError) {
	w, refused := d.webhookByPath(r)
	if refused != nil {
		return nil, refused
	}
	for _, t := range d.triggers {
		if t.calls(w.ID) {
			return nil, badRequest("BadRequest", "the webhook is in use by the trigger "+t.Title)
		}
	}
	d.webhooks = slices.DeleteFunc(d.webhooks, func(other *webhook) bool { return other == w })
	return nil, nil
}
