package hitltest_test

import (
	"testing"

	"github.com/hitl-go/sdk/hitl"
	"github.com/hitl-go/sdk/hitl/hitltest"
	"github.com/hitl-go/sdk/internal/acme"
)

// A test of an adapter plays a bot, an end user and an agent: here, what is said in the desk reaches the end user.
func ExampleNewBot() {
	_ = func(t *testing.T) { // func TestReply
		desk := &acme.Desk{}
		bot := hitltest.NewBot(t, acme.Definition(true), acme.Connect(desk), acme.Config{APIURL: "https://desk.example.com", APIToken: "t"})
		jane := bot.EndUser("Jane Doe")
		jane.Say("Where is my order?")
		jane.Escalate("An order is late")
		jane.Say("Are you there?")

		_ = jane.Session().ID // The ticket: let an agent of the fake desk answer in it.
		jane.Sees("Alice Agent: How can I help?")
	}
	// Output:
}

// The suite checks the rules that all adapters should keep. The Desk says how the fake desk reports what happens in it.
func ExampleRun() {
	_ = func(t *testing.T) { // func TestRules
		desk := &acme.Desk{}
		hitltest.Run(t, acme.Connect(desk), hitltest.Case[acme.Config, acme.Session]{
			Definition: acme.Definition(true),
			Config:     acme.Config{APIURL: "https://desk.example.com", APIToken: "t"},
			Desk:       hitltest.Desk{Agent: hitl.Agent{ID: "7", Name: "Alice Agent"}},
		})
	}
	// Output:
}
