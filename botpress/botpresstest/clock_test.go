package botpresstest_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/botpress/botpresstest"
	"github.com/hitl-go/sdk/message"
)

// TestClockSkew: every time that Botpress tells is by its own clock, and so is every time that it is told. What lasts, lasts
// as long as without a skew.
func TestClockSkew(t *testing.T) {
	for _, skew := range []time.Duration{2 * time.Hour, -2 * time.Hour, 1500 * time.Millisecond} {
		t.Run(skew.String(), func(t *testing.T) {
			opts := botpresstest.Options{ClockSkew: skew, Plugin: botpresstest.PluginConfig{AssignedTimeout: 10 * time.Minute}}
			inBubble(t, opts, func(t *testing.T, a *acme, in *botpresstest.Installation) {
				t.Helper()
				bySkewedClock(t, a, in, skew)
			})
		})
	}
}

var (
	stamps = regexp.MustCompile(`"(?:created|updated)At":("[^"]*")`)
	sorted = regexp.MustCompile(`(?:user|conv|msg|evt|state|intver|iak|err)_([0-9A-HJKMNP-TV-Z]{10})[0-9A-HJKMNP-TV-Z]{16}`)
)

func bySkewedClock(t *testing.T, a *acme, in *botpresstest.Installation, skew time.Duration) {
	t.Helper()
	s, start := a.server, time.Now()
	right := func(what string, at time.Time) {
		t.Helper()
		if now := time.Now().Add(skew); at.Before(start.Add(skew-time.Second)) || at.After(now) {
			t.Errorf("%s is %s, want Botpress' time, %s", what, at.UTC(), now.UTC())
		}
	}
	iso := func(at time.Time) string { return at.UTC().Format("2006-01-02T15:04:05.000Z") }
	c := newAPI(t, a, in)

	// States expire after as long as without a skew.
	claim := func(by string) any {
		_, answer := c.do(`POST states/integration/{integration}/claim/get-or-set {"payload":{"by":"` + by + `"},"expiry":60000}`)
		at, err := time.Parse(time.RFC3339, fmt.Sprint(dig(answer, "state.expiresAt")))
		if want := time.Now().Add(skew + time.Minute); err != nil || by != "b" && at.Sub(want).Abs() > time.Millisecond {
			t.Errorf("a state expires at %s, want %s (%v)", at, want, err)
		}
		return dig(answer, "state.payload.by")
	}
	got := []any{claim("a")}
	<-time.After(time.Minute - 1)
	got = append(got, claim("b"))
	<-time.After(1)
	if got = append(got, claim("c")); !slices.Equal(got, []any{"a", "a", "c"}) {
		t.Errorf("the holders of a state are %v, want a, a, c", got)
	}

	// What is scheduled is due at the time of Botpress' clock, or after the delay.
	signed, err := s.Install(t.Context(), botpresstest.Integration{
		Name: "signed", URL: in.URL, SigningSecret: "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
	})
	if err != nil {
		t.Fatal(err)
	}
	millis, _, _ := strings.Cut(a.received[len(a.received)-1].header.Get("x-bp-signature"), ",")
	if n, err := strconv.ParseInt(millis, 10, 64); err != nil || n != time.Now().Add(skew).UnixMilli() {
		t.Errorf("the signature's time is %q, want %d", millis, time.Now().Add(skew).UnixMilli())
	}
	jane := in.NewEndUser(botpresstest.Profile{Name: "Jane"})
	if err := jane.Escalate(t.Context(), botpresstest.Escalation{Title: "Help"}); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	c.ids["conv"], c.ids["user"] = jane.DownstreamID(), jane.DownstreamUserID()
	schedule := func(text, when string) {
		t.Helper()
		if status, answer := c.do(`POST messages {"payload":{"text":"` + text + `"},"userId":"{user}","conversationId":"{conv}","type":"text","tags":{},"schedule":` + when + `}`); status != 201 {
			t.Fatalf("%d %v", status, answer)
		}
	}
	for _, call := range []string{
		`PUT users/{user} {"name":"J."}`, `PUT conversations/{conv} {"properties":{"a":"b"}}`,
		`POST messages {"payload":{"text":"hi"},"userId":"{user}","conversationId":"{conv}","type":"text","tags":{}}`, `PUT messages/{msg} {"tags":{}}`,
	} {
		if status, answer := c.do(call); status > 201 {
			t.Fatalf("%s: %d %v", call, status, answer)
		}
	}
	if got := []string{read(t, jane), read(t, jane), read(t, jane)}; got[2] != "agent: hi" {
		t.Fatalf("shown: %q", got)
	}
	schedule("third", `{"delay":3000}`)
	schedule("second", `{"dateTime":"`+iso(time.Now().Add(skew+2*time.Second))+`"}`)
	schedule("first", `{"dateTime":"`+iso(time.Now().Add(skew))+`"}`)
	for i, want := range []string{"agent: first", "agent: second", "agent: third"} {
		if line := read(t, jane); line != want {
			t.Errorf("shown: %s, want %s", line, want)
		}
		if took := time.Since(began); i > 0 && took != time.Duration(i+1)*time.Second {
			t.Errorf("%s came after %s", want, took)
		}
	}
	if status, answer := c.do(`POST events {"type":"hitlStopped","payload":{"conversationId":"{conv}"},"schedule":{"dateTime":"` + iso(time.Now().Add(skew+time.Second)) + `"}}`); dig(answer, "event.status") != "scheduled" {
		t.Errorf("an event of the next second: %d %v", status, answer)
	}
	<-time.After(time.Second)
	synctest.Wait()
	if jane.Active() {
		t.Error("the event has not come after a second")
	}

	// The plugin's timeout.
	joan := in.NewEndUser(botpresstest.Profile{Name: "Joan"})
	if err := joan.Escalate(t.Context(), botpresstest.Escalation{Title: "Help"}); err != nil {
		t.Fatal(err)
	}
	<-time.After(10*time.Minute - 1)
	synctest.Wait()
	if !joan.Active() {
		t.Error("the session has timed out too early")
	}
	<-time.After(1)
	synctest.Wait()
	if joan.Active() {
		t.Error("the session has not timed out")
	}
	if err := joan.Say(t.Context(), message.Text{Text: "hello"}); err != nil {
		t.Fatal(err)
	}
	settle(t, s)

	administrate(t, a)

	// Date.
	for _, url := range []string{in.WebhookURL, signed.WebhookURL, s.URL + "/webhook/none", s.URL + "/v1/chat/users", s.URL + "/planets"} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := a.client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		at, err := http.ParseTime(res.Header.Get("Date"))
		if want := time.Now().Add(skew).UTC().Truncate(time.Second); err != nil || !at.Equal(want) {
			t.Errorf("the Date of %s is %q, want %s", url, res.Header.Get("Date"), want)
		}
	}

	// Everything that was ever told.
	var all strings.Builder
	c.header.Del("x-integration-id")
	c.header.Del("x-integration-alias")
	for _, x := range []string{"y", "z"} {
		if status, answer := c.do(`POST messages/get-or-create {"payload":{"text":"hi"},"userId":"{user}","conversationId":"{conv}","type":"text","tags":{"acme-desk:id":"m1","x":"` + x + `"},"discriminateByTags":["acme-desk:id"]}`); status != 200 {
			t.Fatalf("%d %v", status, answer)
		}
	}
	for _, list := range []string{"users", "conversations", "messages", "events"} {
		c.do("GET " + list + "?pageSize=1000")
	}
	for _, call := range s.Calls() {
		if call.At.Before(start.Add(-time.Second)) || call.At.After(time.Now()) {
			t.Errorf("the call %s is of %s, want the caller's time", call.Operation, call.At)
		}
		all.Write(call.Response)
	}
	for _, r := range slices.Concat(jane.Received(), joan.Received()) {
		right("what "+r.ID+" was shown", r.At)
	}
	told := all.String()
	times := stamps.FindAllStringSubmatch(told, -1)
	ids := sorted.FindAllStringSubmatch(told, -1)
	if len(times) < 20 || len(ids) < 20 {
		t.Fatalf("%d times and %d ids were told: %s", len(times), len(ids), told)
	}
	for _, text := range times {
		var at time.Time
		if err := json.Unmarshal([]byte(text[1]), &at); err != nil {
			t.Fatal(err)
		}
		right("a time that was told", at)
	}
	for _, id := range ids {
		var millis int64
		for _, digit := range id[1] {
			millis = millis<<5 | int64(strings.IndexRune("0123456789ABCDEFGHJKMNPQRSTVWXYZ", digit))
		}
		right(fmt.Sprint("the time in ", id[0]), time.UnixMilli(millis))
	}
}

