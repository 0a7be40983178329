package cli

import (
	"strings"
	"testing"
)

// Whatever the API sends as a secret, a shell that reads the file gets one variable.
func TestSecretsAreSecrets(t *testing.T) {
	for _, value := range []string{"", "abc\nLD_PRELOAD=/tmp/x.so", "$(id)", "a b", "`id`", "a\x00", "é", "a;b", `a"b`, "a'b", "a&b"} {
		var out strings.Builder
		s := &secrets{out: &out}
		if err := s.set("BP_TOKEN", value); err == nil || out.String() != "" || s.written {
			t.Errorf("%q: %v, and written is %q", value, err, out.String())
		}
	}
	var out strings.Builder
	if err := (&secrets{out: &out}).set("BP_TOKEN", "bp_iak_aZ09-_.=+/"); err != nil || out.String() != "BP_TOKEN=bp_iak_aZ09-_.=+/\n" {
		t.Errorf("%v, and written is %q", err, out.String())
	}
}
