package schema_test

import (
	"reflect"
	"sync"
	"testing"

	"github.com/hitl-go/sdk/internal/schema"
)

// The library marks "anything" and "nothing" by schemas that all documents share: they must not be written to.
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