// administrate makes the calls of the administration that tell times.
func administrate(t *testing.T, a *acme) {
	t.Helper()
	ctx := t.Context()
	me, err := botpress.New(botpress.Options{
		BaseURL: a.server.URL, Token: a.server.Token, WorkspaceID: botpresstest.WorkspaceID, BotID: a.server.BotID, HTTPClient: a.client,
	})
	if err != nil {
		t.Fatal(err)
	}
	hitl, err := me.GetPublicInterface(ctx, "hitl", "2.1.0")
	if err != nil {
		t.Fatal(err)
	}
	created, err := me.CreateIntegration(ctx, desk(hitl.ID, nil))
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{
		second(me.GetWorkspace(ctx, botpresstest.WorkspaceID)),
		second(me.UpdateIntegration(ctx, created.ID, botpress.UpdateIntegrationParams{})),
		second(me.CreateIntegrationAPIKey(ctx, botpress.CreateIntegrationAPIKeyParams{IntegrationID: created.ID})),
		second(me.ListIntegrationAPIKeys(ctx, created.ID)),
	} {
		if err != nil {
			t.Error(err)
		}
	}
}

// TestSchedulerJitter: what is scheduled is late by at most the jitter, each piece on its own; what is not is at once.
func TestSchedulerJitter(t *testing.T) {
	orders, latest := map[string]bool{}, time.Duration(0)
	for seed := range uint64(20) {
		inBubble(t, botpresstest.Options{Seed: seed, SchedulerJitter: time.Second}, func(t *testing.T, a *acme, in *botpresstest.Installation) {
			t.Helper()
			jane := session(t, in, botpresstest.Profile{Name: "Jane"})
			c := newAPI(t, a, in)
			c.ids["conv"], c.ids["user"] = jane.DownstreamID(), jane.DownstreamUserID()
			say := func(text, when string) {
				c.do(`POST messages {"payload":{"text":"` + text + `"},"userId":"{user}","conversationId":"{conv}","type":"text","tags":{}` + when + `}`)
			}
			say("hello", "") // The first message assigns the agent, too.
			settle(t, a.server)
			before, start := len(jane.Received()), time.Now()
			say("a", `,"schedule":{"delay":1000}`)
			say("b", `,"schedule":{"delay":1050}`)
			say("now", "")
			settle(t, a.server)
			if took := time.Since(start); took > 0 || len(jane.Received()) != before+1 {
				t.Errorf("what is not scheduled: %d messages after %s", len(jane.Received())-before, took)
			}
			<-time.After(time.Second - 1)
			synctest.Wait()
			if len(jane.Received()) != before+1 {
				t.Error("something was early")
			}
			<-time.After(1050*time.Millisecond + 1)
			synctest.Wait()
			got := jane.Received()[before+1:]
			if len(got) != 2 {
				t.Fatalf("%d messages were shown after the jitter, want 2", len(got))
			}
			orders[message.PlainText(got[0].Message)+message.PlainText(got[1].Message)] = true
			latest = max(latest, got[1].At.Sub(start))
		})
	}
	if !orders["ab"] || !orders["ba"] {
		t.Errorf("the orders were %v, want both", orders)
	}
	if latest < 1800*time.Millisecond {
		t.Errorf("the latest came after %s, want about 2s", latest)
	}
}
