package hitl

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"sync/atomic"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/internal/schema"
	"github.com/hitl-go/sdk/internal/wire"
)

// Action describes an action of the integration besides those of the HITL interface. Name is required.
type Action struct {
	// Name is what bots call the action by, usually in camel case: "listAgents".
	Name string

	// Text is what the Studio shows.
	Text

	// Cacheable allows Botpress to answer the same input from memory. Billable says that it may cost the bot
	// something: see [SetCost].
	Cacheable bool
	Billable  bool

	// Attributes are facts for the Studio.
	Attributes map[string]string
}

// addedAction is an [Action] with its function.
type addedAction struct {
	definition botpress.ActionDefinition
	input      *schema.Checker
	run        func(ctx context.Context, adapter Integration[any], input json.RawMessage) (any, error)
}

// AddAction gives the server an action of the author's own: adapters are handed its input and return its output.
//
//	func listAgents(ctx context.Context, a *adapter, in agentsInput) (agentsOutput, error) { … }
//
//	err := hitl.AddAction(server, hitl.Action{Name: "listAgents"}, listAgents)
//
// All types are inferred. I is what the connect function of [NewServer] returns, or an interface that it implements;
// In and Out are structs, whose tags give the schemas as those of a configuration do. Input that does not fit is answered before
// the function is called. An In of type [json.RawMessage] takes any object; an Out may be of any type that has JSON,
// and a nil pointer is null.
//
// Call it before the server serves. An error names what is wrong with the action.
func AddAction[I, In, Out any](s *Server, a Action, run func(context.Context, I, In) (Out, error)) error {
	definition, err := s.describeAction(a, reflect.TypeFor[I](), reflect.TypeFor[In](), reflect.TypeFor[Out]())
	if err != nil {
		return err
	}
	input, err := schema.NewChecker(definition.Input.Schema)
	if err != nil {
		return fmt.Errorf("hitl: action %q: %w", a.Name, err)
	}
	s.actions[a.Name] = &addedAction{
		definition: definition,
		input:      input,
		run: func(ctx context.Context, adapter Integration[any], raw json.RawMessage) (any, error) {
			i, ok := adapterAs[I](adapter)
			if !ok {
				return nil, fmt.Errorf("hitl: action %q is for a %s, which this adapter is not", a.Name, reflect.TypeFor[I]())
			}
			var in In
			if err := json.Unmarshal(raw, &in); err != nil {
				return nil, invalidf("the input of %s does not fit: %w", a.Name, err)
			}
			return run(ctx, i, in)
		},
	}
	return nil
}

func (s *Server) describeAction(a Action, adapter, in, out reflect.Type) (botpress.ActionDefinition, error) {
	c := checker{subject: "Action", names: map[string]string{}}
	for _, name := range []string{s.def.Names.CreateUser, s.def.Names.StartHitl, s.def.Names.StopHitl} {
		c.names["action "+name] = "the HITL interface"
	}
	for name := range s.actions {
		c.names["action "+name] = "an earlier AddAction"
	}
	c.name("Name", "action", a.Name)
	c.text("Text", a.Text)
	for _, name := range sortedKeys(a.Attributes) {
		c.length(fmt.Sprintf("Attributes[%q]", name), a.Attributes[name], maxAttribute)
	}
	if !s.types.adapter.AssignableTo(adapter) {
		c.add(fmt.Sprintf("action %q", a.Name), fmt.Errorf("its function takes a %s, and the adapters of this server are of the type %s", adapter, s.types.adapter))
	}
	input, err := objectSchema(in)
	c.add(fmt.Sprintf("the input of action %q", a.Name), err)
	output, err := schemaOf(out)
	c.add(fmt.Sprintf("the output of action %q", a.Name), err)
	return botpress.ActionDefinition{
		Title: a.Title, Description: a.Description, Billable: a.Billable, Cacheable: a.Cacheable, Attributes: a.Attributes,
		Input: botpress.SchemaDefinition{Schema: input}, Output: botpress.SchemaDefinition{Schema: output},
	}, c.err()
}

// added runs an action of the author's own.
func (c *call) added(ctx context.Context, name string, input json.RawMessage) (response, error) {
	a, ok := c.actions[name]
	if !ok {
		return response{}, invalidf("Action %s not found", name)
	}
	observed(ctx).action = name
	if len(input) == 0 || bytes.Equal(input, []byte("null")) {
		input = json.RawMessage("{}")
	}
	if err := a.input.Check(input); err != nil {
		return response{}, invalidf("the input of %s does not fit: %w", name, err)
	}
	var cost atomic.Uint64
	output, err := a.run(context.WithValue(ctx, costKey{}, &cost), c.adapter, input)
	if err != nil {
		return response{}, err
	}
	return jsonResponse(wire.Output{Output: output, Meta: wire.Cost{Cost: math.Float64frombits(cost.Load())}})
}

type costKey struct{}

// SetCost says what the action that is running costs the bot's owner, in U.S. dollars as Botpress' own integrations count. The last call counts, and without one
// the action is free; what is no number is ignored. The context is the one that the action's function was called with, or made from it.
func SetCost(ctx context.Context, cost float64) {
	if c, ok := ctx.Value(costKey{}).(*atomic.Uint64); ok && !math.IsNaN(cost) && !math.IsInf(cost, 0) {
		c.Store(math.Float64bits(cost))
	}
}
