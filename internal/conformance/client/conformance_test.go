package client

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/internal/openapitest"
)

// TestReference compares package botpress with Botpress' own client, call by
// call. It needs Node.js and an "npm ci" in this folder, so it does nothing
// unless CONFORMANCE_CLIENT is set.
func TestReference(t *testing.T) {
	if os.Getenv("CONFORMANCE_CLIENT") == "" {
		t.Log("set CONFORMANCE_CLIENT=1, after npm ci in this folder, to compare with @botpress/client")
		return
	}
	spec, err := openapitest.Load()
	if err != nil {
		t.Fatal(err)
	}
	rec := newRecorder(t, spec)
	cases := slices.Concat(plainCases(spec), nullCases(), faultCases(spec))

	theirs := rec.run(t, cases, callReference)
	ours := rec.run(t, cases, callOurs)
	requests := 0
	for i, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if len(theirs[i].requests) == 0 {
				t.Fatalf("the reference sent nothing: %s", theirs[i].outcome)
			}
			requests += len(theirs[i].requests)
			c.compare(t, theirs[i], ours[i])
		})
	}
	t.Logf("conformance: %d calls, %d requests compared with @botpress/client", len(cases), requests)
}

// testCase is one call that both clients make.
type testCase struct {
	name      string
	operation string
	input     openapitest.Input
	content   string        // of uploadFile
	fault     string        // how the server fails
	timeout   time.Duration // of one attempt

	ours, theirs int    // requests that the clients send, if not the same
	note         string // why
}

// plainCases call every operation with all optional fields and with none.
func plainCases(spec *openapitest.Spec) []testCase {
	var cases []testCase
	for _, op := range spec.Operations() {
		for _, full := range []bool{true, false} {
			cases = append(cases, testCase{name: fmt.Sprintf("%s/full=%t", op.ID, full), operation: op.ID, input: op.Input(full)})
		}
	}
	return append(cases,
		testCase{name: "uploadFile/full=false", operation: "uploadFile", content: "hello", input: body(`{"key": "a.txt"}`)},
		testCase{name: "uploadFile/full=true", operation: "uploadFile", content: "grüße", input: body(`{
			"key": "b.txt", "contentType": "text/plain", "index": true, "tags": {"a": "b"}, "metadata": {"n": 1},
			"accessPolicies": ["public_content"], "expiresAt": "2026-11-21T10:20:30.456Z",
			"publicContentImmediatelyAccessible": true
		}`)},
	)
}

// nullCases send null where that means something.
func nullCases() []testCase {
	withID := func(object string) openapitest.Input {
		in := body(object)
		in.Path = map[string]any{"id": "id-1"}
		return in
	}
	return []testCase{
		{name: "null/user", operation: "updateUser", input: withID(`{"name": null, "pictureUrl": null}`)},
		{name: "null/file", operation: "updateFileMetadata", input: withID(`{"expiresAt": null, "tags": {"a": null, "b": "c"}}`)},
		{name: "null/configure", operation: "configureIntegration", input: body(`{"identifier": null, "sandboxIdentifiers": null}`)},
		{name: "null/interface", operation: "updateInterface", input: withID(`{
			"nameTemplate": null, "actions": {"a": null}, "events": {"b": null}, "attributes": {"c": null},
			"entities": {"d": null}, "channels": {"e": null, "f": {"messages": {"g": null}}}
		}`)},
		{name: "null/integration", operation: "updateIntegration", input: withID(`{
			"url": null, "actions": {"a": null}, "events": {"b": null}, "states": {"c": null}, "entities": {"d": null},
			"interfaces": {"e<f>": null}, "configurations": {"g": null}, "attributes": {"h": null}, "secrets": {"i": null},
			"user": {"tags": {"j": null}}, "identifier": {"extractScript": null, "fallbackHandlerScript": null},
			"configuration": {"identifier": {"linkTemplateScript": null}},
			"channels": {"k": null, "l": {"messages": {"m": null}, "message": {"tags": {"n": null}}, "conversation": {"tags": {"o": null}}}}
		}`)},
		{name: "null/bot", operation: "updateBot", input: withID(`{
			"url": null, "integrations": {"a": null, "b": {"configurationType": null}}, "plugins": {"c": null},
			"recurringEvents": {"d": null}, "subscriptions": {"events": {"e": null}}
		}`)},
		{name: "null/subscriptions", operation: "updateBot", input: withID(`{"subscriptions": {"events": null}}`)},
	}
}

