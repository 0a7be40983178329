// Package schema makes JSON Schemas of Go types, and checks JSON against them.
//
// The dialect is the one in which Botpress' own tools deploy definitions: draft 7 with every reference resolved and
// closed objects; titles and secrets stand under x-zui, where the Studio looks for them.
//
// A field is required unless its json tag says omitempty or omitzero. The rest is said in tags: jsonschema with title,
// description, enum (once for each value), default, example, format, pattern, minLength, maxLength, minimum, maximum,
// exclusiveMinimum, exclusiveMaximum, multipleOf, minItems, maxItems and uniqueItems, and jsonschema_description for
// descriptions that have commas in them.
package schema

import (
	"encoding"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"

	"github.com/invopop/jsonschema"

	"github.com/hitl-go/sdk/botpress"
)

// Constant is a type whose JSON is always the same string.
type Constant interface{ SchemaConst() string }

// Union is a type whose JSON is that of one of several types.
type Union interface{ SchemaAnyOf() []reflect.Type }

// Of returns the schema of the JSON that a value of type t becomes. In place of a type that is a key of swap stands
// what it is mapped to.
//
// A type that has no JSON, none that can be known from its fields, or one without an end is an error, and so is
// a tag that says nothing. The error names all such fields by their paths.
func Of(t reflect.Type, swap map[reflect.Type]reflect.Type) (_ json.RawMessage, err error) {
	if err := inspect(t, swap); err != nil {
		return nil, err
	}
	defer func() {
		if v := recover(); v != nil { // a JSONSchema method of the author's may do that, or a kind of type that inspect lets through by mistake
			err = fmt.Errorf("%s has no schema: %v", t, v)
		}
	}()
	m := maker{swap}
	s := m.reflect(t)
	finish(s)
	return json.Marshal(s)
}

type maker struct{ swap map[reflect.Type]reflect.Type }

func (m maker) reflect(t reflect.Type) *jsonschema.Schema {
	// A mapper is asked only about types within the one that is reflected, after pointers have been followed.
	t = target(t)
	if s := m.special(t); s != nil {
		return s
	}
	r := jsonschema.Reflector{Anonymous: true, DoNotReference: true, Mapper: m.special}
	return r.ReflectFromType(t)
}

// special makes the schemas that do not follow from a type's fields; nil means that this one's does.
func (m maker) special(t reflect.Type) *jsonschema.Schema {
	if other, ok := m.swap[t]; ok {
		return m.reflect(other)
	}
	switch v := reflect.Zero(t).Interface().(type) {
	case Constant:
		return &jsonschema.Schema{Type: "string", Const: v.SchemaConst()}
	case Union:
		s := &jsonschema.Schema{}
		for _, one := range v.SchemaAnyOf() {
			s.AnyOf = append(s.AnyOf, m.reflect(one))
		}
		return s
	case botpress.Secret:
		return &jsonschema.Schema{Type: "string", Extras: map[string]any{zui: map[string]any{"secret": true}}}
	case json.RawMessage:
		return &jsonschema.Schema{Extras: map[string]any{}} // extras that are not nil keep it from becoming the schema "true"
	}
	if isText(t) && !describesItself(t) {
		return &jsonschema.Schema{Type: "string"}
	}
	return nil
}

// zui is the key under which Botpress' own schema library keeps what is not part of JSON Schema.
const zui = "x-zui"

// finish takes the library's schema to Botpress' dialect.
func finish(s *jsonschema.Schema) {
	if s == nil || s == jsonschema.TrueSchema || s == jsonschema.FalseSchema { // which all documents share
		return
	}
	s.Version = ""
	if s.Title != "" {
		ui := map[string]any{"title": s.Title}
		if old, ok := s.Extras[zui].(map[string]any); ok {
			maps.Copy(ui, old)
		}
		if s.Extras == nil {
			s.Extras = map[string]any{}
		}
		s.Extras[zui], s.Title = ui, ""
	}
	for property := range s.Properties.ValuesFromOldest() {
		finish(property)
	}
	for _, one := range s.AnyOf {
		finish(one)
	}
	finish(s.Items)
	finish(s.AdditionalProperties)
}

// target follows pointers: a schema does not tell them from what they point to.
func target(t reflect.Type) reflect.Type {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t
}

// isText reports whether values of a type become JSON strings through methods of their own.
func isText(t reflect.Type) bool {
	return implements[encoding.TextMarshaler](t) && !implements[json.Marshaler](t)
}

// describesItself reports whether a type has a method that gives its schema.
func describesItself(t reflect.Type) bool {
	return implements[interface{ JSONSchema() *jsonschema.Schema }](t)
}

// implements looks at the methods of values and of pointers to them.
func implements[I any](t reflect.Type) bool {
	i := reflect.TypeFor[I]()
	return t.Implements(i) || reflect.PointerTo(t).Implements(i)
}
