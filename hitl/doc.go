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
// sessions and messages both ways, deduplicates, delivers in order, schedules what the desk reports before the plugin is
// ready, and retries what has failed: at once, in the background, and in a sweep through the sessions.
//
// An adapter may implement more than the five methods: [Registrar], [Receiver], [Backfiller], [AgentReader], [Notifier] and [io.Closer].
//
// What replicas must agree on is kept in Botpress, as tags and states that the server declares for itself: any number of
// servers can stand behind a load balancer, and a server can be killed at any moment.
//
// # Errors
//
// An error made with [Errorf] is permanent and for the bot's owner: its message is shown, and nobody retries. An [Error] that is
// Temporary is shown, too, and is for what the owner can fix: messages and ends of sessions wait for that. Any other error
// is a transient failure: it is logged under an id, the answer has only the id, and the request is retried. So delivery to the
// desk is at-least-once, and a method may be called again after it has succeeded. It must be idempotent: the requests carry
// ids that are the same for each attempt. Where the desk cannot recognise a repetition, see [Definition.SendOnce].
package hitl
