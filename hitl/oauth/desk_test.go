package oauth_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"time"
)

// desk is a strict issuer of tokens and an API that takes them. A refresh token is good for one request; the second one revokes
// all tokens of the family, and so does a renewal for the tokens before it.
type desk struct {
	life time.Duration // Of access tokens.

	mu       sync.Mutex    // Guards what follows.
	latency  time.Duration // Of requests for tokens.
	last     int
	access   map[string]grant
	refresh  map[string]int // The family of a refresh token. Negative: used.
	codes    map[string]code
	spent    map[string]int // The family of a code that was used.
	issued   int
	asked    int // Requests for tokens.
	families int
	reused   int
	calls    int
	refused  int      // Calls with a token that is not valid.
	stubborn bool     // Refuses every token.
	shown    []string // What calls were authorized with.
	faults   []int    // Statuses that the next requests for tokens are answered with; 0: the answer is lost after the work, -1: before.
}

// Answers that are no status.
const (
	nonsense = 10_000 // 200 with a page.
	saysNo   = 10_001 // 200 with an error.
)

type grant struct {
	family int
	until  time.Time
}

type code struct {
	challenge, redirect string
}

func newDesk() *desk {
	return &desk{life: time.Hour, access: map[string]grant{}, refresh: map[string]int{}, codes: map[string]code{}, spent: map[string]int{}}
}

func (d *desk) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/oauth/tokens":
		d.mu.Lock()
		latency := d.latency
		d.mu.Unlock()
		<-time.After(latency)
		d.issue(w, r)
	case "/oauth/authorizations/new":
		d.consent(w, r)
	case "/elsewhere":
		http.Redirect(w, r, "http://files.test/"+r.Header.Get("Authorization"), http.StatusFound)
	default:
		d.mu.Lock()
		defer d.mu.Unlock()
		d.calls++
		d.shown = append(d.shown, r.Header.Get("Authorization"))
		g, ok := d.access[r.Header.Get("Authorization")]
		if d.stubborn || !ok || time.Now().After(g.until) {
			d.refused++
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = fmt.Fprint(w, `{"error":"invalid_token"}`)
			return
		}
		_, _ = fmt.Fprint(w, "hello")
	}
}

func refuse(w http.ResponseWriter, status int, kind string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, `{"error":%q,"error_description":"a secret-123 that is not to be shown"}`, kind)
}

func (d *desk) issue(w http.ResponseWriter, r *http.Request) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asked++
	fault := 1
	if len(d.faults) > 0 {
		fault, d.faults = d.faults[0], d.faults[1:]
	}
	switch {
	case fault < 0:
		panic(http.ErrAbortHandler)
	case fault == nonsense:
		_, _ = fmt.Fprint(w, "<html>Welcome!</html>")
		return
	case fault == saysNo:
		refuse(w, http.StatusOK, "invalid_grant")
		return
	case fault > 1:
		refuse(w, fault, "unavailable%s")
		return
	}
	if r.FormValue("client_id") != "client" || r.FormValue("client_secret") != "secret-of-the-client" {
		refuse(w, http.StatusUnauthorized, "invalid_client")
		return
	}
	family := 0
	switch r.FormValue("grant_type") {
	case "client_credentials":
	case "authorization_code":
		c, ok := d.codes[r.FormValue("code")]
		delete(d.codes, r.FormValue("code"))
		if used := d.spent[r.FormValue("code")]; used > 0 {
			d.revoke(used) // RFC 6749, section 4.1.2.
		}
		sum := sha256.Sum256([]byte(r.FormValue("code_verifier")))
		if !ok || c.challenge != base64.RawURLEncoding.EncodeToString(sum[:]) || c.redirect != r.FormValue("redirect_uri") {
			refuse(w, http.StatusBadRequest, "invalid_grant")
			return
		}
		d.families++
		family = d.families
		d.spent[r.FormValue("code")] = family
	case "refresh_token":
		family = d.refresh[r.FormValue("refresh_token")]
		switch {
		case family < 0:
			d.reused++
			d.revoke(-family)
			fallthrough
		case family == 0:
			refuse(w, http.StatusBadRequest, "invalid_grant")
			return
		}
		d.revoke(family)
	}
	d.last++
	d.issued++
	answer := map[string]any{"access_token": fmt.Sprintf("access-%d", d.last), "token_type": "bearer", "expires_in": int(d.life / time.Second), "scope": "read write"}
	d.access["Bearer "+answer["access_token"].(string)] = grant{family, time.Now().Add(d.life)}
	if family > 0 {
		answer["refresh_token"] = fmt.Sprintf("refresh-%d", d.last)
		d.refresh[answer["refresh_token"].(string)] = family
	}
	if fault == 0 {
		panic(http.ErrAbortHandler)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusCreated) // Zendesk's
	_ = json.NewEncoder(w).Encode(answer)
}

// revoke ends what a family has. Its refresh tokens are remembered as used.
func (d *desk) revoke(family int) {
	for t, g := range d.access {
		if g.family == family {
			delete(d.access, t)
		}
	}
	for t, f := range d.refresh {
		if f == family {
			d.refresh[t] = -family
		}
	}
}

// consent is somebody who says yes at once.
func (d *desk) consent(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	d.mu.Lock()
	d.last++
	name := fmt.Sprintf("code-%d", d.last)
	d.codes[name] = code{challenge: q.Get("code_challenge"), redirect: q.Get("redirect_uri")}
	d.mu.Unlock()
	back, err := url.Parse(q.Get("redirect_uri"))
	if err != nil || q.Get("code_challenge_method") != "S256" || q.Get("client_id") != "client" || q.Get("response_type") != "code" || q.Get("scope") != "read write" {
		http.Error(w, "not like this", http.StatusBadRequest)
		return
	}
	back.RawQuery = url.Values{"code": {name}, "state": {q.Get("state")}}.Encode()
	http.Redirect(w, r, back.String(), http.StatusFound)
}

func (d *desk) slow(latency time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.latency = latency
}

// endAll has every access token expire.
func (d *desk) endAll() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.access = map[string]grant{}
}

// served is how many calls of the API there were.
func (d *desk) served() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.calls
}

// live is how many tokens are good.
func (d *desk) live() (access, refresh int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, g := range d.access {
		if time.Now().Before(g.until) {
			access++
		}
	}
	for _, family := range d.refresh {
		if family > 0 {
			refresh++
		}
	}
	return access, refresh
}

// count runs something and returns how many tokens were issued meanwhile.
func (d *desk) count(do func()) int {
	d.mu.Lock()
	before := d.issued
	d.mu.Unlock()
	do()
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.issued - before
}
