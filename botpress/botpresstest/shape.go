package botpresstest

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"
)

// shape checks a value from JSON that stands at a path, as the official OpenAPI does.
type shape func(path string, v any) *Error

// text is a string of some length, in characters, or one of some words.
func text(least, most int, words ...string) shape {
	return func(path string, v any) *Error {
		s, ok := v.(string)
		switch n := utf8.RuneCountInString(s); {
		case !ok:
			return invalidPayload("%s must be a string", path)
		case len(words) > 0 && !slices.Contains(words, s):
			return invalidPayload("%s must be one of %s, not %q", path, strings.Join(words, ", "), s)
		case n < least || n > most:
			return invalidPayload("%s must have %d to %d characters, not %d", path, least, most, n)
		}
		return nil
	}
}

// a is any value of a type.
func a[T any](name string) shape {
	return func(path string, v any) *Error {
		if _, ok := v.(T); !ok {
			return invalidPayload("%s must be %s", path, name)
		}
		return nil
	}
}

// list is an array.
func list(each shape) shape {
	return func(path string, v any) *Error {
		items, ok := v.([]any)
		if !ok {
			return invalidPayload("%s must be an array", path)
		}
		for _, item := range items {
			if err := each(path, item); err != nil {
				return err
			}
		}
		return nil
	}
}

// dict is an object with any keys.
func dict(each shape) shape {
	return func(path string, v any) *Error {
		object, ok := v.(map[string]any)
		if !ok {
			return invalidPayload("%s must be an object", path)
		}
		for _, key := range slices.Sorted(maps.Keys(object)) {
			if err := each(path+"."+key, object[key]); err != nil {
				return err
			}
		}
		return nil
	}
}

// fields is an object with these keys and no others. Those with "!" are required.
func fields(known map[string]shape) shape {
	return func(path string, v any) *Error {
		object, ok := v.(map[string]any)
		if !ok {
			return invalidPayload("%s must be an object", path)
		}
		for _, key := range slices.Sorted(maps.Keys(object)) {
			check := known[key]
			if check == nil {
				check = known[key+"!"]
			}
			if check == nil {
				return invalidPayload("%s.%s is not known here", path, key)
			}
			if err := check(path+"."+key, object[key]); err != nil {
				return err
			}
		}
		for key := range known {
			if name, required := strings.CutSuffix(key, "!"); required && object[name] == nil {
				return invalidPayload("%s.%s is required", path, name)
			}
		}
		return nil
	}
}

// titled are the fields of a part of a definition, with those that most parts have.
func titled(known map[string]shape) shape {
	maps.Copy(known, map[string]shape{"title": text(0, 64), "description": text(0, 256)})
	return fields(known)
}

const longest = 1 << 30 // No limit.

var (
	boolean     = a[bool]("true or false")
	script      = text(0, 2000)
	words       = dict(text(0, 200))
	taggedShape = fields(map[string]shape{
		"tags":     dict(titled(map[string]shape{})),
		"creation": fields(map[string]shape{"enabled!": boolean, "requiredTags!": list(text(0, longest))}),
	})
	withSchema         = fields(map[string]shape{"schema!": jsonSchema})
	configurationShape = titled(map[string]shape{
		"schema": jsonSchema, "identifier": fields(map[string]shape{"required": boolean, "linkTemplateScript": script}),
	})
	secretsShape = dict(func(path string, v any) *Error {
		if v == nil { // It removes the secret.
			return nil
		}
		return text(0, 20_000)(path, v)
	})
	aliases = dict(fields(map[string]shape{"name!": text(0, 200)}))
)

