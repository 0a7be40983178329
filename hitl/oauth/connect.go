package oauth

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/hitl"
	"github.com/hitl-go/sdk/internal/strictjson"
)

// The paths below the webhook's URL.
const (
	startPath    = "/oauth/start"
	callbackPath = "/oauth/callback"
)

// LinkTemplate is the script of a button that opens the page on which an account is connected, for [hitl.Definition.LinkTemplate].
const LinkTemplate = `webhookId = to_string!(.webhookId)
webhookUrl = to_string!(.webhookUrl)
"{{ webhookUrl }}/{{ webhookId }}` + startPath + `"
`

const (
	stateLife = 10 * time.Minute // How long somebody may take to consent.
	maxUsed   = 100              // Accounts that are connected in that time.
)

// Register notes where the webhook is, and reports whether an account is connected: without one, there is nothing to be set up in the
// desk yet, and [Config.Connected] will do it. The adapter's Register calls it first. If all is as it was, it writes nothing.
func (s *Source) Register(ctx context.Context, webhookURL string) (connected bool, err error) {
	var r record
	if _, err := s.in.State.Get(ctx, StateName, &r); err != nil {
		return false, err
	}
	if r.WebhookURL != webhookURL || r.Secret == "" {
		r = record{}
		err := s.in.State.Update(ctx, StateName, &r, func(context.Context) error {
			r.WebhookURL, r.Secret = webhookURL, cmp.Or(r.Secret, rand.Text())
			return nil
		})
		if err != nil {
			return false, err
		}
	}
	return r.Grants[s.client()].Token.Access != "", nil
}

// HandleWebhook serves the pages on which somebody connects an account: GET /oauth/start leads to the desk, which leads back to
// /oauth/callback. It reports false for any other request, which is the adapter's.
func (s *Source) HandleWebhook(ctx context.Context, r *http.Request) (hitl.Webhook, bool) {
	if r.Method != http.MethodGet {
		return hitl.Webhook{}, false
	}
	switch strings.TrimSuffix(r.URL.Path, "/") {
	case startPath:
		return s.start(ctx), true
	case callbackPath:
		return s.callback(ctx, r.URL.Query()), true
	}
	return hitl.Webhook{}, false
}

// signed is what a state parameter says. It is bound to the installation by its signature.
type signed struct {
	Nonce   string `json:"nonce"`
	Expires int64  `json:"expires"` // Unix seconds.
}

var errState = errors.New("this link is not valid any more, or was not made here")

func (r *record) sum(purpose, text string) []byte {
	mac := hmac.New(sha256.New, []byte(r.Secret))
	mac.Write([]byte(purpose + "\n" + text))
	return mac.Sum(nil)
}

// state writes a state parameter: the installation's id, what is signed, and the signature, with dots between them.
func (r *record) state(id string, v signed) string {
	text, _ := json.Marshal(v) // It cannot fail.
	head := id + "." + base64.RawURLEncoding.EncodeToString(text)
	return head + "." + base64.RawURLEncoding.EncodeToString(r.sum("state", head))
}

// check reads a state parameter.
func (r *record) check(id, state string) (signed, error) {
	cut := strings.LastIndexByte(state, '.')
	if r.Secret == "" || cut < 0 {
		return signed{}, errState
	}
	head := state[:cut]
	signature, err := base64.RawURLEncoding.DecodeString(state[cut+1:])
	if err != nil || !hmac.Equal(signature, r.sum("state", head)) {
		return signed{}, errState
	}
	text, ok := strings.CutPrefix(head, id+".")
	if !ok {
		return signed{}, errState
	}
	var v signed
	said, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || strictjson.Unmarshal(said, &v) != nil || time.Now().Unix() >= v.Expires {
		return signed{}, errState
	}
	return v, nil
}

// verifier is the secret of PKCE that belongs to a state parameter. It need not be stored.
func (r *record) verifier(v signed) string {
	return base64.RawURLEncoding.EncodeToString(r.sum("verifier", v.Nonce))
}

// at is the configuration with the address to which the desk leads back.
func (s *Source) at(r record) oauth2.Config {
	c := s.config.Config
	if c.RedirectURL == "" {
		c.RedirectURL = strings.TrimSuffix(r.WebhookURL, "/") + callbackPath
	}
	return c
}

// start leads to the desk's page of consent.
func (s *Source) start(ctx context.Context) hitl.Webhook {
	var r record
	if _, err := s.in.State.Get(ctx, StateName, &r); err != nil {
		return s.unread(ctx, err)
	}
	if r.WebhookURL == "" {
		return s.failed(ctx, http.StatusConflict, "The integration is not registered yet. Save its configuration in Botpress, and try again.", errUnregistered)
	}
	v := signed{Nonce: rand.Text(), Expires: time.Now().Add(stateLife).Unix()}
	c := s.at(r)
	to := c.AuthCodeURL(r.state(s.in.WebhookID, v), oauth2.S256ChallengeOption(r.verifier(v)))
	return hitl.Webhook{Status: http.StatusSeeOther, Body: []byte{}, Header: http.Header{
		"Location": {to}, "Cache-Control": {"no-store"}, "Referrer-Policy": {"no-referrer"}, noInterstitial: {"true"},
	}}
}

