package hitl

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/hitl/bplog"
	"github.com/hitl-go/sdk/internal/lease"
	"github.com/hitl-go/sdk/internal/redact"
)

// connection is an installation that is being served: its adapter, and what its operations work with.
type connection struct {
	adapter Integration[any]
	actions map[string]*addedAction
	toDesk  *toDesk
	toBot   *toBot
	mask    *redact.Masker // hides the secrets of the configuration

	background  background
	sweeping    sync.Mutex
	sweptTo     map[string]string // where the next sweep continues a list
	readingBack atomic.Bool       // planned

	// These belong to adapters.
	fingerprint fingerprint
	retire      func() // ends the connection after its last operation
	retired     bool
	uses        int // operations and background work, and one while it is live
}

// connect makes the connection of an installation. The masker hides the configuration's secrets, also in the error.
func (s *Server) connect(ctx context.Context, in Installation, configuration json.RawMessage) (c *connection, mask *redact.Masker, err error) {
	defer func() { // The types of a configuration are the author's, too.
		if v := recover(); v != nil {
			err = panicked(v)
		}
	}()
	configuration, mask, err = s.checkConfiguration(in.ConfigurationType, configuration)
	if err != nil {
		return nil, mask, err
	}
	connect, err := s.configure(configuration)
	if err != nil {
		return nil, mask, err
	}
	in = s.equip(in, mask)
	adapter, err := connect(ctx, in)
	if err != nil {
		return nil, mask, err
	}
	c = s.assemble(in, adapter)
	c.mask = mask
	return c, mask, nil
}

// equip gives an installation what its adapter works with.
func (s *Server) equip(in Installation, mask *redact.Masker) Installation {
	in.Logger = redactedLogger(s.log.With("bot", in.BotID, "integration", in.IntegrationID, "alias", in.Alias), mask)
	own := *s.opts.HTTPClient // what one adapter changes, such as the transport, is not the others'
	if own.Transport == nil {
		own.Transport = http.DefaultTransport // adapters wrap it
	}
	in.HTTPClient = &own
	in.Client = s.client.With(botpress.Scope{BotID: in.BotID, IntegrationID: in.IntegrationID, IntegrationAlias: in.Alias})
	leases := &leases{api: lease.Leases{API: in.Client, Now: s.clock.now}, log: in.Logger, ttl: s.opts.Timeout + 10*time.Second}
	in.State = State{declared: s.def.States, client: in.Client, integrationID: in.IntegrationID, leases: leases}
	return in
}

// start begins what the connection does on its own initiative.
func (s *Server) start(c *connection) {
	if r, ok := adapterAs[Receiver](c.adapter); ok {
		c.receive(r)
	}
	c.background.sweeps = s.opts.SweepEvery > 0
	c.planSweep(sweepSoon, s.opts.SweepEvery)
}

// assemble gives each part of a connection what it works with.
func (s *Server) assemble(in Installation, adapter Integration[any]) *connection {
	def, api, log, scope, leases := &s.def, in.Client, in.Logger, scopeOf(in), in.State.leases
	owner := &toOwner{log: log, marks: bplog.Is(s.opts.Logger.Handler())}
	sessions := &sessions{
		api: api, def: def, log: log, scope: scope, clock: &s.clock, replica: s.replica,
		locks: &s.memory.conversations, starts: &s.memory.starts,
		cache: cache[*session]{s.memory.sessions, scope}, foreign: cache[time.Time]{s.memory.foreign, scope},
		activationDelay: s.opts.ActivationDelay, opensFor: redeliveryWindow + s.opts.Timeout + ackGrace,
	}
	identities := &identities{
		api: api, def: def, log: log, owner: owner, scope: scope, locks: &s.memory.users, clock: &s.clock,
		linked:   cache[linkedUser]{s.memory.linked, scope},
		speakers: cache[speaker]{s.memory.speakers, scope}, agents: cache[string]{s.memory.agents, scope},
		profiles: cache[*profile]{s.memory.profiles, scope}, connection: rand.Text(),
	}
	events := &events{api: api, def: def, sessions: sessions}
	seen := cache[whose]{s.memory.seenMessages, scope}
	toDesk := &toDesk{
		in: in, adapter: adapter, def: def, log: log, owner: owner, sessions: sessions, identities: identities, leases: leases, events: events,
		decodeSession: s.decodeSession, timeout: s.opts.Timeout,
		seenMessages: seen, pendingAcks: cache[pendingAck]{s.memory.pendingAcks, scope},
		startedRefs: cache[Ref]{s.memory.startedRefs, scope}, stopWanted: cache[bool]{s.memory.stopWanted, scope},
	}
	toBot := &toBot{
		def: def, api: api, log: log, sessions: sessions, identities: identities, leases: leases, events: events,
		desk: toDesk, seenMessages: seen, authors: cache[string]{s.memory.authors, scope},
		undeliverable: cache[time.Time]{s.memory.undeliverable, scope},
	}
	c := &connection{adapter: adapter, actions: s.actions, toDesk: toDesk, toBot: toBot}
	c.background.init()
	c.background.run = func(ctx context.Context, name string, timeout time.Duration, do func(context.Context) error) error {
		return s.background(ctx, c, name, timeout, do)
	}
	c.background.reconcile = c.reconcile
	toDesk.retry = func(conversationID string, because error) {
		if conversationID != "" {
			c.background.retry(conversationID, because)
		}
	}
	toDesk.startAgain = toBot.startAgain
	toBot.readBack = c.readBack
	return c
}
