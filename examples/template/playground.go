package main

import (
	"cmp"
	"context"
	"flag"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/hitl-go/sdk/hitl"
	"github.com/hitl-go/sdk/hitl/cli"
	"github.com/hitl-go/sdk/hitl/playground"
	"github.com/hitl-go/sdk/message"
)

func playgroundCommand(server *hitl.Server) cli.Command {
	flags := flag.NewFlagSet("playground", flag.ContinueOnError)
	addr := flags.String("addr", "", "`address` of the page, on this computer (default 127.0.0.1:8072, or a free port)")
	open := flags.Bool("open", false, "open the page in the browser")
	return cli.Command{
		Name: "playground", Short: "Try it in the browser, without Botpress and Acme Desk", Flags: flags,
		Run: func(ctx context.Context, _ []string) error {
			return play(ctx, playground.Options{
				Server: server, Addr: *addr, Open: *open, Output: os.Stdout,
				Logger: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
			})
		},
	}
}

// play serves the playground with a desk in memory.
func play(ctx context.Context, opts playground.Options) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	d := newDesk()
	d.client = &http.Client{Timeout: time.Minute}
	srv := &http.Server{Handler: d, ReadHeaderTimeout: time.Minute}
	go func() { _ = srv.Serve(listener) }() // until it is closed
	defer srv.Close()
	opts.Desk, opts.Configuration = d, Config{URL: "http://" + listener.Addr().String(), Token: deskToken, Secret: deskSecret}
	return playground.Run(ctx, opts)
}

// What follows is how the page shows the desk: see [playground.Desk].

func (d *desk) Agents() []string { return []string{"Rosa Diaz", "Sam Okafor"} }

func (d *desk) Tickets(context.Context) (all []playground.Ticket, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, t := range d.tickets {
		all = append(all, t.Ticket)
	}
	return all, nil
}

func (d *desk) Transcript(_ context.Context, ticket string, from int) (entries []playground.Entry, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	t := d.ticket(ticket)
	if t == nil {
		return nil, errNoTicket
	}
	for _, e := range t.history[min(from, len(t.history)):] {
		entries = append(entries, playground.Entry{
			Author: e.Author.Name, By: playground.Role(e.Author.Role), Note: e.Kind != "message", At: e.At,
			Message: message.Text{Text: cmp.Or(e.Text, e.Kind)},
		})
	}
	return entries, nil
}

func (d *desk) Assign(ctx context.Context, ticket, agent string) error {
	return d.act(ctx, ticket, agentOf(agent), "assigned", "")
}

func (d *desk) Reply(ctx context.Context, ticket, agent, text string) error {
	return d.act(ctx, ticket, agentOf(agent), "message", text)
}

func (d *desk) Note(ctx context.Context, ticket, agent, text string) error {
	return d.act(ctx, ticket, agentOf(agent), "note", text)
}

func (d *desk) Resolve(ctx context.Context, ticket, agent string) error {
	return d.act(ctx, ticket, agentOf(agent), "closed", "")
}