// callback exchanges the code for a token.
func (s *Source) callback(ctx context.Context, q url.Values) hitl.Webhook {
	var r record
	if _, err := s.in.State.Get(ctx, StateName, &r); err != nil {
		return s.unread(ctx, err)
	}
	v, err := r.check(s.in.WebhookID, q.Get("state"))
	if err != nil {
		return s.failed(ctx, http.StatusBadRequest, "This link is not valid any more, or was not made here. Connect again from the configuration of the integration.", err)
	}
	if denied := q.Get("error"); denied != "" {
		return s.failed(ctx, http.StatusForbidden, s.config.Desk+" was not connected: "+cmp.Or(known(denied), "it says no")+".", nil)
	}
	r, isNew, err := s.spend(ctx, v)
	if err != nil {
		return s.unread(ctx, err)
	}
	if !isNew {
		return page(http.StatusConflict, s.config.Desk, "This link has been used already. If "+s.config.Desk+" is connected in half a minute, there is nothing more to do. Else connect again from the configuration of the integration.")
	}
	working, cancel := context.WithTimeout(context.WithoutCancel(ctx), renewTimeout)
	defer cancel()
	c := s.at(r)
	options := []oauth2.AuthCodeOption{oauth2.VerifierOption(r.verifier(v))}
	for name, value := range s.config.Params {
		options = append(options, oauth2.SetAuthURLParam(name, value))
	}
	t, err := c.Exchange(s.withClient(working), q.Get("code"), options...)
	if err != nil {
		_, err = classify(err, true)
		return s.failed(ctx, http.StatusBadGateway, s.config.Desk+" was not connected, because it has not issued a token. Try again from the configuration of the integration.", err)
	}
	return s.connected(working, newToken(t, ""))
}

// spend notes that a state parameter is used, before its code is: Botpress may send a callback again that takes long, to whichever
// replica, and a desk takes back what it has given for a code that comes twice.
func (s *Source) spend(ctx context.Context, v signed) (r record, isNew bool, err error) {
	err = s.in.State.Update(ctx, StateName, &r, func(context.Context) error {
		if isNew = !slices.Contains(r.Used, v); !isNew {
			return nil
		}
		now := time.Now().Unix()
		r.Used = append(slices.DeleteFunc(r.Used, func(u signed) bool { return u.Expires <= now }), v)
		r.Used = r.Used[max(0, len(r.Used)-maxUsed):]
		return nil
	})
	return r, isNew, err
}

// connected stores the first token of an account. Whatever was there before is over.
func (s *Source) connected(ctx context.Context, t token) hitl.Webhook {
	var r record
	err := s.in.State.Update(ctx, StateName, &r, func(context.Context) error {
		r.set(s.client(), grant{Token: t})
		return nil
	})
	if err != nil {
		return s.failed(ctx, http.StatusServiceUnavailable, "The sign-in could not be stored. Connect again from the configuration of the integration.", err)
	}
	s.mu.Lock()
	s.current, s.confirmed, s.unsaved, s.refused = t, time.Now(), nil, nil
	s.mu.Unlock()
	s.show(ctx, botpress.Set(s.in.WebhookID))
	if s.config.Connected != nil {
		if err := s.config.Connected(ctx, r.WebhookURL); err != nil {
			said := "Some of what the integration needs could not be set up. It is tried again within an hour."
			var owner *hitl.Error
			if errors.As(err, &owner) {
				said = owner.Message
			}
			s.in.Logger.WarnContext(ctx, "an account was connected, and could not be set up", "error", err)
			return page(http.StatusBadGateway, s.config.Desk+" is connected, but not set up", said)
		}
	}
	return page(http.StatusOK, s.config.Desk+" is connected", "You can close this page, and go back to Botpress.")
}

// show has Botpress show whether an account is connected: it takes an installation for connected that has an identifier. Nothing
// depends on it.
func (s *Source) show(ctx context.Context, identifier botpress.Optional[string]) {
	if err := s.in.Client.ConfigureIntegration(ctx, botpress.ConfigureIntegrationParams{Identifier: identifier}); err != nil {
		s.in.Logger.WarnContext(ctx, "Botpress does not show whether the account is connected", "error", err)
	}
}

// errUnregistered is for the author of an integration whose configuration has been saved.
var errUnregistered = errors.New("the webhook's URL is not known: nobody has saved the configuration, or the adapter's Register does not call Source.Register")

// unread is the page of a state that cannot be read, or written.
func (s *Source) unread(ctx context.Context, cause error) hitl.Webhook {
	return s.failed(ctx, http.StatusServiceUnavailable,
		"What Botpress stores for the integration cannot be read. Try to connect again in a few minutes. If that does not help, the log of the integration has the reason.", cause)
}

// failed is a page that says what to do.
func (s *Source) failed(ctx context.Context, status int, said string, cause error) hitl.Webhook {
	s.in.Logger.WarnContext(ctx, "an account was not connected", "told", said, "error", cause)
	return page(status, s.config.Desk+" is not connected", said)
}
