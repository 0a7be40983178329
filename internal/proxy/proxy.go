// Package proxy has what the tools share that stand between Botpress, an adapter and its desk: the command dev and the playground.
package proxy

import (
	"bytes"
	"io"
	"net/http"
	"time"

	"github.com/hitl-go/sdk/botpress"
)

// Client copies a client, which may be nil, and puts something around its transport.
func Client(given *http.Client, around func(http.RoundTripper) http.RoundTripper) *http.Client {
	var c http.Client
	if given != nil {
		c = *given
	}
	c.Transport = around(c.Transport)
	return &c
}

// Sign signs a request as Botpress would. It reads the body, and puts it back.
func Sign(r *http.Request, secret string) error {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	value, err := botpress.Sign(secret, time.Now(), body)
	if err != nil {
		return err
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	r.Header.Set(botpress.SignatureHeader, value)
	return nil
}
