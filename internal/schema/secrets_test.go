package schema_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/internal/schema"
)

type login struct {
	User     string          `json:"user"`
	Password botpress.Secret `json:"password,omitempty"`
}

type vault struct {
	URL    string                     `json:"url"`
	Token  botpress.Secret            `json:"token"`
	List   []botpress.Secret          `json:"list"`
	Names  map[string]botpress.Secret `json:"names"`
	Logins []login                    `json:"logins"`
	ByName map[string]*login          `json:"byName"`
	Either oneLogin                   `json:"either"`
	Any    json.RawMessage            `json:"any"`
}

type oneLogin struct{}

func (oneLogin) SchemaAnyOf() []reflect.Type {
	return []reflect.Type{reflect.TypeFor[string](), reflect.TypeFor[login]()}
}

func TestSecrets(t *testing.T) {
	made, err := schema.Of(reflect.TypeFor[vault](), nil)
	if err != nil {
		t.Fatal(err)
	}
	const (
		root   = `{"x-zui": {"secret": true}}`
		object = `{"properties": {"a": {"x-zui": {"title": "A", "secret": true}, "properties": {"b": {}}}, "c": {"x-zui": {"secret": false}}}}`
	)
	for name, tc := range map[string]struct {
		schema, value string
		want          []string
	}{
		"a property":            {string(made), `{"url": "https://desk.example.com", "token": "s3cret"}`, []string{"s3cret"}},
		"in any case":           {string(made), `{"TOKEN": "s3cret"}`, []string{"s3cret"}},
		"a list":                {string(made), `{"list": ["one", "two"]}`, []string{"one", "two"}},
		"a map":                 {string(made), `{"names": {"a": "one", "b": "two"}}`, []string{"one", "two"}},
		"objects in a list":     {string(made), `{"logins": [{"user": "jane", "password": "s3cret"}]}`, []string{"s3cret"}},
		"objects in a map":      {string(made), `{"byName": {"jane": {"user": "jane", "password": "s3cret"}}}`, []string{"s3cret"}},
		"one of several":        {string(made), `{"either": {"user": "jane", "password": "s3cret"}}`, []string{"s3cret"}},
		"another of several":    {string(made), `{"either": "jane"}`, nil},
		"twice":                 {string(made), `{"token": "s3cret", "list": ["s3cret"]}`, []string{"s3cret"}},
		"an unknown key":        {string(made), `{"type": "text", "inner": {"token": "no"}}`, nil},
		"another type":          {string(made), `{"token": {"a": ["one", 2.50, true, null]}, "list": 5, "logins": "x"}`, []string{"2.50", "one"}},
		"anything":              {string(made), `{"any": {"token": "no"}}`, nil},
		"the whole":             {root, `["one", {"b": 1e3}]`, []string{"1e3", "one"}},
		"an object":             {object, `{"a": {"b": "one", "d": [2]}, "c": "no"}`, []string{"2", "one"}},
		"a password":            {`{}`, `{"url": "https://jane:pa55@desk.example.com/x"}`, []string{"pa55"}},
		"a password, escaped":   {`{}`, `["postgres://jane:p%40:s@db/x?y=@"]`, []string{"p@:s"}},
		"a password, unescaped": {`{}`, `["https://jane:p/s#s@desk.example.com", "https://jane:pa%ss@desk.example.com"]`, []string{"p/s#s", "pa%ss"}},
		"no password":           {`{}`, `["https://jane@desk.example.com", "https://jane1984:@desk.example.com", "https://desk.example.com/@jane:x", "jane:x@desk"]`, nil},
		"a token":               {`{}`, `["https://0123456789abcdef@desk.example.com", "https://0123456789abcdeg:@desk.example.com"]`, []string{"0123456789abcdef", "0123456789abcdeg"}},
		"a long name":           {`{}`, `["https://maximilian-mustermann@desk.example.com", "https://jane.doe.1984%40example.com@desk.example.com"]`, nil},
		"no schema":             {``, `{"a": "one", "b": [2]}`, []string{"2", "one"}},
		"a schema of nothing":   {`true`, `{"a": "one", "b": [2]}`, nil},
		"no value":              {root, ``, nil},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, schema.Secrets(json.RawMessage(tc.schema), json.RawMessage(tc.value))); diff != "" {
				t.Errorf("secrets (-want +got):\n%s", diff)
			}
		})
	}
}

// FuzzSecrets looks for documents that make it panic, and for secrets that stand nowhere in the value.
func FuzzSecrets(f *testing.F) {
	f.Add(`{"properties": {"a": {"x-zui": {"secret": true}}}, "additionalProperties": false, "items": true}`, `{"a": ["x", 1]}`)
	f.Add(`{"anyOf": [{"items": {"x-zui": {"secret": true}}}, 5, null], "x-zui": []}`, `[["https://a:b@c"], {"": "://@"}]`)
	f.Add(`{"properties": [], "anyOf": {}}`, `{"a": {}}`)
	f.Add(``, `"https://%zz:%zz@[::1"`)
	f.Fuzz(func(t *testing.T, s, value string) {
		everything := schema.Secrets(nil, json.RawMessage(value))
		for _, secret := range schema.Secrets(json.RawMessage(s), json.RawMessage(value)) {
			if !strings.Contains(strings.Join(everything, "\n"), secret) {
				t.Errorf("%q is a secret of %s, and no text of it", secret, value)
			}
		}
	})
}
