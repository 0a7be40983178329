// Package hitltest tests adapters: implementations of [hitl.Integration].
//
// [Run] checks an adapter against the rules that every adapter must keep, each a subtest of its own. It needs a desk to
// test with, usually a fake of its API, and a few functions that make the desk's webhook requests:
//
//	func TestRules(t *testing.T) {
//		desk := newFakeDesk(t)
//		hitltest.Run(t, connect, hitltest.Case[Config, Session]{
//			Definition: definition,
//			Config:     Config{URL: desk.URL, Token: "t0ken"},
//			Desk: hitltest.Desk{
//				Replied: func(s hitltest.Session, text string) *http.Request { return desk.reply(s.ID, text) },
//				Heard:   func(s hitltest.Session) []string { return desk.heard(s.ID) },
//			},
//		})
//	}
//
// A failure says which rule was broken and why it is one, what the adapter was asked, what it asked the desk, and where
// to read more. What a case cannot offer, such as Heard, leaves the rules that need it unchecked: their subtests are
// skipped and say so, and Run lists them at the end.
//
// [NewBot] is for tests of one's own: it drives the server of an integration as Botpress and its HITL plugin do.
//
//	bot := hitltest.NewBot(t, definition, connect, Config{URL: desk.URL, Token: "t0ken"})
//	jane := bot.EndUser("Jane")
//	jane.Say("Where is my order?")
//	jane.Escalate("An order is missing")
//	bot.Webhook(desk.reply(jane.Session().ID, "How can I help?"))
//	jane.Sees("Alice Agent: How can I help?")
//
// Everything is real except Botpress: HTTP servers on the loopback interface, signatures, retries. So the package does not fit into a
// bubble of testing/synctest.
package hitltest
