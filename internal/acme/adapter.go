package acme

import (
	"context"
	_ "embed"
	"net/http"
	"strings"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/hitl"
	"github.com/hitl-go/sdk/hitl/verify"
	"github.com/hitl-go/sdk/message"
)

// Config is what an installation of the integration is configured with.
type Config struct {
	APIURL   string          `json:"apiUrl" jsonschema:"title=API URL,description=Where Acme Desk is"`
	APIToken botpress.Secret `json:"apiToken" jsonschema:"title=API token" jsonschema_description:"Made in Acme Desk, under Settings"`
}

// Session is what a bot may say about a session.
type Session struct {
	Priority string `json:"priority,omitempty" jsonschema:"title=Priority,description=How urgent it is,enum=low,enum=normal,enum=high"`
}

//go:embed icon.svg
var icon []byte

//go:embed readme.md
var readme []byte

// Definition returns the integration's definition, with the renames or without.
func Definition(renamed bool) hitl.Definition {
	def := hitl.Definition{
		Name: "acme-desk", Version: "1.0.0",
		Title: "Acme Desk", Description: "Hands conversations over to the agents of Acme Desk.",
		Icon: icon, Readme: readme,
		Session: hitl.Part{Name: "ticket", Title: "Ticket", Description: "A ticket in Acme Desk"},
		Channel: hitl.Part{Title: "Support ticket", Description: "What is said in a ticket"},
	}
	if renamed {
		def.StartHitl.Name, def.Assigned.Name, def.Channel.Name = "createTicket", "agentAssigned", "supportTicket"
	}
	return def
}

// Option changes how a server reaches the desk.
type Option func(*adapter)

// Via makes all calls of the desk go through a function, with the method's name: a way to cut off one of several servers.
func Via(way func(ctx context.Context, method string, call func() error) error) Option {
	return func(a *adapter) { a.way = way }
}

// NewServer serves the desk to Botpress.
func NewServer(def hitl.Definition, desk *Desk, opts *hitl.Options, options ...Option) (*hitl.Server, error) {
	return hitl.NewServer(def, Connect(desk, options...), opts)
}

// Connect makes adapters of the desk.
func Connect(desk *Desk, options ...Option) func(context.Context, hitl.Installation, Config) (hitl.Integration[Session], error) {
	return func(_ context.Context, _ hitl.Installation, c Config) (hitl.Integration[Session], error) {
		if c.APIURL == "" || c.APIToken == "" {
			return nil, hitl.Errorf("Acme Desk needs apiUrl and apiToken in the configuration")
		}
		if desk.SignIn != nil {
			if err := desk.SignIn(); err != nil {
				return nil, err
			}
		}
		a := &adapter{desk: desk}
		for _, option := range options {
			option(a)
		}
		return optionally(a), nil
	}
}

type adapter struct {
	desk *Desk
	way  func(ctx context.Context, method string, call func() error) error
}

// around is the way of each call to the desk.
func (a *adapter) around(ctx context.Context, method string, do func() error) error {
	if a.way == nil {
		return a.desk.around(ctx, method, do)
	}
	return a.way(ctx, method, func() error { return a.desk.around(ctx, method, do) })
}

func (a *adapter) CreateUser(ctx context.Context, r hitl.CreateUserRequest) (ref hitl.Ref, err error) {
	err = a.around(ctx, "CreateUser", func() error {
		if strings.HasPrefix(r.Email, "reject") {
			return hitl.Errorf("Acme Desk rejected the e-mail address")
		}
		ref.ID = a.desk.upsertUser(r.UserID, r.Name)
		return nil
	})
	return ref, err
}

func (a *adapter) StartHitl(ctx context.Context, r hitl.StartHitlRequest[Session]) (ref hitl.Ref, err error) {
	err = a.around(ctx, "StartHitl", func() error {
		var log []string
		for _, turn := range r.History {
			who := "user"
			if turn.UserID == "" {
				who = "bot"
			}
			log = append(log, "history "+who+": "+message.PlainText(turn.Message))
		}
		ref.ID = a.desk.openTicket(r.ConversationID, r.Title, log)
		return nil
	})
	return ref, err
}

func (a *adapter) StopHitl(ctx context.Context, r hitl.StopHitlRequest) error {
	return a.around(ctx, "StopHitl", func() error {
		a.desk.closeTicket(r.Session.ID)
		return nil
	})
}

func (a *adapter) SendMessage(ctx context.Context, r hitl.SendMessageRequest) (ref hitl.Ref, err error) {
	who := r.Name
	if r.UserID != "" {
		who = a.desk.userName(r.Author.ID)
	}
	key := r.Key()
	err = a.around(ctx, "SendMessage", func() error {
		ref.ID, err = a.desk.comment(r.Session.ID, key, who, line(r.Message), r.Stopped)
		return err
	})
	return ref, err
}

// line is a message as the desk's log has it.
func line(m message.Message) string {
	if image, ok := m.(message.Image); ok {
		return image.ImageURL
	}
	return message.PlainText(m)
}

// report is a webhook of the desk.
type report struct {
	Type           string       `json:"type"` // one of the kinds of entries
	TicketID       string       `json:"ticketId"`
	Agent          *reportAgent `json:"agent"`
	Text           string       `json:"text,omitempty"`
	AdditionalData string       `json:"additionalData,omitempty"`
	CommentID      string       `json:"commentId,omitempty"`
	EventID        string       `json:"eventId,omitempty"`

	// Reports are several at once. Everything else is empty then.
	Reports []report `json:"reports,omitempty"`
}

type reportAgent struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	Email string `json:"email,omitempty"`
}

func (r report) agent() hitl.Agent {
	if r.Agent == nil {
		return hitl.Agent{}
	}
	return hitl.Agent{ID: r.Agent.ID, Name: r.Agent.Name, Email: r.Agent.Email}
}

func (a *adapter) HandleWebhook(_ context.Context, r *http.Request) (hitl.Webhook, error) {
	if isTickets(r) {
		body, err := a.desk.ticketsJSON()
		return hitl.Webhook{Header: http.Header{"Content-Type": {"application/json"}}, Body: body}, err
	}
	var rep report
	if err := verify.JSON(r, &rep); err != nil {
		return hitl.Webhook{}, hitl.Errorf("Acme Desk sent a webhook that is no JSON: %w", err)
	}
	if len(rep.Reports) == 0 {
		rep.Reports = []report{rep}
	}
	if a.desk.ReadBack {
		a.desk.recordReports(rep.Reports)
	}
	var hook hitl.Webhook
	for _, rep := range rep.Reports {
		event, err := a.event(rep)
		if err != nil {
			return hitl.Webhook{}, err
		}
		hook.Events = append(hook.Events, event)
	}
	return hook, nil
}

func (a *adapter) event(rep report) (hitl.Event, error) {
	conversation := a.desk.conversationOf(rep.TicketID)
	switch rep.Type {
	case kindAssigned:
		return hitl.Assigned{SessionID: rep.TicketID, ConversationID: conversation, Agent: rep.agent(), ID: rep.EventID}, nil
	case kindComment:
		return hitl.Replied{
			SessionID: rep.TicketID, ConversationID: conversation, Author: rep.agent(), ID: rep.CommentID,
			Message: message.Text{Text: rep.Text}, AdditionalData: rep.AdditionalData,
		}, nil
	case kindClosed:
		return hitl.Stopped{SessionID: rep.TicketID, ConversationID: conversation}, nil
	default:
		return nil, hitl.Errorf("Acme Desk sent a webhook of the type %q, which this integration does not know", rep.Type)
	}
}
