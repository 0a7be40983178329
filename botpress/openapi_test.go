package botpress_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/internal/conformance/client"
	"github.com/hitl-go/sdk/internal/openapitest"
)

// Every operation of the official documents is called with all optional fields
// and with none, against a server that validates the request and answers with
// made-up data that validates too. Nothing of the answer may get lost.
func TestOpenAPI(t *testing.T) {
	spec, err := openapitest.Load()
	if err != nil {
		t.Fatal(err)
	}
	for _, op := range spec.Operations() {
		for _, full := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s/full=%t", op.ID, full), func(t *testing.T) {
				t.Parallel()
				c := newClient(t, spec.Middleware(answering(t, spec, op, full), func(err error) { t.Error(err) }))
				got, err := client.Call(t.Context(), c, op.ID, op.Input(full))
				if err != nil {
					t.Fatal(err)
				}
				for _, want := range answers(op, full) {
					for _, field := range lost(want, decoded(t, got)) {
						t.Errorf("lost of the answer: %s", field)
					}
				}
			})
		}
	}
}

// Every list can start at a given page and end after it.
func TestOpenAPIPages(t *testing.T) {
	spec, err := openapitest.Load()
	if err != nil {
		t.Fatal(err)
	}
	lists := 0
	for _, op := range spec.Operations() {
		_, full := op.Answer(true)
		meta, _ := full["meta"].(map[string]any)
		if meta["nextToken"] == nil && full["nextToken"] == nil {
			continue
		}
		lists++
		t.Run(op.ID, func(t *testing.T) {
			var tokens []string
			c := newClient(t, spec.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				tokens = append(tokens, r.URL.Query().Get("nextToken"))
				w.Header().Set("Content-Type", "application/json")
				_, _ = w.Write(openapitest.JSON(full))
			}), func(err error) { t.Error(err) }))
			in := op.Input(false)
			in.Query["nextToken"], in.Query["next"] = "token-7", ""
			if _, err := client.Call(t.Context(), c, op.ID, in); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]string{"token-7"}, tokens); diff != "" {
				t.Errorf("tokens (-want +got):\n%s", diff)
			}
		})
	}
	if lists < 12 {
		t.Errorf("only %d lists", lists)
	}
}

// All operations that a client offers are in the documents.
func TestOpenAPIKnowsAllOperations(t *testing.T) {
	spec, err := openapitest.Load()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, op := range spec.Operations() {
		names = append(names, op.ID)
	}
	if diff := cmp.Diff(names, client.Names()); diff != "" {
		t.Errorf("operations of the documents (-) and of the client (+):\n%s", diff)
	}
}

// answering serves one operation: a first page with a token, if it is a list,
// and a second page without.
func answering(t *testing.T, spec *openapitest.Spec, op *openapitest.Operation, full bool) http.Handler {
	t.Helper()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked, _, err := spec.Match(r)
		if err != nil || asked != op {
			t.Errorf("the call of %s arrived as %s %s: %v", op.ID, r.Method, r.URL, err)
		}
		arrived(t, r, op.Input(full))
		status, body := op.Answer(full && r.URL.Query().Get("nextToken") == "")
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = w.Write(openapitest.JSON(body))
	})
}

// arrived checks that a request says all of the input and nothing else.
func arrived(t *testing.T, r *http.Request, in openapitest.Input) {
	t.Helper()
	want := url.Values{}
	for name, value := range in.Query {
		switch value := value.(type) {
		case map[string]any:
			for key, value := range value {
				want.Add(name+"."+key, fmt.Sprint(value))
			}
		case []any:
			for _, value := range value {
				want.Add(name, fmt.Sprint(value))
			}
		default:
			want.Add(name, fmt.Sprint(value))
		}
	}
	got := r.URL.Query()
	got.Del("nextToken")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s %s: query (-want +got):\n%s", r.Method, r.URL.Path, diff)
	}
	if r.Method == http.MethodGet {
		return
	}
	var body map[string]any
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		t.Errorf("%s %s: body: %v", r.Method, r.URL.Path, err)
	}
	if diff := cmp.Diff(in.Body, body); diff != "" {
		t.Errorf("%s %s: body (-want +got):\n%s", r.Method, r.URL.Path, diff)
	}
}

// answers returns what the caller must get to see, without the envelope that
// the client takes off.
func answers(op *openapitest.Operation, full bool) []any {
	_, body := op.Answer(full)
	delete(body, "nextToken")
	wrapped := slices.DeleteFunc(keys(body), func(key string) bool { return key == "meta" })
	if len(wrapped) == 1 && op.ID != "callAction" && wrapped[0] != "newSigningSecret" {
		return []any{body[wrapped[0]]}
	}
	return []any{body}
}

func keys(object map[string]any) []string {
	var out []string
	for key := range object {
		out = append(out, key)
	}
	return out
}

func decoded(t *testing.T, value any) any {
	t.Helper()
	data, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	var out any
	if err := json.Unmarshal(data, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// lost lists what is in want and not in got. Null, "" and nothing are the same.
func lost(want, got any) []string { return lostAt("", want, got) }

func lostAt(path string, want, got any) []string {
	var out []string
	switch want := want.(type) {
	case map[string]any:
		object, _ := got.(map[string]any)
		for key, value := range want {
			out = append(out, lostAt(path+"."+key, value, object[key])...)
		}
	case []any:
		array, _ := got.([]any)
		if len(array) < len(want) {
			return []string{fmt.Sprintf("%s: %d of %d items", path, len(want)-len(array), len(want))}
		}
		for i, value := range want {
			out = append(out, lostAt(fmt.Sprintf("%s[%d]", path, i), value, array[i])...)
		}
	default:
		if zero(want) && zero(got) {
			return nil
		}
		if !cmp.Equal(want, got) {
			out = append(out, fmt.Sprintf("%s: %v became %v", path, want, got))
		}
	}
	return out
}

func zero(value any) bool {
	return value == nil || value == "" || value == false || value == 0.0
}

func newClient(tb testing.TB, h http.Handler, change ...func(*botpress.Options)) *botpress.Client {
	tb.Helper()
	server := httptest.NewServer(h)
	tb.Cleanup(server.Close)
	o := botpress.Options{
		BaseURL:          server.URL,
		Token:            "bp_test_token",
		BotID:            "bot_0123456789012345678901234567",
		IntegrationID:    "intver_0123456789012345678901234",
		IntegrationAlias: "acme",
		WorkspaceID:      "wkspace_012345678901234567890123",
	}
	for _, f := range change {
		f(&o)
	}
	c, err := botpress.New(o)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(c.CloseIdleConnections)
	return c
}
