package hitl

import (
	"context"

	"github.com/hitl-go/sdk/internal/wire"
)

func (c *connection) register(ctx context.Context, body []byte) (response, error) {
	return c.registration(ctx, body, Registrar.Register)
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
	if r, ok := adapterAs[Registrar](c.adapter); ok {
		if err := do(r, ctx, b.WebhookURL); err != nil {
			return response{}, err
		}
	}
	return jsonResponse(struct{}{})
}
