// Package hitltest tests adapters: implementations of [hitl.Integration].
//
// [Run] checks an adapter against the rules for all adapters, each in a subtest. It needs a test desk, usually a fake of its
// API, and a few functions that make the desk's webhook requests:
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
// A failure shows the rule and its reason, the calls of the adapter, its requests to the desk, what the server logged, and a
// link to the documentation. A case may leave out fields of [Desk], such as Heard: the rules that need them are skipped, and
// Run lists them at the end.
//
// [NewBot] is for other tests: it calls the server of an integration as Botpress and its HITL plugin do.
//
//	bot := hitltest.NewBot(t, definition, connect, Config{URL: desk.URL, Token: "t0ken"})
//	jane := bot.EndUser("Jane")
//	jane.Say("Where is my order?")
//	jane.Escalate("An order is missing")
//	bot.Webhook(desk.reply(jane.Session().ID, "How can I help?"))
//	jane.Sees("Alice Agent: How can I help?")
//
// Everything but Botpress is real: HTTP servers on the loopback interface, signatures, retries. So Run and NewBot cannot run in
// a bubble of testing/synctest.
//
// [Chaos] can, and should: it runs whole sessions while everything goes wrong, and compares what was said with what arrived.
package hitltest
