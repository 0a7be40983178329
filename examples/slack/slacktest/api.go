package slacktest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// refusal is an error that the API answers with status 200.
type refusal string

func (r refusal) Error() string { return string(r) }

// detailed is a refusal that says more.
type detailed struct {
	refusal
	more wire
}

// call is a call of a method.
type call struct {
	method string
	args   map[string]string // What is not a string is as JSON has it.
	token  string
	header bool // The token came in the header.
}

func (c *call) arg(name string) string { return c.args[name] }

func (c *call) has(name string) bool { _, ok := c.args[name]; return ok }

func (c *call) flag(name string) bool {
	v := c.args[name]
	return v == "1" || v == "true"
}

// method is a method of the API.
type method struct {
	scope string // One of these, separated by spaces; empty if none is needed.
	app   bool   // It takes the app's token and not the bot's.
	tier  tier
	do    func(s *Slack, c *call) (wire, error)
}

var methods = map[string]method{
	"auth.test":                    {tier: tierSpecial, do: (*Slack).authTest},
	"apps.connections.open":        {tier: tier1, app: true, do: (*Slack).connectionsOpen},
	"chat.postMessage":             {tier: tierPost, scope: "chat:write", do: (*Slack).postMessage},
	"chat.postEphemeral":           {tier: tier4, scope: "chat:write", do: (*Slack).postEphemeral},
	"chat.update":                  {tier: tier3, scope: "chat:write", do: (*Slack).update},
	"conversations.replies":        {tier: tier3, scope: "channels:history", do: (*Slack).conversationsReplies},
	"conversations.history":        {tier: tier3, scope: "channels:history", do: (*Slack).conversationsHistory},
	"conversations.info":           {tier: tier3, scope: "channels:read", do: (*Slack).conversationsInfo},
	"conversations.members":        {tier: tier4, scope: "channels:read", do: (*Slack).conversationsMembers},
	"users.info":                   {tier: tier4, scope: "users:read", do: (*Slack).usersInfo},
	"files.info":                   {tier: tier4, scope: "files:read", do: (*Slack).filesInfo},
	"files.getUploadURLExternal":   {tier: tier4, scope: "files:write", do: (*Slack).getUploadURL},
	"files.completeUploadExternal": {tier: tier4, scope: "files:write", do: (*Slack).completeUpload},
}

func (s *Slack) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/api/{method}", s.serveAPI)
	mux.HandleFunc("GET /link/", s.serveSocket)
	mux.HandleFunc("POST /upload/v1/{id}", s.serveUpload)
	mux.HandleFunc("GET /files-pri/{id}/", s.serveDownload)
	mux.HandleFunc("GET /{$}", serveSignIn)
	return mux
}

// largest is more than any request to the API may have.
const largest = 4 << 20

func (s *Slack) serveAPI(w http.ResponseWriter, r *http.Request) {
	c, err := read(r)
	s.mu.Lock()
	slow := s.slow
	s.mu.Unlock()
	if slow > 0 { // In a bubble, many timers without a time make the race detector crash.
		_ = s.sleep(slow)
	}
	status, header, body, hangUp := s.answer(c, err)
	if hangUp {
		panic(http.ErrAbortHandler)
	}
	for name, value := range header {
		w.Header().Set(name, value)
	}
	if status == http.StatusServiceUnavailable {
		http.Error(w, "<html><body>Slack is down.</body></html>", status)
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // The caller may have gone.
}

// read reads a call from a request: a form, JSON, or the query.
func read(r *http.Request) (*call, error) {
	c := &call{method: r.PathValue("method"), args: map[string]string{}}
	for name, values := range r.URL.Query() {
		c.args[name] = values[len(values)-1]
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, largest+1))
	if err != nil || len(body) > largest {
		return c, refusal("invalid_form_data")
	}
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	token, bearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	switch {
	case r.Method == http.MethodGet || len(body) == 0:
	case kind == "application/json":
		if !bearer {
			return c, refusal("not_authed") // In JSON a token is not looked for.
		}
		var fields map[string]json.RawMessage
		if string(body) != "null" && json.Unmarshal(body, &fields) != nil {
			return c, refusal("invalid_json")
		}
		for name, raw := range fields {
			var text string
			if string(raw) == "null" {
				continue
			}
			if json.Unmarshal(raw, &text) != nil {
				text = string(raw)
			}
			c.args[name] = text
		}
		delete(c.args, "token")
	default:
		form, err := readForm(r.Header.Get("Content-Type"), body)
		if err != nil {
			return c, refusal("invalid_form_data")
		}
		for name, values := range form {
			c.args[name] = values[len(values)-1]
		}
	}
	c.token, c.header = c.args["token"], bearer
	if bearer {
		c.token = token
	}
	return c, nil
}

