package playground

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/internal/proxy"
)

// replay sends a request of the list again, as its curl command says: with its method, its headers and its body. The secrets, which the
// page does not have, and the address are those of the request in the list.
func (p *page) replay(w http.ResponseWriter, r *http.Request) {
	x, err := p.exchange(r)
	if err != nil {
		refuse(w, http.StatusNotFound, err)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		refuse(w, http.StatusRequestEntityTooLarge, err)
		return
	}
	again, err := p.again(x, r, body)
	if err != nil {
		refuse(w, http.StatusBadRequest, err)
		return
	}
	sender, err := p.resender(x.To)
	if err != nil {
		refuse(w, http.StatusBadRequest, err)
		return
	}
	res, err := sender.RoundTrip(again)
	if err != nil {
		refuse(w, http.StatusBadGateway, errors.New(p.wire.secrets.text(err.Error())))
		return
	}
	defer res.Body.Close()
	said, err := io.ReadAll(io.LimitReader(res.Body, maxResponse))
	if err != nil {
		refuse(w, http.StatusBadGateway, err)
		return
	}
	w.Header().Set("Content-Type", res.Header.Get("Content-Type"))
	w.WriteHeader(res.StatusCode)
	_, _ = io.WriteString(w, p.wire.secrets.text(string(said)))
}

// again is the request of the list with what the curl command says.
func (p *page) again(x exchange, r *http.Request, body []byte) (*http.Request, error) {
	switch {
	case x.gone || len(x.body) > maxBody:
		if len(body) == 0 {
			return nil, errors.New("its body is too long or no longer available; give one with --data-raw")
		}
	case string(body) == p.wire.secrets.text(string(x.body)):
		body = x.body
	case strings.Contains(string(body), hidden):
		return nil, fmt.Errorf("the body has been changed, and still says %s; write what is meant in its place", hidden)
	}
	again, err := http.NewRequestWithContext(r.Context(), r.Method, x.url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	was := http.Header{}
	for name, values := range x.header {
		was[http.CanonicalHeaderKey(name)] = values
	}
	for name, values := range r.Header {
		value := strings.Join(values, ", ")
		switch {
		case slices.Equal(values, p.wire.secrets.shown(name, was[name])):
			again.Header[name] = was[name]
		case strings.Contains(value, hidden):
			return nil, fmt.Errorf("the header %s has been changed, and still says %s; write what is meant in its place", name, hidden)
		case name == "Accept" && value == "*/*", name == "User-Agent" && strings.HasPrefix(value, "curl/"): // curl's own
		default:
			again.Header[name] = values
		}
	}
	for _, name := range []string{"Content-Length", "Connection", "Upgrade", "Expect", "Accept-Encoding"} {
		again.Header.Del(name) // They are the client's business.
	}
	if x.To == atIntegration {
		again.Header.Del(botpress.SignatureHeader) // It is of another time, and perhaps of another body.
	}
	return again, nil
}

// signer signs what Botpress would.
type signer struct {
	secret string
	base   http.RoundTripper
}

func (s signer) RoundTrip(r *http.Request) (*http.Response, error) {
	signed := r.Clone(r.Context())
	if err := proxy.Sign(signed, s.secret); err != nil {
		return nil, err
	}
	return s.base.RoundTrip(signed)
}
