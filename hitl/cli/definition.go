package cli

import (
	"encoding/json"

	"github.com/spf13/cobra"

	"github.com/hitl-go/sdk/internal/hitlinterface"
)

func (a App) definition() *cobra.Command {
	var iface bool
	c := &cobra.Command{
		Use:   "definition",
		Short: "Print the definition of the integration",
		Long: `Prints as JSON what 'deploy' sends to create the integration, but for what only the deployment knows: its URL, the
values of secrets and the id of the interface.`,
		Args: noArgs,
	}
	c.Flags().BoolVar(&iface, "interface", false, "print the HITL interface alone")
	c.RunE = func(*cobra.Command, []string) error {
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
