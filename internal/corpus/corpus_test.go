package corpus_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hitl-go/sdk/internal/corpus"
)

func TestLoad(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.txt")
	text := "# A comment.\n\nkind: one\nsource: nowhere\n" + strings.Repeat("\"a\\n\" => `b => \"c\"`\n", 8) + "kind: two\nsource: somewhere\n" + strings.Repeat(`"" => ""`+"\n", 8) + `"" => "" # why`
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	kinds := corpus.Load(t, path)
	if len(kinds) != 2 || kinds[0].Name != "one" || kinds[1].Source != "somewhere" || len(kinds[0].Cases) != 8 || len(kinds[1].Cases) != 9 {
		t.Fatalf("the kinds are %+v", kinds)
	}
	if c := kinds[0].Cases[7]; c.In != "a\n" || c.Want != `b => "c"` || c.Note != "" || c.Line != 12 {
		t.Errorf("the last case of the first kind is %+v", c)
	}
	if note := kinds[1].Cases[8].Note; note != "why" {
		t.Errorf("the last note is %q", note)
	}
}
