package hitl_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hitl-go/sdk/hitl"
)

type desk = stub[struct{}]

type rateInput struct {
	Ticket string `json:"ticket" jsonschema:"title=Ticket,minLength=1"`
	Stars  int    `json:"stars" jsonschema:"minimum=1,maximum=5"`
	Note   string `json:"note,omitempty"`
}

type rateOutput struct {
	Average float64 `json:"average"`
}

func rate(ctx context.Context, _ desk, in rateInput) (rateOutput, error) {
	if in.Ticket == "gone" {
		return rateOutput{}, hitl.Errorf("There is no such ticket")
	}
	(hitl.Installation{}).SetCost(ctx, 0.5)
	(hitl.Installation{}).SetCost(ctx, 0.25)
	return rateOutput{Average: float64(in.Stars)}, nil
}

func TestAddAction(t *testing.T) {
	s := stubServer(t)
	add(t, hitl.AddAction(s, hitl.Action{Name: "rate", Title: "Rate", Billable: true}, rate))
	add(t, hitl.AddAction(s, hitl.Action{Name: "nothing"}, func(context.Context, desk, struct{}) (*rateOutput, error) { return nil, nil }))
	add(t, hitl.AddAction(s, hitl.Action{Name: "list"}, func(context.Context, desk, struct{}) ([]int, error) { return []int{1, 2}, nil }))
	add(t, hitl.AddAction(s, hitl.Action{Name: "echo"}, func(_ context.Context, _ any, in json.RawMessage) (json.RawMessage, error) { return in, nil }))
	add(t, hitl.AddAction(s, hitl.Action{Name: "panic"}, func(context.Context, desk, struct{}) (struct{}, error) { panic("oh") }))

	for name, tc := range map[string]struct {
		body   string
		status int
		want   string
	}{
		"output and cost": {`{"type": "rate", "input": {"ticket": "T-1", "stars": 4}}`, 200, `{"output": {"average": 4}, "meta": {"cost": 0.25}}`},
		"unknown key":     {`{"type": "rate", "input": {"ticket": "T-1", "stars": 4, "type": "x"}}`, 200, `{"output": {"average": 4}, "meta": {"cost": 0.25}}`},
		"null":            {`{"type": "nothing", "input": {}}`, 200, `{"output": null, "meta": {"cost": 0}}`},
		"array":           {`{"type": "list", "input": {}}`, 200, `{"output": [1, 2], "meta": {"cost": 0}}`},
		"anything":        {`{"type": "echo", "input": {"a": [1, null]}}`, 200, `{"output": {"a": [1, null]}, "meta": {"cost": 0}}`},
		"no input":        {`{"type": "nothing"}`, 200, `{"output": null, "meta": {"cost": 0}}`},
		"wrong input": {
			`{"type": "rate", "input": {"stars": 6, "note": 1}}`, 400,
			`{"code": 400, "type": "InvalidPayload", "message": "the input of rate is invalid: note is of the type number and must be string; stars must be at most 5; ticket is missing"}`,
		},
		"fraction":  {`{"type": "rate", "input": {"ticket": "T-1", "stars": 1.5}}`, 400, `{"code": 400, "type": "InvalidPayload", "message": "the input of rate is invalid: stars is of the type number and must be integer"}`},
		"no object": {`{"type": "echo", "input": [1]}`, 400, `{"code": 400, "type": "InvalidPayload", "message": "the input of echo is invalid: it is of the type array and must be object"}`},
		"refusal":   {`{"type": "rate", "input": {"ticket": "gone", "stars": 1}}`, 400, `{"code": 400, "type": "Runtime", "message": "There is no such ticket"}`},
		"unknown":   {`{"type": "rates", "input": {}}`, 400, `{"code": 400, "type": "InvalidPayload", "message": "Action rates not found"}`},
	} {
		t.Run(name, func(t *testing.T) {
			status, got := act(t, s, tc.body)
			delete(got, "id")
			if diff := cmp.Diff(decoded(t, []byte(tc.want)), got); diff != "" || status != tc.status {
				t.Errorf("status %d, want %d (-want +got):\n%s", status, tc.status, diff)
			}
		})
	}
	if status, _ := act(t, s, `{"type": "panic", "input": {}}`); status != http.StatusInternalServerError {
		t.Errorf("a panic was answered with %d", status)
	}

	const want = `{
		"title": "Rate", "billable": true,
		"input": {"schema": {
			"type": "object",
			"properties": {
				"ticket": {"type": "string", "minLength": 1, "x-zui": {"title": "Ticket"}},
				"stars": {"type": "integer", "minimum": 1, "maximum": 5},
				"note": {"type": "string"}
			},
			"required": ["ticket", "stars"], "additionalProperties": false
		}},
		"output": {"schema": {"type": "object", "properties": {"average": {"type": "number"}}, "required": ["average"], "additionalProperties": false}}
	}`
	body := s.Describe()
	if diff := cmp.Diff(decoded(t, []byte(want)), encoded(t, body.Actions["rate"])); diff != "" {
		t.Errorf("the action is described in another way (-want +got):\n%s", diff)
	}
	if len(body.Actions) != 8 {
		t.Errorf("%d actions are described, want the interface's 3 and our 5", len(body.Actions))
	}
}

