package openapitest

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// Input is the input of an operation.
type Input struct {
	Path, Query, Body map[string]any
}

// Flat returns the whole input in one object, as Botpress' own client takes it.
func (in Input) Flat() map[string]any {
	flat := map[string]any{}
	for _, part := range []map[string]any{in.Path, in.Query, in.Body} {
		maps.Copy(flat, part)
	}
	return flat
}

// Input generates a request. If full, it has every optional field; otherwise it
// has none, and nullable fields are null. The result is deterministic. It has
// no headers and no nextToken, because clients set them.
func (op *Operation) Input(full bool) Input {
	in := Input{Path: map[string]any{}, Query: map[string]any{}, Body: map[string]any{}}
	g := generator{full}
	for _, ref := range op.route.Operation.Parameters {
		p := ref.Value
		switch {
		case p.In == openapi3.ParameterInPath:
			in.Path[p.Name] = g.value(p.Name, p.Schema.Value)
		case p.In == openapi3.ParameterInQuery && p.Name != "nextToken" && (full || p.Required):
			in.Query[p.Name] = g.value(p.Name, p.Schema.Value)
		}
	}
	if body := op.route.Operation.RequestBody; body != nil {
		in.Body, _ = g.value("body", body.Value.Content.Get("application/json").Schema.Value).(map[string]any)
	}
	return in
}

// Answer generates a successful response. If full, it has every optional field;
// otherwise it has none, and nullable fields are null. The result is
// deterministic.
func (op *Operation) Answer(full bool) (status int, body map[string]any) {
	for code, ref := range op.route.Operation.Responses.Map() {
		if n, err := strconv.Atoi(code); err == nil {
			body, _ = generator{full}.value("answer", ref.Value.Content.Get("application/json").Schema.Value).(map[string]any)
			return n, body
		}
	}
	return 0, nil
}

// generator generates values that conform to schemas.
type generator struct{ full bool }

func (g generator) value(name string, s *openapi3.Schema) any {
	switch {
	case s.Nullable && !g.full:
		return nil
	case len(s.Enum) > 0 && g.full:
		return s.Enum[len(s.Enum)-1]
	case len(s.Enum) > 0:
		return s.Enum[0]
	case s.Type == nil: // anything; the clients take objects
		return map[string]any{"any": "thing"}
	case s.Type.Is("string"):
		return text(name, s)
	case s.Type.Is("boolean"):
		return g.full
	case s.Type.Is("array"):
		return g.array(name, s)
	case s.Type.Is("object"):
		return g.object(name, s)
	}
	number := 1500.0
	if s.Max != nil {
		number = min(number, *s.Max)
	}
	if s.Min != nil {
		number = max(number, *s.Min)
	}
	return number
}

func (g generator) array(name string, s *openapi3.Schema) []any {
	out := []any{}
	if g.full {
		for i := range 2 {
			out = append(out, g.value(name+strconv.Itoa(i), s.Items.Value))
		}
	}
	return out
}

func (g generator) object(name string, s *openapi3.Schema) map[string]any {
	out := map[string]any{}
	for _, key := range slices.Sorted(maps.Keys(s.Properties)) {
		if g.full || slices.Contains(s.Required, key) {
			out[key] = g.value(key, s.Properties[key].Value)
		}
	}
	switch extra := s.AdditionalProperties; {
	case !g.full:
	case extra.Schema != nil && extra.Schema.Value != nil && extra.Schema.Value.Type != nil:
		out["first:one"] = g.value(name+"1", extra.Schema.Value)
		out["zweite & more"] = g.value(name+"2", extra.Schema.Value)
	case len(s.Properties) == 0 && (extra.Has == nil || *extra.Has):
		out["text"] = `<b>"ü"</b> & more`
		out["nested"] = map[string]any{"list": []any{1.5, true, nil}}
	}
	return out
}

// timestamps are the suffixes of fields that hold a time. Not all schemas say
// so.
var timestamps = []string{"Date", "At", "timeStart", "timeEnd", "dateTime"}

func text(name string, s *openapi3.Schema) string {
	isTime := func(suffix string) bool { return strings.HasSuffix(name, suffix) }
	switch {
	case s.Format == "date-time" || slices.ContainsFunc(timestamps, isTime):
		return "2026-11-21T10:20:30.456Z"
	case s.Pattern != "":
		return "acme-desk"
	}
	out := name + "-ä/1"
	for uint64(len([]rune(out))) < s.MinLength {
		out += "0123456789"
	}
	if s.MaxLength != nil && uint64(len([]rune(out))) > *s.MaxLength {
		out = string([]rune(out)[:*s.MaxLength])
	}
	return out
}

// JSON encodes a generated value.
func JSON(value any) []byte {
	data, err := json.Marshal(value)
	if err != nil {
		panic(err) // only maps, slices, strings, numbers and booleans
	}
	return data
}
