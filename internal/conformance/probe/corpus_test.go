package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/hitl"
)

// recorded is a request to the probe on Botpress' own SDK, with its answer and the calls of the API that it made meanwhile.
type recorded struct {
	Name    string `json:"name"`
	Request struct {
		Method  string            `json:"method"`
		Path    string            `json:"path"`
		Headers map[string]string `json:"headers"`
		Body    *string           `json:"body"`
	} `json:"request"`
	Response response       `json:"response"`
	APICalls []recordedCall `json:"apiCalls"`
}

type response struct {
	Status  int               `json:"status"`
	Headers map[string]string `json:"headers"`
	Body    string            `json:"body"`
}

// recordedCall is a call of the API, with its answer.
type recordedCall struct {
	Method   string            `json:"method"`
	Path     string            `json:"path"`
	Headers  map[string]string `json:"headers"`
	Body     any               `json:"body"`
	Response struct {
		Status int             `json:"status"`
		Body   json.RawMessage `json:"body"`
	} `json:"response"`
}

// exception is a case in which we do not answer as the reference does, and how we do. A status of zero means that there is
// nothing to compare.
type exception struct {
	reason string
	status int
	kind   string // the error's type, if it is one
	fewer  int    // calls of the reference that we do not make
}

// The reasons for exceptions; the numbers are those of the list of wanted deviations.
const (
	header   = "1: a header that is missing or wrong is the sender's fault, and stays so"
	shape    = "2: so is a body of the wrong shape"
	method   = "3: only POST is served"
	noValue  = "5: Go has no undefined; an input that is not there is empty"
	acked    = "6: the desk has the message; an error would send it again"
	noHook   = "the reference's hook for this operation has no counterpart: Botpress has deprecated it, or never sends it"
	always   = "every integration of ours has these actions"
	words    = "the reference wraps messages of types that it does not know in words of its own"
	minimal  = "the path is none of the probe's; /nothing stands for a handler that returns nothing"
	noURL    = "1: so is a registration without an address, which Botpress never sends"
	lost     = "an operation that is sent to the path of monitoring would be lost, and nobody would know"
	twice    = "after a 502 an event may be there, and the end user would read it twice; besides, " + words
	badBytes = "1: the configuration is no base64 JSON"
)

var exceptions = map[string]exception{
	"health PUT without headers":              {method, 405, "MethodNotFound", 0},
	"health DELETE without headers":           {method, 405, "MethodNotFound", 0},
	"health even with operation headers":      {lost, 404, "ResourceNotFound", 0},
	"register empty object":                   {noURL, 400, "InvalidPayload", 0},
	"unregister empty object":                 {noURL, 400, "InvalidPayload", 0},
	"health trailing slash":                   {method, 405, "MethodNotFound", 0},
	"method PUT works like POST":              {method, 405, "MethodNotFound", 0},
	"method DELETE: body is not read":         {method, 405, "MethodNotFound", 0},
	"no headers at all POST /":                {header, 400, "InvalidPayload", 0},
	"missing header x-bot-user-id":            {header, 400, "InvalidPayload", 0},
	"missing header x-integration-id":         {header, 400, "InvalidPayload", 0},
	"missing header x-integration-alias":      {header, 400, "InvalidPayload", 0},
	"missing header x-bp-operation":           {header, 400, "InvalidPayload", 0},
	"missing header x-bp-configuration":       {header, 400, "InvalidPayload", 0},
	"empty header x-bot-id":                   {header, 400, "InvalidPayload", 0},
	"all headers missing but configuration":   {header, 400, "InvalidPayload", 0},
	"configuration: not base64":               {badBytes, 400, "InvalidPayload", 0},
	"configuration: base64 of non-JSON":       {badBytes, 400, "InvalidPayload", 0},
	"configuration: base64 of truncated JSON": {badBytes, 400, "InvalidPayload", 0},
	"configuration: raw JSON not base64":      {badBytes, 400, "InvalidPayload", 0},
	"message_created no conversation":         {shape, 400, "InvalidPayload", 0},
	"webhook without req":                     {shape, 400, "InvalidPayload", 0},
	"action without input":                    {noValue, 200, "", 0},
	"message_created ack 404":                 {acked, 200, "", 0},
	"create_user throws runtime":              {noHook, 200, "", 0},
	"create_user empty body":                  {noHook, 200, "", 0},
	"unknownOperationHandler no status":       {noHook, 400, "InvalidPayload", 0},
	"action on integration without actions":   {always, 200, "", 0},
	"webhook handler returning undefined":     {minimal, 200, "", 0},
	"client retries POST 502 x3 then fails":   {twice, 500, "Runtime", 3},
}

