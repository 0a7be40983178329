package tunnel

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/hitl-go/sdk/internal/strictjson"
)

// request is a frame that asks for a response.
type request struct {
	Type    string            `json:"type"` // empty for old tunnels
	ID      string            `json:"id"`
	Method  string            `json:"method"`
	Path    string            `json:"path"`
	Query   string            `json:"query"`
	Headers map[string]values `json:"headers"`
	Body    string            `json:"body"`
}

// response is the frame that answers one.
type response struct {
	Type      string            `json:"type"`
	RequestID string            `json:"requestId"`
	Status    int               `json:"status"`
	Headers   map[string]values `json:"headers"`
	Body      *string           `json:"body,omitempty"`
}

// values are those of a header: one is a string, more are a list.
type values []string

// UnmarshalJSON reads either.
func (v *values) UnmarshalJSON(data []byte) error {
	var one *string
	if err := json.Unmarshal(data, &one); err == nil { //nolint:forbidigo // It is no object.
		if one != nil {
			*v = values{*one}
		}
		return nil
	}
	return json.Unmarshal(data, (*[]string)(v)) //nolint:forbidigo // It is no object.
}

// MarshalJSON writes either.
func (v values) MarshalJSON() ([]byte, error) {
	if len(v) == 1 {
		return json.Marshal(v[0])
	}
	return json.Marshal([]string(v))
}

// decodeRequest returns nil for a frame that asks for nothing.
func decodeRequest(frame []byte) (*request, error) {
	var r request
	if err := strictjson.Unmarshal(frame, &r); err != nil {
		return nil, err
	}
	switch {
	case r.Type == "hello":
		return nil, nil
	case r.Type != "" && r.Type != "request":
		return nil, fmt.Errorf("a frame of the type %.20q", r.Type)
	case r.ID == "" || r.Method == "":
		return nil, errors.New("a request without an id or a method")
	}
	return &r, nil
}

// http is the request as a handler takes it. Its body has the very bytes that were sent, as far as they are UTF-8: frames are.
func (r *request) http(ctx context.Context) (*http.Request, error) {
	path := "/" + strings.TrimLeft(r.Path, "/")
	u := &url.URL{Path: path, RawQuery: strings.TrimPrefix(r.Query, "?")}
	if plain, err := url.PathUnescape(path); err == nil {
		u.Path, u.RawPath = plain, path
	}
	req, err := http.NewRequestWithContext(ctx, r.Method, "/", strings.NewReader(r.Body))
	if err != nil {
		return nil, err
	}
	req.URL, req.RequestURI = u, u.RequestURI()
	for name, all := range r.Headers {
		for _, value := range all {
			req.Header.Add(name, value)
		}
	}
	req.Host = req.Header.Get("Host")
	req.Header.Del("Host")
	if r.Body == "" {
		req.Body = http.NoBody
	}
	return req, nil
}

// recorder keeps a response until it is complete.
type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
	over   bool // the body is longer than what can be sent
}

func (w *recorder) Header() http.Header { return w.header }

func (w *recorder) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
}

func (w *recorder) Write(b []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	if w.over = w.over || w.body.Len()+len(b) > maxBody; w.over {
		return 0, io.ErrShortWrite
	}
	return w.body.Write(b)
}

// frame is the response as it is sent.
func (w *recorder) frame(requestID string) ([]byte, error) {
	if w.over {
		return nil, fmt.Errorf("its body is longer than %d MiB", maxBody>>20)
	}
	if !utf8.Valid(w.body.Bytes()) {
		return nil, errors.New("its body is no text, and the tunnel carries nothing else")
	}
	out := response{Type: "response", RequestID: requestID, Status: w.status, Headers: map[string]values{}}
	if w.status == 0 {
		out.Status = http.StatusOK
	}
	for name, all := range w.header {
		if len(all) > 0 {
			out.Headers[strings.ToLower(name)] = all
		}
	}
	body := w.body.String()
	out.Body = &body
	var frame bytes.Buffer
	encoder := json.NewEncoder(&frame)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(out)
	return frame.Bytes(), err
}
