package hitl

import (
	"context"
	"errors"
	"io"
	"net"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/internal/wire"
)

func (c *connection) register(ctx context.Context, body []byte) (response, error) {
	res, err := c.registration(ctx, body, Registrar.Register)
	if err != nil {
		return response{}, forOwner(err)
	}
	if c.background.sweeps {
		if err := c.wakeUp(ctx); isKeyRefused(err) {
			return response{}, forOwner(err) // Nothing else would succeed either.
		}
		c.sweepNow()
	}
	return res, nil
}

// unregister ends the installation, and its adapter with it.
func (c *connection) unregister(ctx context.Context, body []byte) (response, error) {
	res, err := c.registration(ctx, body, Registrar.Unregister)
	if err == nil {
		c.retire()
	}
	return res, err
}

func (c *connection) registration(ctx context.Context, body []byte, do func(Registrar, context.Context, string) error) (response, error) {
	var b wire.Registration
	if err := decode(body, &b); err != nil {
		return response{}, err
	}
	if b.WebhookURL == "" {
		return response{}, invalidf("the body has no webhookUrl")
	}
	if r, ok := adapterAs[Registrar](c.adapter); ok {
		if err := do(r, ctx, b.WebhookURL); err != nil {
			return response{}, err
		}
	}
	return nothing, nil
}

// wakeUp asks Botpress to call register every hour, so that sessions are reconciled even if nothing else happens.
func (c *connection) wakeUp(ctx context.Context) error {
	err := c.toDesk.in.Client.ConfigureIntegration(ctx, botpress.ConfigureIntegrationParams{ScheduleRegisterCall: botpress.Hourly})
	if err != nil {
		c.toDesk.log.WarnContext(ctx, "Botpress could not be asked to call register every hour", "error", err)
	}
	return err
}

// forOwner is an error of register in words for the bot's owner, who reads them at once: a wrong address is the most common mistake
// in a configuration.
func forOwner(err error) error {
	var own *Error
	var retryable *retryableError
	var network net.Error
	var ofBotpress interface{ FromBotpress() }
	switch {
	case errors.As(err, &own):
		return err
	case isKeyRefused(err):
		return &Error{Message: keyRefused, Err: err}
	case errors.As(err, &retryable), errors.As(err, &ofBotpress), !errors.As(err, &network) && !errors.Is(err, io.EOF):
		return err
	}
	return &Error{Message: "The help desk cannot be reached: " + err.Error(), Err: err}
}
