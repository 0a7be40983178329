package zendesktest

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// OAuthClient is an application that may ask for tokens.
type OAuthClient struct {
	ID           string // What Zendesk calls the client's identifier.
	Secret       string
	RedirectURIs []string
}

// NewOAuthClient registers an application; people can be sent back to these addresses and no others.
func (d *Desk) NewOAuthClient(redirectURIs ...string) OAuthClient {
	d.mu.Lock()
	defer d.mu.Unlock()
	c := OAuthClient{ID: fmt.Sprintf("client_%d", d.nextID()), Secret: newToken(), RedirectURIs: slices.Clone(redirectURIs)}
	d.clients = append(d.clients, c)
	return c
}

// ExpireTokens lets every access token expire that OAuth clients were given. Refresh tokens live on.
func (d *Desk) ExpireTokens() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, t := range d.access {
		t.expires = time.Now()
	}
}

// RevokeTokens takes back all that OAuth clients were ever allowed, as an admin does who removes an application.
func (d *Desk) RevokeTokens() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, t := range d.access {
		t.revoked = true
	}
	for _, t := range d.refresh {
		t.revoked = true
	}
}

// How long tokens live, if nobody asks for something else, and for what can be asked.
const (
	codeLife         = 120 * time.Second
	accessLife       = 30 * time.Minute
	shortestAccess   = 300 * time.Second // Each of these bounds is itself out of bounds.
	longestAccess    = 48 * time.Hour
	refreshLife      = 30 * 24 * time.Hour
	shortestRefresh  = 7 * 24 * time.Hour
	longestRefresh   = 90 * 24 * time.Hour
	methodOfPKCE     = "S256"
	errInvalidGrant  = "invalid_grant"
	errInvalidClient = "invalid_client"
	errRequest       = "invalid_request"
)

// grant is what a client may do for a user. All tokens that come from it are one family.
type grant struct {
	client  string
	user    *User
	scopes  []string
	open    bool // It came with PKCE and without the client's secret.
	revoked bool
}

type accessToken struct {
	*grant

	expires time.Time
}

type refreshToken struct {
	*grant

	access  string // The access token that was given with it.
	used    bool
	expires time.Time
}

// authorization is a code that waits to be exchanged.
type authorization struct {
	*grant

	redirectURI string
	challenge   string
	used        bool
	expires     time.Time
}

func newToken() string { return strings.ToLower(rand.Text() + rand.Text()) }

func oauthError(status int, kind, description string) *apiError {
	return &apiError{
		status: status, kind: kind, says: saysOther, args: []any{description},
		raw: wire{"error": kind, "error_description": description},
	}
}

func (d *Desk) oauthClient(id string) *OAuthClient {
	if i := slices.IndexFunc(d.clients, func(c OAuthClient) bool { return c.ID == id }); i >= 0 {
		return &d.clients[i]
	}
	return nil
}

// parameters are a request's fields, sent as a form or as JSON.
func (r *request) parameters() (map[string]string, *apiError) {
	out := map[string]string{}
	if strings.HasPrefix(r.Header.Get("Content-Type"), "application/json") {
		var in map[string]words
		if refused := r.decode(&in); refused != nil {
			return nil, refused
		}
		for name, value := range in {
			out[name] = value.text
		}
		return out, nil
	}
	form, err := url.ParseQuery(string(r.body))
	if err != nil {
		return nil, oauthError(http.StatusBadRequest, errRequest, err.Error())
	}
	for name := range form {
		out[name] = form.Get(name)
	}
	return out, nil
}

// token answers POST /oauth/tokens.
func (d *Desk) token(r *request) (any, *apiError) {
	p, refused := r.parameters()
	if refused != nil {
		return nil, refused
	}
	client := d.oauthClient(p["client_id"])
	if client == nil || p["client_secret"] != "" && !same(p["client_secret"], client.Secret) {
		return nil, oauthError(http.StatusUnauthorized, errInvalidClient, "The client is unknown, or its secret is wrong.")
	}
	access, refused := life(p, "expires_in", accessLife, shortestAccess, longestAccess)
	if refused != nil {
		return nil, refused
	}
	refresh, refused := life(p, "refresh_token_expires_in", refreshLife, shortestRefresh, longestRefresh)
	if refused != nil {
		return nil, refused
	}
	r.status = http.StatusOK
	var g *grant
	switch p["grant_type"] {
	case "client_credentials":
		if g, refused = d.credentials(client, p); refused != nil {
			return nil, refused
		}
		return d.issue(g, access, 0), nil
	case "authorization_code":
		g, refused = d.exchange(client, p)
	case "refresh_token":
		g, refused = d.rotate(client, p)
	default:
		return nil, oauthError(http.StatusBadRequest, "unsupported_grant_type", "This grant type is not supported.")
	}
	if refused != nil {
		return nil, refused
	}
	return d.issue(g, access, refresh), nil
}

