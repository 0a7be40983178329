package strictjson

import (
	"encoding/json"
	"reflect"
	"strings"
	"sync"
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
			s := &shape{fields: map[string]field{}}
			s.add(t, map[reflect.Type]bool{})
			return s
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

// add adds the fields of a struct, then those of the structs that are embedded in it: a field hides one that is deeper.
func (s *shape) add(t reflect.Type, outer map[reflect.Type]bool) {
	if outer[t] {
		return
	}
	outer[t] = true
	var embedded []reflect.Type
	for i := range t.NumField() {
		f := t.Field(i)
		tag, tagged := f.Tag.Lookup("json")
		name, _, _ := strings.Cut(tag, ",")
		inner := f.Type
		if inner.Kind() == reflect.Pointer {
			inner = inner.Elem()
		}
		switch {
		case tag == "-":
		case f.Anonymous && name == "" && inner.Kind() == reflect.Struct:
			embedded = append(embedded, inner)
		case !f.IsExported():
		case !tagged || name == "":
			s.set(f.Name, f.Type)
		default:
			s.set(name, f.Type)
		}
	}
	for _, inner := range embedded {
		s.add(inner, outer)
	}
}

func (s *shape) set(name string, t reflect.Type) {
	if _, hidden := s.fields[name]; !hidden {
		s.fields[name] = field{t, len(s.fields)}
	}
}
