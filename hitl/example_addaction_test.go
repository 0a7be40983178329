package hitl_test

import (
	"context"
	"fmt"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/hitl"
)

// supportDesk is an adapter; its methods for HITL are left out here.
type supportDesk struct {
	stub[struct{}]

	in hitl.Installation
}

type agentsInput struct {
	Group string `json:"group,omitempty" jsonschema:"title=Group,enum=sales,enum=support" jsonschema_description:"All agents, if empty"`
}

type agentsOutput struct {
	Names []string `json:"names"`
}

func listAgents(ctx context.Context, d supportDesk, _ agentsInput) (agentsOutput, error) {
	d.in.SetCost(ctx, 0.001)
	return agentsOutput{Names: []string{"Ann", "Bob"}}, nil
}

func ExampleAddAction() {
	connect := func(_ context.Context, in hitl.Installation, _ struct{}) (supportDesk, error) {
		return supportDesk{in: in}, nil
	}
	server, err := hitl.NewServer(hitl.Definition{Name: "support-desk", Version: "1.0.0"}, connect, &hitl.Options{
		Botpress: botpress.Options{Token: "token"}, Insecure: true,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	action := hitl.Action{Name: "listAgents", Title: "List agents"}
	err = hitl.AddAction(server, action, listAgents)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(string(server.Describe().Actions["listAgents"].Output.Schema))
	// Output: {"properties":{"names":{"items":{"type":"string"},"type":"array"}},"additionalProperties":false,"type":"object","required":["names"]}
}
