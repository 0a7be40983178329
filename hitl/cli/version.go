package cli

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
)

const module = "github.com/hitl-go/sdk"

func (a App) version() *command {
	c := newCommand("version", "Print versions", "Prints the versions of the integration, of its interface, of this SDK and of Go.")
	c.Run = func(context.Context, []string) error {
		body := a.Server.Describe()
		fmt.Fprintf(a.Stdout, "%s %s\n", body.Name, body.Version)
		for _, i := range body.Interfaces {
			fmt.Fprintf(a.Stdout, "interface %s %s\n", i.Name, i.Version)
		}
		fmt.Fprintf(a.Stdout, "%s %s\n", module, sdkVersion())
		_, err := fmt.Fprintln(a.Stdout, runtime.Version())
		return err
	}
	return c
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
