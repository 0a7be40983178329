package hitl

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/internal/hitlinterface"
	"github.com/hitl-go/sdk/internal/schema"
	"github.com/hitl-go/sdk/internal/strictjson"
)

// Action describes an action of the integration besides those of the HITL interface. Name is required.
type Action struct {
	// Name is what bots call the action by, usually in camel case: "listAgents".
	Name string

	// Title and Description are what the Studio shows.
	Title       string
	Description string

	// Cacheable allows Botpress to answer the same input from memory. Billable says that it may cost the bot
	// something: see [Installation.SetCost].
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
			if err := strictjson.Unmarshal(raw, &in); err != nil {
				return nil, invalidf("the input of %s is invalid: %w", a.Name, err)
			}
			return run(ctx, i, in)
		},
	}
	return nil
}

func (s *Server) describeAction(a Action, adapter, in, out reflect.Type) (botpress.ActionDefinition, error) {
	c := checker{subject: "Action", names: map[string]string{}}
	for _, name := range []string{s.def.CreateUser.Name, s.def.StartHitl.Name, s.def.StopHitl.Name} {
		c.names["action "+name] = "the HITL interface"
	}
	for name := range s.actions {
		c.names["action "+name] = "an earlier AddAction"
	}
	c.name("Name", "action", a.Name)
	c.length("Title", a.Title, maxTitle)
	c.length("Description", a.Description, maxDescription)
	c.attributes("Attributes", a.Attributes)
	if !s.types.adapter.AssignableTo(adapter) {
		c.add(fmt.Sprintf("action %q", a.Name), fmt.Errorf("its function takes a %s, and the adapters of this server are of the type %s", adapter, s.types.adapter))
	}
	input, err := objectSchema(in)
	c.add(fmt.Sprintf("the input of action %q", a.Name), err)
	output, err := hitlinterface.SchemaOf(out)
	c.add(fmt.Sprintf("the output of action %q", a.Name), err)
	return botpress.ActionDefinition{
		Title: a.Title, Description: a.Description, Billable: a.Billable, Cacheable: a.Cacheable, Attributes: a.Attributes,
		Input: botpress.SchemaDefinition{Schema: input}, Output: botpress.SchemaDefinition{Schema: output},
	}, c.err()
}
