package playground

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	protocol "github.com/hitl-go/sdk/internal/wire"
)

// The parties on the wire.
const (
	atBotpress    = "botpress"
	atIntegration = "integration"
	atDesk        = "desk"
)

// Limits of the wire.
const (
	maxBody = 256 << 10 // Of one body; a longer one is not shown.
	maxKept = 64 << 20  // Of all bodies.

	maxResponse = 10 << 20 // The longest answer that Botpress reads.
)

// wire shows every request between Botpress, the integration and the desk. It injects the faults that the in-memory Botpress
// does not have.
type wire struct {
	view    *view
	faults  *faults
	secrets *secrets
}

func newWire(v *view, f *faults) *wire { return &wire{view: v, faults: f, secrets: &secrets{}} }

// botpress is the middleware of the in-memory Botpress, for API calls of the integration and webhooks of the desk.
func (w *wire) botpress(next http.Handler) http.Handler {
	call := botpressCall()
	return w.record(next, func(r *http.Request, body []byte) exchange {
		if rest, ok := strings.CutPrefix(r.URL.EscapedPath(), "/webhook/"); ok {
			_, rest, _ = strings.Cut(rest, "/")
			x := exchange{row: row{From: atDesk, To: atBotpress, Operation: "webhook"}, webhookPath: "/" + rest}
			x.Detail = strings.TrimSuffix(r.Method+" /"+rest+"?"+r.URL.RawQuery, "?")
			return x
		}
		return call(r, body)
	})
}

// botpressCall describes a call of Botpress' API.
func botpressCall() func(*http.Request, []byte) exchange {
	names := operations()
	return func(r *http.Request, body []byte) exchange {
		x := exchange{row: row{From: atIntegration, To: atBotpress, Operation: r.Method, Detail: r.URL.RequestURI()}}
		if h, _ := names.Handler(r); h != nil {
			if name, ok := h.(operation); ok {
				x.Operation, x.Detail = string(name), subjectOfCall(r, body)
			}
		}
		return x
	}
}

// operation describes a request of Botpress to the integration.
func (w *wire) operation(r *http.Request, body []byte) exchange {
	op := r.Header.Get(protocol.HeaderOperation)
	return exchange{row: row{From: atBotpress, To: atIntegration, Operation: op, Detail: w.secrets.text(subject(op, body))}}
}

// record shows the requests and responses of a handler.
func (w *wire) record(next http.Handler, describe func(*http.Request, []byte) exchange) http.Handler {
	return http.HandlerFunc(func(res http.ResponseWriter, r *http.Request) {
		var body []byte
		body, r.Body = beginning(r.Body)
		x := describe(r, body)
		x.Detail = w.secrets.text(x.Detail)
		x.method, x.url, x.header, x.body = r.Method, "http://"+r.Host+r.URL.RequestURI(), r.Header.Clone(), body
		seq := w.view.begin(x)
		again := x.To == atIntegration && w.faults.sent(r.Header.Get(protocol.HeaderTraceParent))
		tee := &tee{ResponseWriter: res}
		defer func() { // Also when a fault closes the connection with a panic.
			w.view.end(seq, outcome{status: tee.status, header: tee.Header().Clone(), body: tee.body, again: again})
		}()
		next.ServeHTTP(tee, r)
		if tee.status == 0 {
			tee.status = http.StatusOK
		}
	})
}

// tee records a response.
type tee struct {
	http.ResponseWriter

	status int
	body   []byte
}

func (t *tee) WriteHeader(status int) {
	if t.status == 0 {
		t.status = status
	}
	t.ResponseWriter.WriteHeader(status)
}

func (t *tee) Write(b []byte) (int, error) {
	if t.status == 0 {
		t.status = http.StatusOK
	}
	t.body = append(t.body, b[:min(len(b), maxBody+1-len(t.body))]...)
	return t.ResponseWriter.Write(b)
}

// Unwrap is for [http.ResponseController], with which a fault resets the connection.
func (t *tee) Unwrap() http.ResponseWriter { return t.ResponseWriter }

// dispatches is the transport of operations, from Botpress to the integration. A nil base is one of its own.
func (w *wire) dispatches(base http.RoundTripper) http.RoundTripper {
	if base == nil {
		base = &http.Transport{MaxIdleConnsPerHost: 16}
	}
	return &dispatcher{wire: w, base: base}
}

type dispatcher struct {
	wire *wire
	base http.RoundTripper
}

var errLost = errors.New("the answer was lost because this fault is switched on")

