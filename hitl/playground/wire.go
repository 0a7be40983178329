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

// Whose requests go over the wire.
const (
	atBotpress    = "botpress"
	atIntegration = "integration"
	atDesk        = "desk"
)

// Bounds of what is kept of the wire.
const (
	maxBody = 256 << 10 // Of one body; the content of a longer one is not shown.
	maxKept = 64 << 20  // Of all bodies.

	maxResponse = 10 << 20 // What Botpress reads of an answer.
)

// wire sees every request between Botpress, the integration and the desk, and shows it. It also makes the faults that only
// somebody on the wire can make.
type wire struct {
	view    *view
	faults  *faults
	secrets *secrets
}

func newWire(v *view, f *faults) *wire { return &wire{view: v, faults: f, secrets: &secrets{}} }

// botpress stands in front of the in-memory Botpress: the integration calls its API, the desk its webhooks.
func (w *wire) botpress(next http.Handler) http.Handler {
	names := operations()
	return w.record(next, func(r *http.Request, body []byte) exchange {
		x := exchange{row: row{From: atIntegration, To: atBotpress, Operation: r.Method, Detail: r.URL.RequestURI()}}
		if rest, ok := strings.CutPrefix(r.URL.EscapedPath(), "/webhook/"); ok {
			_, rest, _ = strings.Cut(rest, "/")
			x.From, x.Operation, x.Detail = atDesk, "webhook", strings.TrimSuffix(r.Method+" /"+rest+"?"+r.URL.RawQuery, "?")
			x.webhookPath = "/" + rest
			return x
		}
		if h, _ := names.Handler(r); h != nil {
			if name, ok := h.(operation); ok {
				x.Operation, x.Detail = string(name), subjectOfCall(r, body)
			}
		}
		return x
	})
}

// record shows what a handler is asked and what it answers.
func (w *wire) record(next http.Handler, describe func(*http.Request, []byte) exchange) http.Handler {
	return http.HandlerFunc(func(res http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
		r.Body = struct {
			io.Reader
			io.Closer
		}{io.MultiReader(bytes.NewReader(body), failing{err}, r.Body), r.Body}

		x := describe(r, body)
		x.Detail = w.secrets.text(x.Detail)
		x.method, x.url, x.header, x.body = r.Method, "http://"+r.Host+r.URL.RequestURI(), r.Header.Clone(), body
		seq := w.view.begin(x)
		tee := &tee{ResponseWriter: res}
		defer func() { // Also when the connection is cut on purpose, by a panic.
			w.view.end(seq, outcome{status: tee.status, header: tee.Header().Clone(), body: tee.body})
		}()
		next.ServeHTTP(tee, r)
		if tee.status == 0 {
			tee.status = http.StatusOK
		}
	})
}

// failing is a reader that has nothing but an error, if any.
type failing struct{ err error }

func (f failing) Read([]byte) (int, error) {
	if f.err != nil {
		return 0, f.err
	}
	return 0, io.EOF
}

// tee keeps what is answered.
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

// Unwrap lets the connection be taken over: a fault may reset it.
func (t *tee) Unwrap() http.ResponseWriter { return t.ResponseWriter }

// dispatches is the way from Botpress to the integration. A nil base is a transport of its own.
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

var errLost = errors.New("the answer was lost on the way, because a switch says so")

// RoundTrip sends an operation to the integration.
func (d *dispatcher) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	_ = r.Body.Close() // It is a buffer.
	r = r.Clone(r.Context())
	r.Body = io.NopCloser(bytes.NewReader(body))

	op := r.Header.Get(protocol.HeaderOperation)
	parent := r.Header.Get(protocol.HeaderTraceParent)
	x := exchange{row: row{From: atBotpress, To: atIntegration, Operation: op, Detail: d.wire.secrets.text(subject(op, body))}}
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

// send waits as the faults say, and reads the whole answer.
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

// subject is what an operation is about: the action, the type of the message, the webhook's path.
func subject(op string, body []byte) string {
	var b struct {
		Type string `json:"type"`
		Req  struct {
			Method string `json:"method"`
			Path   string `json:"path"`
		} `json:"req"`
	}
	_ = json.Unmarshal(body, &b) // Then it is about nothing.
	if op == string(protocol.WebhookReceived) {
		return b.Req.Method + " /" + strings.TrimPrefix(b.Req.Path, "/")
	}
	return b.Type
}

// subjectOfCall is what a call of the API is about: the type of the event or message, or the thing that its path names.
func subjectOfCall(r *http.Request, body []byte) string {
	var b struct {
		Type    string `json:"type"`
		Message struct {
			Type string `json:"type"`
		} `json:"message"`
	}
	_ = json.Unmarshal(body, &b) // Then the body does not tell.
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

// again sends a webhook that was seen on the wire once more.
func (p *playground) again(ctx context.Context, seq uint64) (any, error) {
	x, ok := p.view.exchange(seq)
	if !ok || x.webhookPath == "" {
		return nil, errors.New("this is no webhook, or it is no longer kept")
	}
	if len(x.body) > maxBody || x.gone {
		return nil, errors.New("its body is not kept")
	}
	u, err := url.Parse(x.url)
	if err != nil {
		return nil, err
	}
	return p.webhook(ctx, x.method, x.webhookPath+"?"+u.RawQuery, x.header, x.body)
}

// maxAnswer is how much of the answer to a webhook is told, in bytes; all of it is on the wire.
const maxAnswer = 300

// webhook plays the desk: it calls the installation's webhook, and returns what the page shows of the answer.
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

// since is a duration for people: milliseconds with a fraction.
func since(start, end time.Time) float64 {
	return float64(end.Sub(start).Microseconds()) / 1000
}
