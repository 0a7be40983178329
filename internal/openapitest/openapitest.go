// Package openapitest checks HTTP traffic against the official OpenAPI
// documents of the Botpress API (runtime, admin and files, version 1.70.2), and
// generates requests and responses that conform to them.
//
// The documents are in testdata. The known differences between the API and the
// documents are in one list, exceptions.go. Only tests import this package.
package openapitest

import (
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/routers"
)

//go:embed testdata/*.openapi.json
var documents embed.FS

// Spec is the API. It is safe for concurrent use.
type Spec struct {
	operations []*Operation
}

// Operation is one operation of the API.
type Operation struct {
	// ID is the operation's name, e.g. getUser.
	ID string
	// Method and Route are e.g. GET and /v1/chat/users/{id}.
	Method, Route string

	segments []string
	route    *routers.Route
}

// Load reads the documents and applies the exceptions.
func Load() (*Spec, error) {
	names, err := fs.Glob(documents, "testdata/*.openapi.json")
	if err != nil {
		return nil, err
	}
	s := &Spec{}
	used := make([]bool, len(exceptions))
	for _, name := range names {
		data, err := documents.ReadFile(name)
		if err != nil {
			return nil, err
		}
		document := strings.TrimSuffix(path.Base(name), ".openapi.json")
		if data, err = except(document, data, used); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if err := s.add(data); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	for i, e := range exceptions {
		if !used[i] {
			return nil, fmt.Errorf("the exception at %s matches nothing", e.at)
		}
	}
	return s, nil
}

func (s *Spec) add(data []byte) error {
	doc, err := openapi3.NewLoader().LoadFromData(data)
	if err != nil {
		return err
	}
	for route, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			s.operations = append(s.operations, &Operation{
				ID: op.OperationID, Method: method, Route: route,
				segments: strings.Split(route, "/"),
				route:    &routers.Route{Spec: doc, Path: route, PathItem: item, Method: method, Operation: op},
			})
		}
	}
	slices.SortFunc(s.operations, func(a, b *Operation) int { return strings.Compare(a.ID, b.ID) })
	return nil
}

// Operations returns all operations, by name.
func (s *Spec) Operations() []*Operation { return slices.Clone(s.operations) }

// Match returns the operation that a request asks for, with the parameters in
// its path.
func (s *Spec) Match(r *http.Request) (*Operation, map[string]string, error) {
	var (
		best   *Operation
		params map[string]string
	)
	for _, op := range s.operations {
		if op.Method != r.Method {
			continue
		}
		found, ok := op.match(r.URL.EscapedPath())
		// Literal segments take precedence over parameters: get-or-create is
		// not an id.
		if ok && (best == nil || len(found) < len(params)) {
			best, params = op, found
		}
	}
	if best == nil {
		return nil, nil, errors.New("no operation " + r.Method + " " + r.URL.EscapedPath())
	}
	return best, params, nil
}

func (op *Operation) match(escaped string) (map[string]string, bool) {
	segments := strings.Split(escaped, "/")
	if len(segments) != len(op.segments) {
		return nil, false
	}
	params := map[string]string{}
	for i, want := range op.segments {
		got, err := url.PathUnescape(segments[i])
		switch {
		case err != nil:
			return nil, false
		case strings.HasPrefix(want, "{"):
			if got == "" {
				return nil, false
			}
			params[strings.Trim(want, "{}")] = got
		case got != want:
			return nil, false
		}
	}
	return params, true
}

// except applies the exceptions to a document and records which ones it has
// used.
func except(document string, data []byte, used []bool) ([]byte, error) {
	var doc map[string]any
	if err := json.Unmarshal(data, &doc); err != nil {
		return nil, err
	}
	for i, e := range exceptions {
		if e.in != document {
			continue
		}
		var value any
		if e.is != "" {
			if err := json.Unmarshal([]byte(e.is), &value); err != nil {
				return nil, fmt.Errorf("exception at %s: %w", e.at, err)
			}
		}
		if put(doc, strings.Split(strings.TrimPrefix(e.at, "#/"), "/"), value) {
			used[i] = true
		}
	}
	return json.Marshal(doc)
}

// put sets the value at a JSON pointer, or deletes it if value is nil, and
// reports whether the pointer leads anywhere. In a pointer ~1 stands for a
// slash, and - for the end of a list.
func put(at any, pointer []string, value any) bool {
	key := strings.ReplaceAll(pointer[0], "~1", "/")
	object, ok := at.(map[string]any)
	if !ok {
		return false
	}
	switch {
	case len(pointer) == 1 && value == nil:
		_, found := object[key]
		delete(object, key)
		return found
	case len(pointer) == 1:
		object[key] = value
		return true
	case len(pointer) == 2 && pointer[1] == "-":
		elements, ok := object[key].([]any)
		if ok {
			object[key] = append(elements, value)
		}
		return ok
	}
	return put(object[key], pointer[1:], value)
}
