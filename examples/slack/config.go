package main

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"strings"

	"github.com/gorilla/websocket"
	"github.com/slack-go/slack"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/hitl"
	"github.com/hitl-go/sdk/hitl/verify"
	"github.com/hitl-go/sdk/message"
	"github.com/hitl-go/sdk/message/media"
)

// Config is what the bot's owner fills in: the app in their workspace, and the channel. The README has the app's manifest.
type Config struct {
	Channel       string          `json:"channel" jsonschema:"title=Channel,pattern=\\b[CG][A-Z0-9]{8}" jsonschema_description:"The ID of the channel that takes the conversations, such as C0123456789, or a link to it. It is in the channel's details, at the end of the tab About. Invite the app to the channel."`
	BotToken      botpress.Secret `json:"botToken" jsonschema:"title=Bot token" jsonschema_description:"On the app's page under OAuth & Permissions. It begins with xoxb-."`
	AppToken      botpress.Secret `json:"appToken,omitzero" jsonschema:"title=App token" jsonschema_description:"For Socket Mode: on the app's page under Basic Information, App-Level Tokens, with the scope connections:write. It begins with xapp-."`
	SigningSecret botpress.Secret `json:"signingSecret,omitzero" jsonschema:"title=Signing secret" jsonschema_description:"Instead of the app token, if Slack is to call the integration: on the app's page under Basic Information."`
}

// Session is what a bot can say about a conversation that it hands over.
type Session struct {
	Channel string `json:"channel,omitzero" jsonschema:"title=Channel,pattern=\\b[CG][A-Z0-9]{8}" jsonschema_description:"The ID of another channel for this conversation, such as C0123456789. Leave empty for the usual one."`
	Urgency string `json:"urgency,omitzero" jsonschema:"title=Urgency,enum=low,enum=normal,enum=high" jsonschema_description:"Shown in front of the title."`
}

var definition = hitl.Definition{
	Name: "slack-threads", Version: "0.1.0", Title: "Slack threads",
	Description: "Hands conversations over to the members of a Slack channel: each one is a thread.",
	Session:     hitl.Part{Name: "thread"},
	MaxText:     3_500, TextUnit: message.UTF16, // Slack splits messages of some 4,000, entities included.
}

// desk is a channel of Slack, seen by one installation.
type desk struct {
	Config
	workspace

	in      hitl.Installation
	api     *slack.Client
	me, bot string // The app's user in Slack, and its bot.
	genuine verify.Func
}

// workspace is what surrounds the integration: tests and the playground have one of their own.
type workspace struct {
	url    string            // Of the API, with a slash at its end.
	dialer *websocket.Dialer // Nil is the usual one.
	files  media.Options
}

var channelID = regexp.MustCompile(`\b[CG][A-Z0-9]{8,}`)

func (w workspace) connect(ctx context.Context, in hitl.Installation, c Config) (*desk, error) {
	if c.AppToken == "" && c.SigningSecret == "" {
		return nil, hitl.Errorf("Slack needs the app token for Socket Mode, or the signing secret if it is to call the integration.")
	}
	d := &desk{Config: c, workspace: w, in: in, genuine: verify.Slack(string(c.SigningSecret))}
	d.api = slack.New(string(c.BotToken), slack.OptionAPIURL(w.url), slack.OptionHTTPClient(in.HTTPClient), slack.OptionAppLevelToken(string(c.AppToken)))
	who, err := d.api.AuthTestContext(ctx)
	if err != nil {
		return nil, explain(err)
	}
	if d.me, d.bot = who.UserID, who.BotID; d.bot == "" {
		return nil, hitl.Errorf("Slack needs the bot token, which begins with xoxb-: this one is a member's.")
	}
	if c.AppToken != "" { // Only the background uses it. There, what passes is tried again; what the owner can fix is told here.
		_, _, err = d.api.StartSocketModeContext(ctx)
		if refused, ok := errors.AsType[*hitl.Error](explain(err)); ok {
			return nil, refused
		}
	}
	return d, nil
}

// needed are the scopes without which something fails only when it is needed. To read the channel, it takes one of two others.
var needed = []string{"chat:write", "chat:write.customize", "files:read", "files:write", "users:read"}

// Register checks that the app may do what it will have to do in the channel: the first end user would find out otherwise.
func (d *desk) Register(ctx context.Context, _ string) error {
	who, err := d.api.AuthTestContext(ctx)
	if err != nil {
		return explain(err)
	}
	granted := strings.FieldsFunc(who.Header.Get("X-OAuth-Scopes"), func(r rune) bool { return r == ',' || r == ' ' })
	for _, scope := range needed {
		if len(granted) > 0 && !slices.Contains(granted, scope) {
			return &hitl.Error{Message: "The app in Slack lacks the scope " + scope + ": give it the manifest of the README, and install it again.", Temporary: true}
		}
	}
	_, err = d.api.GetConversationHistoryContext(ctx, &slack.GetConversationHistoryParameters{ChannelID: channelID.FindString(d.Channel), Limit: 1})
	if err != nil {
		return explain(err)
	}
	return nil
}

// Unregister has nothing to undo.
func (*desk) Unregister(context.Context, string) error { return nil }
