package hitl

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"sync/atomic"

	"github.com/hitl-go/sdk/internal/strictjson"
	"github.com/hitl-go/sdk/internal/wire"
)

// action runs what a bot, most often its HITL plugin, asks of us.
func (c *connection) action(ctx context.Context, body []byte) (response, error) {
	a, err := decodeAction(body)
	if err != nil {
		return response{}, err
	}
	var output any
	switch def := c.toDesk.def; a.Type {
	case def.CreateUser.Name:
		output, err = c.toDesk.createUser(ctx, a.Input)
	case def.StartHitl.Name:
		output, err = c.toDesk.startHitl(ctx, a.Input)
	case def.StopHitl.Name:
		output, err = struct{}{}, c.toDesk.stopHitl(ctx, a.Input)
	default:
		return c.added(ctx, a.Type, a.Input)
	}
	observed(ctx).action = a.Type
	if err != nil {
		return response{}, err
	}
	return jsonResponse(wire.Output{Output: output})
}

// decodeAction reads which action is asked for, and refuses what names none with the words of Botpress' SDK.
func decodeAction(body []byte) (wire.Action, error) {
	var a struct {
		Type  any             `json:"type"`
		Input json.RawMessage `json:"input"`
	}
	err := strictjson.Unmarshal(body, &a)
	var mismatch *strictjson.MismatchError
	switch {
	case errors.As(err, &mismatch): // JSON, but no object
	case err != nil:
		return wire.Action{}, invalidf("the body is not valid: %w", err)
	case a.Type != nil && a.Type != "" && a.Type != false && a.Type != 0.0:
		return wire.Action{Type: fmt.Sprint(a.Type), Input: a.Input}, nil
	}
	return wire.Action{}, invalidf("Missing action type")
}

// added runs an action of the author's own.
func (c *connection) added(ctx context.Context, name string, input json.RawMessage) (response, error) {
	a, ok := c.actions[name]
	if !ok {
		return response{}, invalidf("Action %s not found", name)
	}
	observed(ctx).action = name
	if len(input) == 0 || bytes.Equal(input, []byte("null")) {
		input = json.RawMessage("{}")
	}
	input = a.input.Normalize(input)
	if err := a.input.Check(input); err != nil {
		return response{}, invalidf("the input of %s is invalid: %w", name, err)
	}
	var cost atomic.Uint64
	output, err := a.run(context.WithValue(ctx, costKey{}, &cost), c.adapter, input)
	if err != nil {
		return response{}, err
	}
	return jsonResponse(wire.Output{Output: output, Meta: wire.Cost{Cost: math.Float64frombits(cost.Load())}})
}

type costKey struct{}

// SetCost says what the action that is running costs the bot's owner, in U.S. dollars as Botpress' own integrations count. The
// last call counts. Without one the action is free. What is no number is ignored. The context is the one that the action's
// function was called with, or made from it.
func (Installation) SetCost(ctx context.Context, cost float64) {
	if c, ok := ctx.Value(costKey{}).(*atomic.Uint64); ok && !math.IsNaN(cost) && !math.IsInf(cost, 0) {
		c.Store(math.Float64bits(cost))
	}
}
