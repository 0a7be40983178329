package zendesktest_test

import (
	"crypto/sha256"
	"encoding/base64"
	"io"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hitl-go/sdk/examples/zendesk/zendesktest"
)

const callback = "https://app.example.com/callback"

// tokens asks for tokens with a form.
func (c *client) tokens(p url.Values) (int, map[string]any) {
	c.Helper()
	return c.send(http.MethodPost, c.desk.URL+"/oauth/tokens", p.Encode(), "Content-Type", "application/x-www-form-urlencoded", "Authorization", "")
}

// as makes a request with a token.
func (c *client) as(token, method, path, body string) int {
	c.Helper()
	status, _ := c.call(method, path, body, "Authorization", "Bearer "+token)
	return status
}

func TestClientCredentials(t *testing.T) {
	c := newClient(t)
	app := c.desk.NewOAuthClient(callback)
	good := url.Values{"grant_type": {"client_credentials"}, "client_id": {app.ID}, "client_secret": {app.Secret}, "scope": {"read write"}}
	for name, test := range map[string]struct {
		field, value string
		status       int
		want         any // The error, or how long the token lives.
	}{
		"good":            {"scope", "read write", 200, 1800.0},
		"longest":         {"expires_in", "172799", 200, 172799.0},
		"shortest":        {"expires_in", "301", 200, 301.0},
		"too long":        {"expires_in", "172800", 400, "invalid_request"},
		"too short":       {"expires_in", "300", 400, "invalid_request"},
		"no number":       {"expires_in", "soon", 400, "invalid_request"},
		"wrong secret":    {"client_secret", "x", 401, "invalid_client"},
		"no secret":       {"client_secret", "", 401, "invalid_client"},
		"unknown client":  {"client_id", "x", 401, "invalid_client"},
		"no scope":        {"scope", "", 400, "invalid_scope"},
		"odd scope":       {"scope", "read everything", 400, "invalid_scope"},
		"odd grant":       {"grant_type", "password", 400, "unsupported_grant_type"},
		"no code":         {"grant_type", "authorization_code", 400, "invalid_grant"},
		"no refreshtoken": {"grant_type", "refresh_token", 400, "invalid_grant"},
	} {
		p := maps.Clone(good)
		p.Set(test.field, test.value)
		status, got := c.tokens(p)
		if status != test.status || got["error"] != test.want && got["expires_in"] != test.want {
			t.Errorf("%s: %d %v", name, status, got)
		}
		if got["refresh_token"] != nil {
			t.Errorf("%s: client credentials need no refresh token: %v", name, got)
		}
	}
	status, got := c.send(http.MethodPost, c.desk.URL+"/oauth/tokens",
		`{'grant_type': 'client_credentials', 'client_id': '`+app.ID+`', 'client_secret': '`+app.Secret+`', 'scope': 'read', 'expires_in': 600}`,
		"Content-Type", "application/json", "Authorization", "")
	if status != 200 || got["expires_in"] != 600.0 || got["token_type"] != "bearer" || got["scope"] != "read" {
		t.Errorf("JSON: %d %v", status, got)
	}
	if n := len(c.desk.Requests()); n != 15 || c.desk.Requests()[0] != "POST /oauth/tokens" {
		t.Errorf("requests: %q", c.desk.Requests())
	}
}

func TestScopes(t *testing.T) {
	c := newClient(t)
	app := c.desk.NewOAuthClient()
	for _, test := range []struct {
		scope, method, path, body string
		want                      int
	}{
		{"read", "GET", "users/me", "", 200},
		{"read", "POST", "users", `{'user': {'name': 'x'}}`, 403},
		{"write", "POST", "users", `{'user': {'name': 'x'}}`, 201},
		{"write", "GET", "users/me", "", 403},
		{"users:read", "GET", "users/me", "", 200},
		{"users:read", "GET", "tickets", "", 403},
		{"users:read tickets:read", "GET", "tickets", "", 200},
		{"users:read users:write", "GET", "users/360000101/identities", "", 403},
	} {
		_, got := c.tokens(url.Values{"grant_type": {"client_credentials"}, "client_id": {app.ID}, "client_secret": {app.Secret}, "scope": {test.scope}})
		token, _ := got["access_token"].(string)
		if status := c.as(token, test.method, test.path, test.body); status != test.want {
			t.Errorf("%s, %s %s: %d", test.scope, test.method, test.path, status)
		}
	}
}

func TestTokensExpire(t *testing.T) {
	bubble(t, func(c *client) {
		app := c.desk.NewOAuthClient()
		p := url.Values{"grant_type": {"client_credentials"}, "client_id": {app.ID}, "client_secret": {app.Secret}, "scope": {"read"}, "expires_in": {"301"}}
		token := func() string {
			_, got := c.tokens(p)
			s, _ := got["access_token"].(string)
			return s
		}
		first := token()
		time.Sleep(300 * time.Second)
		if status := c.as(first, "GET", "users/me", ""); status != 200 {
			c.Errorf("before its end: %d", status)
		}
		time.Sleep(time.Second)
		status, got := c.call("GET", "users/me", "", "Authorization", "Bearer "+first)
		if status != 401 || got["error"] != "invalid_token" {
			c.Errorf("after its end: %d %v", status, got)
		}
		second := token()
		c.desk.ExpireTokens()
		if status := c.as(second, "GET", "users/me", ""); status != 401 {
			c.Errorf("expired at once: %d", status)
		}
		if status := c.as(c.desk.AccessToken, "GET", "users/me", ""); status != 200 {
			c.Errorf("a token of the old kind: %d", status)
		}
	})
}

