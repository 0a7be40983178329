package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/botpress/botpresstest"
	"github.com/hitl-go/sdk/hitl"
	"github.com/hitl-go/sdk/hitl/cli"
	"github.com/hitl-go/sdk/internal/acme"
	"github.com/hitl-go/sdk/internal/memnet"
	"github.com/hitl-go/sdk/internal/openapitest"
	"github.com/hitl-go/sdk/message"
)

// cloud is an in-memory Botpress, and the environment of a command line.
type cloud struct {
	*botpresstest.Server
	t       *testing.T
	network *memnet.Network
	client  *http.Client
	env     map[string]string
	desk    *acme.Desk
}

var loadSpec = sync.OnceValues(openapitest.Load)

// newCloud starts a cloud that checks each request and each answer against the official OpenAPI document. The test must run
// in a synctest bubble.
func newCloud(t *testing.T) *cloud {
	t.Helper()
	spec, err := loadSpec()
	if err != nil {
		t.Fatal(err)
	}
	c := &cloud{t: t, network: &memnet.Network{}, desk: &acme.Desk{}}
	c.client = c.network.Client()
	t.Cleanup(c.client.CloseIdleConnections)
	listener, err := c.network.Listen("botpress.test:80")
	if err != nil {
		t.Fatal(err)
	}
	c.Server = botpresstest.NewServer(&botpresstest.Options{
		Listener: listener, Client: c.client,
		Middleware: func(next http.Handler) http.Handler {
			return spec.Middleware(next, func(err error) { t.Error(err) })
		},
	})
	t.Cleanup(c.Close)
	c.env = map[string]string{"BP_API_URL": "http://botpress.test", "BP_TOKEN": c.Token, "BP_WORKSPACE_ID": botpresstest.WorkspaceID}
	return c
}

// run runs a command of an adapter.
func (c *cloud) run(s *hitl.Server, stdin string, args ...string) (code int, stdout, stderr string) {
	c.t.Helper()
	return c.runUntil(c.t.Context(), s, stdin, args...)
}

func (c *cloud) runUntil(ctx context.Context, s *hitl.Server, stdin string, args ...string) (code int, stdout, stderr string) {
	c.t.Helper()
	var out, errs bytes.Buffer
	app := cli.App{
		Server: s, Name: "acme", Args: args, Stdin: strings.NewReader(stdin), Stdout: &out, Stderr: &errs,
		Getenv: func(name string) string { return c.env[name] }, HTTPClient: c.client,
	}
	code = app.Run(ctx)
	return code, out.String(), errs.String()
}

// adapter is a server of Acme Desk, with an action of its own.
func (c *cloud) adapter(opts hitl.Options) *hitl.Server {
	c.t.Helper()
	s, err := acme.NewServer(acme.Definition(true), c.desk, &opts)
	if err != nil {
		c.t.Fatal(err)
	}
	return s
}

type rating struct {
	Stars int `json:"stars" jsonschema:"minimum=1,maximum=5"`
}

func withRating(t *testing.T, s *hitl.Server) *hitl.Server {
	t.Helper()
	err := hitl.AddAction(s, hitl.Action{Name: "rate"}, func(context.Context, any, rating) (struct{}, error) { return struct{}{}, nil })
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestDeployInstallAndSpeak(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCloud(t)
		code, stdout, stderr := c.run(withRating(t, c.adapter(hitl.Options{})), "", "deploy", "--url", "http://acme.test", "--access-key", "--yes")
		if code != 0 {
			t.Fatalf("exit code %d: %s", code, stderr)
		}
		secret, key := value(t, stdout, "BP_SIGNING_SECRET"), value(t, stdout, "BP_TOKEN")
		if strings.Contains(stderr, secret) || strings.Contains(stderr, key) {
			t.Errorf("a secret is among what people see: %s", stderr)
		}

		// The adapter needs nothing but the printed variables.
		s := withRating(t, c.adapter(hitl.Options{
			Secrets: []string{secret}, Botpress: botpress.Options{BaseURL: "http://botpress.test", Token: key, HTTPClient: c.client},
		}))
		c.serve("acme.test:80", s)
		spec, ok := c.Deployed("acme/acme-desk", "1.0.0")
		if !ok {
			t.Fatal("nothing is deployed under that name")
		}
		spec.Configuration = acme.Config{APIURL: "https://desk.example.com", APIToken: "s3cr3t"}
		in, err := c.Install(t.Context(), spec)
		if err != nil {
			t.Fatal(err)
		}

		u := in.NewEndUser(botpresstest.Profile{Name: "Jane", Email: "jane@example.com"})
		ok = c.step(u.Say(t.Context(), message.Text{Text: "Hello"})) &&
			c.step(u.Escalate(t.Context(), botpresstest.Escalation{Title: "Help me", Session: json.RawMessage(`{"priority":"high"}`)})) &&
			c.step(u.Say(t.Context(), message.Text{Text: "I need help"})) &&
			c.webhook(in, `{"type": "assigned", "ticketId": "T-1", "agent": {"id": "7", "name": "Alice"}}`) &&
			c.webhook(in, `{"type": "comment", "ticketId": "T-1", "agent": {"id": "7", "name": "Alice"}, "commentId": "A-1", "text": "How can I help?", "additionalData": "x"}`) &&
			c.hears(u, "How can I help?") &&
			c.step(u.End(t.Context()))
		if !ok {
			return
		}
		if err := c.Settle(t.Context()); err != nil {
			t.Fatal(err)
		}
		if tickets := c.desk.Tickets(); len(tickets) != 1 || tickets[0].Status != "closed" {
			t.Errorf("the desk has %+v", tickets)
		}
		c.checkPayloads(s.Describe())
	})
}

