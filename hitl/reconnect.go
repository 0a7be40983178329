package hitl

import (
	"context"
	"net/http"
	"time"

	"github.com/hitl-go/sdk/internal/sleep"
	"github.com/hitl-go/sdk/internal/wire"
)

// unconnected handles an operation of an installation whose adapter cannot be made. If that may pass, it is tried again in the
// background, since Botpress may not send anything before long; and the end of a session is written down, since Botpress sends it
// a few times only.
func (s *Server) unconnected(ctx context.Context, op operation, cause error) (response, error) {
	if op.name == wire.Unregister {
		s.adapters.giveUp(scopeOf(op.in))
	}
	if op.name == wire.Unregister || op.name == wire.Register || isPermanent(cause) { // Whoever registers hears of it, and tries again.
		return response{}, cause
	}
	s.adapters.reconnect(context.WithoutCancel(ctx), op.in, op.configuration)
	if op.name == wire.WebhookReceived {
		return response{}, withRetryAfter(cause)
	}
	if op.name != wire.ActionTriggered {
		return response{}, cause
	}
	a, err := decodeAction(op.body)
	if err != nil || a.Type != s.def.StopHitl.Name {
		return response{}, cause
	}
	observed(ctx).action = a.Type
	var in wire.ConversationRef
	if decode(a.Input, &in) != nil || !isID(in.ConversationID) {
		return response{}, cause
	}
	c := s.assemble(s.equip(op.in, observed(ctx).mask.Load()), noAdapter{cause})
	c.background.stop() // There is nothing to retry with.
	// A desk that does not answer may have used up the operation's time.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), ackGrace)
	defer cancel()
	closing, err := c.toDesk.stopOnce(ctx, in.ConversationID)
	if err != nil && !closing {
		c.toDesk.stopWanted.put(true, in.ConversationID) // Once the desk is connected, a sweep ends the session.
		return response{}, cause
	}
	if closing {
		c.toDesk.owner.warn(ctx, toldLater, cause)
	}
	return jsonResponse(wire.Output{Output: struct{}{}})
}

// noAdapter stands in for an adapter that cannot be made now.
type noAdapter struct{ err error }

func (n noAdapter) CreateUser(context.Context, CreateUserRequest) (Ref, error) {
	return Ref{}, n.err
}

func (n noAdapter) StartHitl(context.Context, StartHitlRequest[any]) (Ref, error) {
	return Ref{}, n.err
}

func (n noAdapter) StopHitl(context.Context, StopHitlRequest) error { return n.err }

func (n noAdapter) SendMessage(context.Context, SendMessageRequest) (Ref, error) {
	return Ref{}, n.err
}

func (n noAdapter) HandleWebhook(context.Context, *http.Request) (Webhook, error) {
	return Webhook{}, n.err
}

// unconnectedInstallation is what an installation is to be connected with.
type unconnectedInstallation struct {
	in            Installation
	configuration string
}

// reconnect makes the connection of an installation later, with backoff, until it or another one of the installation is there.
func (a *adapters) reconnect(ctx context.Context, in Installation, configuration string) {
	scope := scopeOf(in)
	a.mu.Lock()
	defer a.mu.Unlock()
	_, trying := a.broken[scope]
	if a.stopped || !trying && len(a.broken) == maxConnections {
		return
	}
	a.broken[scope] = &unconnectedInstallation{in, configuration} // The newest one counts.
	if trying {
		return
	}
	a.work.Go(func() {
		defer func() {
			a.mu.Lock()
			defer a.mu.Unlock()
			delete(a.broken, scope)
		}()
		for attempt := range maxRetryAttempts {
			backoff := min(firstRetry<<min(attempt, 10), longestRetry)
			select {
			case <-a.stopping:
				return
			case <-time.After(backoff + sleep.Jitter(backoff/5)):
			}
			a.mu.Lock()
			latest := a.broken[scope]
			a.mu.Unlock()
			if latest == nil {
				return
			}
			in, configuration := latest.in, latest.configuration
			ctx, seen := observe(ctx)
			err := a.replace(ctx, in, configuration, fingerprintOf(in, configuration))
			if err == nil || isPermanent(err) {
				return
			}
			a.log.WarnContext(ctx, "an installation cannot be connected yet; it is tried again", "bot", in.BotID, "alias", in.Alias, "error", seen.mask.Load().Error(err))
		}
	})
}

// giveUp ends the attempts to connect an installation.
func (a *adapters) giveUp(in scope) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.stopReconnecting(in)
}

// stopReconnecting ends the attempts to connect an installation with their next one. Hold a.mu.
func (a *adapters) stopReconnecting(in scope) {
	if _, trying := a.broken[in]; trying {
		a.broken[in] = nil
	}
}
