package playground

import (
	"encoding/json"
	"strings"
	"testing"
)

// A secret is hidden to its end, whatever is escaped in it, also in JSON within JSON.
func TestSecretsToTheirEnd(t *testing.T) {
	for _, secret := range []string{
		"hunter2", `quote"END`, `"END`, `END"`, `back\END`, `\"END`, `\\END`, "line\nEND", "tag<END>", "é\u2028END", `\u0022END`, `a":"END`, "\x00END",
	} {
		field, err := json.Marshal(map[string]string{"apiToken": secret, "password": secret, "then": "SHOWN"})
		if err != nil {
			t.Fatal(err)
		}
		body, err := json.Marshal(map[string]string{"body": string(field), "then": "SHOWN"})
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{string(field), string(body)} {
			got := (&secrets{}).text(text)
			if strings.Contains(got, "END") || strings.Contains(got, "hunter") || strings.Count(got, "SHOWN") != strings.Count(text, "SHOWN") || strings.Count(got, hidden) != 2 {
				t.Errorf("%s is shown as %s", text, got)
			}
		}
	}
}
