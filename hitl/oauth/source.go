package oauth

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/oauth2"

	"github.com/hitl-go/sdk/hitl"
)

// StateName is the name of the state that keeps the tokens.
const StateName = "oauth"

// State declares the state that keeps the tokens, for [hitl.Definition.States].
func State() hitl.StateDefinition { return hitl.StateDefinition{Name: StateName, Payload: record{}} }

// Config is a desk that issues tokens, and the client that it knows us as.
type Config struct {
	// Config has the client's id and secret, the scopes, and the endpoints. RedirectURL may be empty: it is then the webhook's URL
	// followed by /oauth/callback. An AuthStyle that is not set means oauth2.AuthStyleInParams: to try one after the other would
	// use a refresh token twice.
	oauth2.Config

	// Desk is what people call the desk, for what they are told: "Zendesk".
	Desk string

	// Params are further parameters of requests for a token, such as expires_in.
	Params map[string]string

	// Reusable says that the desk takes a refresh token more than once.
	Reusable bool

	// Connected is called when somebody has connected an account, for instance to register webhooks there. If it fails, the person
	// reads its error; the account stays connected. Nil does nothing.
	Connected func(ctx context.Context, webhookURL string) error
}

// Source has the tokens of one installation. It is safe for concurrent use, and so are the sources of other replicas.
type Source struct {
	in     hitl.Installation
	config Config
	byCode bool          // With an authorization code, else with client credentials.
	jitter float64       // So that replicas do not all renew at the same moment.
	turn   chan struct{} // Holds a value while one request renews the token.

	life   context.Context //nolint:containedctx // Of the work in the background. It ends with Close.
	end    context.CancelFunc
	saving sync.WaitGroup

	mu        sync.Mutex // Guards what follows.
	current   token
	confirmed time.Time // When the current token was last known to be the one that is stored.
	unsaved   *renewal  // It could not be stored.
	retrying  bool      // It is tried again in the background.
	withdrawn string    // A claim of ours that was never used.
	refused   error     // The desk's last refusal of the client.
	refusedAt time.Time // When that was.
}

// ClientCredentials is a source that signs in as the client itself.
func ClientCredentials(in hitl.Installation, c Config) *Source { return newSource(in, c, false) }

// AuthorizationCode is a source that signs in for who connects an account in the browser. The adapter hands the source its
// registrations ([Source.Register]), webhooks ([Source.HandleWebhook]) and its own end ([Source.Close]).
func AuthorizationCode(in hitl.Installation, c Config) *Source { return newSource(in, c, true) }

func newSource(in hitl.Installation, c Config, byCode bool) *Source {
	if c.Endpoint.AuthStyle == oauth2.AuthStyleAutoDetect {
		c.Endpoint.AuthStyle = oauth2.AuthStyleInParams
	}
	s := &Source{in: in, config: c, byCode: byCode, jitter: 0.5 + rand.Float64()/2, turn: make(chan struct{}, 1)}
	s.life, s.end = context.WithCancel(context.Background())
	return s
}

// Close stores a token that could not be stored yet, if there is one. An adapter calls it when it is closed itself, see [io.Closer].
func (s *Source) Close() error {
	s.mu.Lock()
	s.end() // Nothing begins in the background any more.
	s.mu.Unlock()
	s.saving.Wait()
	return s.save(context.Background())
}

// token is an access token and how it is renewed.
type token struct {
	Access   string    `json:"access_token"`
	Type     string    `json:"token_type,omitempty"`
	Refresh  string    `json:"refresh_token,omitempty"`
	Obtained time.Time `json:"obtained"`
	Expiry   time.Time `json:"expiry,omitzero"` // Zero: it does not expire.

	forced bool // The desk had refused the one before, which had not expired.
}

func newToken(t *oauth2.Token, previous string) token {
	n := token{Access: t.AccessToken, Type: t.Type(), Refresh: t.RefreshToken, Obtained: time.Now(), Expiry: t.Expiry}
	if n.Refresh == "" {
		n.Refresh = previous // RFC 6749, section 6: then it stays the same.
	}
	return n
}

const (
	longestLead = 5 * time.Minute  // a token is renewed at most this long before it ends,
	leadPart    = 4                // and at most this part of its life before
	lastMoment  = 10 * time.Second // a token that ends this soon is not used; if a tenth of its life is less, that counts
)

func (t token) valid(now time.Time) bool {
	return t.Access != "" && (t.Expiry.IsZero() || now.Before(t.Expiry.Add(-min(lastMoment, t.life()/10))))
}

func (t token) life() time.Duration { return t.Expiry.Sub(t.Obtained) }

// due reports whether a token should be renewed.
func (t token) due(now time.Time, jitter float64) bool {
	if !t.valid(now) {
		return true
	}
	lead := time.Duration(float64(min(longestLead, t.life()/leadPart)) * jitter)
	return !t.Expiry.IsZero() && !now.Before(t.Expiry.Add(-lead))
}

func (t token) oauth2() *oauth2.Token {
	return &oauth2.Token{AccessToken: t.Access, TokenType: t.Type, Expiry: t.Expiry}
}

// Token returns a token that is valid now. Its refresh token is left out. An error that the bot's owner must know of is a
// [*hitl.Error]; others pass.
func (s *Source) Token(ctx context.Context) (*oauth2.Token, error) {
	t, err := s.token(ctx, "")
	if err != nil {
		return nil, err
	}
	return t.oauth2(), nil
}

// token returns a token, but not the rejected one.
func (s *Source) token(ctx context.Context, rejected string) (token, error) {
	t := s.kept()
	usable := t.Access != rejected && t.valid(time.Now())
	if usable && !t.due(time.Now(), s.jitter) && s.isConfirmed() {
		return t, nil
	}
	select {
	case s.turn <- struct{}{}:
	default:
		if usable {
			return t, nil // Somebody is renewing it.
		}
		select {
		case s.turn <- struct{}{}:
		case <-ctx.Done():
			return token{}, fmt.Errorf("oauth: waiting for a token of %s: %w", s.config.Desk, context.Cause(ctx))
		}
	}
	defer func() { <-s.turn }()
	return s.renewed(ctx, rejected)
}

func (s *Source) kept() token {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.current
}

func (s *Source) keep(t token) token {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t.Access == s.current.Access {
		t.forced = t.forced || s.current.forced // That is not stored.
	}
	s.current, s.confirmed = t, time.Now()
	return t
}

// confirmEvery is how long another replica may go on with the account that was connected before.
const confirmEvery = 5 * time.Minute

// isConfirmed reports whether nobody can have connected another account since the token was stored or read. One that could not
// be stored is newer than what is stored.
func (s *Source) isConfirmed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.byCode || s.unsaved != nil || time.Since(s.confirmed) < confirmEvery
}

// accepts notes that the desk has taken a token. If it refuses it later, that is news.
func (s *Source) accepts(access string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current.Access == access {
		s.current.forced = false
	}
}

// client tells tokens of another desk, client or way to sign in from ours.
func (s *Source) client() string {
	c, secret := s.config, s.config.ClientSecret
	if s.byCode {
		secret = "" // A new one does not end what somebody has connected. Else a wrong one is to be noticed.
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q %q %q %t", c.Endpoint.TokenURL, c.ClientID, secret, strings.Join(slices.Sorted(slices.Values(c.Scopes)), " "), s.byCode))
	return hex.EncodeToString(sum[:8])
}
