package hitl_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hitl-go/sdk/hitl"
)

func TestInterfaceIsTheRecordedOne(t *testing.T) {
	for _, version := range []string{hitl.Interface2_1, hitl.Interface2_0} {
		t.Run(version, func(t *testing.T) {
			ours, err := hitl.Interface(version)
			if err != nil {
				t.Fatal(err)
			}
			want := recorded(t, "hitl-"+version+".interface.json")
			delete(want, "sdkVersion")
			if diff := cmp.Diff(structure(want), structure(encoded(t, ours))); diff != "" {
				t.Errorf("the interface differs from the recorded one (-recorded +ours):\n%s", diff)
			}
		})
	}
}

func TestInterfaceOfAnUnknownVersion(t *testing.T) {
	const want = `hitl: the interface version "3.0.0" is not known here; use 2.1.0 or 2.0.0`
	if _, err := hitl.Interface("3.0.0"); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// recorded reads a recording of the real Botpress stack.
func recorded(t *testing.T, name string) map[string]any {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return decoded(t, data)
}

func encoded(t *testing.T, v any) map[string]any {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return decoded(t, data)
}

func decoded(t *testing.T, data []byte) map[string]any {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal(data, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// structure is what of a definition is compared: texts count as there or not there, and what the tools for
// interfaces write into every schema without meaning anything by it is left out.
func structure(v any) any {
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
				out[key] = structure(value)
			}
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, value := range v {
			out[i] = structure(value)
		}
		return out
	default:
		return v
	}
}
