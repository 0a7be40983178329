package hitl

import (
	"context"
	"fmt"
	"io"
	"reflect"
	"time"
)

// The interfaces of this file are optional: an adapter may have them besides the methods of [Integration]. One that is an
// [io.Closer] is closed when its installation ends. [NewServer] refuses an adapter with a method that has the
// name of one of theirs and another signature.

// Registrar is an [Integration] that sets up something in the desk, for instance its webhook.
type Registrar interface {
	// Register runs each time the installation's configuration is saved, and every hour unless [Options.SweepEvery] is negative.
	// The URL is the installation's own. It should look at what is there and write only what differs. A failure to reach the desk
	// is shown to the bot's owner.
	Register(ctx context.Context, webhookURL string) error

	// Unregister runs when the installation is removed. It undoes only what Register did for this URL.
	Unregister(ctx context.Context, webhookURL string) error
}

// Receiver is an [Integration] whose desk does not call: it is polled, or holds a connection of ours.
type Receiver interface {
	// Receive runs while the installation is served by this process, beside the other methods. When it returns it is run
	// again, with backoff; several processes run one each. It must return when ctx ends, which it does when the installation
	// is reconfigured, unregistered or no longer used, and at shutdown. A process learns of another configuration with the next
	// operation that it gets, and that the installation is gone with the next sweep.
	//
	// Deliver passes events on to the bot, as those of a webhook are. When it returns nil, Botpress has them, so a cursor may
	// move. An error means: try again. What was delivered before is recognised, by the ID of each [Replied], which it needs here.
	// It is safe for concurrent use.
	Receive(ctx context.Context, deliver func(context.Context, ...Event) error) error
}

// Backfiller is an [Integration] whose desk can be read back. Then a webhook is a hint: each event of a session has the
// server read what has happened in it, so nothing is lost with a webhook that never came. The event itself counts even if the desk's
// record does not have it yet.
type Backfiller interface {
	// Backfill returns what happened in the session since then, oldest first. Too much is fine: what is known is recognised by
	// its ID. Every message needs one. Of assignments without one, only the last counts. [Changed] is not among the events, nor
	// is the end of an earlier session with the same ID: it would end this one. An [Error] that is Gone means that the session is
	// over.
	Backfill(ctx context.Context, r BackfillRequest) ([]Event, error)
}

// BackfillRequest names the session that is read back.
type BackfillRequest struct {
	ConversationID string
	Session        Ref

	// Since is a time before which everything is known. It goes by Botpress' clock, with minutes to spare for the desk's.
	Since time.Time
}

// AgentReader is an [Integration] whose desk reports people by their IDs. Events have agents without names, and the server asks who they
// are when it needs them.
type AgentReader interface {
	// ReadAgent reads an agent, whose ID is then the one that was asked for. Each process remembers those that it has read for ten
	// minutes, while the configuration stays the same. Of what the event says, nothing is replaced.
	//
	// An agent that comes back without an ID is no human who answers end users, such as another bot or a customer: what they did is
	// ignored. If it fails, so does the delivery of the event, unless the error is permanent: then the end user gets the
	// reply from an agent without a name. So do not return an error for somebody whom the desk does not know, if that may be anybody.
	ReadAgent(ctx context.Context, id string) (Agent, error)
}

// Notifier is an [Integration] that tells agents what they would not know, as an internal note in the session.
type Notifier interface {
	// Notify adds the note. It may run twice for one message. If it fails, the notice is shown to the bot's owner.
	Notify(ctx context.Context, n Notice) error
}

// Notice is something that an agent should know.
type Notice struct {
	ConversationID string
	Session        Ref

	// MessageID is the agent's message that the notice is about, in the desk.
	MessageID string

	// Text says it in English.
	Text string
}

// checkOptional refuses an adapter with a method of an optional interface that is not of its type: it would never be called.
//
// The methods are looked up by constant names: with others, or by their index, the linker would keep the methods of all types, which
// makes a program larger by a fifth.
func checkOptional(adapter reflect.Type) error {
	type method struct {
		of    reflect.Type
		found func() (reflect.Method, bool)
		want  reflect.Type
	}
	for _, m := range []method{
		{reflect.TypeFor[Registrar](), func() (reflect.Method, bool) { return adapter.MethodByName("Register") }, reflect.TypeFor[func(context.Context, string) error]()},
		{reflect.TypeFor[Registrar](), func() (reflect.Method, bool) { return adapter.MethodByName("Unregister") }, reflect.TypeFor[func(context.Context, string) error]()},
		{reflect.TypeFor[Receiver](), func() (reflect.Method, bool) { return adapter.MethodByName("Receive") }, reflect.TypeFor[func(context.Context, func(context.Context, ...Event) error) error]()},
		{reflect.TypeFor[Backfiller](), func() (reflect.Method, bool) { return adapter.MethodByName("Backfill") }, reflect.TypeFor[func(context.Context, BackfillRequest) ([]Event, error)]()},
		{reflect.TypeFor[AgentReader](), func() (reflect.Method, bool) { return adapter.MethodByName("ReadAgent") }, reflect.TypeFor[func(context.Context, string) (Agent, error)]()},
		{reflect.TypeFor[Notifier](), func() (reflect.Method, bool) { return adapter.MethodByName("Notify") }, reflect.TypeFor[func(context.Context, Notice) error]()},
		{reflect.TypeFor[io.Closer](), func() (reflect.Method, bool) { return adapter.MethodByName("Close") }, reflect.TypeFor[func() error]()},
	} {
		got, ok := m.found()
		if !ok || adapter.Implements(m.of) {
			continue
		}
		if is := signature(adapter, got); is != m.want {
			return fmt.Errorf("hitl: the adapter %v has the method %s as %v, and %v needs %v: change it, or call it something else",
				adapter, got.Name, is, m.of, m.want)
		}
		return fmt.Errorf("hitl: the adapter %v has the method %s of %v, and lacks others of it", adapter, got.Name, m.of)
	}
	return nil
}

// signature is the type of a method, without its receiver.
func signature(of reflect.Type, m reflect.Method) reflect.Type {
	if of.Kind() == reflect.Interface {
		return m.Type
	}
	in := make([]reflect.Type, m.Type.NumIn())
	for i := range in {
		in[i] = m.Type.In(i)
	}
	out := make([]reflect.Type, m.Type.NumOut())
	for i := range out {
		out[i] = m.Type.Out(i)
	}
	return reflect.FuncOf(in[1:], out, m.Type.IsVariadic())
}
