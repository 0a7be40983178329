package botpress

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"
)

// DefaultBaseURL is where the Botpress cloud serves its API.
const DefaultBaseURL = "https://api.botpress.cloud"

// DefaultTimeout bounds one attempt of a call when [Options.Timeout] is zero.
const DefaultTimeout = time.Minute

// Options configures a [Client]. Only Token is required.
type Options struct {
	// BaseURL is the address of the API. Empty means [DefaultBaseURL].
	BaseURL string
	// Token is sent as the bearer token: an integration access key, a bot
	// access key or a personal access token.
	Token string
	// BotID is the bot whose data the runtime and files operations work on.
	BotID string
	// IntegrationID is the integration that calls.
	IntegrationID string
	// IntegrationAlias is the name of the integration's installation in the bot.
	IntegrationAlias string
	// WorkspaceID is the workspace that the administration operations work on.
	WorkspaceID string
	// Header is sent with every call of the API, e.g. X-Multiple-Integrations:
	// true. It cannot hold what the client or net/http sets.
	Header http.Header

	// HTTPClient carries the requests. The client copies it and never changes
	// the original; its cookie jar and its redirect policy are not used. Nil
	// means a client with its own pool of at most 100 connections.
	HTTPClient *http.Client
	// Timeout bounds one attempt, from dialing to the last byte of the response.
	// Zero means HTTPClient's timeout, or [DefaultTimeout] if it has none. The
	// context bounds the call with all its attempts and waits.
	Timeout time.Duration
	// Retry is the policy for failed calls. The zero value makes at most four
	// attempts. See [Client.WithRetry].
	Retry Retry

	// Logger receives a debug line for every call and a warning for every
	// retry. Nil means no logging. No line holds a token or a body.
	Logger *slog.Logger
	// OnCall, if set, is called once for every finished call, with the context of
	// the call, for metrics and traces. It must be safe for concurrent use and
	// should return quickly.
	OnCall func(context.Context, Call)
}

// FromEnv reads options from the environment variables of Botpress' own tools:
// BP_API_URL, BP_TOKEN, BP_BOT_ID, BP_INTEGRATION_ID and BP_WORKSPACE_ID.
func FromEnv() Options {
	return Options{
		BaseURL:       os.Getenv("BP_API_URL"),
		Token:         os.Getenv("BP_TOKEN"),
		BotID:         os.Getenv("BP_BOT_ID"),
		IntegrationID: os.Getenv("BP_INTEGRATION_ID"),
		WorkspaceID:   os.Getenv("BP_WORKSPACE_ID"),
	}
}

// Scope identifies one installation of an integration.
type Scope struct {
	BotID            string
	IntegrationID    string
	IntegrationAlias string
}

// Client calls the Botpress API. Create it with [New]; it is safe for
// concurrent use.
type Client struct {
	http   *transport
	retry  Retry
	logger *slog.Logger
	onCall func(context.Context, Call)

	bearer    string // the token, as it is sent
	workspace string
	scope     Scope
	extra     http.Header // Options.Header, in canonical form
	header    http.Header // of every call; it is not written to
	malformed error       // what no header can carry
}

// New returns a client with the given options. It makes no request. It fails
// on a missing or malformed token, on an address that is not an http or https
// URL, and on a header that may not be set.
func New(o Options) (*Client, error) {
	if o.Token == "" {
		return nil, errors.New("botpress: no token: set Options.Token, or BP_TOKEN when the options come from FromEnv")
	}
	if !printable(o.Token) || strings.Contains(o.Token, " ") {
		return nil, errors.New("botpress: the token holds a space, a line break or another character that no token has; check how it was copied")
	}
	base, err := baseURL(cmp.Or(o.BaseURL, DefaultBaseURL))
	if err != nil {
		return nil, err
	}
	for name, id := range map[string]string{
		"BotID": o.BotID, "IntegrationID": o.IntegrationID, "IntegrationAlias": o.IntegrationAlias, "WorkspaceID": o.WorkspaceID,
	} {
		if !printable(id) {
			return nil, fmt.Errorf("botpress: Options.%s holds a line break or another character that a header cannot carry", name)
		}
	}
	extra, err := extraHeader(o.Header)
	if err != nil {
		return nil, err
	}
	logger := o.Logger
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	c := &Client{
		http:      newTransport(base, o.HTTPClient, o.Timeout),
		retry:     o.Retry.withDefaults(),
		logger:    logger,
		onCall:    o.OnCall,
		bearer:    "Bearer " + o.Token,
		workspace: o.WorkspaceID,
		scope:     Scope{BotID: o.BotID, IntegrationID: o.IntegrationID, IntegrationAlias: o.IntegrationAlias},
		extra:     extra,
	}
	c.header, c.malformed = c.headerOfCalls()
	return c, nil
}

