package botpress

import (
	"bytes"
	"encoding/json"

	"github.com/hitl-go/sdk/internal/strictjson"
)

// Optional is a field for which the API distinguishes three cases: left out,
// null, and a value. The zero value is left out, which in an update keeps the
// current value. [Set] gives a value; [Null] is null, which in an update removes
// the value.
type Optional[T any] struct {
	value   T
	present bool
	null    bool
}

// Set returns a field with the value v.
func Set[T any](v T) Optional[T] { return Optional[T]{value: v, present: true} }

// Null returns a field that is sent as null.
func Null[T any]() Optional[T] { return Optional[T]{present: true, null: true} }

// Get returns the value, and whether there is one.
func (o Optional[T]) Get() (T, bool) { return o.value, o.present && !o.null }

// IsZero reports whether the field is left out.
func (o Optional[T]) IsZero() bool { return !o.present }

// MarshalJSON encodes the value, or null.
func (o Optional[T]) MarshalJSON() ([]byte, error) {
	if !o.present || o.null {
		return []byte("null"), nil
	}
	return json.Marshal(o.value)
}

// UnmarshalJSON decodes a value, or null.
func (o *Optional[T]) UnmarshalJSON(data []byte) error {
	*o = Null[T]()
	if bytes.Equal(data, []byte("null")) {
		return nil
	}
	*o = Set(o.value)
	return strictjson.Unmarshal(data, &o.value)
}
