package botpress

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/hitl-go/sdk/internal/sleep"
	"github.com/hitl-go/sdk/internal/strictjson"
)

// Call describes one finished call, for [Options.OnCall].
type Call struct {
	// Method and Route name the operation, e.g. GET /v1/chat/users/{id}. There
	// are only as many of them as operations, so they serve as metric labels.
	Method, Route string
	// Status is the last HTTP status, 0 if there was no response.
	Status int
	// Attempts is how many requests were sent, retries included.
	Attempts int
	// Duration is the time from the call to its result, waits included.
	Duration time.Duration
	// Err is the error that the caller got.
	Err error
	// Date is the API's time when it responded last, to the second. It is zero if
	// there was no response, or one without a date.
	Date time.Time
}

// request is one call of an operation.
type request struct {
	method string
	route  string   // path as in the OpenAPI document, e.g. /v1/chat/users/{id}
	ids    []string // values of the route's parameters, in order
	query  url.Values
	body   any // marshalled to JSON; nil sends none
	// idempotent says that sending the request twice has the effect of sending
	// it once, so that it may be retried when the outcome is unknown.
	idempotent bool
	// shown says that people see what the request creates, so that it is not
	// retried after a 502 either.
	shown bool
}

func get(route string, ids ...string) request {
	return request{method: http.MethodGet, route: route, ids: ids, idempotent: true}
}

func post(body any, route string, ids ...string) request {
	return request{method: http.MethodPost, route: route, ids: ids, body: body}
}

// shownPost is a POST that creates what people see.
func shownPost(body any, route string) request {
	r := post(body, route)
	r.shown = true
	return r
}

// idempotentPost is a POST that may be retried like a PUT.
func idempotentPost(body any, route string, ids ...string) request {
	r := post(body, route, ids...)
	r.idempotent = true
	return r
}

func put(body any, route string, ids ...string) request {
	return request{method: http.MethodPut, route: route, ids: ids, body: body, idempotent: true}
}

// del sends an empty object, as Botpress' own client does.
func del(route string, ids ...string) request {
	return request{method: http.MethodDelete, route: route, ids: ids, body: struct{}{}, idempotent: true}
}

// path fills in the parameters of the route. An empty segment or dots would name
// another operation (DELETE /users/{id} with ".." is DELETE /), so they are
// refused; everything else is escaped.
func (r request) path() (string, error) {
	if len(r.ids) == 0 {
		return r.route, nil
	}
	var b strings.Builder
	rest := r.route
	for _, id := range r.ids {
		before, after, _ := strings.Cut(rest, "{")
		name, after, _ := strings.Cut(after, "}")
		switch id {
		case "":
			return "", fmt.Errorf("botpress: %s %s: %s is empty", r.method, r.route, name)
		case ".", "..":
			return "", fmt.Errorf("botpress: %s %s: %s is %q, which is not an ID", r.method, r.route, name, id)
		}
		b.WriteString(before)
		b.WriteString(url.PathEscape(id))
		rest = after
	}
	b.WriteString(rest)
	return b.String(), nil
}

// do performs a call with its retries and decodes the response into T.
func do[T any](ctx context.Context, c *Client, r request) (T, error) {
	var out T
	res, err := c.perform(ctx, r)
	if err != nil {
		return out, err
	}
	if _, nothing := any(out).(struct{}); nothing && len(res.body) == 0 {
		return out, nil
	}
	if err := strictjson.Unmarshal(res.body, &out); err != nil {
		var none T // rather than a half of it
		return none, res.undecodable(r, err)
	}
	return out, nil
}

// perform builds the request, sends it and reports it.
func (c *Client) perform(ctx context.Context, r request) (res response, err error) {
	start := time.Now()
	var attempts int
	defer func() {
		date, _ := http.ParseTime(res.header.Get("Date"))
		c.report(ctx, Call{
			Method: r.method, Route: r.route, Status: res.status, Attempts: attempts, Duration: time.Since(start), Err: err, Date: date,
		})
	}()
	path, err := r.path()
	if err != nil {
		return response{}, err
	}
	if c.malformed != nil {
		return response{}, fmt.Errorf("botpress: %s %s: %w", r.method, path, c.malformed)
	}
	header := maps.Clone(c.header)
	TraceFromContext(ctx).addTo(header)
	var body []byte // whole, so that every attempt sends the same
	if r.body != nil {
		if body, err = json.Marshal(r.body); err != nil {
			return response{}, fmt.Errorf("botpress: %s %s: encode the request: %w", r.method, path, err)
		}
		header["Content-Type"] = jsonType
	}
	address := c.http.base + path
	if len(r.query) > 0 {
		address += "?" + r.query.Encode()
	}
	res, attempts, err = c.sendWithRetries(ctx, wireRequest{method: r.method, name: path, address: address, header: header, body: body, idempotent: r.idempotent, shown: r.shown})
	return res, err
}

