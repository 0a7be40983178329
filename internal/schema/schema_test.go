package schema_test

import (
	"encoding/json"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/invopop/jsonschema"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/internal/schema"
)

type everything struct {
	Text     string            `json:"text" jsonschema:"title=Text\\, please,minLength=1,maxLength=9,pattern=^a{1\\,2}$" jsonschema_description:"One, two"`
	Choice   string            `json:"choice,omitempty" jsonschema:"enum=low,enum=high,default=low,example=high"`
	Count    int               `json:"count,omitzero" jsonschema:"minimum=0,maximum=10,multipleOf=2,default=0,enum=0,enum=4"`
	Ratio    *float64          `json:"ratio" jsonschema:"exclusiveMinimum=0,exclusiveMaximum=0.5"`
	On       bool              `json:"on,omitempty" jsonschema:"default=false"`
	Tags     []string          `json:"tags,omitempty" jsonschema:"minItems=1,maxItems=3,uniqueItems=true,enum=a,enum=b"`
	Numbers  [2]int            `json:"numbers,omitempty" jsonschema:"minimum=0"`
	Labels   map[string]int    `json:"labels,omitempty"`
	Token    botpress.Secret   `json:"token" jsonschema:"title=Token"`
	PIN      *botpress.Secret  `json:"pin,omitempty"`
	At       time.Time         `json:"at,omitzero"`
	Host     netip.Addr        `json:"host,omitzero" jsonschema:"format=ipv4"`
	Address  string            `json:"address,omitempty" jsonschema:"format=email"`
	Anything json.RawMessage   `json:"anything,omitempty"`
	Things   []json.RawMessage `json:"things,omitempty" jsonschema:"title=Things"`
	Data     []byte            `json:"data,omitempty"`
	Inner    struct {
		Deep struct{} `json:"deep,omitzero"`
	} `json:"inner,omitzero" jsonschema:"title=Inner"`
	embedded
	Plain  string
	Hidden func() `json:"-"`
	_      chan int
}

type embedded struct {
	Promoted string `json:"promoted,omitempty"`
}

