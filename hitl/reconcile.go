package hitl

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Reconcile finishes what was left undone in a session: it delivers undelivered messages, ends the session in the desk if
// that is closing, and reads an open one back if the adapter is a [Backfiller]. A server does so by itself for the installations
// that it serves. This is for tools, which must know the installation's configuration: Botpress sends it only with operations.
// A nil configuration means {}.
//
// The adapter is connected for this, and closed afterwards if it is an [io.Closer]; nothing is received, and what fails is not
// retried. Of the installation, BotID and IntegrationID are required, and an empty BotUserID means the BotID.
func (s *Server) Reconcile(ctx context.Context, in Installation, configuration json.RawMessage, conversationID string) error {
	switch {
	case s.client == nil:
		return s.notReady
	case in.BotID == "" || in.IntegrationID == "" || !isID(conversationID):
		return errors.New("hitl: Reconcile needs BotID, IntegrationID and the id of a conversation")
	}
	taken := admission{in: scopeOf(in)}
	if err := s.admit(taken); err != nil {
		return err
	}
	defer s.leave(taken)
	in.BotUserID = cmp.Or(in.BotUserID, in.BotID)
	if len(configuration) == 0 {
		configuration = json.RawMessage("{}")
	}
	connecting, cancel := context.WithTimeout(ctx, s.opts.Timeout)
	defer cancel()
	c, mask, err := s.connect(connecting, in, configuration)
	if err == nil {
		c.background.stop() // the sweep and the retries are those of who serves
		err = errors.Join(s.background(ctx, c, "reconcile", s.opts.Timeout, func(ctx context.Context) error {
			return c.reconcileOnce(ctx, conversationID)
		}), c.close())
	}
	return mask.Error(s.mask.Error(err))
}

// reconcileOnce does for one session what a sweep does for all.
func (c *connection) reconcileOnce(ctx context.Context, conversationID string) error {
	conv, err := c.toDesk.in.Client.GetConversation(ctx, conversationID)
	if err != nil {
		return fmt.Errorf("hitl: read conversation %s: %w", conversationID, err)
	}
	if err := c.toDesk.def.checkChannel(conv.Channel); err != nil {
		return fmt.Errorf("hitl: conversation %s is not a session: %w", conversationID, err)
	}
	err = c.reconcileListed(ctx, conv)
	if errors.Is(err, errInFlight) {
		return fmt.Errorf("%w; try again in %v", err, c.toDesk.timeout+ackGrace+freshAttempt)
	}
	return err
}

// close closes the adapter of a connection that is not one of the [adapters].
func (c *connection) close() error {
	closer, ok := adapterAs[io.Closer](c.adapter)
	if !ok {
		return nil
	}
	return closeAdapter(closer)
}
