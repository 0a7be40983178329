package main

import (
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/hitl-go/sdk/hitl"
	"github.com/hitl-go/sdk/hitl/hitltest"
)

var definition = hitl.Definition{Name: "minimal", Version: "1.0.0", SendOnce: true}

const key = "open sesame"

func TestSession(t *testing.T) {
	t.Setenv("AGENT_KEY", key)
	bot := hitltest.NewBot(t, definition, connect, struct{}{})
	jane := bot.EndUser("Jane")
	jane.Escalate("Help")
	jane.Say("Is anybody there?")
	bot.Webhook(signed(report(jane.Session(), "Hello")))
	jane.Sees("Your agent: Hello")
	bot.Webhook(signed(report(jane.Session(), "Hello"))) // The same words, but not the same report.
	jane.Sees("Your agent: Hello")
	bot.Webhook(signed(report(jane.Session(), "")))
	jane.Sees("bot: The human agent closed the conversation. I will continue assisting you.")
}

func TestRules(t *testing.T) {
	c, _ := suiteCase(t)
	hitltest.Run(t, connect, c)
}

func TestChaos(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, terminal := suiteCase(t)
		c.Desk.Heard = func(s hitltest.Session) (heard []string) {
			printed, err := os.ReadFile(terminal)
			if err != nil {
				t.Error(err)
			}
			for line := range strings.Lines(string(printed)) {
				if said, ok := strings.CutPrefix(line, "session "+s.ID+": "); ok {
					heard = append(heard, said)
				}
			}
			return heard
		}
		open, closed := c.Desk.Open, map[string]bool{} // by the agent, of which the terminal tells nothing
		c.Desk.Open = func(s hitltest.Session) bool { return !closed[s.ID] && open(s) }
		c.Desk.Stopped = func(s hitltest.Session) *http.Request {
			closed[s.ID] = true
			return report(s, "")
		}
		hitltest.Chaos(t, connect, c, hitltest.ChaosOptions{})
	})
}

// suiteCase is a terminal for the suite. It returns the name of the file that stands for it.
func suiteCase(t *testing.T) (c hitltest.Case[struct{}, struct{}], terminal string) {
	t.Helper()
	t.Setenv("AGENT_KEY", key)
	terminal = newTerminal(t)
	return hitltest.Case[struct{}, struct{}]{
		Definition: definition,
		Desk: hitltest.Desk{
			Agent:   hitl.Agent{ID: "1", Name: "Your agent"},
			Replied: report,
			Stopped: func(s hitltest.Session) *http.Request { return report(s, "") },
			Sign:    func(r *http.Request) { signed(r) },
			Open: func(s hitltest.Session) bool {
				printed, err := os.ReadFile(terminal)
				return err == nil && !strings.Contains(string(printed), "session "+s.ID+" is over\n")
			},
		},
	}, terminal
}

// newTerminal has the adapter print to a file until the test ends, and returns its name.
func newTerminal(t *testing.T) string {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "terminal"))
	if err != nil {
		t.Fatal(err)
	}
	terminal := os.Stdout
	os.Stdout = f
	t.Cleanup(func() {
		os.Stdout = terminal
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	return f.Name()
}

// report is what the agent sends with curl, but for the key.
func report(s hitltest.Session, text string) *http.Request {
	form := url.Values{"session": {s.ID}, "id": {strconv.Itoa(rand.Int())}, "text": {text}}
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return r
}

func signed(r *http.Request) *http.Request {
	r.Header.Set("Agent-Key", key)
	return r
}