func TestOf(t *testing.T) {
	got, err := schema.Of(reflect.TypeFor[*everything](), nil)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{
		"type": "object",
		"properties": {
			"text": {"type": "string", "description": "One, two", "minLength": 1, "maxLength": 9, "pattern": "^a{1,2}$", "x-zui": {"title": "Text, please"}},
			"choice": {"type": "string", "enum": ["low", "high"], "default": "low", "examples": ["high"]},
			"count": {"type": "integer", "minimum": 0, "maximum": 10, "multipleOf": 2, "default": 0, "enum": [0, 4]},
			"ratio": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 0.5},
			"on": {"type": "boolean", "default": false},
			"tags": {"type": "array", "items": {"type": "string", "enum": ["a", "b"]}, "minItems": 1, "maxItems": 3, "uniqueItems": true},
			"numbers": {"type": "array", "items": {"type": "integer", "minimum": 0}, "minItems": 2, "maxItems": 2},
			"labels": {"type": "object", "additionalProperties": {"type": "integer"}},
			"token": {"type": "string", "x-zui": {"title": "Token", "secret": true}},
			"pin": {"type": "string", "x-zui": {"secret": true}},
			"at": {"type": "string", "format": "date-time"},
			"host": {"type": "string", "format": "ipv4"},
			"address": {"type": "string", "format": "email"},
			"anything": {},
			"things": {"type": "array", "items": {}, "x-zui": {"title": "Things"}},
			"data": {"type": "string", "contentEncoding": "base64"},
			"inner": {
				"type": "object", "additionalProperties": false, "x-zui": {"title": "Inner"},
				"properties": {"deep": {"type": "object", "properties": {}, "additionalProperties": false}}
			},
			"promoted": {"type": "string"},
			"Plain": {"type": "string"}
		},
		"required": ["text", "ratio", "token", "Plain"],
		"additionalProperties": false
	}`
	if diff := cmp.Diff(decode(t, []byte(want)), decode(t, got)); diff != "" {
		t.Errorf("the schema is another one (-want +got):\n%s", diff)
	}
}

func decode(t *testing.T, data []byte) any {
	t.Helper()
	var v any
	if err := json.Unmarshal(data, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// tree is recursive through a slice, a map and a pointer.
type tree struct {
	Name     string          `json:"name"`
	Children []tree          `json:"children"`
	ByName   map[string]tree `json:"byName"`
	Parent   *tree           `json:"parent"`
}

type first struct{ Second *second }

type second struct{ First []first }

type ouroboros *ouroboros

type marshals struct{ A int }

func (*marshals) MarshalJSON() ([]byte, error) { return []byte("1"), nil }

type tagged[T any] struct{ V T }

func TestOfWhatHasNoSchema(t *testing.T) {
	for name, tc := range map[string]struct {
		typ  reflect.Type
		want []string
	}{
		"recursion": {reflect.TypeFor[tree](), []string{
			"children[]: tree contains itself", "byName[]: tree contains itself", "parent: tree contains itself",
		}},
		"mutual recursion": {reflect.TypeFor[first](), []string{"Second.First[]: first contains itself"}},
		"recursion by embedding": {reflect.TypeFor[struct{ tagged[*tree] }](), []string{
			"V.children[]: tree contains itself", "V.byName[]: tree contains itself", "V.parent: tree contains itself",
		}},
		"channel":                         {reflect.TypeFor[struct{ C []map[string]chan int }](), []string{"C[][]: a chan has no JSON"}},
		"function":                        {reflect.TypeFor[func()](), []string{"it: a func has no JSON"}},
		"nothing but a pointer to itself": {reflect.TypeFor[ouroboros](), []string{"it: ouroboros contains itself"}},
		"pointer to itself":               {reflect.TypeFor[struct{ P ouroboros }](), []string{"P: ouroboros contains itself"}},
		"complex":                         {reflect.TypeFor[struct{ Z complex128 }](), []string{"Z: a complex128 has no JSON"}},
		"interface":                       {reflect.TypeFor[struct{ V any }](), []string{"V: an interface can hold anything; use a concrete type, or json.RawMessage"}},
		"map keys":                        {reflect.TypeFor[struct{ M map[int]bool }](), []string{"M: keys of JSON objects are strings; use a map[string]bool"}},
		"marshaler":                       {reflect.TypeFor[struct{ M marshals }](), []string{"M: marshals has a MarshalJSON method"}},
		"same name": {reflect.TypeFor[struct {
			A string
			B string `json:"A"`
		}](), []string{"A: there are two fields of this name"}},
		"unsupported tag": {reflect.TypeFor[struct {
			A struct {
				B string `json:"b,format:date"`
			}
		}](), []string{"A.b: encoding/json/v2 decodes nothing whose json tag has a format"}},
	} {
		t.Run(name, func(t *testing.T) { refused(t, tc.typ, tc.want...) })
	}
}

func TestOfTagsThatSayNothing(t *testing.T) {
	for name, tc := range map[string]struct {
		typ  reflect.Type
		want string
	}{
		"comma in a description": {reflect.TypeFor[struct {
			A string `jsonschema:"title=A,description=one, two"`
		}](), `A: the description in the jsonschema tag ends at its first comma, before " two": put a description into a jsonschema_description tag`},
		"comma in a title": {reflect.TypeFor[struct {
			A string `jsonschema:"title=one, two"`
		}](), `A: the title in the jsonschema tag ends at its first comma, before " two"`},
		"unknown word": {reflect.TypeFor[struct {
			A string `jsonschema:"optional"`
		}](), `A: the jsonschema tag says "optional", which means nothing`},
		"unknown keyword": {reflect.TypeFor[struct {
			A string `jsonschema:"enums=a"`
		}](), `A: the jsonschema tag says "enums=a", which means nothing for the type string`},
		"keyword of another type": {reflect.TypeFor[struct {
			A []string `jsonschema:"minimum=1"`
		}](), `A: the jsonschema tag says "minimum=1", which means nothing for an array of strings`},
		"not a number": {reflect.TypeFor[struct {
			A int `jsonschema:"maximum=ten"`
		}](), `A: the jsonschema tag says "maximum=ten", and "ten" is not a value for that`},
		"negative length": {reflect.TypeFor[struct {
			A string `jsonschema:"minLength=-1"`
		}](), `A: the jsonschema tag says "minLength=-1", and "-1" is not a value for that`},
		"default of numbers": {reflect.TypeFor[struct {
			A []int `jsonschema:"default=1"`
		}](), `A: the jsonschema tag says "default=1", and "1" is not a value for that`},
		"bad pattern": {reflect.TypeFor[struct {
			A string `jsonschema:"pattern=["`
		}](), `A: the jsonschema tag says "pattern=[", and "[" is not a value for that`},
		"flags in a pattern": {reflect.TypeFor[struct {
			A string `jsonschema:"pattern=(?i)^eu$"`
		}](), `A: the jsonschema tag says "pattern=(?i)^eu$", and "(?i)^eu$" is not a value for that`},
		"Go's class in a pattern": {reflect.TypeFor[struct {
			A string `jsonschema:"pattern=^[[:alpha:]]$"`
		}](), `A: the jsonschema tag says "pattern=^[[:alpha:]]$", and "^[[:alpha:]]$" is not a value for that`},
		"Go's anchors in a pattern": {reflect.TypeFor[struct {
			A string `jsonschema:"pattern=\\Aeu\\z"`
		}](), `A: the jsonschema tag says "pattern=\\Aeu\\z", and "\\Aeu\\z" is not a value for that`},
	} {
		t.Run(name, func(t *testing.T) { refused(t, tc.typ, tc.want) })
	}
}

// What a tag names must be accepted where it is used: a default that is refused would end each start of a session.
func TestOfValuesThatAreRefused(t *testing.T) {
	for name, tc := range map[string]struct {
		typ  reflect.Type
		want []string
	}{
		"default that is not in the enum": {reflect.TypeFor[struct {
			Inner struct {
				Region string `json:"region" jsonschema:"enum=eu,enum=us,default=uk"`
			} `json:"inner"`
		}](), []string{`inner.region: its default "uk" is refused by its own schema: it must be one of eu, us`}},
		"default without the pattern": {reflect.TypeFor[struct {
			A string `jsonschema:"pattern=^[a-z]+$,default=EU"`
		}](), []string{`A: its default "EU" is refused by its own schema: it does not match ^[a-z]+$`}},
		"empty default": {reflect.TypeFor[struct {
			A string `jsonschema:"minLength=1,default="`
		}](), []string{`A: its default "" is refused by its own schema: it must have at least 1 characters`}},
		"default without the format": {reflect.TypeFor[struct {
			A string `jsonschema:"format=email,default=desk"`
		}](), []string{`A: its default "desk" is refused by its own schema: it is not a valid email`}},
		"default that is too small": {reflect.TypeFor[struct {
			A []struct {
				B int `jsonschema:"minimum=1,default=0"`
			}
		}](), []string{`A[].B: its default 0 is refused by its own schema: it must be at least 1`}},
		"default of too few": {reflect.TypeFor[struct {
			A []string `jsonschema:"minItems=2,default=a"`
		}](), []string{`A: its default ["a"] is refused by its own schema: it must have at least 2 items`}},
		"item of a default that is not in the enum": {reflect.TypeFor[struct {
			A []string `jsonschema:"enum=a,default=b"`
		}](), []string{`A: its default ["b"] is refused by its own schema: [0] must be one of a`}},
		"example": {reflect.TypeFor[struct {
			A map[string]struct {
				B float64 `jsonschema:"exclusiveMaximum=1,example=1"`
			}
		}](), []string{`A[].B: its example 1 is refused by its own schema: it must be less than 1`}},
		"value of an enum": {reflect.TypeFor[struct {
			A string `jsonschema:"maxLength=2,enum=eu,enum=asia"`
			B []int  `jsonschema:"multipleOf=2,enum=1"`
		}](), []string{
			`A: its enum value "asia" is refused by its own schema: it must have at most 2 characters`,
			`B[]: its enum value 1 is refused by its own schema: it must be a multiple of 2`,
		}},
		"default from a method": {reflect.TypeFor[struct {
			A describes `json:"a"`
		}](), []string{`a: its default 7 is refused by its own schema: it is of the type number and must be string`}},
		"bounds that exclude everything": {reflect.TypeFor[struct {
			A string   `jsonschema:"minLength=3,maxLength=2"`
			B []string `jsonschema:"minItems=3,maxItems=2"`
			C int      `jsonschema:"minimum=10,maximum=9"`
			D float64  `jsonschema:"minimum=1,exclusiveMaximum=1"`
			E float64  `jsonschema:"exclusiveMinimum=1,maximum=1"`
		}](), []string{
			"A: its minLength is above its maxLength", "B: its minItems are more than its maxItems",
			"C: no number is within its bounds", "D: no number is within its bounds", "E: no number is within its bounds",
		}},
		"values that the Go type cannot hold": {reflect.TypeFor[struct {
			A int8      `jsonschema:"default=128"`
			B uint      `jsonschema:"enum=-1"`
			C float32   `jsonschema:"example=1e40"`
			D time.Time `jsonschema:"default=tomorrow"`
			E []byte    `jsonschema:"default=?"`
			F float64   `jsonschema:"default=NaN"`
			G int       `jsonschema:"minimum=+1"`
			H int       `jsonschema:"default=null"`
			I int       `jsonschema:"default= 1"`
			J []int8    `jsonschema:"enum=128"`
		}](), []string{
			`A: the jsonschema tag says "default=128", and "128" is not a value for that`,
			`B: the jsonschema tag says "enum=-1", and "-1" is not`, `C: the jsonschema tag says "example=1e40", and`,
			`D: the jsonschema tag says "default=tomorrow", and`, `E: the jsonschema tag says "default=?", and`,
			`F: the jsonschema tag says "default=NaN", and`, `G: the jsonschema tag says "minimum=+1", and`,
			`H: the jsonschema tag says "default=null", and`, `I: the jsonschema tag says "default= 1", and`,
			`J: the jsonschema tag says "enum=128", and`,
		}},
	} {
		t.Run(name, func(t *testing.T) { refused(t, tc.typ, tc.want...) })
	}
}

// level is a type that is only encoded, as in the output of an action.
type level int

func (l level) MarshalText() ([]byte, error) { return []byte{'a' + byte(l)}, nil }

func TestOfValuesThatAreRight(t *testing.T) {
	got, err := schema.Of(reflect.TypeFor[struct {
		L  level   `json:"l" jsonschema:"enum=a,enum=b,example=a"`
		Ls []level `json:"ls" jsonschema:"enum=a"`
		ID int64   `json:"id" jsonschema:"exclusiveMinimum=9007199254740992,maximum=9007199254740993"`
	}](), nil)
	if err != nil || !strings.Contains(string(got), `"enum":["a","b"]`) {
		t.Errorf("%s, %v", got, err)
	}
}

// describes is a type whose own schema refuses its default.
type describes struct{}

func (describes) JSONSchema() *jsonschema.Schema {
	return &jsonschema.Schema{Type: "string", Default: 7}
}

// A field with a default may be left out, also in the schema: the official tools never demand what has one.
func TestDefaultIsNotRequired(t *testing.T) {
	got, err := schema.Of(reflect.TypeFor[struct {
		Region string `json:"region" jsonschema:"default=eu"`
		Desk   string `json:"desk" jsonschema:"pattern=^\\\\A(a\\(?i)?$"`
	}](), nil)
	if err != nil || !strings.Contains(string(got), `"required":["desk"]`) {
		t.Errorf("%s, %v", got, err)
	}
}

// refused checks that a type has no schema, and the lines of the error.
func refused(t *testing.T, typ reflect.Type, want ...string) {
	t.Helper()
	_, err := schema.Of(typ, nil)
	if err == nil {
		t.Fatal("there is no error")
	}
	lines := strings.Split(err.Error(), "\n")
	if len(lines) != len(want) {
		t.Fatalf("got %d errors, want %d:\n%v", len(lines), len(want), err)
	}
	for i := range want {
		if !strings.HasPrefix(lines[i], want[i]) {
			t.Errorf("got  %s\nwant %s", lines[i], want[i])
		}
	}
}

type celsius float64

type fahrenheit float64

func TestOfSwappedTypes(t *testing.T) {
	got, err := schema.Of(reflect.TypeFor[struct {
		T []celsius `json:"t"`
	}](), map[reflect.Type]reflect.Type{
		reflect.TypeFor[celsius](): reflect.TypeFor[struct {
			F fahrenheit `json:"f"`
		}](),
	})
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"type":"object","properties":{"t":{"type":"array","items":
		{"type":"object","properties":{"f":{"type":"number"}},"required":["f"],"additionalProperties":false}
	}},"required":["t"],"additionalProperties":false}`
	if diff := cmp.Diff(decode(t, []byte(want)), decode(t, got)); diff != "" {
		t.Errorf("the schema is another one (-want +got):\n%s", diff)
	}
}
