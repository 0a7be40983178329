package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
)

// api calls Botpress.
type api struct {
	base, token string
	client      *http.Client
}

// call calls it on behalf of an operation.
type call struct {
	*api

	from *http.Request
}

// do makes a call. A nil body is none; a nil answer is not decoded.
func (c call) do(method, path string, body, answer any) error {
	var sent io.Reader
	if body != nil {
		data, err := json.Marshal(body)
		if err != nil {
			return err
		}
		sent = bytes.NewReader(data)
	}
	r, err := http.NewRequestWithContext(c.from.Context(), method, c.base+path, sent)
	if err != nil {
		return err
	}
	r.Header["Authorization"] = []string{c.token}
	for _, name := range [...]string{"X-Bot-Id", "X-Integration-Id", "X-Integration-Alias", "Traceparent"} {
		r.Header[name] = c.from.Header[name]
	}
	if body != nil {
		r.Header["Content-Type"] = []string{"application/json"}
	}
	res, err := c.client.Do(r)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode/100 != 2 {
		return fmt.Errorf("%s %s was answered %s", method, path, res.Status)
	}
	if answer != nil {
		err = json.NewDecoder(res.Body).Decode(answer)
	}
	if _, rest := io.Copy(io.Discard, res.Body); err == nil { // so that the connection can be used again
		err = rest
	}
	return err
}
