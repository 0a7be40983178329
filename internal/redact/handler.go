package redact

import (
	"context"
	"encoding"
	"encoding/json"
	"fmt"
	"log/slog"
)

// Handler masks secrets in what passes through h: messages, and the values of attributes. m is asked when there is
// something to mask, so that a log that is off costs nothing.
func Handler(h slog.Handler, m func() *Masker) slog.Handler { return handler{h, m} }

type handler struct {
	slog.Handler

	masker func() *Masker
}

func (h handler) Handle(ctx context.Context, r slog.Record) error {
	m := h.masker()
	dirty := m.Mask(r.Message) != r.Message
	r.Attrs(func(a slog.Attr) bool {
		dirty = dirty || m.mayChange(a.Value)
		return !dirty
	})
	if !dirty { // as nearly all are
		return h.Handler.Handle(ctx, r)
	}
	clean := slog.NewRecord(r.Time, r.Level, m.Mask(r.Message), r.PC)
	r.Attrs(func(a slog.Attr) bool {
		clean.AddAttrs(m.attr(a))
		return true
	})
	return h.Handler.Handle(ctx, clean)
}

func (h handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return handler{h.Handler.WithAttrs(h.masker().attrs(attrs)), h.masker}
}

func (h handler) WithGroup(name string) slog.Handler {
	return handler{h.Handler.WithGroup(name), h.masker}
}

func (m *Masker) attrs(attrs []slog.Attr) []slog.Attr {
	clean := make([]slog.Attr, len(attrs))
	for i, a := range attrs {
		clean[i] = m.attr(a)
	}
	return clean
}

// attr leaves a value as it is, unless there is a secret in one of the ways in which handlers write it.
func (m *Masker) attr(a slog.Attr) slog.Attr {
	v := a.Value.Resolve()
	if v.Kind() == slog.KindGroup {
		return slog.Attr{Key: a.Key, Value: slog.GroupValue(m.attrs(v.Group())...)}
	}
	for _, text := range texts(v) {
		if clean := m.Mask(text); clean != text {
			return slog.String(a.Key, clean)
		}
	}
	return slog.Attr{Key: a.Key, Value: v}
}

// mayChange reports whether attr can return another value. What is not simply a text or a number is left to it.
func (m *Masker) mayChange(v slog.Value) bool {
	switch v.Kind() {
	case slog.KindBool, slog.KindDuration, slog.KindTime:
		return false
	case slog.KindInt64:
		if n := v.Int64(); -1e4 < n && n < 1e5 {
			return false // too short for a secret
		}
		fallthrough
	case slog.KindString, slog.KindUint64, slog.KindFloat64:
		text := v.String()
		return m.Mask(text) != text
	default:
		return true
	}
}

// texts are the ways in which handlers write a value, the most readable first.
func texts(v slog.Value) []string {
	if v.Kind() != slog.KindAny {
		return []string{v.String()}
	}
	value := v.Any()
	if b, ok := value.([]byte); ok {
		return []string{string(b)}
	}
	var all []string
	_, isError := value.(error)
	if isError {
		all = append(all, fmt.Sprint(value))
	}
	all = append(all, fmt.Sprintf("%+v", value)) // for some errors more than their text
	if t, ok := value.(encoding.TextMarshaler); ok {
		all = append(all, attempt(t.MarshalText))
	}
	if _, ok := value.(json.Marshaler); ok || !isError {
		all = append(all, attempt(func() ([]byte, error) { return json.Marshal(value) }))
	}
	return all
}

// attempt survives the methods of a nil pointer, as slog's own handlers do.
func attempt(write func() ([]byte, error)) (text string) {
	defer func() { _ = recover() }()
	b, err := write()
	if err != nil {
		return ""
	}
	return string(b)
}