// readForm reads a form of either kind.
func readForm(contentType string, body []byte) (map[string][]string, error) {
	kind, params, err := mime.ParseMediaType(contentType)
	if err != nil || kind != "multipart/form-data" {
		return url.ParseQuery(string(body))
	}
	form, err := multipart.NewReader(bytes.NewReader(body), params["boundary"]).ReadForm(largest)
	if err != nil {
		return nil, err
	}
	return form.Value, form.RemoveAll()
}

// answer does what is asked for, or refuses it.
func (s *Slack) answer(c *call, unreadable error) (status int, header map[string]string, body wire, hangUp bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, c.method)
	if s.down {
		return http.StatusServiceUnavailable, nil, nil, false
	}
	if wait := s.limit(c); wait > 0 {
		return http.StatusTooManyRequests, map[string]string{"Retry-After": strconv.Itoa(wait)}, wire{"ok": false, "error": "ratelimited"}, false
	}
	header = map[string]string{"X-OAuth-Scopes": strings.Join(s.scopes, ",")}
	err := unreadable
	if code := s.refused[c.method]; err == nil && code != "" {
		err = refusal(code)
	}
	if err == nil {
		body, err = s.do(c)
	}
	if err != nil {
		body = wire{"ok": false, "error": err.Error()}
		var more *detailed
		if errors.As(err, &more) {
			maps.Copy(body, more.more)
		}
	} else {
		body["ok"] = true
		if s.lose[c.method] {
			delete(s.lose, c.method)
			return 0, nil, nil, true
		}
	}
	// It is written when s.mu is free again: what is in it must not change with the workspace.
	raw, _ := json.Marshal(body)
	body = nil
	_ = json.Unmarshal(raw, &body)
	return http.StatusOK, header, body, false
}

func (s *Slack) do(c *call) (wire, error) {
	m, ok := methods[c.method]
	switch {
	case !ok:
		return nil, refusal("unknown_method")
	case c.token == "":
		return nil, refusal("not_authed")
	case c.token != s.BotToken && c.token != s.AppToken:
		return nil, refusal("invalid_auth")
	case s.revoked:
		return nil, refusal("token_revoked")
	case m.app && !c.header:
		return nil, refusal("missing_args")
	case m.app != (c.token == s.AppToken):
		return nil, refusal("not_allowed_token_type")
	}
	if m.scope != "" && !s.granted(m.scope) {
		return nil, s.missing(m.scope)
	}
	return m.do(s, c)
}

func (s *Slack) granted(scope string) bool { return slices.Contains(s.scopes, scope) }

func (s *Slack) missing(scope string) error {
	return &detailed{"missing_scope", wire{"needed": scope, "provided": strings.Join(s.scopes, ",")}}
}

func (s *Slack) authTest(*call) (wire, error) {
	return wire{
		"url": s.URL + "/", "team": "Acme", "user": s.users[s.BotUserID].handle, "team_id": s.TeamID, "user_id": s.BotUserID,
		"bot_id": s.BotID, "is_enterprise_install": false,
	}, nil
}

// ours says whether a call means the channel and may do so.
func (s *Slack) ours(c *call) error {
	switch {
	case c.arg("channel") != s.Channel:
		return refusal("channel_not_found")
	case !s.in[s.BotUserID]:
		return refusal("not_in_channel")
	}
	return nil
}

// number is an argument between 1 and most.
func number(c *call, name string, otherwise, most int) (int, error) {
	if c.arg(name) == "" {
		return otherwise, nil
	}
	n, err := strconv.Atoi(c.arg(name))
	if err != nil || n < 1 || n > most {
		return 0, refusal("invalid_limit")
	}
	return n, nil
}

// object decodes JSON from an argument.
func object(c *call, name string, into any) error {
	if err := json.Unmarshal([]byte(c.arg(name)), into); err != nil {
		return fmt.Errorf("slacktest: %s: %w", name, err)
	}
	return nil
}