// Inputs of actions are as configurations: what is cleared is unset, and defaults are filled in.
func TestDefaultsOfActions(t *testing.T) {
	type input struct {
		Limit int    `json:"limit" jsonschema:"default=20"`
		Query string `json:"query,omitzero"`
	}
	s := stubServer(t)
	add(t, hitl.AddAction(s, hitl.Action{Name: "search"}, func(_ context.Context, _ desk, in input) (input, error) { return in, nil }))
	for in, want := range map[string]string{
		`{}`: `{"limit":20}`, `{"query":null}`: `{"limit":20}`, `{"limit":0,"query":""}`: `{"limit":0}`, `{"limit":3,"query":"x"}`: `{"limit":3,"query":"x"}`,
	} {
		status, got := act(t, s, `{"type":"search","input":`+in+`}`)
		if diff := cmp.Diff(decoded(t, []byte(want)), got["output"]); diff != "" || status != http.StatusOK {
			t.Errorf("%s: status %d (-want +got):\n%s", in, status, diff)
		}
	}
}

func TestBadAction(t *testing.T) {
	type other struct{ desk }
	s := stubServer(t)
	none := func(context.Context, desk, struct{}) (struct{}, error) { return struct{}{}, nil }
	add(t, hitl.AddAction(s, hitl.Action{Name: "taken"}, none))
	for name, tc := range map[string]struct {
		err  error
		want string
	}{
		"interface's name": {hitl.AddAction(s, hitl.Action{Name: "startHitl"}, none), `hitl: Action.Name: the action "startHitl" is there already, by the HITL interface`},
		"name twice":       {hitl.AddAction(s, hitl.Action{Name: "taken"}, none), `hitl: Action.Name: the action "taken" is there already, by an earlier AddAction`},
		"no name":          {hitl.AddAction(s, hitl.Action{}, none), `hitl: Action.Name: the name "" must consist of letters, digits, hyphens and underscores, at most 200, and start with a letter`},
		"another adapter": {
			hitl.AddAction(s, hitl.Action{Name: "x"}, func(context.Context, *other, struct{}) (struct{}, error) { return struct{}{}, nil }),
			`hitl: action "x": its function takes a *hitl_test.other, and the adapters of this server are of the type hitl_test.stub[struct {}]`,
		},
		"input": {
			hitl.AddAction(s, hitl.Action{Name: "x"}, func(context.Context, desk, []string) (chan int, error) { return nil, nil }),
			"hitl: the input of action \"x\": []string is not a struct, and Botpress wants an object\nhitl: the output of action \"x\": it: a chan has no JSON",
		},
	} {
		t.Run(name, func(t *testing.T) {
			if tc.err == nil || tc.err.Error() != tc.want {
				t.Errorf("got  %v\nwant %s", tc.err, tc.want)
			}
		})
	}
}

func TestConfigurationIsChecked(t *testing.T) {
	type config struct {
		URL   string `json:"url" jsonschema:"minLength=1"`
		Token string `json:"token,omitempty"`
	}
	type oauth struct {
		Token string `json:"token"`
	}
	s, err := newStub[config, struct{}](hitl.Definition{
		Name: "acme-desk", Version: "1.0.0",
		Configurations: []hitl.ConfigurationDefinition{{Name: "oauth", Type: oauth{}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct{ kind, config, want string }{
		"fits":          {"", `{"url": "https://example.com", "more": 1}`, ""},
		"empty":         {"", `{}`, "The configuration is invalid: url is missing"},
		"null":          {"", `null`, "The configuration is invalid: url is missing"},
		"not an object": {"", `[]`, "The configuration is invalid: it is of the type array and must be object"},
		"alternative":   {"oauth", `{"token": "s3cret"}`, ""},
		"wrong one":     {"oauth", `{"url": "s3cret"}`, "The configuration is invalid: token is missing"},
		"unknown one":   {"saml", `{}`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := operation("register", tc.config, `{"webhookUrl": "https://example.com"}`)
			r.Header.Set("x-bp-configuration-type", tc.kind)
			w := httptest.NewRecorder()
			s.ServeHTTP(w, r)
			var got struct{ Message string }
			if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
				t.Fatal(err)
			}
			if got.Message != tc.want || (w.Code == http.StatusOK) != (tc.want == "") {
				t.Errorf("got %d %q, want %q", w.Code, got.Message, tc.want)
			}
		})
	}
}

func stubServer(t *testing.T) *hitl.Server {
	t.Helper()
	s, err := newStub[struct{}, struct{}](hitl.Definition{Name: "acme-desk", Version: "1.0.0"})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func add(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func act(t *testing.T, s *hitl.Server, body string) (int, map[string]any) {
	t.Helper()
	w := httptest.NewRecorder()
	s.ServeHTTP(w, operation("action_triggered", `{}`, body))
	return w.Code, decoded(t, w.Body.Bytes())
}

// operation is a request from Botpress.
func operation(name, configuration, body string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
	for header, value := range map[string]string{
		"x-bp-operation": name, "x-bp-configuration": base64.StdEncoding.EncodeToString([]byte(configuration)),
		"x-bot-id": "bot", "x-bot-user-id": "bot", "x-integration-id": "intver", "x-integration-alias": "acme-desk", "x-webhook-id": "wh",
	} {
		r.Header.Set(header, value)
	}
	return r
}