// upload sends content to a presigned address, without the token.
func (c *Client) upload(ctx context.Context, address string, header http.Header, content []byte) error {
	start := time.Now()
	const name = "/(file storage)" // the address is a secret
	res, attempts, err := c.sendWithRetries(ctx, wireRequest{
		method: http.MethodPut, name: name, address: address, header: header, body: content, idempotent: true, upload: true,
	})
	c.report(ctx, Call{Method: http.MethodPut, Route: name, Status: res.status, Attempts: attempts, Duration: time.Since(start), Err: err})
	return err
}

// sendWithRetries sends p and retries it according to c.retry.
func (c *Client) sendWithRetries(ctx context.Context, p wireRequest) (res response, attempts int, err error) {
	var mayBeDone bool // by an attempt that failed
	for {
		attempts++
		res, err = c.http.send(ctx, p)
		switch {
		case err == nil && res.status == http.StatusNotFound && p.method == http.MethodDelete && mayBeDone:
			return response{status: res.status, header: res.header}, attempts, nil
		case err != nil:
			err = fmt.Errorf("botpress: %s %s: %w", p.method, p.name, err)
		case res.status < 200 || res.status > 299:
			err = c.apiError(p, res)
		default:
			return res, attempts, nil
		}
		mayBeDone = mayBeDone || !undone(err, res)
		wait, again := c.retry.next(ctx, p, attempts, err, res)
		if !again {
			return res, attempts, err
		}
		c.logger.WarnContext(ctx, "botpress: retry",
			slog.Int("attempt", attempts), slog.Duration("wait", wait), slog.Any("error", err))
		if stop := sleep.For(ctx, wait); stop != nil {
			return res, attempts, fmt.Errorf("%w (%w while waiting for the retry)", err, stop)
		}
	}
}

func (c *Client) report(ctx context.Context, done Call) {
	if c.onCall != nil {
		c.onCall(ctx, done)
	}
	if !c.logger.Enabled(ctx, slog.LevelDebug) {
		return
	}
	attrs := []slog.Attr{
		slog.String("method", done.Method), slog.String("route", done.Route), slog.Int("status", done.Status),
		slog.Int("attempts", done.Attempts), slog.Duration("duration", done.Duration),
	}
	if done.Err != nil {
		attrs = append(attrs, slog.Any("error", done.Err))
	}
	c.logger.LogAttrs(ctx, slog.LevelDebug, "botpress: call", attrs...)
}

// jsonType is a header's value. It is not written to.
var jsonType = []string{"application/json"}

// headerOfCalls is what every call carries.
func (c *Client) headerOfCalls() (http.Header, error) {
	h := maps.Clone(c.extra)
	h["Accept"] = jsonType
	if h["User-Agent"] == nil {
		h["User-Agent"] = []string{userAgent}
	}
	for _, f := range [...]struct{ name, value string }{
		{"Authorization", c.bearer},
		{"X-Bot-Id", c.scope.BotID},
		{"X-Integration-Id", c.scope.IntegrationID},
		{"X-Integration-Alias", c.scope.IntegrationAlias},
		{"X-Workspace-Id", c.workspace},
	} {
		if !printable(f.value) {
			return nil, errors.New("the value for the header " + f.name + " holds a line break or another character that a header cannot carry")
		}
		if f.value != "" {
			h[f.name] = []string{f.value}
		}
	}
	return h, nil
}

// addTo adds a trace to the header of a call. It came from outside and must not fail the call.
func (t Trace) addTo(h http.Header) {
	if !printable(t.Parent) || !printable(t.State) {
		return
	}
	if t.Parent != "" {
		h["Traceparent"] = []string{t.Parent}
	}
	if t.State != "" {
		h["Tracestate"] = []string{t.State}
	}
}

// object makes an absent JSON object an empty one, where the API wants one.
func object(raw json.RawMessage) json.RawMessage {
	if len(bytes.TrimSpace(raw)) == 0 {
		return json.RawMessage("{}")
	}
	return raw
}

// list makes an absent JSON array an empty one, where the API wants one.
func list(s []string) []string {
	if s == nil {
		return []string{}
	}
	return s
}
