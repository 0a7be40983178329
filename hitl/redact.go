package hitl

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// redacted is a logger that does not write the values of a configuration down.
func redacted(log *slog.Logger, configuration json.RawMessage) *slog.Logger {
	if len(configuration) == 0 {
		return log
	}
	return slog.New(redactor{log.Handler(), sync.OnceValue(func() *strings.Replacer {
		return hiding(scalars(configuration)...)
	})})
}

// minSecret is how long a string must be to be hidden: shorter ones are words like "high" and "en", which
// stand everywhere.
const minSecret = 6

// hiding replaces secrets, also in the forms in which errors quote them.
func hiding(secrets ...string) *strings.Replacer {
	forms := map[string]bool{}
	for _, s := range secrets {
		if len(s) < minSecret {
			continue
		}
		asJSON, _ := json.Marshal(s) // a string is never an error
		for _, form := range []string{
			s, url.QueryEscape(s), url.PathEscape(s), strings.Trim(strconv.Quote(s), `"`), strings.Trim(string(asJSON), `"`),
		} {
			forms[form] = true
		}
	}
	// Of two that begin at one place the first is taken: it must not be a part of the other.
	longest := slices.SortedFunc(maps.Keys(forms), func(a, b string) int { return cmp.Compare(len(b), len(a)) })
	pairs := make([]string, 0, 2*len(longest))
	for _, form := range longest {
		pairs = append(pairs, form, "[secret]")
	}
	return strings.NewReplacer(pairs...)
}

// scalars are the strings and numbers in JSON. Which of them are secret, only the definition knows, and people put
// passwords into addresses.
func scalars(raw json.RawMessage) []string {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	var v any
	if err := decoder.Decode(&v); err != nil {
		return nil
	}
	return appendScalars(nil, v)
}

func appendScalars(found []string, v any) []string {
	switch v := v.(type) {
	case string:
		found = append(found, v)
	case json.Number:
		found = append(found, v.String())
	case []any:
		for _, item := range v {
			found = appendScalars(found, item)
		}
	case map[string]any:
		for _, item := range v {
			found = appendScalars(found, item)
		}
	}
	return found
}

// redactor hides secrets in what passes through a [slog.Handler].
type redactor struct {
	slog.Handler

	secrets func() *strings.Replacer
}

func (h redactor) Handle(ctx context.Context, r slog.Record) error {
	clean := slog.NewRecord(r.Time, r.Level, h.secrets().Replace(r.Message), r.PC)
	r.Attrs(func(a slog.Attr) bool {
		clean.AddAttrs(h.attr(a))
		return true
	})
	return h.Handler.Handle(ctx, clean)
}

func (h redactor) WithAttrs(attrs []slog.Attr) slog.Handler {
	clean := make([]slog.Attr, len(attrs))
	for i, a := range attrs {
		clean[i] = h.attr(a)
	}
	return redactor{h.Handler.WithAttrs(clean), h.secrets}
}

func (h redactor) WithGroup(name string) slog.Handler {
	return redactor{h.Handler.WithGroup(name), h.secrets}
}

func (h redactor) attr(a slog.Attr) slog.Attr {
	v := a.Value.Resolve()
	if v.Kind() == slog.KindGroup {
		members := make([]slog.Attr, len(v.Group()))
		for i, member := range v.Group() {
			members[i] = h.attr(member)
		}
		return slog.Attr{Key: a.Key, Value: slog.GroupValue(members...)}
	}
	for _, text := range texts(v) {
		if clean := h.secrets().Replace(text); clean != text {
			return slog.String(a.Key, clean)
		}
	}
	return slog.Attr{Key: a.Key, Value: v}
}

// texts are the ways in which handlers write a value.
func texts(v slog.Value) []string {
	if v.Kind() != slog.KindAny {
		return []string{v.String()}
	}
	switch v := v.Any().(type) {
	case error:
		return []string{v.Error()}
	case []byte:
		return []string{string(v)}
	default:
		all := []string{fmt.Sprintf("%+v", v)}
		if asJSON, err := json.Marshal(v); err == nil {
			all = append(all, string(asJSON))
		}
		return all
	}
}
