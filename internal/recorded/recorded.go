// Package recorded compares definitions with recordings of the real Botpress stack, for tests.
package recorded

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

// Read reads a recording from the caller's testdata.
func Read(name string) (map[string]any, error) {
	data, err := os.ReadFile(filepath.Join("testdata", name)) //nolint:gosec // The name is a test's.
	if err != nil {
		return nil, err
	}
	return decode(data)
}

// Encode returns the JSON object that v becomes.
func Encode(v any) (map[string]any, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	return decode(data)
}

func decode(data []byte) (map[string]any, error) {
	var v map[string]any
	if err := json.Unmarshal(data, &v); err != nil {
		return nil, fmt.Errorf("recorded: %w", err)
	}
	return v, nil
}

// Structure returns what of a definition is compared: a text is there or not, whatever it says, and what Botpress' tools
// write into every schema without meaning anything by it is left out.
func Structure(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for key, value := range v {
			text, isText := value.(string)
			empty, isObject := value.(map[string]any)
			switch {
			case key == "$schema", key == "x-zui" && isObject && len(empty) == 0:
			case isText && text != "" && (key == "title" || key == "description"):
				out[key] = "…"
			default:
				out[key] = Structure(value)
			}
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, value := range v {
			out[i] = Structure(value)
		}
		return out
	default:
		return v
	}
}
