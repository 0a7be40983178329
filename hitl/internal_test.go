package hitl

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/message"
)

func TestTranscriptNames(t *testing.T) {
	named := func(name string) func(context.Context, string) (string, error) {
		return func(context.Context, string) (string, error) { return name, nil }
	}
	r := StartHitlRequest[struct{}]{
		History: []message.Turn{{UserID: "user_01", Message: message.Text{Text: "Hi"}}},
		name:    named("Jane"),
	}
	markdown := message.TranscriptOptions{Format: message.FormatMarkdown}
	for _, tt := range []struct {
		opts *message.TranscriptOptions
		want string
	}{
		{nil, "Jane:\n  Hi"},
		{&markdown, "### Jane\n\n> Hi"},
		{&message.TranscriptOptions{Name: named("Other")}, "Other:\n  Hi"},
	} {
		if got := r.Transcript(t.Context(), tt.opts); got != tt.want {
			t.Errorf("%+v: %q, want %q", tt.opts, got, tt.want)
		}
	}
	if markdown.Name != nil {
		t.Error("Transcript changed the options that it was given")
	}
}

// The computer's clock is set while it runs: a virtual machine that was suspended has a wrong one until then.
func TestClockThatIsSet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wrong := -3 * time.Minute
		c := &clock{wall: func() time.Time { return time.Now().Add(wrong) }}
		for _, wrong = range []time.Duration{-3 * time.Minute, 0, 2 * time.Minute, -time.Hour} {
			c.observe(time.Now())
			time.Sleep(time.Minute)
			if off := time.Until(c.now()); off != 0 {
				t.Errorf("with a clock that is off by %s, we tell Botpress' time with an error of %s", wrong, off)
			}
		}
	})
}

func TestKeysOfTheMemory(t *testing.T) {
	one, other := scopeOf(Installation{BotID: "b"}), scopeOf(Installation{BotID: "b", Alias: "a"})
	keys := map[memoryKey]string{}
	for _, in := range []scope{one, other} {
		for _, parts := range [][]string{nil, {""}, {"", ""}, {"a"}, {"a", ""}, {"", "a"}, {"a", "b"}, {"a\x00b"}, {"a\x00", "b"}, {"a", "\x00b"}, {"ab"}} {
			name := fmt.Sprintf("%x %q", in, parts)
			if same, taken := keys[in.key(parts...)]; taken {
				t.Errorf("%s and %s have the same key", same, name)
			}
			keys[in.key(parts...)] = name
		}
	}
}

// However many requests there are, only so many signatures are remembered.
func TestSignaturesAreBounded(t *testing.T) {
	var s signatures
	for i := range 3 * maxSignatures {
		stamp := strconv.Itoa(i)
		header := http.Header{http.CanonicalHeaderKey(botpress.SignatureHeader): {stamp + ",x"}}
		if s.isReplay(header, nil) {
			t.Fatalf("request %d is taken for a replay", i)
		}
	}
	if n := len(s.current) + len(s.previous); n > 2*maxSignatures || n < maxSignatures {
		t.Errorf("%d signatures are remembered, want %d to %d", n, maxSignatures, 2*maxSignatures)
	}
}

// Connections that arrive in a burst are bounded, too: those that are being closed are not chosen a second time.
func TestConnectionsInABurst(t *testing.T) {
	var srv http.Server
	bound(&srv, 10)
	closed := map[net.Conn]int{}
	conns := make([]net.Conn, 30)
	for i := range conns {
		conns[i] = &closing{closed: closed}
		srv.ConnState(conns[i], http.StateNew)
	}
	for i, c := range conns {
		if want := map[bool]int{true: 1}[i < 20]; closed[c] != want {
			t.Errorf("connection %d of 30 was closed %d times, want %d", i, closed[c], want)
		}
	}
	for _, c := range conns { // which comes later
		srv.ConnState(c, http.StateClosed)
	}
	srv.ConnState(&closing{closed: closed}, http.StateNew)
	if len(closed) != 20 {
		t.Errorf("%d connections were closed, want 20", len(closed))
	}
}

// closing is a connection that counts how often it is closed.
type closing struct {
	net.Conn

	closed map[net.Conn]int
}

func (c *closing) Close() error {
	c.closed[c]++
	return nil
}

// However many sessions wait, each for its own reason: the owner reads each reason once an hour, and there is a bound.
func TestOwnerReadsEachReasonOnce(t *testing.T) {
	for reasons, want := range map[int]int{1: 3, 2: 2 * 3, maxSaid + 20: maxSaid * 3} {
		synctest.Test(t, func(t *testing.T) {
			var out bytes.Buffer
			o := toOwner{log: slog.New(slog.NewTextHandler(&out, nil)), marks: true}
			for range 30 { // within 150 minutes
				for n := range reasons {
					o.tell(t.Context(), &Error{Message: fmt.Sprint("Sign in again, ", n), Temporary: true})
				}
				<-time.After(5 * time.Minute)
			}
			if got := strings.Count(out.String(), "Sign in again"); got != want {
				t.Errorf("of %d reasons, the owner reads %d lines, want %d", reasons, got, want)
			}
		})
	}
}

func TestClocksThatAgreeAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		s := &Server{log: slog.New(slog.NewTextHandler(&out, nil))}
		s.observeClock(time.Now().Add(-4 * time.Second)) // an answer that was long on its way
		s.observeClock(time.Now())
		log := out.String()
		if strings.Count(log, "level=WARN") != 1 || strings.Count(log, "level=INFO") != 1 || !strings.Contains(log, "agree again") {
			t.Errorf("the log has\n%s", log)
		}
	})
}
