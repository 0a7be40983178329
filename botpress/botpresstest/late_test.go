package botpresstest_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hitl-go/sdk/botpress/botpresstest"
)

// TestLate: a call takes effect after its caller has given up, unless the server is closed before. A delayed one does not.
func TestLate(t *testing.T) {
	calls := map[string]struct {
		operation, path, body string
		effect                func(a *acme) bool
	}{
		"a write": {"createUser", "users", `{"tags":{"late":"yes"}}`, func(a *acme) bool {
			users := a.server.Users()
			return users[len(users)-1].Tags["late"] == "yes"
		}},
		"an action": {"callAction", "actions", `{"type":"acme-desk:createUser","input":{"name":"Jane"}}`, func(a *acme) bool {
			return a.server.Count("action_triggered") == 1 && a.received[len(a.received)-1].name == "action_triggered"
		}},
	}
	for name, call := range calls {
		for _, kind := range []botpresstest.FaultKind{botpresstest.Late, botpresstest.Delay} {
			for _, closed := range []bool{false, true} {
				inBubble(t, botpresstest.Options{}, func(t *testing.T, a *acme, in *botpresstest.Installation) {
					t.Helper()
					a.server.Fault(botpresstest.Fault{Operation: call.operation, Kind: kind, Times: 1, Delay: time.Minute})
					ctx, cancel := context.WithTimeout(t.Context(), time.Second)
					defer cancel()
					req, err := http.NewRequestWithContext(ctx, http.MethodPost, a.server.URL+"/v1/chat/"+call.path, strings.NewReader(call.body))
					if err != nil {
						t.Fatal(err)
					}
					req.Header.Set("Authorization", "Bearer "+a.server.Token)
					req.Header.Set("x-bot-id", a.server.BotID)
					if res, err := a.client.Do(req); err == nil {
						_ = res.Body.Close()
						t.Fatalf("%s, %s: the call was answered %s", name, kind, res.Status)
					}
					if closed {
						a.server.Close()
					}
					<-time.After(59*time.Second - 1)
					synctest.Wait()
					if call.effect(a) {
						t.Errorf("%s, %s: it took effect too early", name, kind)
					}
					<-time.After(1)
					synctest.Wait()
					if got, want := call.effect(a), kind == botpresstest.Late && !closed; got != want {
						t.Errorf("%s, %s, closed %t: it took effect: %t, want %t", name, kind, closed, got, want)
					}
				})
			}
		}
	}
}
