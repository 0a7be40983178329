// Package hitl connects a help desk to Botpress.
//
// When a bot hands a conversation over to a human, Botpress' HITL plugin talks to an integration that stands for the
// help desk. Write the five methods of [Integration] against your desk, describe it in a [Definition], and serve it:
//
//	func main() {
//		cli.Main(hitl.NewServer(definition, connect, nil))
//	}
//
//	// connect is called once for each installation; config is your own struct.
//	func connect(ctx context.Context, in hitl.Installation, c config) (*desk, error) {
//		return &desk{api: acme.New(c.Token)}, nil
//	}
//
// Package cli makes a program of it that serves, deploys and describes itself; a [Server] is also an [http.Handler].
// Everything else is done around your methods:
//
//	        Botpress                          Server                        your Integration
//	           │  createUser                     │                                 │
//	           ├────────────────────────────────►│ find or create the user         │
//	           │                                 ├── CreateUser ──────────────────►│ desk
//	           │  startHitl                      │ keep the desk's id              │
//	           ├────────────────────────────────►│ find or create the conversation │
//	           │                                 ├── StartHitl ───────────────────►│ desk
//	           │  message_created                │                                 │
//	           ├────────────────────────────────►├── SendMessage ─────────────────►│ desk
//	           │  webhook_received               │                                 │
//	desk ─────►├────────────────────────────────►├── HandleWebhook ───────────────►│
//	           │◄──────── message, events ───────┤◄─ Replied, Assigned, Stopped ───┤
//	           │  stopHitl                       │                                 │
//	           ├────────────────────────────────►├── StopHitl ────────────────────►│ desk
//
// The server checks signatures and bounds what comes in, decodes configuration and session into your types, maps users,
// sessions and messages both ways, recognises what was done already, keeps a conversation's things in order, delivers
// what the desk reports too early for the plugin, and answers Botpress and the desk so that what failed is tried again.
//
// What replicas must agree on is kept in Botpress, as tags and states that the server declares for itself: any number of
// servers can stand behind a load balancer, and a server can be killed at any moment.
//
// # Errors
//
// An error made with [Errorf] is for the bot's owner: its message is shown, and nobody tries again. Any other error is a
// passing failure: it is logged under an id, and the answer has only the id.
package hitl
