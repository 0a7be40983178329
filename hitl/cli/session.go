package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/hitl"
	"github.com/hitl-go/sdk/internal/sessionview"
)

// installation is one installation of the integration, as flags and the environment name it.
type installation struct {
	App
	hitl.Installation
}

func (a App) installationFlags(c *command) *installation {
	in := &installation{App: a}
	c.Flags.StringVar(&in.BotID, "bot", a.Getenv("BP_BOT_ID"), "`id` of the bot; the default is BP_BOT_ID in the environment")
	c.Flags.StringVar(&in.IntegrationID, "integration", a.Getenv("BP_INTEGRATION_ID"), "`id` of the integration; the default is BP_INTEGRATION_ID in the environment")
	c.Flags.StringVar(&in.Alias, "alias", "", "`alias` of the installation; required if the integration is installed more than once in the bot")
	return in
}

// installationEnvironment is the help about the environment of those commands.
const installationEnvironment = `The adapter's log names the bot, and in lines of what failed the integration. 'deploy' prints the integration's id.

Environment:

  BP_TOKEN           the integration access key that 'deploy --access-key' prints, as for 'serve'
  BP_BOT_ID          the id of the bot, unless --bot is set
  BP_INTEGRATION_ID  the id of the integration, unless --integration is set
  BP_API_URL         address of the API; default https://api.botpress.cloud`

// reader reads the installation's sessions, once all is known that the API needs.
func (in *installation) reader() (sessionview.Reader, error) {
	token := in.Getenv("BP_TOKEN")
	var missing []string
	if token == "" {
		missing = append(missing, "set BP_TOKEN to the integration access key, which 'deploy --access-key' prints")
	}
	if in.BotID == "" {
		missing = append(missing, "set BP_BOT_ID or --bot to the id of the bot")
	}
	if in.IntegrationID == "" {
		missing = append(missing, "set BP_INTEGRATION_ID or --integration to the id of the integration, which 'deploy' prints")
	}
	if len(missing) > 0 {
		return sessionview.Reader{}, errors.New("the installation is not known: " + strings.Join(missing, "; "))
	}
	api, err := botpress.New(botpress.Options{
		BaseURL: in.Getenv("BP_API_URL"), Token: token, HTTPClient: in.App.HTTPClient,
		BotID: in.BotID, IntegrationID: in.IntegrationID, IntegrationAlias: in.Alias,
	})
	r := sessionview.Reader{API: api, BotID: in.BotID, IntegrationID: in.IntegrationID}
	for _, i := range in.Server.Describe().Interfaces {
		r.Channel = i.Channels["hitl"].Name
	}
	return r, err
}

// explain adds to an error of the API what to do about it.
func (in *installation) explain(doing string, err error) error {
	var api *botpress.Error
	if !errors.As(err, &api) {
		return unanswered(doing, err)
	}
	advice := ""
	switch {
	case errors.Is(err, botpress.ErrUnauthorized):
		advice = "BP_TOKEN is not an access key of this integration; check --integration, or make a key with 'deploy --access-key'"
	case errors.Is(err, botpress.ErrForbidden):
		advice = "the integration is not installed in this bot; check --bot, --integration and --alias"
	case api.Type == botpress.TypeInvalidPayload && in.Alias == "":
		advice = "if the integration is installed more than once in the bot, add --alias"
	case errors.Is(err, botpress.ErrRateLimited):
		advice = "there were too many calls; retry in a minute"
	case api.Status >= 500:
		advice = "Botpress has failed; retry later"
	default:
		return fmt.Errorf("could not %s: %w", doing, err)
	}
	return fmt.Errorf("could not %s: %s: %w", doing, advice, err)
}

func (a App) sessions() *command {
	c := newCommand("sessions", "List the sessions that are not over",
		`Lists the sessions of an installation that are being opened, open or closing, and those of which messages are known to
be undelivered. A closing session has ended for the end user, and the help desk is still to be told. What needs
attention comes first.

`+installationEnvironment)
	var asJSON bool
	in := a.installationFlags(c)
	c.Flags.BoolVar(&asJSON, "json", false, "print JSON")
	c.Run = func(ctx context.Context, _ []string) error {
		r, err := in.reader()
		if err != nil {
			return err
		}
		all, more, err := r.List(ctx)
		if err != nil {
			return in.explain("list the sessions", err)
		}
		if more {
			a.say("There are more. These are the first %d.", len(all))
		}
		if asJSON {
			return a.print(all)
		}
		return a.printSessions(all)
	}
	return c
}