// faultCases let the server fail in every way that may or may not be retried,
// for every method and for a POST that is idempotent.
func faultCases(spec *openapitest.Spec) []testCase {
	inputs := map[string]openapitest.Input{
		"getOrCreateUser": body(`{"tags": {"id": "agent-7"}, "discriminateByTags": ["id"]}`),
	}
	for _, op := range spec.Operations() {
		if _, ok := inputs[op.ID]; !ok {
			inputs[op.ID] = op.Input(false)
		}
	}
	const (
		twice = "the server may have done its work before the connection broke; a retry would do it twice"
		found = "it is idempotent, which the reference cannot know of a POST or a PATCH: a retry finds or sets the same"
	)
	var cases []testCase
	for _, op := range []string{"getUser", "createUser", "getOrCreateUser", "setState", "updateUser", "deleteUser", "patchState"} {
		for _, fault := range []string{
			"400", "401", "404", "409", "429", "429 once", "500", "501", "502", "502 once", "503", "504",
			"reset", "reset once", "broken", "slow",
		} {
			c := testCase{name: "fault/" + fault + "/" + op, operation: op, input: inputs[op], fault: fault, timeout: 10 * time.Second}
			idempotent := op == "getOrCreateUser" || op == "setState" || op == "patchState"
			switch {
			case fault == "slow":
				c.timeout = 300 * time.Millisecond
			case (fault == "reset" || fault == "broken") && op == "createUser":
				c.ours, c.theirs, c.note = 1, 4, twice
			case fault == "reset once" && op == "createUser":
				c.ours, c.theirs, c.note = 1, 2, twice
			case (fault == "500" || fault == "501" || fault == "503" || fault == "504") && idempotent:
				c.ours, c.theirs, c.note = 4, 1, found
			}
			cases = append(cases, c)
		}
	}
	return cases
}

func body(object string) openapitest.Input {
	var in openapitest.Input
	if err := json.Unmarshal([]byte(object), &in.Body); err != nil {
		panic(err)
	}
	return in
}

func (c testCase) compare(t *testing.T, theirs, ours result) {
	t.Helper()
	if c.ours != 0 {
		if len(ours.requests) != c.ours || len(theirs.requests) != c.theirs {
			t.Errorf("ours sent %d requests, the reference %d; noted are %d and %d (%s)",
				len(ours.requests), len(theirs.requests), c.ours, c.theirs, c.note)
		}
		ours.requests, theirs.requests = ours.requests[:1], theirs.requests[:1]
	}
	if diff := cmp.Diff(theirs.requests, ours.requests); diff != "" {
		t.Errorf("requests of the reference (-) and ours (+):\n%s", diff)
	}
	if fails := c.fault != "" && !strings.HasSuffix(c.fault, "once"); fails != (ours.outcome != "ok") && c.ours == 0 {
		t.Errorf("outcome: %s", ours.outcome)
	}
	if (theirs.outcome == "ok") != (ours.outcome == "ok") && c.ours == 0 {
		t.Errorf("outcome of the reference: %s, ours: %s", theirs.outcome, ours.outcome)
	}
}

// result is what a client did with a case.
type result struct {
	requests []recorded
	outcome  string // "ok" or an error
}

// recorded is what counts of a request.
type recorded struct {
	Method string
	Path   []string // decoded segments: the two escape some characters differently
	Query  url.Values
	Header map[string]string
	Body   any // of JSON; else a string
}

// recorder is a server that keeps what each case sent. The number of the case
// is the first segment of the path.
type recorder struct {
	*httptest.Server
	spec  *openapitest.Spec
	cases []testCase

	mu   sync.Mutex
	seen map[int][]recorded
}

func newRecorder(t *testing.T, spec *openapitest.Spec) *recorder {
	t.Helper()
	rec := &recorder{spec: spec, seen: map[int][]recorded{}}
	rec.Server = httptest.NewServer(rec)
	t.Cleanup(rec.Close)
	return rec
}

// run lets a client make all calls and returns what it sent.
func (rec *recorder) run(t *testing.T, cases []testCase, call func(*testing.T, string, []testCase) []string) []result {
	t.Helper()
	rec.mu.Lock()
	rec.cases = cases
	clear(rec.seen)
	rec.mu.Unlock()
	outcomes := call(t, rec.URL, cases)
	rec.mu.Lock()
	defer rec.mu.Unlock()
	results := make([]result, len(cases))
	for i := range cases {
		results[i] = result{rec.seen[i], outcomes[i]}
	}
	return results
}

func (rec *recorder) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	number, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.EscapedPath(), "/"), "/")
	i, err := strconv.Atoi(number)
	if err != nil {
		http.NotFound(w, r)
		return
	}
	r.URL.Path, r.URL.RawPath = mustUnescape("/"+rest), "/"+rest
	data, _ := io.ReadAll(r.Body)

	rec.mu.Lock()
	rec.seen[i] = append(rec.seen[i], record(r, data))
	attempt := len(rec.seen[i])
	fault := rec.cases[i].fault
	rec.mu.Unlock()

	kind, once := strings.CutSuffix(fault, " once")
	if fault != "" && (!once || attempt == 1) {
		fail(w, r, kind)
		return
	}
	rec.answer(w, r, number)
}