func TestCorpus(t *testing.T) {
	raw, err := os.ReadFile("testdata/server-corpus.json")
	if err != nil {
		t.Fatal(err)
	}
	var corpus []recorded
	if err := json.Unmarshal(raw, &corpus); err != nil {
		t.Fatal(err)
	}
	unused := map[string]bool{}
	for name := range exceptions {
		unused[name] = true
	}
	p := startProbe(t) // one process serves them all
	for _, c := range corpus {
		t.Run(c.Name, func(t *testing.T) {
			got := p.replay(t, c)
			diff := c.diff(got)
			x, excepted := exceptions[c.Name]
			delete(unused, c.Name)
			switch {
			case !excepted && diff != "":
				t.Errorf("not as the reference (-want +got):\n%s", diff)
			case excepted && diff == "":
				t.Error("it is listed as an exception, and now as the reference: take it off the list")
			case excepted && (got.Status != x.status || errorOf(got).Type != x.kind):
				t.Errorf("%s; want %d %s, got %d %s", x.reason, x.status, x.kind, got.Status, got.Body)
			}
		})
	}
	for name := range unused {
		t.Errorf("the exception %q is of no case", name)
	}
}

// process is a running probe, with the API in front of which the next request is played.
type process struct {
	probe *httptest.Server
	api   atomic.Pointer[api]
}

func startProbe(t *testing.T) *process {
	t.Helper()
	p := &process{}
	cloud := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { p.api.Load().ServeHTTP(w, r) }))
	t.Cleanup(cloud.Close)
	s, err := newServer(hitl.Options{Insecure: true, Botpress: botpress.Options{BaseURL: cloud.URL, Token: "<token>"}})
	if err != nil {
		t.Fatal(err)
	}
	p.probe = httptest.NewServer(front(s))
	t.Cleanup(p.probe.Close)
	return p
}

// replay sends the request to our probe, over a socket, with the API that the recording had.
func (p *process) replay(t *testing.T, c recorded) response {
	t.Helper()
	api := &api{calls: c.APICalls}
	p.api.Store(api)

	var body io.Reader = http.NoBody
	if c.Request.Body != nil {
		body = strings.NewReader(*c.Request.Body)
	}
	r, err := http.NewRequestWithContext(t.Context(), c.Request.Method, p.probe.URL+c.Request.Path, body)
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range c.Request.Headers {
		r.Header.Set(name, value)
	}
	transport := p.probe.Client().Transport // follows no redirects
	res, err := transport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if missing := api.missing(); len(missing) != exceptions[c.Name].fewer {
		t.Errorf("the reference has called the API, and we have not: %q; expected are %d such calls", missing, exceptions[c.Name].fewer)
	}
	got := response{Status: res.StatusCode, Headers: map[string]string{}, Body: string(answer)}
	for name := range res.Header {
		got.Headers[strings.ToLower(name)] = res.Header.Get(name)
	}
	return got
}

type apiError struct {
	ID      string `json:"id"`
	Code    int    `json:"code"`
	Type    string `json:"type"`
	Message string `json:"message"`
}

func errorOf(r response) apiError {
	var e apiError
	_ = json.Unmarshal([]byte(r.Body), &e) // anything else has no such fields
	return e
}

// unauthored are messages that say the same in words of the reference's own, or of its JSON parser.
var unauthored = regexp.MustCompile(`^An unexpected error occurred in the integration|in JSON at position|JSON input|is not valid JSON|after JSON`)

var generatedID = regexp.MustCompile(`^err_(<id>|\d{14}x[0-9A-F]{8})$`)

// diff compares what must be the same: the status, the error's type, code and authored message, output and meta, and all of
// what a webhook was answered.
func (c recorded) diff(got response) string {
	want := c.Response
	var diffs []string
	note := func(what string, want, got any) {
		if d := cmp.Diff(want, got); d != "" {
			diffs = append(diffs, what+": "+d)
		}
	}
	note("status", want.Status, got.Status)
	if e := errorOf(want); e.Type != "" {
		g := errorOf(got)
		if unauthored.MatchString(e.Message) && g.Message != "" {
			g.Message = e.Message
		}
		if generatedID.MatchString(e.ID) && generatedID.MatchString(g.ID) {
			g.ID = e.ID
		}
		note("error", e, g)
		return strings.Join(diffs, "\n")
	}
	note("headers", c.comparable(want), c.comparable(got))
	note("body", parsed(want.Body), parsed(got.Body))
	return strings.Join(diffs, "\n")
}

