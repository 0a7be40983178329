package schema

import (
	"bytes"
	"encoding/json"
	"slices"
)

// Normalize returns the value as it is checked and decoded: optional fields of objects that are null or an empty text count as
// unset, because that is what forms make of a field that was cleared; and a field that is unset gets the default that the
// schema declares. A value that does not have the schema's shape is returned as it is: [Checker.Check] says what is wrong.
func (c *Checker) Normalize(value json.RawMessage) json.RawMessage {
	decoder := json.NewDecoder(bytes.NewReader(value))
	decoder.UseNumber()
	var v any
	if err := decoder.Decode(&v); err != nil || decoder.More() {
		return value
	}
	out, err := json.Marshal(c.doc.normalize(v))
	if err != nil {
		return value
	}
	return out
}

// shape is what of a schema matters for normalizing.
type shape struct {
	Properties map[string]*shape `json:"properties"`
	Required   []string          `json:"required"`
	Items      *shape            `json:"items"`
	Default    json.RawMessage   `json:"default"`
}

func (s *shape) normalize(v any) any {
	if s == nil {
		return v
	}
	switch v := v.(type) {
	case map[string]any:
		for name, property := range s.Properties {
			value, set := v[name]
			if set && (value == nil || value == "") && !slices.Contains(s.Required, name) {
				delete(v, name)
				set = false
			}
			switch {
			case set:
				v[name] = property.normalize(value)
			case property != nil && property.Default != nil:
				v[name] = property.Default
			}
		}
	case []any:
		for i := range v {
			v[i] = s.Items.normalize(v[i])
		}
	}
	return v
}
