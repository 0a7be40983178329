package schema

import (
	"cmp"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// inspect reports the parts of a type, by their paths, for which the library would return a wrong schema, panic or
// overflow the stack.
func inspect(t reflect.Type, swap map[reflect.Type]reflect.Type) error {
	in := inspector{swap: swap}
	in.typ("", t)
	return errors.Join(in.problems...)
}

type inspector struct {
	swap      map[reflect.Type]reflect.Type
	enclosing []reflect.Type // the types around the current one; one that occurs again is recursive
	problems  []error
}

func (in *inspector) refuse(path, format string, args ...any) {
	in.problems = append(in.problems, fmt.Errorf("%s: "+format, append([]any{cmp.Or(path, "it")}, args...)...))
}

func (in *inspector) typ(path string, t reflect.Type) {
	if slices.Contains(in.enclosing, t) {
		in.refuse(path, "%s contains itself, and a schema without references cannot say that; bound the depth or use json.RawMessage", typeName(t))
		return
	}
	in.enclosing = append(in.enclosing, t)
	defer func() { in.enclosing = in.enclosing[:len(in.enclosing)-1] }()

	if other, ok := in.swap[t]; ok {
		in.typ(path, other)
		return
	}
	if u, ok := reflect.Zero(t).Interface().(Union); ok && t.Kind() != reflect.Pointer {
		for _, one := range u.SchemaAnyOf() {
			in.typ(path, one)
		}
		return
	}
	switch {
	case t == reflect.TypeFor[json.RawMessage](), t == reflect.TypeFor[time.Time](), describesItself(t):
		return
	case t.Kind() != reflect.Interface && implements[json.Marshaler](t):
		in.refuse(path, "%s has a MarshalJSON method, so its fields do not tell what its JSON is; use a plain type, or give it a JSONSchema method", typeName(t))
		return
	case t.Kind() != reflect.Interface && isText(t):
		return
	}

	switch t.Kind() {
	case reflect.Bool, reflect.String, reflect.Float32, reflect.Float64,
		reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
	case reflect.Pointer:
		in.typ(path, t.Elem())
	case reflect.Slice, reflect.Array:
		in.typ(path+"[]", t.Elem())
	case reflect.Map:
		if k := t.Key().Kind(); k != reflect.String {
			in.refuse(path, "keys of JSON objects are strings; use a map[string]%s", typeName(t.Elem()))
		}
		in.typ(path+"[]", t.Elem())
	case reflect.Struct:
		in.fields(path, t, map[string]bool{})
	case reflect.Interface:
		in.refuse(path, "an interface can hold anything; use a concrete type, or json.RawMessage for JSON of any shape")
	default:
		in.refuse(path, "a %s has no JSON", t.Kind())
	}
}

// fields inspects the fields of a struct and of the structs that it embeds.
func (in *inspector) fields(path string, t reflect.Type, names map[string]bool) {
	for f := range t.Fields() {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		embedded := f.Anonymous && name == "" && deref(f.Type).Kind() == reflect.Struct || slices.Contains(strings.Split(options, ","), "inline")
		switch {
		case name == "-", f.Tag.Get("jsonschema") == "-":
			continue
		case embedded:
			in.embedded(path, deref(f.Type), names)
			continue
		case !f.IsExported():
			continue
		case name == "":
			name = f.Name
		}
		at := strings.TrimPrefix(path+"."+name, ".")
		if strings.Contains(options, "format:") {
			in.refuse(at, "encoding/json/v2 decodes nothing whose json tag has a format; remove it")
		}
		if names[name] {
			in.refuse(at, "there are two fields of this name")
		}
		names[name] = true
		before := len(in.problems)
		in.typ(at, f.Type)
		if len(in.problems) == before { // a type without a schema has no keywords
			in.tag(at, f)
		}
	}
}

func (in *inspector) embedded(path string, t reflect.Type, names map[string]bool) {
	if slices.Contains(in.enclosing, t) {
		in.refuse(path, "%s contains itself", typeName(t))
		return
	}
	in.enclosing = append(in.enclosing, t)
	defer func() { in.enclosing = in.enclosing[:len(in.enclosing)-1] }()
	in.fields(path, t, names)
}

// tag reports what the library would ignore in a jsonschema tag.
func (in *inspector) tag(path string, f reflect.StructField) {
	value, ok := f.Tag.Lookup("jsonschema")
	if !ok || value == "" {
		return
	}
	kind, item := in.jsonKind(f.Type), ""
	if kind == "array" {
		item = in.jsonKind(deref(f.Type).Elem())
	}
	previous := ""
	for _, word := range splitTag(value) {
		name, argument, isPair := strings.Cut(word, "=")
		switch {
		case !isPair && word == "required":
		case !isPair && (previous == "description" || previous == "title"):
			in.refuse(path, "the %s in the jsonschema tag ends at its first comma, before %q: put a description into a jsonschema_description tag of its own, and write \\\\, for a comma in a title", previous, word)
		case !isPair:
			in.refuse(path, "the jsonschema tag says %q, which means nothing", word)
		case !applies(name, kind) && !applies(name, item):
			in.refuse(path, "the jsonschema tag says %q, which means nothing for %s", word, describe(kind, item))
		case !fits(name, argument, f.Type, kind, item):
			in.refuse(path, "the jsonschema tag says %q, and %q is not a value for that", word, argument)
		}
		if isPair {
			previous = name
		}
	}
}

// splitTag splits at commas that no backslash precedes, as the library does.
func splitTag(tag string) []string {
	var words []string
	for i, part := range strings.Split(tag, ",") {
		if last := len(words) - 1; i > 0 && strings.HasSuffix(words[last], `\`) {
			words[last] = strings.TrimSuffix(words[last], `\`) + "," + part
			continue
		}
		words = append(words, part)
	}
	return words
}

// applies reports whether a keyword applies to a JSON type.
func applies(keyword, kind string) bool {
	switch keyword {
	case "title", "description":
		return true
	case "minLength", "maxLength", "pattern", "format":
		return kind == "string"
	case "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf":
		return kind == "number" || kind == "integer"
	case "enum", "example":
		return kind == "string" || kind == "number" || kind == "integer"
	case "default":
		return kind == "string" || kind == "number" || kind == "integer" || kind == "boolean"
	case "minItems", "maxItems", "uniqueItems":
		return kind == "array"
	}
	return false
}

// goPattern finds what only Go understands in a pattern: flags and names in groups, anchors, quotes, and classes. Patterns of JSON
// Schema are those of JavaScript.
var goPattern = regexp.MustCompile(`(^|[^\\])(\\\\)*(\(\?[imsUP]|\\[AzQEC]|\\[pP][^{]|\[\[:)`)

// fits reports whether a value is valid for a keyword of a field of type t. The library ignores other values without an error.
func fits(keyword, value string, t reflect.Type, kind, item string) bool {
	if kind == "array" && applies(keyword, item) {
		if keyword == "default" && item != "string" {
			return false // the library would make them strings
		}
		t, kind = deref(t).Elem(), item
	}
	switch keyword {
	case "minLength", "maxLength", "minItems", "maxItems":
		_, err := strconv.ParseUint(value, 10, 64)
		return err == nil
	case "pattern":
		_, err := regexp.Compile(value)
		return err == nil && !goPattern.MatchString(value)
	case "uniqueItems":
		return value == "true"
	case "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf":
		if kind == "integer" {
			return decodes(value, reflect.TypeFor[int64]())
		}
		return decodes(value, reflect.TypeFor[float64]())
	case "enum", "default", "example":
		if kind == "string" {
			value = quote(value)
		}
		return decodes(value, t)
	}
	return true
}

// decodes reports whether a number, a boolean or a string in quotes can be decoded as a type. One that is only ever encoded says
// nothing about that.
func decodes(value string, t reflect.Type) bool {
	if isText(t) && !implements[encoding.TextUnmarshaler](t) {
		return true
	}
	return value != "null" && value == strings.TrimSpace(value) && json.Unmarshal([]byte(value), reflect.New(t).Interface()) == nil
}

func quote(text string) string {
	quoted, _ := json.Marshal(text) // a string can always be encoded
	return string(quoted)
}

func describe(kind, item string) string {
	if item != "" {
		return "an array of " + item + "s"
	}
	return "the type " + kind
}

// jsonKind returns the JSON type of a field, or "any".
func (in *inspector) jsonKind(t reflect.Type) string {
	t = deref(t)
	if _, ok := in.swap[t]; ok {
		return "any"
	}
	switch {
	case t == reflect.TypeFor[json.RawMessage](), describesItself(t), implements[Union](t), implements[Constant](t):
		return "any"
	case t == reflect.TypeFor[time.Time](), isText(t), t.Kind() == reflect.String:
		return "string"
	}
	switch t.Kind() {
	case reflect.Bool:
		return "boolean"
	case reflect.Float32, reflect.Float64:
		return "number"
	case reflect.Slice, reflect.Array:
		if t.Elem().Kind() == reflect.Uint8 && t.Kind() == reflect.Slice {
			return "string" // base64
		}
		return "array"
	case reflect.Struct, reflect.Map:
		return "object"
	default:
		return "integer"
	}
}

// typeName returns the name of a type without its package. For a pointer it is the name of the element.
func typeName(t reflect.Type) string {
	switch {
	case t.Name() != "":
		return t.Name()
	case t.Kind() == reflect.Pointer:
		return typeName(t.Elem())
	default:
		return t.String()
	}
}
