package openapitest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
)

// Middleware passes requests to next, and reports every request and every
// response that does not conform to s. It does not check requests outside /v1/.
// report may be called concurrently.
func (s *Spec) Middleware(next http.Handler, report func(error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.URL.Path, "/v1/") {
			next.ServeHTTP(w, r)
			return
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			report(fmt.Errorf("%s %s: read the body: %w", r.Method, r.URL.Path, err))
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		input, err := s.checkRequest(r, body)
		if err != nil {
			report(fmt.Errorf("%s %s: request: %w", r.Method, r.URL, err))
		}
		r.Body = io.NopCloser(bytes.NewReader(body))

		answer := httptest.NewRecorder()
		next.ServeHTTP(answer, r)
		if input != nil {
			if err := checkAnswer(r.Context(), input, answer); err != nil {
				report(fmt.Errorf("%s %s: answer %d: %w", r.Method, r.URL, answer.Code, err))
			}
		}
		maps.Copy(w.Header(), answer.Header())
		w.WriteHeader(answer.Code)
		_, _ = w.Write(answer.Body.Bytes())
	})
}

func (s *Spec) checkRequest(r *http.Request, body []byte) (*openapi3filter.RequestValidationInput, error) {
	op, params, err := s.Match(r)
	if err != nil {
		return nil, err
	}
	query, err := op.checkQuery(r.URL.Query())
	checked := r.Clone(r.Context())
	checked.Body = io.NopCloser(bytes.NewReader(body))
	checked.URL.RawQuery = query.Encode()
	input := &openapi3filter.RequestValidationInput{
		Request: checked, PathParams: params, Route: op.route, QueryParams: query,
		Options: &openapi3filter.Options{AuthenticationFunc: authenticated, MultiError: true, IncludeResponseStatus: true},
	}
	err = errors.Join(err, openapi3filter.ValidateRequest(r.Context(), input))
	if op.route.Operation.RequestBody == nil && len(body) > 0 && strings.TrimSpace(string(body)) != "{}" {
		err = errors.Join(err, errors.New("there is a body, and the operation has none"))
	}
	return input, err
}

// checkQuery reports parameters that the operation does not declare, which the
// library accepts. It checks tags itself, because the library cannot parse
// names with dots, and returns the other parameters.
func (op *Operation) checkQuery(query url.Values) (url.Values, error) {
	rest := url.Values{}
	var all error
	for name, values := range query {
		object, key, dotted := strings.Cut(name, ".")
		param := op.parameter(object, openapi3.ParameterInQuery)
		switch {
		case param == nil:
			all = errors.Join(all, fmt.Errorf("the query has %s, which the operation does not declare", name))
		case dotted:
			given := map[string]any{key: values[0]}
			all = errors.Join(all, param.Schema.Value.VisitJSON(given))
		default:
			rest[name] = values
		}
	}
	return rest, all
}

func (op *Operation) parameter(name, in string) *openapi3.Parameter {
	return op.route.Operation.Parameters.GetByInAndName(in, name)
}

func authenticated(_ context.Context, input *openapi3filter.AuthenticationInput) error {
	header := input.RequestValidationInput.Request.Header.Get("Authorization")
	if token, ok := strings.CutPrefix(header, "Bearer "); !ok || token == "" {
		return errors.New("there is no bearer token")
	}
	return nil
}

func checkAnswer(ctx context.Context, input *openapi3filter.RequestValidationInput, answer *httptest.ResponseRecorder) error {
	if answer.Code >= 400 {
		return checkError(answer)
	}
	// The documents also have a default response, which matches any status.
	if input.Route.Operation.Responses.Value(strconv.Itoa(answer.Code)) == nil {
		return errors.New("the operation does not declare this status")
	}
	return openapi3filter.ValidateResponse(ctx, &openapi3filter.ResponseValidationInput{
		RequestValidationInput: input,
		Status:                 answer.Code,
		Header:                 answer.Header(),
		Body:                   io.NopCloser(bytes.NewReader(answer.Body.Bytes())),
		Options:                input.Options,
	})
}

func checkError(answer *httptest.ResponseRecorder) error {
	var shape openapi3.Schema
	text := errorSchema
	if answer.Code == http.StatusTooManyRequests {
		text = limitSchema
	}
	if err := json.Unmarshal([]byte(text), &shape); err != nil {
		return err
	}
	var given any
	if err := json.Unmarshal(answer.Body.Bytes(), &given); err != nil {
		return err
	}
	return shape.VisitJSON(given)
}
