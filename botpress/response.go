package botpress

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
)

// response is a response whose body was read, up to the limit.
type response struct {
	status int
	header http.Header
	body   []byte
}

// readResponse reads a response to its end, up to a limit.
func readResponse(raw *http.Response) (response, error) {
	res := response{status: raw.StatusCode, header: raw.Header}
	limit := int64(maxResponse)
	if res.status < 200 || res.status > 299 {
		limit = maxError
	}
	var body bytes.Buffer
	body.Grow(int(min(max(raw.ContentLength, 0), limit)) + bytes.MinRead) // The length is a hint: transports that are given may not keep it.
	_, err := body.ReadFrom(io.LimitReader(raw.Body, limit+1))
	res.body = body.Bytes()
	switch {
	case int64(len(res.body)) > limit && limit == maxResponse:
		return res, fmt.Errorf("the response is larger than %d MiB, which is the limit", maxResponse>>20)
	case err != nil && limit == maxResponse:
		return res, &networkError{err: fmt.Errorf("the response broke off after %d bytes: %w", len(res.body), cause(err))}
	}
	return res, nil // what could be read of an error is enough
}

// undecodable explains a success whose body is not what the operation returns,
// typically the page of a proxy or of a login.
func (res response) undecodable(r request, err error) error {
	kind := res.header.Get("Content-Type")
	if kind == "" {
		kind = "no content type"
	}
	return fmt.Errorf("botpress: %s %s: the response (status %d, %s, %d bytes) is not the expected JSON; is the base URL that of the API?: %w",
		r.method, r.route, res.status, kind, len(res.body), err)
}
