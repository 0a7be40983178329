package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"strings"

	"github.com/hitl-go/sdk/hitl/playground"
)

func (a App) playground() *command {
	c := newCommand("playground", "Try it in the browser, without Botpress",
		`Serves a web page on this computer: an end user's chat with a bot on the left, the messages to the integration on
the right, and every HTTP request below. The integration is the real one; this process simulates Botpress, so it
needs no account, and no environment variables but the adapter's own, if it has any.

--config has the configuration of the integration. The webhooks of a real desk do not reach this computer: the page
sends them instead. --webhooks names a file with templates for them, a JSON array of objects like

  {"name": "Reply", "header": {"Content-Type": "application/json"},
   "body": {"ticket": "{{session}}", "id": "{{new}}", "text": "Hello"}}

method (default POST) and path are optional. {{session}} is replaced by the session's id in the desk,
{{conversation}} and {{user}} by the ids of conversation and end user in Botpress, {{new}} by a new id. They are escaped as
path, query or the body's Content-Type want it.`)
	var config, webhooks string
	opts := playground.Options{Server: a.Server, Output: a.Stderr}
	c.Flags.StringVar(&config, "config", "", "configuration of the integration: a JSON `object`, or @ and the name of a file with one")
	c.Flags.StringVar(&webhooks, "webhooks", "", "`file` with templates for webhooks")
	c.Flags.StringVar(&opts.Addr, "addr", "", "`address` to listen on, on this computer (default 127.0.0.1:8072, or a free port)")
	c.Flags.BoolVar(&opts.Open, "open", false, "open the page in the browser")
	c.Run = func(ctx context.Context, _ []string) error {
		opts.Logger = slog.New(slog.NewTextHandler(a.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
		var err error
		if opts.Configuration, err = configuration(config); err != nil {
			return err
		}
		if opts.Webhooks, err = templates(webhooks); err != nil {
			return err
		}
		return playground.Run(ctx, opts)
	}
	return c
}

// configuration parses the flag. It is nil if the flag is empty.
func configuration(flag string) (any, error) {
	text := []byte(flag)
	if name, ok := strings.CutPrefix(flag, "@"); ok {
		var err error
		if text, err = os.ReadFile(name); err != nil { //nolint:gosec // Who runs the command names the file.
			return nil, fmt.Errorf("the configuration cannot be read: %w", err)
		}
	}
	if len(text) == 0 {
		return nil, nil //nolint:nilnil // No configuration is no error.
	}
	var object map[string]json.RawMessage
	if err := json.Unmarshal(text, &object); err != nil {
		return nil, Usagef(`--config must be a JSON object like {"token": "abc"}, or @ and the name of a file with one: %w`, err)
	}
	return object, nil
}

// templates reads a file of webhooks. A body is a string, or any other JSON.
func templates(name string) ([]playground.Webhook, error) {
	if name == "" {
		return nil, nil
	}
	text, err := os.ReadFile(name) //nolint:gosec // Who runs the command names the file.
	if err != nil {
		return nil, fmt.Errorf("the webhooks cannot be read: %w", err)
	}
	var file []struct {
		playground.Webhook

		Body json.RawMessage `json:"body"`
	}
	if err := json.Unmarshal(text, &file); err != nil {
		return nil, fmt.Errorf("%s must hold a JSON array of webhooks: %w", name, err)
	}
	var all []playground.Webhook
	for _, w := range file {
		if json.Unmarshal(w.Body, &w.Webhook.Body) != nil && len(w.Body) > 0 {
			var pretty bytes.Buffer
			_ = json.Indent(&pretty, w.Body, "", "  ") // It is JSON: it was read from JSON.
			w.Webhook.Body = pretty.String()
		}
		all = append(all, w.Webhook)
	}
	return all, nil
}
