package schema

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
)

// Checker validates JSON against one schema. It is safe for concurrent use.
type Checker struct {
	schema *jsonschema.Schema
	doc    *shape
}

// NewChecker compiles a schema that [Of] has made.
//
// The checker accepts unknown keys: Botpress adds some of its own, and a newer bot may send more.
func NewChecker(schema json.RawMessage) (*Checker, error) {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(schema))
	if err != nil {
		return nil, fmt.Errorf("the schema is not JSON: %w", err)
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft7)
	c.AssertFormat()
	c.UseLoader(jsonschema.SchemeURLLoader{}) // nothing is ever loaded
	if err := c.AddResource("schema.json", allowUnknown(doc)); err != nil {
		return nil, err
	}
	compiled, err := c.Compile("schema.json")
	if err != nil {
		return nil, fmt.Errorf("the schema is not valid: %w", err)
	}
	checker := &Checker{schema: compiled, doc: &shape{}}
	if err := json.Unmarshal(schema, checker.doc); err != nil {
		return nil, fmt.Errorf("the schema is not valid: %w", err)
	}
	return checker, nil
}

// allowUnknown accepts unknown keys in all objects of a schema.
func allowUnknown(schema any) any {
	switch s := schema.(type) {
	case map[string]any:
		if s["additionalProperties"] == false {
			delete(s, "additionalProperties")
		}
		for _, part := range s {
			allowUnknown(part)
		}
	case []any:
		for _, part := range s {
			allowUnknown(part)
		}
	}
	return schema
}

// Check reports every invalid field by its path: "title is missing". It never repeats a value, which may be a
// secret.
func (c *Checker) Check(value json.RawMessage) error {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(value))
	if err != nil {
		return errors.New("it is not valid JSON")
	}
	if at, found := oversized(doc, nil); found {
		return fmt.Errorf("%s is a number that is too large, too small or too long", cmp.Or(path(at), "it"))
	}
	err = c.schema.Validate(doc)
	var invalid *jsonschema.ValidationError
	if errors.As(err, &invalid) {
		all := problems(invalid)
		slices.Sort(all) // the library's order is random
		return errors.New(strings.Join(all, "; "))
	}
	return err
}

// maxNumber is how long a number may be written.
const maxNumber = 1000

// oversized finds a number that no float64 can hold. The library computes with exact ones: of such numbers that takes minutes
// and gigabytes, or panics.
func oversized(value any, at []string) (where []string, found bool) {
	switch v := value.(type) {
	case json.Number:
		f, err := v.Float64()
		mantissa, _, _ := strings.Cut(strings.ToLower(string(v)), "e")
		return at, len(v) > maxNumber || err != nil || f == 0 && strings.ContainsAny(mantissa, "123456789")
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			if where, found = oversized(v[key], append(at, key)); found {
				return where, true
			}
		}
	case []any:
		for i, item := range v {
			if where, found = oversized(item, append(at, strconv.Itoa(i))); found {
				return where, true
			}
		}
	}
	return nil, false
}

// problems describes the leaves of an error, which have the fields.
func problems(e *jsonschema.ValidationError) []string {
	if _, isUnion := e.ErrorKind.(*kind.AnyOf); isUnion || len(e.Causes) == 0 {
		return describeProblem(path(e.InstanceLocation), e.ErrorKind)
	}
	var all []string
	for _, cause := range e.Causes {
		all = append(all, problems(cause)...)
	}
	return all
}

func describeProblem(at string, problem jsonschema.ErrorKind) []string {
	subject := at
	if at == "" {
		subject = "it"
	}
	switch k := problem.(type) {
	case *kind.Required:
		var all []string
		for _, name := range k.Missing {
			all = append(all, strings.TrimPrefix(at+"."+name, ".")+" is missing")
		}
		return all
	case *kind.Type:
		return []string{fmt.Sprintf("%s is of the type %s and must be %s", subject, k.Got, strings.Join(k.Want, " or "))}
	case *kind.Enum:
		return []string{subject + " must be one of " + list(k.Want)}
	case *kind.Const:
		return []string{subject + " must be " + list([]any{k.Want})}
	case *kind.Format:
		return []string{fmt.Sprintf("%s is not a valid %s", subject, k.Want)}
	case *kind.Pattern:
		return []string{fmt.Sprintf("%s does not match %s", subject, k.Want)}
	case *kind.MinLength:
		return []string{fmt.Sprintf("%s must have at least %d characters", subject, k.Want)}
	case *kind.MaxLength:
		return []string{fmt.Sprintf("%s must have at most %d characters", subject, k.Want)}
	case *kind.MinItems:
		return []string{fmt.Sprintf("%s must have at least %d items", subject, k.Want)}
	case *kind.MaxItems:
		return []string{fmt.Sprintf("%s must have at most %d items", subject, k.Want)}
	case *kind.UniqueItems:
		return []string{subject + " must not have the same item twice"}
	case *kind.Minimum:
		return []string{subject + " must be at least " + decimal(k.Want)}
	case *kind.Maximum:
		return []string{subject + " must be at most " + decimal(k.Want)}
	case *kind.ExclusiveMinimum:
		return []string{subject + " must be more than " + decimal(k.Want)}
	case *kind.ExclusiveMaximum:
		return []string{subject + " must be less than " + decimal(k.Want)}
	case *kind.MultipleOf:
		return []string{subject + " must be a multiple of " + decimal(k.Want)}
	default:
		return []string{fmt.Sprintf("%s does not fit its schema (%s)", subject, strings.Join(problem.KeywordPath(), "/"))}
	}
}

// path formats a location in a JSON document: items[2].title.
func path(location []string) string {
	var b strings.Builder
	for _, step := range location {
		switch _, err := strconv.Atoi(step); {
		case err == nil:
			b.WriteString("[" + step + "]")
		case b.Len() > 0:
			b.WriteString("." + step)
		default:
			b.WriteString(step)
		}
	}
	return b.String()
}

func list(values []any) string {
	words := make([]string, len(values))
	for i, v := range values {
		words[i] = fmt.Sprint(v)
	}
	return strings.Join(words, ", ")
}

func decimal(r *big.Rat) string {
	f, _ := r.Float64()
	return strconv.FormatFloat(f, 'g', -1, 64)
}
