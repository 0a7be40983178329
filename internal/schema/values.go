package schema

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/invopop/jsonschema"
)

// inspectValues reports the values in a schema that the schema itself refuses. With such a default, each configuration that
// leaves the field out would be refused.
func inspectValues(s *jsonschema.Schema) error {
	var problems []error
	walk("", s, func(path string, s *jsonschema.Schema) {
		if err := checkBounds(s); err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", path, err))
		} else if err := checkValues(s); err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", path, err))
		}
	})
	return errors.Join(problems...)
}

// walk visits the properties of a schema and their items, with the paths that [inspect] gives them.
func walk(path string, s *jsonschema.Schema, visit func(path string, s *jsonschema.Schema)) {
	if s == nil || s == jsonschema.TrueSchema || s == jsonschema.FalseSchema {
		return
	}
	if path != "" {
		visit(path, s)
	}
	for name, property := range s.Properties.FromOldest() {
		walk(strings.TrimPrefix(path+"."+name, "."), property, visit)
	}
	for _, one := range s.AnyOf {
		walk(path, one, visit)
	}
	walk(path+"[]", s.Items, visit)
	walk(path+"[]", s.AdditionalProperties, visit)
}

// checkBounds reports bounds that leave no value.
func checkBounds(s *jsonschema.Schema) error {
	above := func(least, greatest *uint64) bool { return least != nil && greatest != nil && *least > *greatest }
	least := max(number(s.Minimum, math.Inf(-1)), number(s.ExclusiveMinimum, math.Inf(-1)))
	greatest := min(number(s.Maximum, math.Inf(1)), number(s.ExclusiveMaximum, math.Inf(1)))
	excluded := number(s.ExclusiveMinimum, math.NaN()) == least || number(s.ExclusiveMaximum, math.NaN()) == greatest
	switch {
	case above(s.MinLength, s.MaxLength):
		return errors.New("its minLength is above its maxLength")
	case above(s.MinItems, s.MaxItems):
		return errors.New("its minItems are more than its maxItems")
	case least > greatest, least == greatest && excluded && math.Abs(least) < 1<<53: // beyond, neighbours are one float64
		return errors.New("no number is within its bounds")
	}
	return nil
}

// number returns the value of a keyword, or another one if the schema has no such keyword.
func number(n json.Number, other float64) float64 {
	if n == "" {
		return other
	}
	f, _ := n.Float64()
	return f
}

// checkValues reports a default, an example or a value of an enum that the schema refuses.
func checkValues(s *jsonschema.Schema) error {
	if s.Default == nil && len(s.Enum) == 0 && len(s.Examples) == 0 {
		return nil
	}
	document, err := json.Marshal(s)
	if err != nil {
		return err
	}
	checker, err := NewChecker(document)
	if err != nil {
		return err
	}
	check := func(keyword string, value any) error {
		encoded, err := json.Marshal(value)
		if err != nil {
			return err
		}
		if err := checker.Check(encoded); err != nil {
			return fmt.Errorf("its %s %s is refused by its own schema: %w", keyword, encoded, err)
		}
		return nil
	}
	for _, value := range s.Enum {
		if err := check("enum value", value); err != nil {
			return err
		}
	}
	for _, value := range s.Examples {
		if err := check("example", value); err != nil {
			return err
		}
	}
	if s.Default != nil {
		return check("default", s.Default)
	}
	return nil
}