// answer gives the smallest answer that conforms to the documents.
func (rec *recorder) answer(w http.ResponseWriter, r *http.Request, number string) {
	w.Header().Set("Content-Type", "application/json")
	op, _, err := rec.spec.Match(r)
	if err != nil {
		if !strings.HasPrefix(r.URL.Path, "/storage") {
			http.NotFound(w, r)
		}
		return
	}
	status, body := op.Answer(false)
	if file, ok := body["file"].(map[string]any); ok && op.ID == "upsertFile" {
		file["contentType"] = "text/plain"
		file["uploadUrl"] = rec.URL + "/" + number + "/storage?signature=abc"
	}
	w.WriteHeader(status)
	_, _ = w.Write(openapitest.JSON(body))
}

func fail(w http.ResponseWriter, r *http.Request, kind string) {
	switch kind {
	case "slow":
		<-r.Context().Done()
	case "reset":
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(err)
		}
		_ = conn.(*net.TCPConn).SetLinger(0) // a reset instead of an orderly end
		_ = conn.Close()
	case "broken":
		w.Header().Set("Content-Length", "1000")
		_, _ = w.Write([]byte(`{"user":`))
		panic(http.ErrAbortHandler)
	default:
		status, _ := strconv.Atoi(kind)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		fmt.Fprintf(w, `{"id": "err_1", "code": %d, "type": "Internal", "message": "no"}`, status)
	}
}

func record(r *http.Request, data []byte) recorded {
	out := recorded{Method: r.Method, Query: r.URL.Query(), Header: map[string]string{}}
	for segment := range strings.SplitSeq(strings.TrimPrefix(r.URL.EscapedPath(), "/"), "/") {
		out.Path = append(out.Path, mustUnescape(segment))
	}
	for _, name := range []string{
		"Authorization", "X-Bot-Id", "X-Integration-Id", "X-Integration-Alias", "X-Workspace-Id", "X-Amz-Tagging", "Content-Type",
	} {
		if value := r.Header.Get(name); value != "" {
			out.Header[name], _, _ = strings.Cut(value, ";")
		}
	}
	if len(data) > 0 && json.Unmarshal(data, &out.Body) != nil {
		out.Body = string(data)
	}
	return out
}

func mustUnescape(s string) string {
	out, err := url.PathUnescape(s)
	if err != nil {
		panic(err)
	}
	return out
}

// callReference runs all cases through @botpress/client.
func callReference(t *testing.T, base string, cases []testCase) []string {
	t.Helper()
	type call struct {
		URL       string         `json:"url"`
		Timeout   int64          `json:"timeout"`
		Operation string         `json:"operation"`
		Input     map[string]any `json:"input"`
	}
	calls := make([]call, len(cases))
	for i, c := range cases {
		input := c.input.Flat()
		if c.content != "" {
			input["content"] = c.content
		}
		calls[i] = call{fmt.Sprintf("%s/%d", base, i), max(c.timeout, time.Second).Milliseconds(), c.operation, input}
		if c.timeout != 0 {
			calls[i].Timeout = c.timeout.Milliseconds()
		}
	}
	stdin, err := json.Marshal(calls)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	node := exec.CommandContext(ctx, "node", "call.mjs")
	node.Stdin = bytes.NewReader(stdin)
	node.Env = []string{"PATH=" + os.Getenv("PATH")} // no proxies, no BP_ variables
	var stderr bytes.Buffer
	node.Stderr = &stderr
	stdout, err := node.Output()
	if err != nil {
		t.Fatalf("node call.mjs: %v\n%s", err, &stderr)
	}
	var outcomes []string
	if err := json.Unmarshal(stdout, &outcomes); err != nil || len(outcomes) != len(cases) {
		t.Fatalf("node call.mjs printed %d outcomes for %d cases: %v", len(outcomes), len(cases), err)
	}
	return outcomes
}

// callOurs runs all cases through package botpress.
func callOurs(t *testing.T, base string, cases []testCase) []string {
	t.Helper()
	outcomes := make([]string, len(cases))
	for i, c := range cases {
		outcomes[i] = "ok"
		if err := callOne(t, fmt.Sprintf("%s/%d", base, i), c); err != nil {
			outcomes[i] = err.Error()
		}
	}
	return outcomes
}

func callOne(t *testing.T, base string, c testCase) error {
	t.Helper()
	api, err := botpress.New(botpress.Options{
		BaseURL:          base,
		Token:            "bp_test_token",
		BotID:            "bot_0123456789012345678901234567",
		IntegrationID:    "intver_0123456789012345678901234",
		IntegrationAlias: "acme",
		WorkspaceID:      "wkspace_012345678901234567890123",
		Timeout:          c.timeout,
		Retry:            botpress.Retry{Wait: time.Millisecond},
	})
	if err != nil {
		return err
	}
	defer api.CloseIdleConnections()
	if c.operation == "uploadFile" {
		p, err := params[botpress.UpsertFileParams](maps.Clone(c.input.Body))
		if err != nil {
			return err
		}
		_, err = api.UploadFile(t.Context(), p, []byte(c.content))
		return err
	}
	_, err = Call(t.Context(), api, c.operation, c.input)
	return err
}
