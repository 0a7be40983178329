package main

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/hitl-go/sdk/botpress"
)

func TestRequestIsSigned(t *testing.T) {
	in := newInstallation(3)
	wire, err := request{operation: "message_created", in: &in, body: []byte(`{"a":1}`), trace: 10}.append(nil, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(wire)))
	if err != nil {
		t.Fatalf("%v:\n%s", err, wire)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := botpress.NewVerifier(signingSecret)
	if err != nil {
		t.Fatal(err)
	}
	if err := verifier.Verify(r, body); err != nil {
		t.Error(err)
	}
	for name, want := range map[string]string{
		"X-Bp-Operation": "message_created", "X-Bot-Id": in.bot, "Traceparent": "00-0000000000000000000000000000000b-000000000000000b-01",
	} {
		if got := r.Header.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	for _, name := range []string{"X-Bot-User-Id", "X-Integration-Id", "X-Integration-Alias", "X-Webhook-Id", "X-Bp-Configuration"} {
		if r.Header.Get(name) == "" {
			t.Errorf("%s is missing", name)
		}
	}
}
