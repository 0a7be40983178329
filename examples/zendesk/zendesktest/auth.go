package zendesktest

import (
	"crypto/subtle"
	"net/http"
	"slices"
	"strings"
	"time"
)

// authenticate tells who asks. They need basic authentication with the API token, or a bearer token that has not expired and
// may do this.
func (d *Desk) authenticate(r *http.Request) (*User, *apiError) {
	if bearer, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
		if same(bearer, d.AccessToken) {
			return d.users[0], nil
		}
		token := d.access[bearer]
		if token == nil || token.revoked || !time.Now().Before(token.expires) {
			return nil, &apiError{status: http.StatusUnauthorized, kind: "invalid_token", raw: wire{
				"error":             "invalid_token",
				"error_description": "The access token provided is expired, revoked, malformed or invalid for other reasons.",
			}}
		}
		if !token.may(r.Method, r.URL.Path) {
			return nil, &apiError{status: http.StatusForbidden, kind: "insufficient_scope", raw: wire{
				"error": "insufficient_scope", "error_description": "The access token has no scope for this request.",
			}}
		}
		return token.user, nil
	}
	if user, token, _ := r.BasicAuth(); user == d.Email+"/token" && same(token, d.Token) {
		return d.users[0], nil
	}
	if r.Header.Get("Authorization") == "" && r.URL.Path == "/api/v2/users/me" {
		return &User{Name: "Anonymous user", Role: "end-user"}, nil
	}
	return nil, &apiError{status: http.StatusUnauthorized, kind: "Unauthorized", raw: wire{"error": "Couldn't authenticate you"}}
}

func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// may reports whether the scopes allow a request: "read" and "write" are for everything, "tickets:read" for one resource.
func (g *grant) may(method, path string) bool {
	verb := "write"
	if method == http.MethodGet {
		verb = "read"
	}
	if slices.Contains(g.scopes, verb) {
		return true
	}
	resource, rest, _ := strings.Cut(strings.TrimPrefix(path, "/api/v2/"), "/")
	if resource == "users" && strings.HasSuffix(rest, "/identities") {
		return false // Identities are not among what "users:read" and "users:write" open.
	}
	return slices.Contains(g.scopes, resource+":"+verb)
}
