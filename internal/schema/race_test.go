package schema_test

import (
	"reflect"
	"sync"
	"testing"

	"github.com/hitl-go/sdk/internal/schema"
)

// All schemas share TrueSchema and FalseSchema of the library, so Of must not write to them.
func TestSchemasAtOnce(t *testing.T) {
	type inner struct {
		Any map[string]string `json:"any"`
	}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if _, err := schema.Of(reflect.TypeFor[inner](), nil); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
}