// session is the command with its flags.
type session struct {
	*installation

	asJSON bool
	flush  bool
	config string
}

func (a App) session() *command {
	c := newCommand("session", "Show a session, or reconcile it",
		`Shows what Botpress knows of a session: its phase, who takes part, what is undelivered, the latest messages and
events, and which leases are held. ID is the conversation's in Botpress, or the session's in the help desk.

--flush reconciles it first: it delivers what is undelivered, ends it in the help desk if it is closing, and reads it back
if the adapter can. The server does so by itself, every quarter of an hour unless it is set otherwise. For that this process
connects to the help desk, with the configuration of the installation in --config: Botpress does not show it.

`+installationEnvironment)
	c.Args = "ID"
	s := session{installation: a.installationFlags(c)}
	c.Flags.BoolVar(&s.asJSON, "json", false, "print JSON")
	c.Flags.BoolVar(&s.flush, "flush", false, "reconcile the session before it is shown")
	c.Flags.StringVar(&s.config, "config", "", "with --flush, configuration of the installation: a JSON `object`, or @ and the name of a file with one")
	c.Flags.StringVar(&s.ConfigurationType, "config-type", "", "with --flush, `name` of the alternative configuration, if it is one")
	c.Flags.StringVar(&s.WebhookID, "webhook", "", "with --flush, `id` of the installation's webhook, if the adapter needs it")
	c.Run = func(ctx context.Context, args []string) error {
		if len(args) != 1 || args[0] == "" {
			return Usagef("session needs one argument, the id of a session: the conversation's in Botpress, or the help desk's")
		}
		if err := onlyWith(c.Flags, "flush", "config", "config-type", "webhook"); err != nil {
			return err
		}
		if err := s.checkType(); err != nil {
			return err
		}
		return s.run(ctx, args[0])
	}
	return c
}

// checkType refuses a name that the definition does not have: a server takes it for that of a newer definition.
func (s session) checkType() error {
	declared := slices.Sorted(maps.Keys(s.Server.Describe().Configurations))
	switch {
	case s.ConfigurationType == "" || slices.Contains(declared, s.ConfigurationType):
		return nil
	case len(declared) == 0:
		return Usagef("--config-type: the definition has no alternative configurations; leave it out")
	}
	return Usagef("--config-type must be one of %s, not %q", strings.Join(declared, ", "), s.ConfigurationType)
}

func (s session) run(ctx context.Context, id string) error {
	config, err := configuration(s.config)
	if err != nil {
		return err
	}
	r, err := s.reader()
	if err != nil {
		return err
	}
	ses, err := s.read(ctx, r, id)
	if err != nil {
		return err
	}
	var flushed error
	if s.flush {
		flushed = s.reconcile(ctx, ses, config)
		if ses, err = s.read(ctx, r, ses.ConversationID); err != nil {
			return errors.Join(flushed, err)
		}
		switch {
		case flushed != nil:
		case len(ses.Undelivered) > 0: // such as the last words of a bot, for which the end does not wait
			flushed = fmt.Errorf("messages of session %s are undelivered and may be in flight: %s; retry in two minutes", ses.ConversationID, undelivered(ses))
		default:
			s.say("The session is reconciled.\n")
		}
	}
	if s.asJSON {
		err = s.print(ses)
	} else {
		err = s.printSession(ses)
	}
	return errors.Join(flushed, err)
}

func (s session) read(ctx context.Context, r sessionview.Reader, id string) (*sessionview.Session, error) {
	ses, err := r.Read(ctx, id)
	if errors.Is(err, sessionview.ErrUnknown) {
		return nil, fmt.Errorf("no session of this installation has the id %q; 'sessions' lists those that are not over", id)
	}
	if err != nil {
		return nil, s.explain("read session "+id, err)
	}
	return ses, nil
}

// reconcile has the server reconcile the session. What it did shows in the session that is printed afterwards.
func (s session) reconcile(ctx context.Context, ses *sessionview.Session, config any) error {
	raw, err := json.Marshal(config)
	if err != nil {
		return err
	}
	err = s.Server.Reconcile(ctx, s.Installation, raw, ses.ConversationID)
	if err == nil {
		return nil
	}
	doing := "reconcile session " + ses.ConversationID
	var refused *hitl.Error
	if config == nil && errors.As(err, &refused) {
		return fmt.Errorf("could not %s: without --config the configuration is empty: %w", doing, err)
	}
	return s.explain(doing, err)
}
