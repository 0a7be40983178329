package main

import (
	"context"
	"encoding/base64"
	"net/http"
	"regexp"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/hitl"
	"github.com/hitl-go/sdk/hitl/oauth"
	"github.com/hitl-go/sdk/message"
	"github.com/hitl-go/sdk/message/media"
)

// Config is what the bot's owner fills in: the OAuth client of the integration. Zendesk's Admin Center makes it.
type Config struct {
	Subdomain    string          `json:"subdomain" jsonschema:"title=Subdomain" jsonschema_description:"The first part of your Zendesk address: acme for acme.zendesk.com."`
	ClientID     string          `json:"clientId,omitzero" jsonschema:"title=Client identifier,minLength=1" jsonschema_description:"The identifier of a confidential OAuth client, made in the Admin Center under Apps and integrations, APIs, OAuth clients."`
	ClientSecret botpress.Secret `json:"clientSecret,omitzero" jsonschema:"title=Client secret" jsonschema_description:"Its secret, which is shown once."`

	// Those of the legacy configuration.
	Email    string          `json:"email,omitzero" jsonschema:"-"`
	APIToken botpress.Secret `json:"apiToken,omitzero" jsonschema:"-"`
}

// APIToken is the legacy configuration.
type APIToken struct {
	Subdomain string          `json:"subdomain" jsonschema:"title=Subdomain" jsonschema_description:"The first part of your Zendesk address: acme for acme.zendesk.com."`
	Email     string          `json:"email" jsonschema:"title=E-mail address" jsonschema_description:"The address of the administrator to whom the API token belongs."`
	APIToken  botpress.Secret `json:"apiToken" jsonschema:"title=API token" jsonschema_description:"Zendesk makes no new ones, and takes none after April 2027."`
}

// Session is what a bot can say about a ticket when it hands a conversation over.
type Session struct {
	Priority        string `json:"priority,omitzero" jsonschema:"title=Priority,enum=low,enum=normal,enum=high,enum=urgent" jsonschema_description:"Priority of the ticket. Leave empty for none."`
	TicketFormID    string `json:"ticketFormId,omitzero" jsonschema:"title=Ticket form ID,pattern=^[0-9]{1\\,18}$" jsonschema_description:"The number of the ticket form to use, which must exist in Zendesk."`
	RequesterName   string `json:"requesterName,omitzero" jsonschema:"title=Requester name" jsonschema_description:"The end user's name, if the bot knows a better one than the channel does."`
	RequesterEmail  string `json:"requesterEmail,omitzero" jsonschema:"title=Requester e-mail" jsonschema_description:"The end user's e-mail address, if the bot has asked for it. Needs the name."`
	ChatbotName     string `json:"chatbotName,omitzero" jsonschema:"title=Chatbot name" jsonschema_description:"The name under which the bot writes in this ticket: Botpress if left empty."`
	ChatbotPhotoURL string `json:"chatbotPhotoUrl,omitzero" jsonschema:"title=Chatbot photo URL" jsonschema_description:"The bot's picture in this ticket: a public address of at most 255 characters."`
}

// The alternative configurations.
const (
	withAccount  = "account"
	withAPIToken = "apiToken"
)

func definition() hitl.Definition {
	return hitl.Definition{
		Name: "zendesk", Version: "2.0.0", Title: "Zendesk",
		Description: "Hand conversations over to agents who work in Zendesk tickets.",
		Session:     hitl.Part{Name: "hitlTicket"},
		Configurations: []hitl.ConfigurationDefinition{
			{
				Name: withAccount, Title: "Connect an account", Type: Config{}, LinkTemplate: oauth.LinkTemplate,
				Description: "Somebody signs in to Zendesk, on whose behalf the integration works.",
			},
			{Name: withAPIToken, Title: "API token (until April 2027)", Type: APIToken{}},
		},
		ConversationTags: []hitl.Part{
			{Name: tagBot, Title: "Bot's user", Description: "The Zendesk user as whom the bot writes in the ticket."},
			{Name: tagRequester, Title: "Requester", Description: "The Zendesk user as whom the end user writes in the ticket, if it is another one than usual."},
		},
		States:    []hitl.StateDefinition{oauth.State()},
		JoinBlocs: true, // Zendesk takes 30 updates of a ticket in ten minutes.
		MaxText:   maxText, TextUnit: message.UTF16,
	}
}

// world is what surrounds the integration: tests and the demo have one of their own.
type world struct {
	zendesk string // Where accounts are; the asterisk stands for the subdomain.
	files   media.Options
}

var subdomain = regexp.MustCompile(`^[a-z0-9][a-z0-9-]*$`)

func (w world) connect(_ context.Context, in hitl.Installation, c Config) (*adapter, error) {
	name := strings.TrimPrefix(strings.ToLower(strings.TrimSpace(c.Subdomain)), "https://")
	name = strings.TrimSuffix(strings.TrimSuffix(name, "/"), ".zendesk.com")
	if !subdomain.MatchString(name) {
		return nil, hitl.Errorf("%q is not a Zendesk subdomain: it is acme if you open Zendesk at acme.zendesk.com.", c.Subdomain)
	}
	in.HTTPClient.Timeout = 20 * time.Second
	a := &adapter{in: in, files: w.files, api: api{base: strings.Replace(w.zendesk, "*", name, 1)}}
	if in.ConfigurationType == withAPIToken {
		a.api.http = in.HTTPClient
		a.api.basic = "Basic " + base64.StdEncoding.EncodeToString([]byte(c.Email+"/token:"+string(c.APIToken)))
		return a, nil
	}
	if c.ClientID == "" || c.ClientSecret == "" {
		return nil, hitl.Errorf("The configuration needs the identifier and the secret of an OAuth client.")
	}
	config := oauth.Config{
		Desk: "Zendesk", Connected: a.setUp,
		Config: oauth2.Config{ClientID: c.ClientID, ClientSecret: string(c.ClientSecret), Scopes: []string{"read", "write"}, Endpoint: oauth2.Endpoint{
			AuthURL: a.api.base + "/oauth/authorizations/new", TokenURL: a.api.base + "/oauth/tokens",
		}},
		Params: map[string]string{"expires_in": "172000"}, // Seconds: two days are the most. Zendesk's default is half an hour.
	}
	source := oauth.ClientCredentials(in, config)
	if in.ConfigurationType == withAccount {
		source = oauth.AuthorizationCode(in, config)
		a.account = source
	}
	a.api.http = source.Client(a.api.base)
	return a, nil
}

// withoutRedirects is for the API, which never redirects: an account that has moved is to be noticed.
func withoutRedirects(c *http.Client) *http.Client {
	own := *c
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &own
}
