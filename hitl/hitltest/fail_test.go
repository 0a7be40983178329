package hitltest

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hitl-go/sdk/hitl"
	"github.com/hitl-go/sdk/message"
)

// TestBotFails checks the failures of tests with a bot.
func TestBotFails(t *testing.T) {
	asIs := func(h http.Handler) http.Handler { return h }
	for _, test := range []struct {
		name, quirk string
		do          func(*Bot)
		says        string
	}{
		{"the webhook is refused", "", func(b *Bot) { b.Webhook(httptest.NewRequest(http.MethodPost, "/", nil)) }, "the webhook was answered 401"},
		{"the session is refused", "start-anything", func(b *Bot) { b.EndUser("Jane").Escalate("") }, "A ticket needs a title."},
		{"a message is refused", "bot-speaks", func(b *Bot) {
			jane := b.EndUser("Jane")
			jane.Escalate("Help")
			jane.End() // The bot says so to the desk.
		}, "the integration answered 400 to message_created"},
		{"a message cannot be sent", "", func(b *Bot) { b.EndUser("Jane").Send(message.Unknown{}) }, "the message cannot be sent"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, url := newDesk(t, asIs)
			watched := watch(t, func(t runner) {
				test.do(newBot(t, definition, connectQuirky(test.quirk, nil), config{URL: url}, BotOptions{}))
			})
			if got := strings.Join(watched.failures, "\n"); !strings.Contains(got, test.says) {
				t.Errorf("the failure does not say %q:\n%s", test.says, got)
			}
		})
	}
}

