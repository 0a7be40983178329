package main

import (
	"net/http"
	"strings"
	"testing"
)

// TestProbe has what the probe can be told and the corpus does not show.
func TestProbe(t *testing.T) {
	action := func(name, input string) [2]string {
		return [2]string{"action_triggered", `{"type":"` + name + `","input":` + input + `}`}
	}
	webhook := func(path string) [2]string {
		return [2]string{"webhook_received", `{"req":{"method":"POST","path":"` + path + `","query":"","headers":{"Host":"h"},"body":"b"}}`}
	}
	say := func(kind, payload string) [2]string {
		return [2]string{"message_created", `{"type":"` + kind + `","payload":` + payload + `,"conversation":{"id":"conv_1","channel":"hitl"},"message":{"id":"msg_1"}}`}
	}
	unexpected := `"code":400,"type":"Runtime","message":"An unexpected error`
	for name, test := range map[string]struct {
		request [2]string
		status  int
		body    string // all of it, or a part of an error's
	}{
		"id and metadata":     {action("createUser", `{"name":"throw:runtime-id-meta"}`), 400, `"id":"err_custom_id","code":400,"type":"Runtime","message":"custom runtime message","metadata":{"reason":"quota","n":1}`},
		"a cause":             {action("startHitl", `{"userId":"user_1","title":"throw:runtime-cause"}`), 400, `"type":"Runtime","message":"outer message"}`},
		"a panic":             {action("stopHitl", `{"conversationId":"throw:type-error"}`), 500, unexpected},
		"stopHitl":            {action("stopHitl", `{"conversationId":"throw:runtime"}`), 400, `"message":"custom runtime message"`},
		"forbidden":           {say("text", `{"text":"throw:forbidden"}`), 500, `"code":400,"type":"Runtime","message":"not yours"`},
		"a cost":              {action("cost", `{"cost":0.25}`), 200, `{"output":{},"meta":{"cost":0.25}}`},
		"an array":            {action("returnArray", `{}`), 200, `{"output":[1,2],"meta":{"cost":0}}`},
		"nothing":             {webhook("/nothing"), 200, `{}`},
		"headers alone":       {webhook("/headers-only"), 200, `{}`},
		"an error of its own": {webhook("/error"), 500, `handler-made 500`},
		"the request":         {webhook("/echo"), 200, `{"method":"POST","path":"/echo","query":"","headers":{"host":"h"},"body":"b"}`},
		"a named configuration": {
			action("echo", `{}`), 200, `{"output":{"ctx":{"botId":"bot_1","botUserId":"user_bot_1","integrationId":"intver_1",` +
				`"integrationAlias":"acme-desk","webhookId":"wh_1","operation":"action_triggered","configurationType":"oauth",` +
				`"configuration":{}},"input":{},"type":"echo"},"meta":{"cost":0}}`,
		},
		"an image":           {say("image", `{"imageUrl":"https://e.com/i.png"}`), 200, `{}`},
		"a bloc":             {say("bloc", `{"items":[{"type":"text","payload":{"text":"a"}}]}`), 200, `{}`},
		"an unknown message": {say("nope", `{}`), 400, `"type":"InvalidPayload","message":"Message of type nope not found in channel hitl"`},
	} {
		t.Run(name, func(t *testing.T) {
			c := recorded{Name: name}
			c.Request.Method, c.Request.Path, c.Request.Body = http.MethodPost, "/", &test.request[1]
			c.Request.Headers = map[string]string{
				"x-bp-operation": test.request[0], "x-bot-id": "bot_1", "x-bot-user-id": "user_bot_1", "x-integration-id": "intver_1",
				"x-integration-alias": "acme-desk", "x-webhook-id": "wh_1", "x-bp-configuration": "e30=",
			}
			if name == "a named configuration" {
				c.Request.Headers["x-bp-configuration-type"] = "oauth"
			}
			got := startProbe(t).replay(t, c)
			if got.Status != test.status || got.Body != test.body && (errorOf(got).Type == "" || !strings.Contains(got.Body, test.body)) {
				t.Errorf("got %d %s, want %d %s", got.Status, got.Body, test.status, test.body)
			}
			if location := got.Headers["location"]; (location != "") != (name == "headers alone") {
				t.Errorf("got location %q", location)
			}
		})
	}
}
