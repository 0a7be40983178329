package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/examples/slack/slacktest"
	"github.com/hitl-go/sdk/hitl"
	"github.com/hitl-go/sdk/hitl/playground"
	"github.com/hitl-go/sdk/message"
	"github.com/hitl-go/sdk/message/media"
)

// play serves the playground, with an in-memory Slack on the agents' side, until the context ends.
func play(ctx context.Context, addr string, open bool, stdout, stderr io.Writer) error {
	d := newDeskPage("Rosa Diaz", "Sam Okafor")
	defer d.slack.Close()
	server, err := hitl.NewServer(definition, workspace{url: d.slack.URL + "/api/", files: media.Options{AllowPrivate: true}}.connect, nil)
	if err != nil {
		return err
	}
	return playground.Run(ctx, playground.Options{
		Server: server, Desk: d, Addr: addr, Open: open, Output: stdout,
		Configuration: Config{Channel: d.slack.Channel, BotToken: botpress.Secret(d.slack.BotToken), AppToken: botpress.Secret(d.slack.AppToken)},
		Logger:        slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
	})
}

// deskPage is the in-memory Slack as the playground shows it.
type deskPage struct {
	slack   *slacktest.Slack
	members map[string]slacktest.Member
	names   []string
}

func newDeskPage(names ...string) *deskPage {
	d := &deskPage{slack: slacktest.New(slacktest.Options{}), members: map[string]slacktest.Member{}, names: names}
	for _, name := range names {
		d.members[name] = d.slack.NewMember(name)
	}
	return d
}

func (d *deskPage) Agents() []string { return d.names }

func (d *deskPage) Tickets(context.Context) (all []playground.Ticket, err error) {
	for _, m := range d.slack.Messages() {
		if m.ThreadTS != "" || m.Deleted || len(m.Metadata) == 0 {
			continue
		}
		lines := strings.Split(m.Text, "\n")
		t := playground.Ticket{ID: m.TS, Subject: lines[0], Status: "open", Over: len(m.Buttons) == 0, Entries: len(d.slack.Thread(m.TS))}
		if t.Over {
			t.Status = "closed"
		}
		for _, line := range lines {
			if from, ok := strings.CutPrefix(line, "From "); ok {
				t.From, _, _ = strings.Cut(from, " · ")
			}
			if name, ok := strings.CutPrefix(line, "Taken by @"); ok {
				t.Assignee = name
			}
		}
		all = append(all, t)
	}
	return all, nil
}

func (d *deskPage) Transcript(_ context.Context, ticket string, from int) ([]playground.Entry, error) {
	thread := d.slack.Thread(ticket)
	var entries []playground.Entry
	for _, m := range thread[min(from, len(thread)):] {
		e := playground.Entry{Author: m.Author, By: playground.System, Message: shown(m), At: timeOf(m.TS)}
		payload, _ := m.Metadata["event_payload"].(map[string]any)
		what, _ := payload["key"].(string)
		switch {
		case m.UserID != "" && d.members[m.Author].ID == m.UserID:
			e.By, e.Note = playground.Agent, strings.HasPrefix(m.Text, "🔒")
		case m.Icon == ":robot_face:":
			e.By = playground.Bot
		case strings.HasPrefix(what, "msg_"):
			e.By = playground.EndUser
		}
		entries = append(entries, e)
	}
	return entries, nil
}

// shown is a message's words and files.
func shown(m slacktest.Message) message.Message {
	items := []message.BlocItem{message.Text{Text: m.Text}}
	for _, f := range m.Files {
		items = append(items, message.Text{Text: "📎 " + f.Name})
	}
	if len(items) == 1 {
		return items[0]
	}
	return message.Bloc{Items: items}
}

func timeOf(ts string) time.Time {
	seconds, _ := strconv.ParseFloat(ts, 64)
	return time.UnixMilli(int64(seconds * 1000))
}

func (d *deskPage) Assign(_ context.Context, ticket, agent string) error {
	return d.work(agent, func(m slacktest.Member) error { return d.slack.Press(ticket, m, actionTake) })
}

func (d *deskPage) Reply(_ context.Context, ticket, agent, text string) error {
	return d.work(agent, func(m slacktest.Member) error { _, err := d.slack.Reply(ticket, m, text); return err })
}

func (d *deskPage) Note(_ context.Context, ticket, agent, text string) error {
	return d.work(agent, func(m slacktest.Member) error { _, err := d.slack.Reply(ticket, m, "🔒 "+text); return err })
}

func (d *deskPage) Resolve(_ context.Context, ticket, agent string) error {
	return d.work(agent, func(m slacktest.Member) error { return d.slack.Press(ticket, m, actionClose) })
}

// work lets an agent do something.
func (d *deskPage) work(agent string, do func(slacktest.Member) error) error {
	m, ok := d.members[agent]
	if !ok {
		return fmt.Errorf("nobody here is called %q", agent)
	}
	return do(m)
}
