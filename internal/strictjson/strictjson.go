// Package strictjson decodes JSON as encoding/json does, but is exact about keys.
//
// encoding/json takes "USERID" for "userId", and the last one of several. Whoever can add a key to an object could so replace a
// value that decides who speaks, or where something goes.
//
// It is encoding/json/v2 with the semantics of encoding/json: that of the standard library from Go 1.27 on, its mirror before.
package strictjson

import (
	"cmp"
	stdjson "encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	v1 "github.com/go-json-experiment/json/v1"
)

// ErrDuplicate means that an object has a key twice.
var ErrDuplicate = errors.New("a key is there twice")

var options = json.JoinOptions(
	v1.DefaultOptionsV1(),
	json.MatchCaseInsensitiveNames(false),
	jsontext.AllowDuplicateNames(false),
	json.WithUnmarshalers(json.UnmarshalFromFunc(number)),
	v1.ReportErrorsWithLegacySemantics(false), // those of v2 say where they are
)

// lenient goes on after what does not fit, and takes types at whose tags v2 takes offence.
var lenient = json.JoinOptions(options, v1.ReportErrorsWithLegacySemantics(true))

// number decodes a [stdjson.Number], which the mirror does not know.
func number(d *jsontext.Decoder, n *stdjson.Number) error {
	text, err := d.ReadValue()
	if err != nil {
		return err
	}
	if stdjson.Unmarshal(text, n) != nil { // its error would repeat the value
		return errors.New("a number is wanted")
	}
	return nil
}

// Unmarshal decodes data into v like encoding/json, with two differences. A key matches a field only if both are equal; others
// are unknown, and ignored. And it is an error, which wraps [ErrDuplicate], if an object anywhere has a key twice. If a value does not
// fit, the error is a [*MismatchError] about the first one, and what fits is there.
func Unmarshal(data []byte, v any) error {
	err := json.Unmarshal(data, v, options)
	if e, ok := errors.AsType[*json.SemanticError](err); ok {
		if err := json.Unmarshal(data, v, lenient); err == nil {
			return nil
		}
		return &MismatchError{path(e.JSONPointer), kinds[e.JSONKind], e.GoType, e.Err}
	}
	if e, ok := errors.AsType[*jsontext.SyntacticError](err); ok && errors.Is(err, jsontext.ErrDuplicateName) {
		return fmt.Errorf("%w: %q", ErrDuplicate, path(e.JSONPointer))
	}
	return err
}

// path writes a pointer as in "tags.id". A key may be as long as the text, so a long path is cut.
func path(p jsontext.Pointer) string {
	const longest = 200
	s := strings.Join(slices.Collect(p.Tokens()), ".")
	if len(s) > longest {
		s = strings.ToValidUTF8(s[:longest], "") + "…"
	}
	return s
}

// Unique returns an error that wraps [ErrDuplicate] if an object anywhere in data has a key twice. Text that is no JSON is left to
// who decodes it.
func Unique(data []byte) error {
	var text jsontext.Value
	if err := Unmarshal(data, &text); errors.Is(err, ErrDuplicate) {
		return err
	}
	return nil
}

// MismatchError is a value that does not fit the type it is decoded into. Its text leaves out the value, which may be a secret, unless
// an UnmarshalJSON or UnmarshalText of the type's own repeats it.
type MismatchError struct {
	path  string // empty for all of the text
	kind  string
	typ   reflect.Type
	cause error // of the type's own, if it has said one
}

var kinds = map[jsontext.Kind]string{
	jsontext.KindNull: "null", jsontext.KindTrue: "boolean", jsontext.KindFalse: "boolean", jsontext.KindString: "string",
	jsontext.KindNumber: "number", jsontext.KindBeginObject: "object", jsontext.KindBeginArray: "array",
}

func (m *MismatchError) Error() string {
	at := cmp.Or(m.path, "it")
	if m.cause != nil {
		return fmt.Sprintf("%s: %v", at, m.cause)
	}
	return fmt.Sprintf("%s is of the type %s, which does not fit the Go type %v", at, m.kind, m.typ)
}

func (m *MismatchError) Unwrap() error { return m.cause }
