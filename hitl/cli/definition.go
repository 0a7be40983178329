package cli

import (
	"context"
	"encoding/json"

	"github.com/hitl-go/sdk/internal/hitlinterface"
)

func (a App) definition() *command {
	var iface bool
	c := newCommand("definition", "Print the definition of the integration",
		`Prints the JSON that 'deploy' sends to create the integration, without the URL, the values of secrets and the id of
the interface: 'deploy' adds them.`)
	c.Flags.BoolVar(&iface, "interface", false, "print only the HITL interface")
	c.Run = func(context.Context, []string) error {
		body := a.Server.Describe()
		if !iface {
			return a.print(body)
		}
		for _, i := range body.Interfaces {
			published, err := hitlinterface.Of(i.Version)
			if err != nil {
				return err
			}
			return a.print(published)
		}
		return nil
	}
	return c
}

func (a App) print(v any) error {
	out := json.NewEncoder(a.Stdout)
	out.SetEscapeHTML(false)
	out.SetIndent("", "  ")
	return out.Encode(v)
}
