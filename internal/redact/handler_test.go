package redact_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hitl-go/sdk/internal/redact"
)

type config struct {
	URL   string `json:"url"`
	Token string `json:"token"`
	Raw   []byte `json:"raw,omitempty"`
}

type valuer struct{ v any }

func (v valuer) LogValue() slog.Value { return slog.AnyValue(v.v) }

// detailed is an error that says more when it is asked for details.
type detailed struct{ text, details string }

func (e detailed) Error() string { return e.text }

func (e detailed) Format(f fmt.State, _ rune) {
	_, _ = fmt.Fprint(f, e.text)
	if f.Flag('+') {
		_, _ = fmt.Fprint(f, e.details)
	}
}

// texter and jsoner show their secret only to the handlers of their format.
type texter struct{ secret func() string }

func (x texter) MarshalText() ([]byte, error) { return []byte(x.secret()), nil }

type jsoner struct{ secret func() string }

func (x jsoner) MarshalJSON() ([]byte, error) { return json.Marshal(x.secret()) }
func (jsoner) Error() string                  { return "it failed" }

// nilError has a method that does not expect to be called on nothing.
type nilError struct{ text string }

func (e *nilError) Error() string                { return e.text }
func (e *nilError) MarshalText() ([]byte, error) { return []byte(e.text), nil }

func TestHandler(t *testing.T) {
	const secret = "hunter2 & more"
	hide := func() string { return secret }
	c := config{"https://desk.example.com", secret, nil}
	clean := config{"https://desk.example.com", "", []byte("x")}
	for name, tc := range map[string]struct {
		value      any
		text, json string // in slog's own formats
	}{
		"a string":         {"a " + secret, `"a [secret]"`, `"a [secret]"`},
		"a clean string":   {"a b", `"a b"`, `"a b"`},
		"a number":         {12345678, `[secret]`, `"[secret]"`},
		"a clean number":   {1234567, `1234567`, `1234567`},
		"bytes":            {[]byte(secret), `[secret]`, `"[secret]"`},
		"a struct":         {c, `"{URL:https://desk.example.com Token:[secret] Raw:[]}"`, `"{URL:https://desk.example.com Token:[secret] Raw:[]}"`},
		"a pointer":        {&c, `"&{URL:https://desk.example.com Token:[secret] Raw:[]}"`, `"&{URL:https://desk.example.com Token:[secret] Raw:[]}"`},
		"pointers":         {[]*config{&c}, `"[{\"url\":\"https://desk.example.com\",\"token\":\"[secret]\"}]"`, `"[{\"url\":\"https://desk.example.com\",\"token\":\"[secret]\"}]"`},
		"bytes in it":      {config{Raw: []byte(secret)}, `"{URL: Token: Raw:[[secret]]}"`, `"{URL: Token: Raw:[[secret]]}"`},
		"a clean struct":   {clean, `"{URL:https://desk.example.com Token: Raw:[120]}"`, `{"url":"https://desk.example.com","token":"","raw":"eA=="}`},
		"an error":         {fmt.Errorf("a %q", secret), `"a \"[secret]\""`, `"a \"[secret]\""`},
		"a clean error":    {errors.New("EOF"), `EOF`, `"EOF"`},
		"details":          {detailed{"it failed", " with " + secret}, `"it failed with [secret]"`, `"it failed with [secret]"`},
		"no details":       {detailed{secret + " failed", " in line 1"}, `"[secret] failed"`, `"[secret] failed"`},
		"a LogValuer":      {valuer{valuer{secret}}, `[secret]`, `"[secret]"`},
		"a LogValuer's":    {valuer{c}, `"{URL:https://desk.example.com Token:[secret] Raw:[]}"`, `"{URL:https://desk.example.com Token:[secret] Raw:[]}"`},
		"a TextMarshaler":  {texter{hide}, `[secret]`, `"[secret]"`},
		"a json.Marshaler": {jsoner{hide}, `"\"[secret]\""`, `"\"[secret]\""`},
		"nothing":          {nil, `<nil>`, `null`},
		"no error":         {(*nilError)(nil), `<nil>`, `"<nil>"`},
		"not for JSON":     {func() {}, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			m := redact.New(secret, "12345678")
			var out bytes.Buffer
			text := slog.New(redact.Handler(slog.NewTextHandler(&out, nil), func() *redact.Masker { return m }))
			asJSON := slog.New(redact.Handler(slog.NewJSONHandler(&out, nil), func() *redact.Masker { return m }))
			text.Info("said "+secret, "v", tc.value)
			asJSON.Info("said "+secret, "v", tc.value)
			text.With("v", tc.value).WithGroup("g").Info("said "+secret, slog.Group("h", slog.Group("i", "v", tc.value)))
			lines := strings.Split(out.String(), "\n")
			if tc.text == "" { // it is enough that it does not panic
				return
			}
			var got []string
			for i, line := range lines[:3] {
				_, line, _ = strings.Cut(line, []string{"level=INFO ", `"level":"INFO",`, "level=INFO "}[i])
				got = append(got, line)
			}
			want := []string{
				`msg="said [secret]" v=` + tc.text,
				`"msg":"said [secret]","v":` + tc.json + `}`,
				`msg="said [secret]" v=` + tc.text + ` g.h.i.v=` + tc.text,
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("lines (-want +got):\n%s", diff)
			}
		})
	}
}

