package cli

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/hitl-go/sdk/hitl"
	"github.com/hitl-go/sdk/internal/acme"
)

// Whatever the API sends as a secret, a shell that reads the file gets one variable.
func TestSecretsAreSecrets(t *testing.T) {
	for _, value := range []string{"", "abc\nLD_PRELOAD=/tmp/x.so", "$(id)", "a b", "`id`", "a\x00", "é", "a;b", `a"b`, "a'b", "a&b"} {
		var out strings.Builder
		s := &secrets{out: &out}
		if err := s.set("BP_TOKEN", value); err == nil || out.String() != "" || s.written {
			t.Errorf("%q: %v, and written is %q", value, err, out.String())
		}
	}
	var out strings.Builder
	if err := (&secrets{out: &out}).set("BP_TOKEN", "bp_iak_aZ09-_.=+/"); err != nil || out.String() != "BP_TOKEN=bp_iak_aZ09-_.=+/\n" {
		t.Errorf("%v, and written is %q", err, out.String())
	}
}

// A terminal obeys nothing that others have written.
func TestTerminalObeysNobody(t *testing.T) {
	const evil = "T-1\x1b]0;mine\a\r\x1b[2K\u009b1m\u202e"
	line := operationLine(time.Time{}, hitl.Operation{Action: evil, ConversationID: evil + "c", SessionID: evil, Err: errors.New(evil)})
	for what, shown := range map[string]string{"an operation": line, "an error": oneLine(errors.Join(errors.New(evil), errors.New("two")))} {
		if strings.ContainsFunc(shown, func(r rune) bool { return !unicode.IsPrint(r) }) || !strings.Contains(shown, "T-1") {
			t.Errorf("%s is shown as %q", what, shown)
		}
	}
	if got, want := oneLine(errors.New(strings.Repeat("é", 500)+"\nb")), strings.Repeat("é", 500)+"; b"; got != want {
		t.Errorf("an error is %q", got)
	}

	out := &strings.Builder{}
	s, err := acme.NewServer(acme.Definition(true), &acme.Desk{}, &hitl.Options{})
	if err != nil {
		t.Fatal(err)
	}
	d := &dev{App: App{Server: s, Stderr: out, Getenv: func(string) string { return "" }}, verbose: true}
	h := d.shown(&devState{}, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, evil) }))
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/", strings.NewReader(evil)))
	for line := range strings.Lines(out.String()) {
		if strings.ContainsFunc(strings.TrimSuffix(line, "\n"), func(r rune) bool { return !unicode.IsPrint(r) }) || !strings.Contains(line, "T-1") {
			t.Errorf("a body is shown as %q", line)
		}
	}
}
