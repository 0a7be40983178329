package zendesktest

import (
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"time"
)

// consent is the page on which an admin lets an application in. Nobody needs to sign in first: whoever has the browser is the
// account's admin.
var consent = template.Must(template.New("consent").Parse(`<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{{if .Refused}}Not possible{{else}}Allow access?{{end}}</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; max-width: 32em; margin: 3em auto; padding: 0 1em }
button { font: inherit; padding: .5em 1.5em; margin-right: 1em }
</style>
{{if .Refused}}<h1>Not possible</h1>
<p>{{.Refused}}</p>
{{else}}<h1>Allow access to this Zendesk?</h1>
<p>The application <strong>{{.Client}}</strong> wants to work as <strong>{{.User}}</strong>, with these scopes: <strong>{{.Scope}}</strong>.</p>
<form method="post" action="/oauth/authorizations">
{{range $name, $value := .Fields}}<input type="hidden" name="{{$name}}" value="{{$value}}">
{{end}}<button id="allow" name="decision" value="allow">Allow</button>
<button id="deny" name="decision" value="deny">Deny</button>
</form>
{{end}}</html>
`))

// asked are the parameters of a request for consent.
var asked = []string{"response_type", "client_id", "redirect_uri", "scope", "state", "code_challenge", "code_challenge_method"}

func page(w http.ResponseWriter, status int, data wire) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("X-Frame-Options", "DENY")
	w.WriteHeader(status)
	_ = consent.Execute(w, data) // Whoever asked is gone if this fails.
}

// askConsent shows the page.
func (d *Desk) askConsent(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	d.mu.Lock()
	d.requests = append(d.requests, "GET "+r.URL.Path) // The query has what is nobody's business.
	client, wrong := d.mayAsk(q)
	user := d.users[0].Name
	d.mu.Unlock()
	switch {
	case client == nil:
		page(w, http.StatusBadRequest, wire{"Refused": wrong})
	case wrong != "":
		back(w, r, q, url.Values{"error": {wrong}})
	default:
		fields := map[string]string{}
		for _, name := range asked {
			fields[name] = q.Get(name)
		}
		page(w, http.StatusOK, wire{"Client": client.ID, "User": user, "Scope": q.Get("scope"), "Fields": fields})
	}
}

// mayAsk checks a request for consent. Without a client the browser cannot be sent back, and what is wrong is for people.
func (d *Desk) mayAsk(q url.Values) (client *OAuthClient, wrong string) {
	client = d.oauthClient(q.Get("client_id"))
	_, scoped := scopesOf(q.Get("scope"))
	method := q.Get("code_challenge_method")
	switch {
	case client == nil:
		return nil, "There is no such application."
	case !slices.Contains(client.RedirectURIs, q.Get("redirect_uri")):
		return nil, "The application is not registered for this redirect address."
	case q.Get("response_type") != "code":
		return client, "unsupported_response_type"
	case !scoped:
		return client, "invalid_scope"
	case (q.Get("code_challenge") != "") != (method != "") || method != "" && method != methodOfPKCE:
		return client, errRequest
	}
	return client, ""
}

// takeConsent sends the browser back, with a code or without.
func (d *Desk) takeConsent(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		page(w, http.StatusBadRequest, wire{"Refused": "The form cannot be read."})
		return
	}
	q := r.PostForm
	d.mu.Lock()
	d.requests = append(d.requests, "POST "+r.URL.Path)
	client, wrong := d.mayAsk(q)
	code := newToken()
	if client != nil && wrong == "" && q.Get("decision") == "allow" {
		scopes, _ := scopesOf(q.Get("scope"))
		d.codes[code] = &authorization{
			grant:       &grant{client: client.ID, user: d.users[0], scopes: scopes},
			redirectURI: q.Get("redirect_uri"), challenge: q.Get("code_challenge"), expires: time.Now().Add(codeLife),
		}
	}
	d.mu.Unlock()
	switch {
	case client == nil:
		page(w, http.StatusBadRequest, wire{"Refused": wrong})
	case wrong != "":
		back(w, r, q, url.Values{"error": {wrong}})
	case q.Get("decision") != "allow":
		back(w, r, q, url.Values{"error": {"access_denied"}, "error_description": {"The end-user or authorization server denied the request."}})
	default:
		back(w, r, q, url.Values{"code": {code}})
	}
}

const maxForm = 1 << 20 // bytes

// back sends the browser to the application, whose address has been checked.
func back(w http.ResponseWriter, r *http.Request, q, say url.Values) {
	to, err := url.Parse(q.Get("redirect_uri"))
	if err != nil {
		page(w, http.StatusBadRequest, wire{"Refused": "The redirect address is none."})
		return
	}
	query := to.Query()
	for name := range say {
		query.Set(name, say.Get(name))
	}
	if state := q.Get("state"); state != "" {
		query.Set("state", state)
	}
	to.RawQuery = query.Encode()
	http.Redirect(w, r, to.String(), http.StatusFound) //nolint:gosec // The client is registered for this address.
}