func (c *cloud) serve(addr string, s *hitl.Server) {
	c.t.Helper()
	listener, err := c.network.Listen(addr)
	if err != nil {
		c.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(c.t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, listener) }()
	c.t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			c.t.Errorf("serve: %v", err)
		}
	})
}

func (c *cloud) step(err error) bool {
	c.t.Helper()
	if err == nil {
		err = c.Settle(c.t.Context())
	}
	if err != nil {
		c.t.Error(err)
	}
	return err == nil
}

func (c *cloud) webhook(in *botpresstest.Installation, body string) bool {
	c.t.Helper()
	r, err := http.NewRequestWithContext(c.t.Context(), http.MethodPost, in.WebhookURL, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	res, err := c.client.Do(r)
	if err == nil {
		err = res.Body.Close()
		if res.StatusCode != http.StatusOK {
			err = fmt.Errorf("the webhook answered %s", res.Status)
		}
	}
	return c.step(err)
}

// hears waits until the end user receives a text.
func (c *cloud) hears(u *botpresstest.EndUser, text string) bool {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), time.Minute)
	defer cancel()
	for {
		m, err := u.Next(ctx)
		if err != nil {
			c.t.Errorf("%q is not heard: %v", text, err)
			return false
		}
		if message.PlainText(m.Message) == text {
			return true
		}
	}
}

// checkPayloads validates all payloads between Botpress and the adapter against the deployed schemas.
func (c *cloud) checkPayloads(d botpress.CreateIntegrationParams) {
	c.t.Helper()
	checked := map[string]int{}
	check := func(what string, schema json.RawMessage, payload any) {
		withoutType(map[string]any{"payload": payload})
		if err := strictly(c.t, schema).Validate(payload); err != nil {
			c.t.Errorf("%s does not fit: %v", what, err)
		}
		checked[what]++
	}
	for _, call := range c.Calls() {
		var body, answer struct {
			Type    string
			Input   any
			Output  any
			Payload any
			Message struct {
				Type    string
				Payload any
			}
		}
		_ = json.Unmarshal(call.Request, &body)
		_ = json.Unmarshal(call.Response, &answer)
		switch call.Operation {
		case "action_triggered":
			check("input of "+body.Type, d.Actions[body.Type].Input.Schema, body.Input)
			check("output of "+body.Type, d.Actions[body.Type].Output.Schema, answer.Output)
		case "createEvent":
			check("event "+body.Type, d.Events[body.Type].Schema, body.Payload)
		case "message_created":
			check("message to the desk", d.Channels["supportTicket"].Messages[body.Type].Schema, body.Payload)
		case "getOrCreateMessage":
			check("message to the end user", d.Channels["supportTicket"].Messages[body.Type].Schema, body.Payload)
		case "initializeIncomingMessage":
			if body.Message.Payload != nil { // else it is about the agent alone
				check("message to the end user", d.Channels["supportTicket"].Messages[body.Message.Type].Schema, body.Message.Payload)
			}
		}
	}
	for _, what := range []string{
		"input of createUser", "output of createUser", "input of createTicket", "output of createTicket", "input of stopHitl", "output of stopHitl",
		"event agentAssigned", "message to the desk", "message to the end user",
	} {
		if checked[what] == 0 {
			c.t.Errorf("there was no %s to check", what)
		}
	}
}

