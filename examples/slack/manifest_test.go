package main

import (
	"bytes"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// The manifest is one that Slack takes, by the schema that it publishes: version 2.0.0 of github.com/slackapi/manifest-schema.
func TestManifest(t *testing.T) {
	manifest, err := os.ReadFile("manifest.json")
	if err != nil {
		t.Fatal(err)
	}
	published, err := os.ReadFile("testdata/manifest.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	// Go has no such expression, which is about domains: the manifest has none.
	published = bytes.ReplaceAll(published, []byte(`(?![\\.\\-])`), nil)
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(published))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("manifest.schema.json", doc); err != nil {
		t.Fatal(err)
	}
	schema, err := compiler.Compile("manifest.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	valid := func(manifest []byte) error {
		v, err := jsonschema.UnmarshalJSON(bytes.NewReader(manifest))
		if err != nil {
			t.Fatal(err)
		}
		return schema.Validate(v)
	}
	if err := valid(manifest); err != nil {
		t.Error(err)
	}
	if err := valid(bytes.Replace(manifest, []byte(`"always_online": true`), []byte(`"always_online": "yes"`), 1)); err == nil {
		t.Error("the schema takes everything")
	}
	var app struct {
		OAuth struct{ Scopes struct{ Bot []string } } `json:"oauth_config"`
	}
	if err := json.Unmarshal(manifest, &app); err != nil || !slices.Equal(app.OAuth.Scopes.Bot, scopes) {
		t.Errorf("the manifest has the scopes %q, %v; the tests have %q", app.OAuth.Scopes.Bot, err, scopes)
	}
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, scope := range append(scopes, "connections:write") {
		if !strings.Contains(string(readme), "`"+scope+"`") {
			t.Errorf("the README does not say what the scope %s is for", scope)
		}
	}
}
