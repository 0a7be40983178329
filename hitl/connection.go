package hitl

import (
	"context"
	"encoding/json"
	"time"

	"github.com/hitl-go/sdk/botpress"
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

	// These belong to adapters.
	fingerprint fingerprint
	retire      func() // ends the connection after its last operation
	uses        int    // operations at work, and one while it is live
}

// connect makes the connection of an installation. The masker hides the configuration's secrets, also in the error.
func (s *Server) connect(ctx context.Context, in Installation, configuration json.RawMessage) (c *connection, mask *redact.Masker, err error) {
	mask, err = s.checkConfiguration(in.ConfigurationType, configuration)
	if err != nil {
		return nil, mask, err
	}
	connect, err := s.configure(configuration)
	if err != nil {
		return nil, mask, err
	}
	log := s.log.With("bot", in.BotID, "integration", in.IntegrationID, "alias", in.Alias)
	in.Logger = redactedLogger(log, mask)
	in.Client = s.client.With(botpress.Scope{BotID: in.BotID, IntegrationID: in.IntegrationID, IntegrationAlias: in.Alias})
	in.State = State{client: in.Client, integrationID: in.IntegrationID}
	defer func() {
		if v := recover(); v != nil {
			err = panicked(v)
		}
	}()
	adapter, err := connect(ctx, in)
	if err != nil {
		return nil, mask, err
	}
	c = s.assemble(in, adapter)
	c.mask = mask
	return c, mask, nil
}

// assemble gives each part of a connection what it works with.
func (s *Server) assemble(in Installation, adapter Integration[any]) *connection {
	def, api, log, scope := &s.def, in.Client, in.Logger, scopeOf(in)
	sessions := &sessions{
		api: api, def: def, log: log, scope: scope,
		locks: &s.memory.conversations, starts: &s.memory.starts,
		cache: cache[*session]{s.memory.sessions, scope}, activationDelay: s.opts.ActivationDelay,
	}
	identities := &identities{
		api: api, def: def, log: log, scope: scope, locks: &s.memory.users,
		refs: cache[Ref]{s.memory.refs, scope}, agents: cache[string]{s.memory.agents, scope},
	}
	leases := &leases{leases: lease.Leases{API: api}, log: log, ttl: s.opts.Timeout + 10*time.Second}
	events := &events{api: api, def: def, sessions: sessions}
	seen := cache[bool]{s.memory.seenMessages, scope}
	toDesk := &toDesk{
		in: in, adapter: adapter, def: def, log: log, sessions: sessions, identities: identities, leases: leases, events: events,
		decodeSession: s.decodeSession, timeout: s.opts.Timeout,
		seenMessages: seen, deliveredParts: cache[int]{s.memory.deliveredParts, scope},
	}
	toBot := &toBot{
		def: def, api: api, log: log, sessions: sessions, identities: identities, leases: leases, events: events,
		desk: toDesk, seenMessages: seen,
	}
	return &connection{adapter: adapter, actions: s.actions, toDesk: toDesk, toBot: toBot}
}