// consent asks for consent and decides; it returns where the browser is sent.
func (c *client) consent(p url.Values, decision string) *url.URL {
	c.Helper()
	status, page := c.page(http.MethodGet, "/oauth/authorizations/new?"+p.Encode(), "")
	if status.StatusCode == http.StatusOK {
		form := url.Values{"decision": {decision}}
		for _, field := range regexp.MustCompile(`type="hidden" name="([a-z_]+)" value="([^"]*)"`).FindAllStringSubmatch(page, -1) {
			form.Set(field[1], strings.ReplaceAll(strings.ReplaceAll(field[2], "&amp;", "&"), "&#43;", "+"))
		}
		for _, id := range []string{`<button id="allow"`, `<button id="deny"`} {
			if !strings.Contains(page, id) {
				c.Errorf("the page has no %s:\n%s", id, page)
			}
		}
		status, _ = c.page(http.MethodPost, "/oauth/authorizations", form.Encode())
	}
	to, err := url.Parse(status.Header.Get("Location"))
	if err != nil {
		c.Fatal(err)
	}
	return to
}

// page makes a request as a browser does, which does not follow redirects.
func (c *client) page(method, path, body string) (*http.Response, string) {
	c.Helper()
	r, err := http.NewRequestWithContext(c.Context(), method, c.desk.URL+path, strings.NewReader(body))
	if err != nil {
		c.Fatal(err)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	browser := &http.Client{
		Transport:     c.transport(),
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	res, err := browser.Do(r)
	if err != nil {
		c.Fatal(err)
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		c.Fatal(err)
	}
	return res, string(data)
}

const verifier = "a-verifier-of-at-least-forty-three-characters-x"

func asking(app zendesktest.OAuthClient) url.Values {
	sum := sha256.Sum256([]byte(verifier))
	return url.Values{
		"response_type": {"code"}, "client_id": {app.ID}, "redirect_uri": {callback}, "scope": {"read write"}, "state": {"s&1"},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"},
	}
}

func TestConsent(t *testing.T) {
	c := newClient(t)
	app := c.desk.NewOAuthClient(callback)
	for name, test := range map[string]struct {
		field, value, decision string
		want                   string // The error; "code" if there is a code; nothing if the browser stays.
	}{
		"allowed":        {"state", "s&1", "allow", "code"},
		"denied":         {"state", "s&1", "deny", "access_denied"},
		"odd client":     {"client_id", "x", "allow", ""},
		"odd address":    {"redirect_uri", "https://evil.example.com/", "allow", ""},
		"odd response":   {"response_type", "token", "allow", "unsupported_response_type"},
		"no scope":       {"scope", "", "allow", "invalid_scope"},
		"plain verifier": {"code_challenge_method", "plain", "allow", "invalid_request"},
		"no challenge":   {"code_challenge", "", "allow", "invalid_request"},
	} {
		p := asking(app)
		p.Set(test.field, test.value)
		to := c.consent(p, test.decision)
		q := to.Query()
		got := q.Get("error")
		if q.Get("code") != "" {
			got = "code"
		}
		if got != test.want || test.want != "" && (q.Get("state") != "s&1" || to.Host != "app.example.com") {
			t.Errorf("%s: %s", name, to)
		}
	}
}

func TestAuthorizationCode(t *testing.T) {
	for name, test := range map[string]struct {
		change func(url.Values)
		want   int
	}{
		"good":             {func(url.Values) {}, 200},
		"public client":    {func(p url.Values) { p.Del("client_secret") }, 200},
		"other verifier":   {func(p url.Values) { p.Set("code_verifier", "x") }, 400},
		"no verifier":      {func(p url.Values) { p.Del("code_verifier") }, 400},
		"other address":    {func(p url.Values) { p.Set("redirect_uri", callback+"/") }, 400},
		"no address":       {func(p url.Values) { p.Del("redirect_uri") }, 400},
		"other code":       {func(p url.Values) { p.Set("code", "x") }, 400},
		"wrong secret":     {func(p url.Values) { p.Set("client_secret", "x") }, 401},
		"too long a life":  {func(p url.Values) { p.Set("refresh_token_expires_in", "7776000") }, 400},
		"too short a life": {func(p url.Values) { p.Set("refresh_token_expires_in", "604800") }, 400},
	} {
		c := newClient(t)
		app := c.desk.NewOAuthClient(callback)
		p := url.Values{
			"grant_type": {"authorization_code"}, "client_id": {app.ID}, "client_secret": {app.Secret}, "redirect_uri": {callback},
			"code": {c.consent(asking(app), "allow").Query().Get("code")}, "code_verifier": {verifier},
		}
		test.change(p)
		status, got := c.tokens(p)
		if status != test.want || status == 200 && (got["refresh_token"] == nil || got["refresh_token_expires_in"] != 2592000.0) {
			t.Errorf("%s: %d %v", name, status, got)
		}
		if status != 200 {
			continue
		}
		token, _ := got["access_token"].(string)
		if again, _ := c.tokens(p); again != 400 || c.as(token, "GET", "users/me", "") != 401 {
			t.Errorf("%s: a code that is used twice must end what came of it", name)
		}
	}
}

func TestCodeExpires(t *testing.T) {
	bubble(t, func(c *client) {
		app := c.desk.NewOAuthClient(callback)
		code := c.consent(asking(app), "allow").Query().Get("code")
		time.Sleep(2 * time.Minute)
		status, got := c.tokens(url.Values{
			"grant_type": {"authorization_code"}, "client_id": {app.ID}, "client_secret": {app.Secret}, "redirect_uri": {callback},
			"code": {code}, "code_verifier": {verifier},
		})
		if status != 400 || got["error"] != "invalid_grant" {
			c.Errorf("%d %v", status, got)
		}
	})
}

// family is what a client holds after somebody has let it in.
func (c *client) family(app zendesktest.OAuthClient) (access, refresh string) {
	c.Helper()
	_, got := c.tokens(url.Values{
		"grant_type": {"authorization_code"}, "client_id": {app.ID}, "client_secret": {app.Secret}, "redirect_uri": {callback},
		"code": {c.consent(asking(app), "allow").Query().Get("code")}, "code_verifier": {verifier},
	})
	access, _ = got["access_token"].(string)
	refresh, _ = got["refresh_token"].(string)
	return access, refresh
}

func (c *client) refresh(app zendesktest.OAuthClient, token string) (status int, access, refresh string) {
	c.Helper()
	status, got := c.tokens(url.Values{"grant_type": {"refresh_token"}, "client_id": {app.ID}, "client_secret": {app.Secret}, "refresh_token": {token}})
	access, _ = got["access_token"].(string)
	refresh, _ = got["refresh_token"].(string)
	return status, access, refresh
}

func TestRefresh(t *testing.T) {
	c := newClient(t)
	app, other := c.desk.NewOAuthClient(callback), c.desk.NewOAuthClient(callback)
	access, first := c.family(app)
	if status, _, _ := c.refresh(other, first); status != 400 {
		t.Errorf("somebody else's refresh token: %d", status)
	}
	if status, got := c.tokens(url.Values{"grant_type": {"refresh_token"}, "client_id": {app.ID}, "refresh_token": {first}}); status != 401 {
		t.Errorf("without the secret: %d %v", status, got)
	}
	status, next, second := c.refresh(app, first)
	if status != 200 || next == access || second == first || second == "" {
		t.Fatalf("a refresh: %d %s %s", status, next, second)
	}
	if c.as(access, "GET", "users/me", "") != 401 || c.as(next, "GET", "users/me", "") != 200 {
		t.Error("the old access token must die, and the new one live")
	}
	if status, _, _ := c.refresh(app, first); status != 400 {
		t.Errorf("a used refresh token: %d", status)
	}
	if status, _, _ := c.refresh(app, second); status != 400 || c.as(next, "GET", "users/me", "") != 401 {
		t.Error("a refresh token that is used twice must end the family")
	}

	access, first = c.family(app)
	c.desk.ExpireTokens()
	if status, _, _ := c.refresh(app, first); status != 200 || c.as(access, "GET", "users/me", "") != 401 {
		t.Error("refresh tokens outlive access tokens")
	}
	_, first = c.family(app)
	c.desk.RevokeTokens()
	if status, _, _ := c.refresh(app, first); status != 400 {
		t.Error("a revoked refresh token works")
	}
}

func TestFaultsOfTokens(t *testing.T) {
	for name, test := range map[string]struct {
		fault zendesktest.Fault
		want  int // Of the attempt, and then of the second one.
		again int
	}{
		"busy":           {zendesktest.Fault{Status: 503}, 503, 200},
		"cut":            {zendesktest.Fault{}, 0, 200},
		"answer is lost": {zendesktest.Fault{AfterWork: true}, 0, 400},
		"gateway":        {zendesktest.Fault{AfterWork: true, Status: 502}, 502, 400},
	} {
		c := newClient(t)
		app := c.desk.NewOAuthClient(callback)
		_, first := c.family(app)
		test.fault.Path = "/oauth/tokens"
		c.desk.Fault(test.fault)
		got, _, _ := c.refresh(app, first)
		again, _, _ := c.refresh(app, first)
		if got != test.want || again != test.again {
			t.Errorf("%s: %d, then %d", name, got, again)
		}
		asked := slices.DeleteFunc(c.desk.Requests(), func(r string) bool { return r != "POST /oauth/tokens" })
		if len(asked) != 3 {
			t.Errorf("%s: %d requests", name, len(asked))
		}
	}
}