// comparable are the headers that somebody has chosen. We say that JSON is JSON, and the reference does not: 4.
func (c recorded) comparable(r response) map[string]string {
	headers := map[string]string{}
	for name, value := range r.Headers {
		switch name = strings.ToLower(name); name {
		case "date", "content-length", "connection", "keep-alive", "transfer-encoding":
		default:
			headers[name] = value
		}
	}
	if _, chosen := c.Response.Headers["content-type"]; !chosen && headers["content-type"] == "application/json" && json.Valid([]byte(r.Body)) {
		delete(headers, "content-type")
	}
	return headers
}

// parsed is JSON without its order and spaces, or the text itself.
func parsed(body string) any {
	var v any
	if json.Unmarshal([]byte(body), &v) != nil {
		return body
	}
	return v
}

// api answers as the recorded API did, and what was not recorded as if everything was there. Our server makes other calls than
// the reference's author, who links nothing.
type api struct {
	mu    sync.Mutex
	calls []recordedCall // those that are still to come
	wrong []string
}

func (a *api) missing() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	missing := slices.Clone(a.wrong)
	for _, c := range a.calls {
		missing = append(missing, c.Method+" "+c.Path)
	}
	return missing
}

func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	a.mu.Lock()
	defer a.mu.Unlock()
	for i, c := range a.calls {
		if c.Method != r.Method || !sameURL(c.Path, r.URL) {
			continue
		}
		if d := c.diff(r, body); d != "" {
			a.wrong = append(a.wrong, fmt.Sprintf("%s %s as recorded (-want +got):\n%s", c.Method, c.Path, d))
		}
		a.calls = slices.Delete(a.calls, i, i+1)
		w.Header().Set("Retry-After", "0")
		w.WriteHeader(c.Response.Status)
		_, _ = w.Write(c.Response.Body)
		return
	}
	_, _ = io.WriteString(w, invented(r, body))
}

func sameURL(path string, got *url.URL) bool {
	want, err := url.Parse(path)
	return err == nil && want.EscapedPath() == got.EscapedPath() && cmp.Equal(want.Query(), got.Query())
}

// diff compares a call with the recorded one. Ours may say more: it has tags of its own.
func (c recordedCall) diff(r *http.Request, body []byte) string {
	got := recordedCall{Headers: map[string]string{}, Body: parsed(string(bytes.TrimSpace(body)))}
	for name := range c.Headers {
		if value := r.Header.Get(name); value != "" {
			got.Headers[name] = value
		}
	}
	if d := cmp.Diff(c.Headers, got.Headers); d != "" {
		return d
	}
	if c.Body == nil || within(c.Body, got.Body) {
		return ""
	}
	return cmp.Diff(c.Body, got.Body)
}

// within reports whether all of part is in whole.
func within(part, whole any) bool {
	p, ok := part.(map[string]any)
	w, ok2 := whole.(map[string]any)
	if !ok || !ok2 {
		return cmp.Equal(part, whole)
	}
	for key, value := range p {
		if other, there := w[key]; !there || !within(value, other) {
			return false
		}
	}
	return true
}

// invented answers for a Botpress in which everything that is asked for exists and is linked with the desk. New users and
// conversations have the ids that the recorded author has made up for them.
func invented(r *http.Request, body []byte) string {
	var sent struct {
		Name    string          `json:"name"`
		Payload json.RawMessage `json:"payload"`
	}
	_ = json.Unmarshal(body, &sent)
	parts := strings.Split(strings.TrimPrefix(r.URL.Path, "/v1/chat/"), "/")
	id := "user_1"
	if len(parts) > 1 && parts[1] != "get-or-create" {
		id = parts[1]
	}
	switch parts[0] {
	case "users":
		if r.Method == http.MethodPost {
			id = "user-of-" + sent.Name
			if sent.Name == "" {
				id = "user-of-undefined"
			}
		}
		return fmt.Sprintf(`{"user":{"id":%q,"tags":{"id":"ext-1"}}}`, id)
	case "conversations":
		if r.Method == http.MethodPost {
			return `{"conversation":{"id":"conv-of-user_1","channel":"hitl","tags":{}}}`
		}
		return fmt.Sprintf(`{"conversation":{"id":%q,"channel":"hitl","tags":{"id":"T-1","startedAt":"2026-01-01T00:00:00.000Z"}}}`, id)
	case "messages":
		return fmt.Sprintf(`{"message":{"id":%q,"tags":{}}}`, id)
	case "states":
		if sent.Payload == nil {
			sent.Payload = json.RawMessage("null")
		}
		return fmt.Sprintf(`{"state":{"id":"state_1","payload":%s}}`, sent.Payload)
	default:
		return "{}"
	}
}