// TestSkipped: the suite says which rules it skips, and why.
func TestSkipped(t *testing.T) {
	_, url := newDesk(t, func(h http.Handler) http.Handler { return h })
	watched := watch(t, func(t runner) {
		run(t, connectQuirky("", nil), Case[config, ticket]{
			Definition: definition, Config: config{URL: url},
			Waive: map[string]string{"user-apart": "users of this desk have names only", "no-such-rule": "whatever"},
		}, quick)
	})

	var checked, skipped []string
	for _, sub := range watched.tests {
		if sub.skipped == "" {
			checked = append(checked, sub.name)
		} else {
			skipped = append(skipped, sub.name)
		}
	}
	want := []string{
		"refs", "user-twice", "start-twice", "start-apart", "start-anything", "stop-twice", "stop-unknown",
		"message-types", "message-parts", "message-twice", "bot-speaks", "webhook-garbage", "concurrent",
	}
	if diff := cmp.Diff(want, checked); diff != "" {
		t.Errorf("checked (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{`hitltest: Case.Waive: there is no rule "no-such-rule"`}, watched.failures); diff != "" {
		t.Errorf("the suite's own failures (-want +got):\n%s", diff)
	}
	summary := strings.Join(watched.log, "\n")
	for _, want := range append(skipped,
		"26 of 39 rules were skipped",
		"receive-twice: the adapter does not implement hitl.Receiver",
		"user-apart: users of this desk have names only",
		"webhook-forged: the case has no Desk.Sign and no Desk.Replied",
	) {
		if !strings.Contains(summary, want) {
			t.Errorf("the summary does not say %q:\n%s", want, summary)
		}
	}
}

// TestInstallFirst: without an installation no rule is checked.
func TestInstallFirst(t *testing.T) {
	watched := watch(t, func(t runner) { run(t, connectQuirky("", nil), Case[config, ticket]{Definition: definition}, quick) })
	if len(watched.tests) > 0 {
		t.Errorf("%d rules were checked", len(watched.tests))
	}
	for _, want := range []string{"The configuration needs a URL.", install.text, docs + "install"} {
		if got := strings.Join(watched.failures, "\n"); !strings.Contains(got, want) {
			t.Errorf("the failure does not say %q:\n%s", want, got)
		}
	}
	if got := watched.output.String(); !strings.Contains(got, "operation=register") {
		t.Errorf("the server's log of the installation is not shown:\n%s", got)
	}
}

// TestLog: the log of the server is in the output of the failing rule, and nowhere else.
func TestLog(t *testing.T) {
	desk, url := newDesk(t, func(h http.Handler) http.Handler { return h })
	offer := desk.desk(&Wire{})
	offer.Wire = nil
	lines := func(r *recorder) []string {
		return slices.DeleteFunc(strings.Split(r.output.String(), "\n"), func(line string) bool { return line == "" })
	}
	watched := watch(t, func(t runner) {
		run(t, connectQuirky("agent-name", nil), Case[config, ticket]{Definition: definition, Config: config{URL: url}, Desk: offer}, quick)
	})
	if diff := cmp.Diff([]string{"agent-name"}, watched.failed()); diff != "" {
		t.Fatalf("the rules that failed (-want +got):\n%s", diff)
	}
	for _, sub := range append(watched.tests, watched) {
		switch got := lines(sub); {
		case sub.name != "agent-name":
			if len(got) > 0 {
				t.Errorf("%s has passed, and %d lines are shown, such as %s", sub.name, len(got), got[0])
			}
		case len(got) == 0:
			t.Error("the failing rule shows nothing of the server's log")
		default:
			if n := strings.Count(strings.Join(got, "\n"), "action=startHitl"); n != 1 {
				t.Errorf("the failing rule has one session, and %d are shown:\n%s", n, strings.Join(got, "\n"))
			}
		}
	}
}

// TestBadCase: a mistake in the case is not reported as one of the adapter.
func TestBadCase(t *testing.T) {
	desk, url := newDesk(t, func(h http.Handler) http.Handler { return h })
	offer := desk.desk(&Wire{}) // Nothing is connected to it.
	offer.Note = func(Session, string) *http.Request { return nil }
	watched := watch(t, func(t runner) {
		run(t, connectQuirky("", nil), Case[config, ticket]{Definition: definition, Config: config{URL: url}, Desk: offer}, quick)
	})
	if diff := cmp.Diff([]string{"start-history", "notes", "cancelled", "desk-down", "not-found"}, watched.failed()); diff != "" {
		t.Errorf("the rules that failed (-want +got):\n%s", diff)
	}
	for name, want := range map[string]string{
		"notes":         "A function of the case's Desk returned no request.",
		"start-history": "No request of the adapter has passed Desk.Wire",
		"cancelled":     "No request of the adapter has passed Desk.Wire",
		"desk-down":     "No request of the adapter has passed Desk.Wire",
	} {
		if got := watched.of(name); !strings.Contains(got, want) {
			t.Errorf("the failure of %s does not say %q:\n%s", name, want, got)
		}
	}
}

// TestDocs: each rule has a heading in the documentation.
func TestDocs(t *testing.T) {
	text, err := os.ReadFile("../../docs/adapter-rules.md")
	if err != nil {
		t.Fatal(err)
	}
	var want, got []string
	for _, r := range append([]rule{install}, rules...) {
		want = append(want, r.name)
	}
	for _, heading := range regexp.MustCompile(`(?m)^### (.*)$`).FindAllStringSubmatch(string(text), -1) {
		got = append(got, heading[1])
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the rules in docs/adapter-rules.md (-want +got):\n%s", diff)
	}
}

func TestAttempt(t *testing.T) {
	trial := &trial{runner: &recorder{t: t}, suite: &suite{}}
	_, err := attempt(t.Context(), trial, "StartHitl", hitl.StartHitlRequest[any]{Title: strings.Repeat("long ", 100)}, func(context.Context) (hitl.Ref, error) {
		return hitl.Ref{}, errors.New("no")
	})
	if err == nil || isAborted(err) {
		t.Errorf("an error became %v", err)
	}
	_, err = attempt(t.Context(), trial, "StopHitl", "", func(context.Context) (hitl.Ref, error) { panic("boom") })
	if !isAborted(err) || !strings.Contains(err.Error(), "StopHitl panicked: boom") {
		t.Errorf("a panic became %v", err)
	}
	want := []string{`StartHitl {"Title":"long long long long long long long long … (500 bytes)"} → error: no`, "StopHitl  → (no answer)"}
	if diff := cmp.Diff(want, trial.calls); diff != "" {
		t.Errorf("noted (-want +got):\n%s", diff)
	}
}
