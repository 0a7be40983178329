package hitl_test

import (
	"context"
	"os"
	"strings"
	"testing"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/hitl"
)

// What docs/definition.md shows of a struct, and what becomes of it.
func TestDocsOfTheDefinition(t *testing.T) {
	type Config struct {
		URL    string          `json:"url" jsonschema:"title=Address,format=uri"`
		Token  botpress.Secret `json:"token" jsonschema:"title=API token"`
		Region string          `json:"region,omitzero" jsonschema:"title=Region,enum=eu,enum=us,default=eu"`
		Groups []string        `json:"groups,omitzero" jsonschema_description:"Names of groups, for example first line, second line."`
		cache  map[string]int  // Not exported: Botpress does not see it.
	}
	page, err := os.ReadFile("../docs/definition.md")
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile("definition_docs_test.go")
	if err != nil {
		t.Fatal(err)
	}
	_, block, _ := strings.Cut(string(page), "```go\n")
	block, _, _ = strings.Cut(block, "```")
	if block == "" || !strings.Contains(strings.ReplaceAll(string(source), "\n\t", "\n"), block) {
		t.Errorf("the page shows other code than this test:\n%s", block)
	}
	connect := func(_ context.Context, _ hitl.Installation, c Config) (stub[struct{}], error) {
		if c.cache != nil {
			t.Error("what is not exported was decoded")
		}
		return stub[struct{}]{}, nil
	}
	s, err := hitl.NewServer(hitl.Definition{Name: "documented", Version: "1.0.0"}, connect, &hitl.Options{})
	if err != nil {
		t.Fatal(err)
	}
	schema := string(s.Describe().Configuration.Schema)
	for _, want := range []string{`"required":["url","token"]`, `"enum":["eu","us"]`, `"default":"eu"`, `"secret":true`, `"title":"Address"`, "first line, second line."} {
		if !strings.Contains(schema, want) {
			t.Errorf("the schema has no %s: %s", want, schema)
		}
	}
	if strings.Contains(schema, "cache") {
		t.Errorf("the schema has what is not exported: %s", schema)
	}
	type Comma struct {
		Name string `json:"name" jsonschema:"title=First\\,last"`
	}
	s, err = hitl.NewServer(hitl.Definition{Name: "comma", Version: "1.0.0"}, func(context.Context, hitl.Installation, Comma) (stub[struct{}], error) {
		return stub[struct{}]{}, nil
	}, &hitl.Options{})
	if err != nil || !strings.Contains(string(s.Describe().Configuration.Schema), `"First,last"`) {
		t.Errorf("a title with a comma: %v", err)
	}
}
