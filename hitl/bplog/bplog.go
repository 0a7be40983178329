// Package bplog writes logs as Botpress' own SDK does when BP_LOG_FORMAT is json. Botpress sorts the logs of
// integrations that it hosts by bot, and shows the bot's owner the lines that are marked for them. It does not read the log of
// a program that runs elsewhere: whoever runs that tells the owner, or forwards these lines.
package bplog

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/hitl-go/sdk/botpress"
)

// visibleToBotOwner is the attribute by which Botpress tells whom a line is for.
const visibleToBotOwner = "visible_to_bot_owner"

// ForBotOwner is the attribute of a line that the bot's owner is meant to read:
//
//	in.Logger.Warn("The desk is closed until Monday", bplog.ForBotOwner())
func ForBotOwner() slog.Attr { return slog.Bool(visibleToBotOwner, true) }

// NewHandler writes one JSON object a line. A nil level lets everything through.
//
// The attributes bot, integration, alias, conversation and user, and the trace in the context, become fields
// of that format; all others are appended to the message.
func NewHandler(w io.Writer, level slog.Leveler) slog.Handler {
	if level == nil {
		level = slog.LevelDebug
	}
	return &handler{mu: &sync.Mutex{}, w: w, level: level}
}

type handler struct {
	mu    *sync.Mutex // of w, shared by all that With and WithGroup made
	w     io.Writer
	level slog.Leveler
	attrs []slog.Attr // with their groups in their keys
	group string      // with a dot at its end, or empty
}

// logLine has the fields, and their order, of Botpress' SDK.
type logLine struct {
	Message          string  `json:"msg"`
	Level            string  `json:"level"`
	BotID            string  `json:"botId,omitempty"`
	IntegrationID    string  `json:"integrationId,omitempty"`
	IntegrationAlias string  `json:"integrationAlias,omitempty"`
	Visible          bool    `json:"visible_to_bot_owner"`
	Hidden           bool    `json:"hidden_to_integration_owner"`
	Options          options `json:"options"`
}

// options says some of it again, in other words.
type options struct {
	Visible          bool   `json:"visibleToBotOwners"`
	Hidden           bool   `json:"hiddenToIntegrationOwners"`
	TraceID          string `json:"traceId,omitempty"`
	BotID            string `json:"botId,omitempty"`
	IntegrationID    string `json:"integrationId,omitempty"`
	IntegrationAlias string `json:"integrationAlias,omitempty"`
	UserID           string `json:"userId,omitempty"`
	ConversationID   string `json:"conversationId,omitempty"`
}

func (h *handler) Enabled(_ context.Context, level slog.Level) bool {
	return level >= h.level.Level()
}

func (h *handler) Handle(ctx context.Context, r slog.Record) error {
	var line logLine
	var text strings.Builder
	text.WriteString(r.Message)
	attrs := slices.Clone(h.attrs)
	r.Attrs(func(a slog.Attr) bool {
		attrs = h.flatten(attrs, h.group, a)
		return true
	})
	for _, a := range attrs {
		if !line.take(a) {
			text.WriteString(" " + a.Key + "=" + quoted(a.Value))
		}
	}
	// The second of four parts: version, trace, span, flags.
	if parts := strings.Split(botpress.TraceFromContext(ctx).Parent, "-"); len(parts) == 4 {
		line.Options.TraceID = parts[1]
	}
	line.Message, line.Level = text.String(), levelName(r.Level)
	line.Options.BotID, line.Options.IntegrationID, line.Options.IntegrationAlias = line.BotID, line.IntegrationID, line.IntegrationAlias
	line.Options.Visible = line.Visible

	raw, err := json.Marshal(line)
	if err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	_, err = h.w.Write(append(raw, '\n'))
	return err
}

// Is reports whether h writes this format.
func Is(h slog.Handler) bool {
	_, ok := h.(*handler)
	return ok
}

// take puts an attribute into the field that the format has for it, if it has one.
func (line *logLine) take(a slog.Attr) bool {
	switch a.Key {
	case "bot":
		line.BotID = a.Value.String()
	case "integration":
		line.IntegrationID = a.Value.String()
	case "alias":
		line.IntegrationAlias = a.Value.String()
	case "user":
		line.Options.UserID = a.Value.String()
	case "conversation":
		line.Options.ConversationID = a.Value.String()
	case visibleToBotOwner:
		line.Visible = a.Value.Kind() == slog.KindBool && a.Value.Bool()
	default:
		return false
	}
	return true
}

// flatten appends an attribute with its groups in its key.
func (h *handler) flatten(attrs []slog.Attr, group string, a slog.Attr) []slog.Attr {
	a.Value = a.Value.Resolve()
	switch {
	case a.Value.Kind() == slog.KindGroup:
		if a.Key != "" {
			group += a.Key + "."
		}
		for _, member := range a.Value.Group() {
			attrs = h.flatten(attrs, group, member)
		}
	case !a.Equal(slog.Attr{}):
		attrs = append(attrs, slog.Attr{Key: group + a.Key, Value: a.Value})
	}
	return attrs
}

func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	with := *h
	with.attrs = slices.Clone(h.attrs)
	for _, a := range attrs {
		with.attrs = h.flatten(with.attrs, h.group, a)
	}
	return &with
}

func (h *handler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	with := *h
	with.group += name + "."
	return &with
}

// levelName is Botpress' name of a level; there are four.
func levelName(l slog.Level) string {
	switch {
	case l < slog.LevelInfo:
		return "debug"
	case l < slog.LevelWarn:
		return "info"
	case l < slog.LevelError:
		return "warn"
	default:
		return "error"
	}
}

// quoted is a value as [slog.TextHandler] writes it, more or less.
func quoted(v slog.Value) string {
	s := v.String()
	if s == "" || strings.ContainsAny(s, " =\"\n\t") {
		return strconv.Quote(s)
	}
	return s
}
