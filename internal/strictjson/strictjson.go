// Package strictjson decodes JSON as encoding/json does, but is exact about keys.
//
// encoding/json takes "USERID" for "userId", and the last one of several. Whoever can add a key to an object could so replace a
// value that decides who speaks, or where something goes.
package strictjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"unicode/utf8"
)

// ErrDuplicate means that an object has a key twice that is decoded.
var ErrDuplicate = errors.New("a key is there twice")

// Unmarshal decodes data into v like [json.Unmarshal], with two differences. A key matches a field only if both are equal;
// others are unknown, and ignored. And it is an error, which wraps [ErrDuplicate], if a field or a key of a map is there twice.
//
// What has an UnmarshalJSON of its own, such as a [json.RawMessage], and what an interface takes is left to them.
func Unmarshal(data []byte, v any) error {
	w := walker{data: data}
	ok := w.value(reflect.TypeOf(v), 0)
	w.space()
	ok = ok && w.at == len(data)
	if w.twice != nil {
		return w.twice
	}
	if err := json.Unmarshal(w.data, v); err != nil {
		return err
	}
	if !ok { // encoding/json understands what we do not, so nothing was checked
		return errors.New("json: the text is not valid")
	}
	return nil
}

// Unique returns an error that wraps [ErrDuplicate] if an object anywhere in data has a key twice. Text that is no JSON is left to
// who decodes it.
func Unique(data []byte) error {
	w := walker{data: data}
	w.value(reflect.TypeFor[anything](), 0)
	return w.twice
}

// anything has the keys of every object and the items of every list, at any depth.
type anything struct{}

// maxDepth is how deep encoding/json decodes.
const maxDepth = 10_000

// walker goes through a JSON text along with the type that it is decoded into. It gives keys that must not match a name that
// no field has. Its methods report false for a text that they do not understand.
type walker struct {
	data   []byte
	at     int
	copied bool
	twice  error // the last key that is there twice
}

func (w *walker) value(t reflect.Type, depth int) bool {
	if depth > maxDepth {
		return false
	}
	w.space()
	if w.at == len(w.data) {
		return false
	}
	s := shapeOf(t)
	switch c := w.data[w.at]; {
	case c == '{' && (s.fields != nil || s.isMap):
		return w.object(s, depth)
	case c == '[' && s.isList:
		return w.list(s.elem, depth)
	default:
		return w.skip()
	}
}

func (w *walker) object(s *shape, depth int) bool {
	w.at++ // the brace
	var seen keys
	for first := true; ; first = false {
		w.space()
		if w.next('}') {
			return true
		}
		if !first && !w.next(',') {
			return false
		}
		w.space()
		start := w.at
		if !w.text() {
			return false
		}
		quoted := w.data[start:w.at]
		w.space()
		if !w.next(':') {
			return false
		}
		key, ok := unquote(quoted)
		if !ok {
			return false
		}
		f, known := s.fields[string(key)]
		switch {
		case s.isMap:
			f = field{t: s.elem, n: manyFields}
		case !known && s.resembles(string(key)):
			w.disguise(start+1, len(quoted)-2)
		}
		if (known || s.isMap) && seen.add(f.n, key) {
			w.twice = fmt.Errorf("json: %w: %q", ErrDuplicate, key)
		}
		if !w.value(f.t, depth+1) {
			return false
		}
	}
}

// keys are those that an object has so far.
type keys struct {
	numbers uint64 // of fields below [manyFields]
	first   [manyNames][]byte
	few     int             // of the first
	names   map[string]bool // once there are more
}

const (
	manyFields = 64
	manyNames  = 16
)

// add reports whether the key was there before.
func (k *keys) add(n int, name []byte) (again bool) {
	if n < manyFields {
		again = k.numbers&(1<<n) != 0
		k.numbers |= 1 << n
		return again
	}
	if k.names == nil {
		if slices.ContainsFunc(k.first[:k.few], func(known []byte) bool { return bytes.Equal(known, name) }) {
			return true
		}
		if k.few < manyNames {
			k.first[k.few] = name
			k.few++
			return false
		}
		k.names = make(map[string]bool, 2*manyNames)
		for _, known := range k.first {
			k.names[string(known)] = true
		}
	}
	again = k.names[string(name)]
	k.names[string(name)] = true
	return again
}

func (w *walker) list(elem reflect.Type, depth int) bool {
	w.at++ // the bracket
	for first := true; ; first = false {
		w.space()
		if w.next(']') {
			return true
		}
		if !first && !w.next(',') {
			return false
		}
		if !w.value(elem, depth+1) {
			return false
		}
	}
}

func unquote(quoted []byte) (text []byte, ok bool) {
	text = quoted[1 : len(quoted)-1]
	if !slices.ContainsFunc(text, func(c byte) bool { return c == '\\' || c >= utf8.RuneSelf }) {
		return text, true
	}
	var s string
	err := json.Unmarshal(quoted, &s)
	return []byte(s), err == nil
}

// disguise overwrites the text of a key that encoding/json would take for the name of a field.
func (w *walker) disguise(at, length int) {
	if !w.copied {
		w.data, w.copied = slices.Clone(w.data), true
	}
	for i := range length {
		w.data[at+i] = '~'
	}
}

// skip passes over a value without looking into it.
func (w *walker) skip() bool {
	for depth := 0; w.at < len(w.data); {
		switch w.data[w.at] {
		case '"':
			if !w.text() {
				return false
			}
		case '{', '[':
			depth++
			w.at++
		case '}', ']':
			depth--
			w.at++
		case ' ', '\t', '\r', '\n', ',', ':':
			w.at++
		default: // a number or a word: what it is, and where things may stand, encoding/json knows
			for w.at < len(w.data) && !delimits(w.data[w.at]) {
				w.at++
			}
		}
		if depth == 0 {
			return true
		}
		if depth < 0 {
			return false
		}
	}
	return false
}

func delimits(c byte) bool {
	switch c {
	case '"', '{', '[', '}', ']', ' ', '\t', '\r', '\n', ',', ':':
		return true
	}
	return false
}

// text passes over a string.
func (w *walker) text() bool {
	if !w.next('"') {
		return false
	}
	for w.at < len(w.data) {
		switch w.data[w.at] {
		case '"':
			w.at++
			return true
		case '\\':
			w.at++
		}
		w.at++
	}
	return false
}

func (w *walker) space() {
	for w.at < len(w.data) {
		switch w.data[w.at] {
		case ' ', '\t', '\r', '\n':
			w.at++
		default:
			return
		}
	}
}

// next passes over c, if it is there.
func (w *walker) next(c byte) bool {
	if w.at == len(w.data) || w.data[w.at] != c {
		return false
	}
	w.at++
	return true
}