// With returns a view of c that calls for another installation. Fields of s
// that are empty keep the value of c. The view shares c's connections, token
// and options; keep it for all calls of the installation.
func (c *Client) With(s Scope) *Client {
	view := *c
	view.scope = Scope{
		BotID:            cmp.Or(s.BotID, c.scope.BotID),
		IntegrationID:    cmp.Or(s.IntegrationID, c.scope.IntegrationID),
		IntegrationAlias: cmp.Or(s.IntegrationAlias, c.scope.IntegrationAlias),
	}
	view.header, view.malformed = view.headerOfCalls()
	return &view
}

// WithRetry returns a view of c with another retry policy. Retry{Max: -1} makes
// one attempt: a write that holds a lease must not be retried, because it may
// arrive after the lease has passed to another. The view shares all else with c.
func (c *Client) WithRetry(r Retry) *Client {
	view := *c
	view.retry = r.withDefaults()
	return &view
}

// CloseIdleConnections closes the connections that no call is using. The
// client stays usable.
func (c *Client) CloseIdleConnections() { c.http.closeIdle() }

// String names the client without its token.
func (c *Client) String() string {
	return "botpress.Client(bot " + c.scope.BotID + ")"
}

// GoString keeps the token out of %#v as well.
func (c *Client) GoString() string { return c.String() }

func baseURL(s string) (string, error) {
	u, err := url.Parse(s)
	switch {
	case err != nil:
		// The error of url.Parse repeats the input, which may hold a password.
		return "", errors.New("botpress: the base URL is malformed; it should look like " + DefaultBaseURL)
	case u.Scheme != "http" && u.Scheme != "https", u.Host == "", u.User != nil, u.RawQuery != "", u.Fragment != "":
		return "", errors.New("botpress: the base URL must be an http or https address without user, query or fragment, like " + DefaultBaseURL)
	}
	return strings.TrimRight(u.String(), "/"), nil
}

// reserved are the headers that Options.Header cannot hold: the client or
// net/http sets them, or they belong to the connection.
var reserved = map[string]bool{
	"Authorization": true, "X-Bot-Id": true, "X-Integration-Id": true, "X-Integration-Alias": true, "X-Workspace-Id": true,
	"Traceparent": true, "Tracestate": true, "Accept": true, "Accept-Encoding": true, "Content-Type": true,
	"Content-Encoding": true, "Content-Length": true, "Cookie": true, "Host": true, "Expect": true, "Range": true,
	"Connection": true, "Keep-Alive": true, "Proxy-Authorization": true, "Proxy-Connection": true, "Te": true, "Trailer": true,
	"Transfer-Encoding": true, "Upgrade": true,
}

// extraHeader copies Options.Header. Its errors repeat no value, which may be a
// secret, and no name that is not one.
func extraHeader(given http.Header) (http.Header, error) {
	extra := make(http.Header, len(given))
	for name, values := range given {
		canonical := http.CanonicalHeaderKey(name)
		switch {
		case !isToken(name):
			return nil, errors.New("botpress: a name in Options.Header is empty or holds a space, a colon or another character that the name of a header cannot hold")
		case reserved[canonical]:
			return nil, fmt.Errorf("botpress: Options.Header holds %s, which the client sets itself; remove it", canonical)
		case extra[canonical] != nil:
			return nil, fmt.Errorf("botpress: Options.Header holds %s twice, in upper and lower case; give it once, with all its values", canonical)
		case slices.ContainsFunc(values, func(v string) bool { return !printable(v) }):
			return nil, fmt.Errorf("botpress: the value of %s in Options.Header holds a line break or another character that a header cannot carry", canonical)
		}
		if len(values) > 0 {
			extra[canonical] = slices.Clip(slices.Clone(values))
		}
	}
	return extra, nil
}

// isToken reports whether s can be the name of a header.
func isToken(s string) bool {
	const others = "!#$%&'*+-.^_`|~"
	return s != "" && strings.IndexFunc(s, func(r rune) bool {
		letter := 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
		return !letter && !strings.ContainsRune(others, r)
	}) < 0
}

// printable reports whether a header can carry s.
func printable(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] >= 0x7f {
			return false
		}
	}
	return true
}