// withoutType removes the type that the plugin adds to payloads.
func withoutType(v any) {
	switch v := v.(type) {
	case map[string]any:
		if payload, ok := v["payload"].(map[string]any); ok {
			delete(payload, "type")
		}
		for part := range maps.Values(v) {
			withoutType(part)
		}
	case []any:
		for _, part := range v {
			withoutType(part)
		}
	}
}

func strictly(t *testing.T, schema json.RawMessage) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(schema))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	compiler.DefaultDraft(jsonschema.Draft7)
	if err := compiler.AddResource("schema.json", doc); err != nil {
		t.Fatal(err)
	}
	return compiler.MustCompile("schema.json")
}

// value returns the value of an environment variable.
func value(t *testing.T, env, name string) string {
	t.Helper()
	for line := range strings.Lines(env) {
		if v, ok := strings.CutPrefix(strings.TrimSpace(line), name+"="); ok && v != "" {
			return v
		}
	}
	t.Fatalf("%s is not printed", name)
	return ""
}

func TestDeployAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCloud(t)
		deploy := func(s *hitl.Server, stdin string, args ...string) (string, string) {
			t.Helper()
			code, stdout, stderr := c.run(s, stdin, append([]string{"deploy"}, args...)...)
			if code != 0 {
				t.Fatalf("exit code %d: %s", code, stderr)
			}
			return stdout, stderr
		}
		first := withRating(t, c.adapter(hitl.Options{}))
		deploy(first, "yes\n", "--url", "http://acme.test")
		before := c.integration()

		stdout, stderr := deploy(first, "") // nothing changes, so there is no question
		if diff := cmp.Diff(before, c.integration()); diff != "" {
			t.Errorf("the second deployment has changed something:\n%s", diff)
		}
		if want := "acme/acme-desk 1.0.0 is deployed in workspace \"Acme Inc.\" and has not changed"; stdout != "" || !strings.HasPrefix(stderr, want) {
			t.Errorf("stdout %q, stderr %q", stdout, stderr)
		}

		_, stderr = deploy(c.adapter(hitl.Options{}), "y\n", "--url", "https://new.example.com", "--visibility", "unlisted")
		want := `acme/acme-desk 1.0.0 is deployed in workspace "Acme Inc.". This will change:

  ~ URL
  - action rate
  ~ visibility

Update it? [y/N] Updating…
acme/acme-desk 1.0.0 is up to date. Its id is ` + fmt.Sprint(c.integration()["id"]) + `. Its signing secret has not changed; if it is lost, make a new one with 'rotate-secret'.
`
		if diff := cmp.Diff(want, stderr); diff != "" {
			t.Errorf("stderr (-want +got):\n%s", diff)
		}
		after := c.integration()
		if _, there := after["actions"].(map[string]any)["rate"]; there || after["url"] != "https://new.example.com" || after["visibility"] != "unlisted" {
			t.Errorf("the integration is not updated: %v", after)
		}
		var sent struct{ Actions map[string]json.RawMessage }
		for _, call := range c.Calls() {
			if call.Operation == "updateIntegration" {
				if err := json.Unmarshal(call.Request, &sent); err != nil {
					t.Fatal(err)
				}
			}
		}
		if string(sent.Actions["rate"]) != "null" {
			t.Errorf("the removed action was sent as %s, want null", sent.Actions["rate"])
		}
	})
}

// integration is the deployed integration as the API returns it, without updatedAt.
func (c *cloud) integration() map[string]any {
	c.t.Helper()
	r, err := http.NewRequestWithContext(c.t.Context(), http.MethodGet, c.URL+"/v1/admin/integrations/acme%2Facme-desk/1.0.0", http.NoBody)
	if err != nil {
		c.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+c.Token)
	r.Header.Set("x-workspace-id", botpresstest.WorkspaceID)
	res, err := c.client.Do(r)
	if err != nil {
		c.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	var answer struct{ Integration map[string]any }
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil {
		c.t.Fatal(err)
	}
	delete(answer.Integration, "updatedAt")
	return answer.Integration
}