// Where nothing is logged, no masker is made.
// A line is rewritten even if only one simple value in it, or its message, has a secret.
func TestHandlerOfSimpleValues(t *testing.T) {
	const secret = "246813579"
	for name, write := range map[string]func(*slog.Logger){
		"the message": func(l *slog.Logger) { l.Info("signed in with " + secret) },
		"a text":      func(l *slog.Logger) { l.Info("signed in", slog.Int("n", 1), slog.String("token", secret)) },
		"a number":    func(l *slog.Logger) { l.Info("signed in", slog.Int("token", 246813579), slog.Bool("new", true)) },
		"an unsigned": func(l *slog.Logger) { l.Info("signed in", slog.Uint64("token", 246813579)) },
		"an any":      func(l *slog.Logger) { l.Info("signed in", slog.Any("token", []byte(secret))) },
		"a group":     func(l *slog.Logger) { l.Info("signed in", slog.Group("by", slog.String("token", secret))) },
		"a valuer":    func(l *slog.Logger) { l.Info("signed in", slog.Any("token", valuer{secret})) },
		"many of them": func(l *slog.Logger) {
			l.Info("signed in", "a", 1, "b", 2, "c", 3, "d", 4, "e", 5, "f", 6, "token", secret)
		},
	} {
		var out bytes.Buffer
		mask := redact.New(secret)
		write(slog.New(redact.Handler(slog.NewJSONHandler(&out, nil), func() *redact.Masker { return mask })))
		if line := out.String(); strings.Contains(line, secret) || !strings.Contains(line, "[secret]") || !strings.Contains(line, "signed in") {
			t.Errorf("%s: %s", name, line)
		}
	}
}

func TestHandlerIsLazy(t *testing.T) {
	log := slog.New(redact.Handler(slog.DiscardHandler, func() *redact.Masker {
		t.Error("the masker is asked for")
		return nil
	}))
	log.WithGroup("g").Info("hunter2", "v", "hunter2")

	var out bytes.Buffer
	slog.New(redact.Handler(slog.NewTextHandler(&out, nil), func() *redact.Masker { return nil })).Info("hunter2", "v", "hunter2")
	if !strings.HasSuffix(out.String(), "msg=hunter2 v=hunter2\n") {
		t.Errorf("without secrets it writes %s", &out)
	}
}

// The shortest secrets are masked as numbers, too: six characters, of which one may be the sign.
func TestNumbersAtTheBound(t *testing.T) {
	m := redact.New("100000", "-10000", "999999")
	for n, want := range map[int]string{100_000: "[secret]", -10_000: "[secret]", 999_999: "[secret]", 99_999: "99999", -9_999: "-9999"} {
		var out bytes.Buffer
		slog.New(redact.Handler(slog.NewTextHandler(&out, nil), func() *redact.Masker { return m })).Info("said", slog.Int("n", n))
		if got := out.String(); !strings.HasSuffix(got, " n="+want+"\n") {
			t.Errorf("%d is logged as %s", n, got)
		}
	}
}
