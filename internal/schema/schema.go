// Package schema generates JSON Schemas from Go types, and validates JSON against them.
//
// The schemas have the form in which Botpress' own tools deploy definitions: draft 7, without references, with
// additionalProperties false. Titles and secrets stand under x-zui, where the Studio looks for them.
//
// A field is required unless its json tag has omitempty or omitzero, or it has a default: who leaves it out gets that. A jsonschema tag can have title, description,
// enum (once for each value), default, example, format, pattern, minLength, maxLength, minimum, maximum,
// exclusiveMinimum, exclusiveMaximum, multipleOf, minItems, maxItems and uniqueItems. Descriptions with commas need a
// jsonschema_description tag.
package schema

import (
	"encoding"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"

	"github.com/invopop/jsonschema"

	"github.com/hitl-go/sdk/botpress"
)

// Constant is a type whose JSON is always the same string.
type Constant interface{ SchemaConst() string }

// Union is a type whose JSON is that of one of several types.
type Union interface{ SchemaAnyOf() []reflect.Type }

// Of returns the schema of the JSON encoding of type t. It replaces types that are keys of swap by their values.
//
// Of fails for types without a JSON encoding, types whose fields do not determine it, recursive types, and tags
// that have no effect or refuse their own values. The error names all such fields by their paths.
func Of(t reflect.Type, swap map[reflect.Type]reflect.Type) (_ json.RawMessage, err error) {
	if err := inspect(t, swap); err != nil {
		return nil, err
	}
	defer func() {
		if v := recover(); v != nil { // in a JSONSchema method, or in the library for a type that inspect should have refused
			err = fmt.Errorf("%s has no schema: %v", t, v)
		}
	}()
	m := maker{swap}
	s := m.reflect(t)
	finish(s)
	if err := inspectValues(s); err != nil {
		return nil, err
	}
	return json.Marshal(s)
}

type maker struct{ swap map[reflect.Type]reflect.Type }

func (m maker) reflect(t reflect.Type) *jsonschema.Schema {
	// The library does not call Mapper for t itself, and calls it after pointers have been dereferenced.
	t = deref(t)
	if s := m.special(t); s != nil {
		return s
	}
	r := jsonschema.Reflector{Anonymous: true, DoNotReference: true, Mapper: m.special}
	return r.ReflectFromType(t)
}

// special returns the schema of a type whose fields do not determine it, and nil for all other types.
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
		return &jsonschema.Schema{Extras: map[string]any{}} // without extras the library encodes it as true
	}
	if isText(t) && !describesItself(t) {
		return &jsonschema.Schema{Type: "string"}
	}
	return nil
}

// zui is the keyword of Botpress' own schema library for what is not part of JSON Schema.
const zui = "x-zui"

// finish converts the library's schema to the form of Botpress.
func finish(s *jsonschema.Schema) {
	if s == nil || s == jsonschema.TrueSchema || s == jsonschema.FalseSchema { // shared by all schemas
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
	for name, property := range s.Properties.FromOldest() {
		if property.Default != nil { // Validators that know no defaults would refuse what leaves it out.
			s.Required = slices.DeleteFunc(s.Required, func(required string) bool { return required == name })
		}
		finish(property)
	}
	for _, one := range s.AnyOf {
		finish(one)
	}
	finish(s.Items)
	finish(s.AdditionalProperties)
}

// deref dereferences pointer types, because schemas do not have pointers.
func deref(t reflect.Type) reflect.Type {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t
}

// isText reports whether values of a type are encoded as JSON strings by a MarshalText method.
func isText(t reflect.Type) bool {
	return implements[encoding.TextMarshaler](t) && !implements[json.Marshaler](t)
}

// describesItself reports whether a type has a JSONSchema method.
func describesItself(t reflect.Type) bool {
	return implements[interface{ JSONSchema() *jsonschema.Schema }](t)
}

// implements reports whether a type or the pointer to it implements I.
func implements[I any](t reflect.Type) bool {
	i := reflect.TypeFor[I]()
	return t.Implements(i) || reflect.PointerTo(t).Implements(i)
}
