package strictjson

import (
	"cmp"
	"encoding/json"
	"reflect"
	"strings"
	"sync"
	"unicode"
)

// shape is what matters of a type.
type shape struct {
	fields map[string]field // of a struct, by key; else nil
	isMap  bool
	isList bool
	elem   reflect.Type // of a map or a list
}

// field is one of a struct's, with a number of its own.
type field struct {
	t reflect.Type
	n int
}

// resembles reports whether encoding/json might take key for the name of a field.
func (s *shape) resembles(key string) bool {
	for name := range s.fields {
		if strings.EqualFold(name, key) {
			return true
		}
	}
	return false
}

var shapes sync.Map // by reflect.Type; there are as many as there are types

func shapeOf(t reflect.Type) *shape {
	if s, ok := shapes.Load(t); ok {
		return s.(*shape)
	}
	s, _ := shapes.LoadOrStore(t, newShape(t))
	return s.(*shape)
}

var decodesItself = reflect.TypeFor[json.Unmarshaler]()

func newShape(t reflect.Type) *shape {
	if t == reflect.TypeFor[anything]() {
		return &shape{isMap: true, isList: true, elem: t}
	}
	for t != nil {
		if reflect.PointerTo(t).Implements(decodesItself) || t.Implements(decodesItself) {
			return &shape{}
		}
		switch t.Kind() {
		case reflect.Pointer:
			t = t.Elem()
			continue
		case reflect.Struct:
			return &shape{fields: fieldsOf(t)}
		case reflect.Map:
			return &shape{isMap: true, elem: t.Elem()}
		case reflect.Slice, reflect.Array:
			return &shape{isList: true, elem: t.Elem()}
		default:
			return &shape{}
		}
	}
	return &shape{}
}

// candidate is a field that may be the one of a name.
type candidate struct {
	t      reflect.Type
	depth  int
	tagged bool
	hidden bool // another one hides it, or both hide each other
}

// fieldsOf returns the fields of a struct and of those that are embedded in it, as encoding/json chooses them: of one name, the one
// that is least deep, and of several rather one with a tag. If several are left, none counts.
func fieldsOf(t reflect.Type) map[string]field {
	found := map[string]candidate{}
	visited := map[reflect.Type]bool{}
	level := map[reflect.Type]int{t: 1} // with how often each is embedded
	for depth := 0; len(level) > 0; depth++ {
		next := map[reflect.Type]int{}
		for t, times := range level {
			if visited[t] {
				continue
			}
			visited[t] = true
			for i := range t.NumField() {
				f := t.Field(i)
				inner := f.Type
				if f.Type.Kind() == reflect.Pointer {
					inner = f.Type.Elem()
				}
				if tag := f.Tag.Get("json"); tag == "-" || !f.IsExported() && (!f.Anonymous || inner.Kind() != reflect.Struct) {
					continue
				}
				name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
				if !isName(name) {
					name = ""
				}
				if name == "" && f.Anonymous && inner.Kind() == reflect.Struct {
					next[inner] += times
					continue
				}
				c := candidate{f.Type, depth, name != "", times > 1}
				name = cmp.Or(name, f.Name)
				if other, ok := found[name]; ok {
					c = other.or(c)
				}
				found[name] = c
			}
		}
		level = next
	}
	fields := map[string]field{}
	for name, c := range found {
		if !c.hidden {
			fields[name] = field{c.t, len(fields)}
		}
	}
	return fields
}

// or chooses one of two, of which c was found first.
func (c candidate) or(other candidate) candidate {
	switch {
	case c.depth < other.depth || c.tagged && !other.tagged:
		return c
	case other.tagged && !c.tagged:
		return other
	}
	c.hidden = true
	return c
}

// isName reports whether encoding/json takes a tag for a name.
func isName(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return !strings.ContainsRune("!#$%&()*+-./:;<=>?@[]^_{|}~ ", r) && !unicode.IsLetter(r) && !unicode.IsDigit(r)
	})
}