// RoundTrip sends an operation to the integration.
func (d *dispatcher) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	_ = r.Body.Close() // It cannot fail: the body is a buffer.
	r = r.Clone(r.Context())
	r.Body = io.NopCloser(bytes.NewReader(body))

	op := r.Header.Get(protocol.HeaderOperation)
	parent := r.Header.Get(protocol.HeaderTraceParent)
	x := d.wire.operation(r, body)
	x.method, x.url, x.header, x.body = r.Method, r.URL.String(), r.Header, body
	seq := d.wire.view.begin(x)
	again := d.wire.faults.sent(parent)
	res, err := d.send(r)
	done := outcome{again: again}
	if err == nil {
		done.status, done.header, done.body = res.StatusCode, res.Header, res.read
	}
	lost := err == nil && !again && d.wire.faults.loses(op)
	if lost {
		done.fault = "answer lost"
	}
	d.wire.view.end(seq, done)
	switch {
	case err != nil:
		return nil, err
	case lost:
		return nil, errLost
	}
	return res.Response, nil
}

type readResponse struct {
	*http.Response

	read []byte
}

// send delays the operation if a fault is on, and reads the whole answer.
func (d *dispatcher) send(r *http.Request) (readResponse, error) {
	if err := d.wire.faults.delayOperation(r.Context(), r.Header.Get(protocol.HeaderOperation)); err != nil {
		return readResponse{}, err
	}
	res, err := d.base.RoundTrip(r)
	if err != nil {
		return readResponse{}, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxResponse))
	if err != nil {
		return readResponse{}, err
	}
	res.Body = io.NopCloser(bytes.NewReader(body))
	return readResponse{res, body}, nil
}

// CloseIdleConnections makes the client's method of this name work.
func (d *dispatcher) CloseIdleConnections() {
	(&http.Client{Transport: d.base}).CloseIdleConnections()
}

// subject describes an operation: the action, the type of the message, or the webhook's path.
func subject(op string, body []byte) string {
	var b struct {
		Type string `json:"type"`
		Req  struct {
			Method string `json:"method"`
			Path   string `json:"path"`
		} `json:"req"`
	}
	_ = json.Unmarshal(body, &b) // Then the subject is empty.
	if op == string(protocol.WebhookReceived) {
		return b.Req.Method + " /" + strings.TrimPrefix(b.Req.Path, "/")
	}
	return b.Type
}

// subjectOfCall describes an API call: the type of the event or message, or the id in its path.
func subjectOfCall(r *http.Request, body []byte) string {
	var b struct {
		Type    string `json:"type"`
		Message struct {
			Type string `json:"type"`
		} `json:"message"`
	}
	_ = json.Unmarshal(body, &b) // Then the path decides.
	if kind := cmp.Or(b.Type, b.Message.Type); kind != "" {
		return kind
	}
	for segment := range strings.SplitSeq(r.URL.Path, "/") {
		if strings.Contains(segment, "_") {
			return segment
		}
	}
	return r.URL.RawQuery
}

// deskRequest describes a request of the integration to the desk.
func deskRequest(r *http.Request, _ []byte) exchange {
	return exchange{row: row{From: atIntegration, To: atDesk, Operation: r.Method, Detail: r.URL.RequestURI()}}
}

// redeliver redelivers a webhook of the list.
func (p *playground) redeliver(ctx context.Context, seq uint64) (any, error) {
	x, ok := p.view.exchange(seq)
	if !ok || x.webhookPath == "" {
		return nil, errors.New("this is no webhook, or it is no longer available")
	}
	if len(x.body) > maxBody || x.gone {
		return nil, errors.New("its body is too long or no longer available")
	}
	u, err := url.Parse(x.url)
	if err != nil {
		return nil, err
	}
	return p.webhook(ctx, x.method, x.webhookPath+"?"+u.RawQuery, x.header, x.body)
}

// maxAnswer bounds the answer to a webhook next to its form, in bytes. The list has all of it.
const maxAnswer = 300

// webhook calls the installation's webhook as the desk does, and returns what the page shows of the answer.
func (p *playground) webhook(ctx context.Context, method, path string, header http.Header, body []byte) (any, error) {
	target := p.in.WebhookURL
	if path = strings.TrimSuffix(strings.TrimPrefix(path, "/"), "?"); path != "" {
		if !strings.HasPrefix(path, "?") {
			target += "/"
		}
		target += path
	}
	r, err := http.NewRequestWithContext(ctx, method, target, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	for name, values := range header {
		if name != "Content-Length" && name != "Connection" {
			r.Header[name] = values
		}
	}
	res, err := p.client.Do(r)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	said, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	return map[string]any{"status": res.StatusCode, "body": p.wire.secrets.text(strings.ToValidUTF8(string(said), "�"))}, err
}

// milliseconds returns a duration in milliseconds.
func milliseconds(start, end time.Time) float64 {
	return float64(end.Sub(start).Microseconds()) / 1000
}
