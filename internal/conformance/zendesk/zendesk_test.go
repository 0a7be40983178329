// Package zendesk_test lets a public client of Zendesk work with the in-memory Zendesk. CONFORMANCE_ZENDESK=1 runs it, after
// "npm ci" in this folder.
package zendesk_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hitl-go/sdk/examples/zendesk/zendesktest"
)

// TestNodeZendesk lets node-zendesk do its usual work, once with an API token and once with one of an OAuth client.
func TestNodeZendesk(t *testing.T) {
	if os.Getenv("CONFORMANCE_ZENDESK") == "" {
		t.Skip("CONFORMANCE_ZENDESK=1 runs this, with Node and the packages of this folder")
	}
	for _, oauth := range []bool{false, true} {
		desk := zendesktest.NewDesk()
		t.Cleanup(desk.Close)
		settings := map[string]any{"url": desk.URL, "username": desk.Email, "token": desk.Token}
		if oauth {
			settings = map[string]any{"url": desk.URL, "oauth": true, "token": tokenOf(t, desk)}
		}
		in, err := json.Marshal(settings)
		if err != nil {
			t.Fatal(err)
		}
		client := exec.CommandContext(t.Context(), "node", "client.mjs")
		client.Stdin, client.Stderr = bytes.NewReader(in), os.Stderr
		said, err := client.Output()
		if err != nil {
			t.Fatal(err)
		}
		var got, want any
		if err := json.Unmarshal(said, &got); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(expected), &want); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("OAuth: %v: what node-zendesk has got (-want +got):\n%s", oauth, diff)
		}
	}
}

// tokenOf is a token of an OAuth client, which is asked for as programs do that nobody sits before.
func tokenOf(t *testing.T, desk *zendesktest.Desk) string {
	t.Helper()
	app := desk.NewOAuthClient()
	asked := url.Values{"grant_type": {"client_credentials"}, "client_id": {app.ID}, "client_secret": {app.Secret}, "scope": {"read write"}}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, desk.URL+"/oauth/tokens", strings.NewReader(asked.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var out struct {
		Token string `json:"access_token"`
	}
	if err := json.NewDecoder(res.Body).Decode(&out); err != nil {
		t.Fatal(err)
	}
	return out.Token
}

const expected = `{
	"me": "admin",
	"created": ["Jane", "4711", null, []],
	"duplicate": "Request processing failed: Zendesk Error (422): Unprocessable Entity",
	"updated": true,
	"identities": [["jane@example.com", true], ["jane@home.example.com", false]],
	"shown": "Jane Miller",
	"suspended": true,
	"users": ["API User", "Jane Miller"],
	"found": ["Jane Miller"],
	"upload": ["slip.png", "image/png", "not_scanned"],
	"ticket": ["Lost parcel", "new", true, ["botpress"], null],
	"reopened": "pending",
	"refused": "Request processing failed: Zendesk Error (422): Unprocessable Entity",
	"comments": [
		["It is lost", "<div class=\"zd-comment\" dir=\"auto\"><p>It is lost</p></div>", true, 1],
		["Which one?", "<div class=\"zd-comment\" dir=\"auto\"><p>Which one?</p></div>", true, 0]
	],
	"tickets": 121,
	"filtered": 121,
	"search": [["ticket", "Lost parcel"]],
	"count": 121,
	"webhook": ["Ours", true],
	"trigger": ["Ours", [], true],
	"retitled": "Still ours",
	"triggers": ["Still ours"],
	"gone": "Request processing failed: Zendesk Error (404): Item not found"
}`