// definitionShape is the body of createIntegration without the name and the version. The names of renamed parts are
// not in the OpenAPI, but the official command line sends them.
var definitionShape = fields(map[string]shape{
	"title": text(1, 64), "description": text(0, 256), "configuration": configurationShape, "configurations": dict(configurationShape),
	"states": dict(fields(map[string]shape{"type!": text(0, longest, "conversation", "user", "integration"), "schema!": jsonSchema})),
	"events": dict(titled(map[string]shape{"name": text(0, 200), "schema!": jsonSchema, "attributes": words})),
	"actions": dict(titled(map[string]shape{
		"name": text(0, 200), "billable": boolean, "cacheable": boolean, "input!": withSchema, "output!": withSchema, "attributes": words,
	})),
	"entities":   dict(titled(map[string]shape{"schema!": jsonSchema})),
	"attributes": words,
	"identifier": fields(map[string]shape{"fallbackHandlerScript": script, "extractScript": script}),
	"channels": dict(titled(map[string]shape{
		"name": text(0, 200), "messages!": dict(withSchema), "conversation": taggedShape, "message": fields(map[string]shape{"tags": dict(titled(map[string]shape{}))}),
	})),
	"user": taggedShape,
	"interfaces": dict(fields(map[string]shape{
		"id!": text(28, 36), "name": text(0, 200), "version": text(0, 200), "entities": aliases, "actions": aliases, "events": aliases, "channels": aliases,
	})),
	"extraOperations": dict(fields(map[string]shape{"enabled!": boolean})),
	"sdkVersion":      text(0, 200), "code": text(0, longest), "url": text(0, longest), "icon": text(0, longest), "readme": text(0, longest),
	"dev": boolean, "public": boolean, "visibility": text(0, longest, "public", "private", "unlisted"),
	"secrets": secretsShape, "layers": list(text(0, longest)), "maxExecutionTime": a[float64]("a number"),
})

// jsonSchema is a JSON Schema of draft 7, an object.
func jsonSchema(path string, v any) *Error {
	if _, ok := v.(map[string]any); !ok {
		return invalidPayload("%s must be an object", path)
	}
	if err := draft7(path, v); err != nil {
		return &Error{Status: http.StatusBadRequest, Type: "InvalidJsonSchema", Message: err.Message}
	}
	return nil
}

// draft7 checks the keywords of a schema, or of one within, which may be true or false.
func draft7(path string, v any) *Error {
	schema, ok := v.(map[string]any)
	if _, boolean := v.(bool); !ok && !boolean {
		return invalidPayload("%s is no JSON Schema", path)
	}
	for _, keyword := range slices.Sorted(maps.Keys(schema)) {
		if check := keywords()[keyword]; check != nil {
			if err := check(path+"."+keyword, schema[keyword]); err != nil {
				return err
			}
		}
	}
	return nil
}

// keywords are those of draft 7 that are not for any value. It is a function because schemas hold schemas.
func keywords() map[string]shape {
	kind := text(0, longest, "array", "boolean", "integer", "null", "number", "object", "string")
	either := func(one, many shape) shape {
		return func(path string, v any) *Error {
			if _, ok := v.([]any); ok {
				return many(path, v)
			}
			return one(path, v)
		}
	}
	count := func(path string, v any) *Error {
		if n, ok := v.(float64); !ok || n < 0 || n != float64(int64(n)) {
			return invalidPayload("%s must be a number of things", path)
		}
		return nil
	}
	number, str, schemas := a[float64]("a number"), text(0, longest), dict(draft7)
	return map[string]shape{
		"type": either(kind, list(kind)), "title": str, "description": str, "format": str, "pattern": str, "$id": str, "$schema": str, "$comment": str,
		"minLength": count, "maxLength": count, "minItems": count, "maxItems": count, "minProperties": count, "maxProperties": count,
		"minimum": number, "maximum": number, "exclusiveMinimum": number, "exclusiveMaximum": number, "multipleOf": number,
		"uniqueItems": a[bool]("true or false"), "enum": a[[]any]("an array"), "examples": a[[]any]("an array"), "required": list(str),
		"properties": schemas, "patternProperties": schemas, "definitions": schemas,
		"items": either(draft7, list(draft7)), "additionalItems": draft7, "additionalProperties": draft7, "contains": draft7, "propertyNames": draft7,
		"not": draft7, "if": draft7, "then": draft7, "else": draft7, "allOf": list(draft7), "anyOf": list(draft7), "oneOf": list(draft7),
	}
}