// life is how long a token shall live.
func life(p map[string]string, name string, usual, shortest, longest time.Duration) (time.Duration, *apiError) {
	if p[name] == "" {
		return usual, nil
	}
	n, err := strconv.Atoi(p[name])
	if wanted := time.Duration(n) * time.Second; err == nil && wanted > shortest && wanted < longest {
		return wanted, nil
	}
	return 0, oauthError(http.StatusBadRequest, errRequest, fmt.Sprintf("%s must be more than %.0f and less than %.0f.", name, shortest.Seconds(), longest.Seconds()))
}

// issue makes the tokens. Without a life for it there is no refresh token.
func (d *Desk) issue(g *grant, access, refresh time.Duration) wire {
	token := newToken()
	d.access[token] = &accessToken{grant: g, expires: time.Now().Add(access)}
	out := wire{"access_token": token, "token_type": "bearer", "scope": strings.Join(g.scopes, " "), "expires_in": int(access.Seconds())}
	if refresh > 0 {
		next := newToken()
		d.refresh[next] = &refreshToken{grant: g, access: token, expires: time.Now().Add(refresh)}
		out["refresh_token"], out["refresh_token_expires_in"] = next, int(refresh.Seconds())
	}
	return out
}

// credentials lets a client work for the admin who has registered it.
func (d *Desk) credentials(client *OAuthClient, p map[string]string) (*grant, *apiError) {
	if p["client_secret"] == "" {
		return nil, oauthError(http.StatusUnauthorized, errInvalidClient, "The client's secret is missing.")
	}
	scopes, ok := scopesOf(p["scope"])
	if !ok {
		return nil, oauthError(http.StatusBadRequest, "invalid_scope", "The scope is missing or unknown.")
	}
	return &grant{client: client.ID, user: d.users[0], scopes: scopes}, nil
}

// exchange gives tokens for a code. A code that comes twice was stolen: all that came of it ends.
func (d *Desk) exchange(client *OAuthClient, p map[string]string) (*grant, *apiError) {
	a := d.codes[p["code"]]
	if a != nil && a.used {
		a.revoked = true
	}
	verified := sha256.Sum256([]byte(p["code_verifier"]))
	switch {
	case a == nil || a.used || a.client != client.ID || !time.Now().Before(a.expires) || a.redirectURI != p["redirect_uri"]:
		return nil, oauthError(http.StatusBadRequest, errInvalidGrant, "The code is invalid, expired or used, or was issued for another client or address.")
	case a.challenge == "" && p["client_secret"] == "":
		return nil, oauthError(http.StatusUnauthorized, errInvalidClient, "The client's secret is missing.")
	case a.challenge != "" && !same(base64.RawURLEncoding.EncodeToString(verified[:]), a.challenge):
		return nil, oauthError(http.StatusBadRequest, errInvalidGrant, "The code verifier is not that of the challenge.")
	}
	a.used, a.open = true, p["client_secret"] == ""
	return a.grant, nil
}

// rotate gives new tokens for a refresh token, which dies with its access token. One that comes twice was stolen, or its
// answer was lost: the whole family ends.
func (d *Desk) rotate(client *OAuthClient, p map[string]string) (*grant, *apiError) {
	t := d.refresh[p["refresh_token"]]
	if t != nil && t.client == client.ID && t.used {
		t.revoked = true
	}
	switch {
	case t == nil || t.client != client.ID || t.used || t.revoked || !time.Now().Before(t.expires):
		return nil, oauthError(http.StatusBadRequest, errInvalidGrant, "The refresh token is invalid, expired, revoked or used.")
	case !t.open && p["client_secret"] == "":
		return nil, oauthError(http.StatusUnauthorized, errInvalidClient, "The client's secret is missing.")
	}
	t.used = true
	delete(d.access, t.access)
	return t.grant, nil
}

// scopesOf reads scopes, of which there must be one.
func scopesOf(scope string) ([]string, bool) {
	scopes := strings.Fields(scope)
	known := func(s string) bool {
		_, verb, ok := strings.Cut(s, ":")
		if !ok {
			verb = s
		}
		return verb == "read" || verb == "write"
	}
	return scopes, len(scopes) > 0 && !slices.ContainsFunc(scopes, func(s string) bool { return !known(s) })
}
