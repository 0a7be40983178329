package docs

import (
	"bytes"
	"cmp"
	"context"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/hitl-go/sdk/hitl"
	"github.com/hitl-go/sdk/hitl/cli"
)

var update = flag.Bool("update", false, "rewrite the pages that are made of the code")

func TestCommands(t *testing.T) { upToDate(t, "docs/cli.md", commandPage(t)) }

func TestEnvironment(t *testing.T) { upToDate(t, "docs/environment.md", environmentPage(t)) }

func upToDate(t *testing.T, name, want string) {
	t.Helper()
	file := filepath.Join(root, name)
	if *update {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(file); err != nil || string(got) != want {
		t.Errorf("%s is not what the code says (%v); make it anew: go test ./internal/docs -update", name, err)
	}
}

// commands are in the order of the help.
var commands = regexp.MustCompile(`(?m)^  ([a-z-]+) +\S`)

func commandPage(t *testing.T) string {
	t.Helper()
	var page strings.Builder
	page.WriteString("# The command line\n\n" +
		"Every integration whose `main` calls [`cli.Main`](https://pkg.go.dev/github.com/hitl-go/sdk/hitl/cli#Main) has these commands; its program is called\n" +
		"`adapter` here. [environment.md](environment.md) has the environment variables. The exit code is 0 for success, 1 for failure, and 2 for a wrong command line.\n\n" +
		"This page is made by `go test ./internal/docs -update`.\n")
	for _, name := range commandNames(t) {
		fmt.Fprintf(&page, "\n## %s\n\n```\n%s\n```\n", name, strings.TrimSpace(run(t, "help", name)))
	}
	return page.String()
}

func commandNames(t *testing.T) (names []string) {
	t.Helper()
	_, list, _ := strings.Cut(run(t, "help"), "Commands:\n")
	list, _, _ = strings.Cut(list, "\n\n")
	for _, m := range commands.FindAllStringSubmatch(list, -1) {
		if m[1] != "help" {
			names = append(names, m[1])
		}
	}
	if len(names) == 0 {
		t.Fatal("there are no commands")
	}
	return names
}

// run runs a command in an empty environment, and returns what it prints.
func run(t *testing.T, args ...string) string {
	t.Helper()
	connect := func(context.Context, hitl.Installation, struct{}) (silent, error) { return silent{}, nil }
	server, err := hitl.NewServer(hitl.Definition{Name: "adapter", Version: "1.0.0", Title: "Adapter"}, connect, &hitl.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var out, problems bytes.Buffer
	app := cli.App{
		Server: server, Name: "adapter", Args: args, Stdout: &out, Stderr: &problems, Stdin: &bytes.Buffer{},
		Getenv: func(string) string { return "" },
	}
	if code := app.Run(t.Context()); code != 0 {
		t.Fatalf("%v: exit code %d: %s", args, code, problems.String())
	}
	return out.String()
}

// variables says what each environment variable of the SDK is for.
var variables = map[string]string{
	"BP_TOKEN":          "for `serve`, `sessions` and `session` the integration's access key; for `deploy`, `rotate-secret` and `dev` your personal access token",
	"BP_SIGNING_SECRET": "the signing secrets of requests from Botpress, with commas between them; two while one is rotated",
	"BP_API_URL":        "the address of the Botpress API; `https://api.botpress.cloud` unless set",
	"BP_WORKSPACE_ID":   "the workspace",
	"BP_BOT_ID":         "the bot",
	"BP_INTEGRATION_ID": "the integration",
	"BP_LOG_FORMAT":     "`json` for a log in Botpress' format; text unless set",
	"BP_TUNNEL_URL":     "the development tunnel; Botpress' own unless set",
	"LOG_LEVEL":         "`debug`, `info`, `warn` or `error`: the lowest level that is logged; `info` unless set, `debug` in Botpress' format",
	"PORT":              "the port to listen on; 8072 unless set",
	"HOME":              "where `dev` finds the profiles of Botpress' own command line, `.botpress/profiles.json`",
	"NO_COLOR":          "anything: no colours in the terminal",
	"TERM":              "`dumb`: no colours in the terminal",
}

func environmentPage(t *testing.T) string {
	t.Helper()
	read := readVariables(t)
	if said := slices.Sorted(maps.Keys(variables)); !slices.Equal(said, slices.Sorted(maps.Keys(read))) {
		t.Errorf("the variables that are read are %v, and those that are explained here are %v", slices.Sorted(maps.Keys(read)), said)
	}
	helps := map[string]string{}
	for _, name := range commandNames(t) {
		helps[name] = run(t, "help", name)
	}
	var page strings.Builder
	page.WriteString("# Environment variables\n\n" +
		"What the packages [`botpress`](https://pkg.go.dev/github.com/hitl-go/sdk/botpress#FromEnv), [`hitl`](https://pkg.go.dev/github.com/hitl-go/sdk/hitl#FromEnv) and\n" +
		"[`hitl/cli`](https://pkg.go.dev/github.com/hitl-go/sdk/hitl/cli) read. A program that makes its `hitl.Options` by itself reads none of them. `deploy --secret NAME` reads the variable\n" +
		"of that name, too. The desk's address and token are not here: they are in the configuration of each installation.\n\n" +
		"| variable | what it is | commands whose help names it | read by |\n| --- | --- | --- | --- |\n")
	for _, name := range slices.SortedFunc(maps.Keys(read), func(a, b string) int {
		return cmp.Or(cmp.Compare(prefix(a), prefix(b)), cmp.Compare(a, b))
	}) {
		word := regexp.MustCompile(`\b` + name + `\b`)
		var named []string
		for _, command := range slices.Sorted(maps.Keys(helps)) {
			if word.MatchString(helps[command]) {
				named = append(named, "`"+command+"`")
			}
		}
		fmt.Fprintf(&page, "| `%s` | %s | %s | %s |\n", name, variables[name], strings.Join(named, ", "), strings.Join(read[name], ", "))
	}
	page.WriteString("\nGo's standard library reads `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY`, in upper or lower case\n" +
		"([`http.ProxyFromEnvironment`](https://pkg.go.dev/net/http#ProxyFromEnvironment)). The proxy is used for calls of the Botpress API, for the tunnel of `dev`,\n" +
		"and for what adapters send with `Installation.HTTPClient`, unless the program gives these clients a transport of its own. Downloads of `message/media` use no proxy.\n")
	page.WriteString("\n[cli.md](cli.md) has the commands. This page is made by `go test ./internal/docs -update`.\n")
	return page.String()
}

// prefix puts Botpress' own variables first.
func prefix(name string) int {
	if strings.HasPrefix(name, "BP_") {
		return 0
	}
	return 1
}

// readVariables finds the environment variables that are read by name, and the packages that read them.
func readVariables(t *testing.T) map[string][]string {
	t.Helper()
	found := map[string][]string{}
	for _, pkg := range []string{"botpress", "hitl", "hitl/cli"} {
		files, err := filepath.Glob(filepath.Join(root, pkg, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range files {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(file, func(n ast.Node) bool {
				if variable := readBy(n); variable != "" && !slices.Contains(found[variable], "`"+pkg+"`") {
					found[variable] = append(found[variable], "`"+pkg+"`")
				}
				return true
			})
		}
	}
	return found
}

// readBy returns the variable that a call of a Getenv reads, if it is one and names it.
func readBy(n ast.Node) string {
	call, ok := n.(*ast.CallExpr)
	if !ok || len(call.Args) != 1 {
		return ""
	}
	getenv, ok := call.Fun.(*ast.SelectorExpr)
	name, literal := call.Args[0].(*ast.BasicLit)
	if !ok || !literal || getenv.Sel.Name != "Getenv" && getenv.Sel.Name != "LookupEnv" {
		return ""
	}
	variable, _ := strconv.Unquote(name.Value) // It compiles.
	return variable
}

// silent is a desk that says nothing.
type silent struct{}

func (silent) CreateUser(context.Context, hitl.CreateUserRequest) (hitl.Ref, error) {
	return hitl.Ref{ID: "user"}, nil
}

func (silent) StartHitl(context.Context, hitl.StartHitlRequest[struct{}]) (hitl.Ref, error) {
	return hitl.Ref{ID: "ticket"}, nil
}

func (silent) StopHitl(context.Context, hitl.StopHitlRequest) error { return nil }

func (silent) SendMessage(context.Context, hitl.SendMessageRequest) (hitl.Ref, error) {
	return hitl.Ref{}, nil
}

func (silent) HandleWebhook(context.Context, *http.Request) (hitl.Webhook, error) {
	return hitl.Webhook{}, nil
}
