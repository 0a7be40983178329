package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"strings"

	"github.com/hitl-go/sdk/examples/zendesk/zendesktest"
	"github.com/hitl-go/sdk/hitl"
	"github.com/hitl-go/sdk/hitl/playground"
	"github.com/hitl-go/sdk/message"
	"github.com/hitl-go/sdk/message/media"
	"github.com/hitl-go/sdk/message/richtext"
)

// play serves the playground, with an in-memory Zendesk on the agents' side, until the context ends.
func play(ctx context.Context, addr string, open bool, stdout, stderr io.Writer) error {
	d := newDeskPage("Rosa Diaz", "Sam Okafor")
	defer d.Close()
	server, err := hitl.NewServer(definition(), world{zendesk: d.URL, files: media.Options{AllowPrivate: true}}.connect, nil)
	if err != nil {
		return err
	}
	return playground.Run(ctx, playground.Options{
		Server: server, Configuration: withClient(d.NewOAuthClient()),
		Desk: d, Addr: addr, Open: open, Output: stdout,
		Logger: slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
	})
}

// deskPage is the in-memory Zendesk as the playground shows it.
type deskPage struct {
	*zendesktest.Desk

	agents []zendesktest.User
}

func newDeskPage(agents ...string) *deskPage {
	d := &deskPage{Desk: zendesktest.NewDesk()}
	for _, name := range agents {
		d.agents = append(d.agents, d.NewAgent(name))
	}
	return d
}

func (d *deskPage) Agents() []string {
	var names []string
	for _, a := range d.agents {
		names = append(names, a.Name)
	}
	return names
}

func (d *deskPage) Tickets(context.Context) ([]playground.Ticket, error) {
	var all []playground.Ticket
	for _, t := range d.Desk.Tickets() {
		all = append(all, playground.Ticket{
			ID: strconv.FormatInt(t.ID, 10), Subject: t.Subject, Status: t.Status, Over: t.Status == "solved" || t.Status == "closed",
			From: d.User(t.RequesterID).Name, Assignee: d.User(t.AssigneeID).Name, Priority: t.Priority, Entries: len(t.Comments),
		})
	}
	return all, nil
}

func (d *deskPage) Transcript(_ context.Context, ticket string, from int) ([]playground.Entry, error) {
	n, err := strconv.ParseInt(ticket, 10, 64)
	if err != nil {
		return nil, err
	}
	t, ok := d.Ticket(n)
	if !ok {
		return nil, fmt.Errorf("there is no ticket %d", n)
	}
	var entries []playground.Entry
	for _, c := range t.Comments[min(from, len(t.Comments)):] {
		author := d.User(c.AuthorID)
		e := playground.Entry{Author: cmp.Or(author.Name, "Zendesk"), By: playground.System, Note: !c.Public, Message: said(c), At: c.CreatedAt}
		switch {
		case c.AuthorID == t.RequesterID:
			e.By = playground.EndUser
		case c.AuthorID == t.SubmitterID:
			e.By = playground.Bot
		case author.Role == "agent":
			e.By = playground.Agent
		}
		entries = append(entries, e)
	}
	return entries, nil
}

// said is a comment's words and files.
func said(c zendesktest.Comment) message.Message {
	items := []message.BlocItem{message.Text{Text: richtext.Text(c.HTML, nil)}}
	for _, f := range c.Attachments {
		if strings.HasPrefix(f.ContentType, "image/") {
			items = append(items, message.Image{ImageURL: f.URL, Title: f.Name})
			continue
		}
		items = append(items, message.File{FileURL: f.URL, Title: f.Name})
	}
	if len(items) == 1 {
		return items[0]
	}
	return message.Bloc{Items: items}
}

func (d *deskPage) Assign(_ context.Context, ticket, agent string) error {
	return d.work(ticket, agent, d.Desk.Assign)
}

func (d *deskPage) Reply(_ context.Context, ticket, agent, text string) error {
	return d.work(ticket, agent, func(t int64, a zendesktest.User) error { return d.Desk.Reply(t, a, html(text)) })
}

func (d *deskPage) Note(_ context.Context, ticket, agent, text string) error {
	return d.work(ticket, agent, func(t int64, a zendesktest.User) error { return d.Desk.Note(t, a, html(text)) })
}

func (d *deskPage) Resolve(_ context.Context, ticket, agent string) error {
	return d.work(ticket, agent, d.Solve)
}

func html(text string) string { return message.ToHTML(message.Text{Text: text}) }

// work lets an agent do something with a ticket.
func (d *deskPage) work(ticket, agent string, do func(int64, zendesktest.User) error) error {
	n, err := strconv.ParseInt(ticket, 10, 64)
	if err != nil {
		return err
	}
	for _, a := range d.agents {
		if a.Name == agent {
			return do(n, a)
		}
	}
	return fmt.Errorf("nobody here is called %q", agent)
}
