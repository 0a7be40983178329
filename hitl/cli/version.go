package cli

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

const module = "github.com/hitl-go/sdk"

func (a App) version() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print versions",
		Args:  noArgs,
		RunE: func(*cobra.Command, []string) error {
			body := a.Server.Describe()
			fmt.Fprintf(a.Stdout, "%s %s\n", body.Name, body.Version)
			for _, i := range body.Interfaces {
				fmt.Fprintf(a.Stdout, "interface %s %s\n", i.Name, i.Version)
			}
			fmt.Fprintf(a.Stdout, "%s %s\n", module, sdkVersion())
			_, err := fmt.Fprintln(a.Stdout, runtime.Version())
			return err
		},
	}
}

// sdkVersion is the version of this module in the build.
func sdkVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "(unknown)"
	}
	if info.Main.Path == module {
		return info.Main.Version
	}
	for _, m := range info.Deps {
		if m.Path == module {
			return m.Version
		}
	}
	return "(unknown)"
}
