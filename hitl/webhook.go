package hitl

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/hitl-go/sdk/hitl/verify"
	"github.com/hitl-go/sdk/internal/retryafter"
	"github.com/hitl-go/sdk/internal/wire"
)

// webhookReceived asks the adapter what a request meant, delivers the events and answers the sender. It answers 2xx only when
// all is done, so that the desk sends it again otherwise. What was done before is then recognised and not done twice.
func (c *connection) webhookReceived(ctx context.Context, body []byte) (response, error) {
	var b wire.Webhook
	if err := decode(body, &b); err != nil {
		return response{}, err
	}
	if b.Request == nil {
		return response{}, invalidf("the body has no req")
	}
	r, err := rebuild(ctx, b.Request)
	if err != nil {
		return response{}, err
	}
	hook, err := c.adapter.HandleWebhook(ctx, r)
	if isTemporary(err) && !errors.Is(err, verify.ErrInvalid) {
		return response{}, withRetryAfter(err)
	}
	if err != nil {
		return response{}, err
	}
	refused := c.toBot.deliver(ctx, hook.Events, func(i int) string { return fallbackID(b.Request, i) })
	if refused != nil && !isPermanent(refused) {
		return response{}, withRetryAfter(refused)
	}
	if hook.Done != nil {
		if err := hook.Done(ctx); err != nil {
			return response{}, withRetryAfter(err)
		}
	}
	if refused != nil {
		return response{}, refused
	}
	return hook.reply()
}

// withRetryAfter asks the sender for a redelivery after a transient failure, or one that the bot's owner can fix: not every desk
// retries after a 500, and hardly any after a 400.
func withRetryAfter(err error) error {
	f := failureOf(err)
	if f.retryAfter > 0 || f.status < http.StatusInternalServerError && !isTemporary(err) {
		return err
	}
	wait := max(5*time.Second, retryAfter(err))
	if asked, ok := errors.AsType[*retryableError](err); ok {
		wait = max(wait, asked.after)
	}
	return Retryable(wait, err)
}

// rebuild makes the request that the desk sent, byte for byte, so that any verifier of signatures works on it. What cannot
// be read as a path is kept as it is, in URL.Path and RequestURI: senders are not ours to correct.
func rebuild(ctx context.Context, w *wire.WebhookRequest) (*http.Request, error) {
	r, err := http.NewRequestWithContext(ctx, w.Method, "/", strings.NewReader(w.Body))
	if err != nil {
		return nil, invalidf("the webhook's method is not valid")
	}
	if w.Body == "" {
		r.Body = http.NoBody
	}
	path := w.Path
	if !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	*r.URL = url.URL{Path: path, RawQuery: w.Query}
	if plain, err := url.PathUnescape(path); err == nil {
		r.URL.Path, r.URL.RawPath = plain, path
	}
	r.RequestURI = path
	if w.Query != "" {
		r.RequestURI += "?" + w.Query
	}
	for name, value := range w.Headers {
		name = http.CanonicalHeaderKey(name)
		if len(r.Header[name]) > 0 {
			return nil, invalidf("the webhook has the header %s twice", name)
		}
		r.Header[name] = []string{value}
	}
	r.Host = r.Header.Get("Host")
	return r, nil
}

// reply answers the sender of a webhook request. What the adapter leaves out is as in Botpress' SDK: status 200, an
// empty object.
func (hook Webhook) reply() (response, error) {
	out := response{status: cmp.Or(hook.Status, http.StatusOK), header: make(http.Header, len(hook.Header)), body: hook.Body}
	if out.status < 200 || out.status > 599 {
		return response{}, fmt.Errorf("hitl: HandleWebhook returned the Webhook.Status %d; it must be 200 to 599, or 0 for 200", out.status)
	}
	if out.body == nil && out.status != http.StatusNoContent && out.status != http.StatusNotModified {
		out.json, out.body = true, []byte("{}")
	}
	for name, values := range hook.Header {
		if name = http.CanonicalHeaderKey(name); name != "Content-Length" && name != "Transfer-Encoding" { // they are our own
			out.header[name] = values
		}
	}
	if out.status == http.StatusTooManyRequests || out.status == http.StatusServiceUnavailable {
		capRetryAfter(out.header)
	}
	return out, nil
}

// capRetryAfter shortens a wait that an adapter hands on from its desk, for the same reason as [Retryable].
func capRetryAfter(h http.Header) {
	for _, value := range h.Values("Retry-After") {
		if wait, ok := retryafter.Parse(value, time.Now()); ok && wait > maxRetryAfter {
			h.Set("Retry-After", strconv.Itoa(int(maxRetryAfter.Seconds())))
		}
	}
}

// fallbackID identifies a message to which the desk gave no id: the same request, sent again, gives the same one.
func fallbackID(r *wire.WebhookRequest, index int) string {
	h := sha256.New()
	for _, s := range []string{r.Method, r.Path, r.Query, r.Body} {
		_, _ = fmt.Fprintf(h, "%d:%s", len(s), s)
	}
	return fmt.Sprintf("webhook:%s:%d", hex.EncodeToString(h.Sum(nil)), index)
}
