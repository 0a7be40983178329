// Package verify authenticates webhook requests by the schemes that help desks use.
//
// Make a [Func] once, with the secret from the installation's configuration, and call it for every request:
//
//	func connect(_ context.Context, _ hitl.Installation, c config) (*desk, error) {
//		return &desk{genuine: verify.Zendesk(c.WebhookSecret)}, nil
//	}
//
//	func (d *desk) HandleWebhook(ctx context.Context, r *http.Request) (hitl.Webhook, error) {
//		if err := d.genuine(r); err != nil {
//			return hitl.Webhook{}, err // the sender gets 401
//		}
//		…
//	}
//
// Secrets are compared in constant time, and signatures are checked against the raw body. Use an [HMAC]
// for the schemes of other desks.
package verify

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
)

// ErrInvalid is wrapped by every error of a [Func]. A server of package hitl answers it with status 401. The
// error's text says what is wrong. It never contains a secret or the correct signature.
var ErrInvalid = errors.New("the request is not genuine")

// Func checks that a request is genuine. It returns nil, or an error that wraps [ErrInvalid]. It restores the
// request's body, so that the caller can read it. A Func is safe for concurrent use.
type Func func(*http.Request) error

// Header accepts requests that have one of the given secrets in a header, for desks that let an administrator add
// headers to a webhook. The secret is the whole value: for "Authorization: Bearer …", it begins with "Bearer ".
func Header(name string, secrets ...string) Func {
	return func(r *http.Request) error {
		given, err := header(r, name)
		if err != nil {
			return err
		}
		return oneOf(given, secrets)
	}
}

// Basic accepts requests with HTTP basic authentication by this user and password, as in the URL
// https://user:password@host.
func Basic(user, password string) Func {
	return func(r *http.Request) error {
		u, p, ok := r.BasicAuth()
		if !ok {
			return invalid("it has no basic authentication")
		}
		return oneOf(u+":"+p, []string{pair(user, password)})
	}
}

// pair joins a user with a password. It is empty if one of them is missing.
func pair(user, password string) string {
	if user == "" || password == "" {
		return ""
	}
	return user + ":" + password
}

// Any accepts requests that one of the given schemes accepts, for a desk that migrates from one to another. Its
// error is that of the last scheme.
func Any(schemes ...Func) Func {
	return func(r *http.Request) error {
		err := invalid("nothing is known to check it with")
		for _, genuine := range schemes {
			if err = genuine(r); err == nil {
				return nil
			}
		}
		return err
	}
}

// oneOf compares in constant time. It compares hashes, so that the time does not depend on the lengths of the
// secrets. An empty secret, which somebody forgot to configure, matches nothing.
func oneOf(given string, secrets []string) error {
	got := sha256.Sum256([]byte(given))
	known, match := false, false
	for _, secret := range secrets {
		if secret == "" {
			continue
		}
		known = true
		if want := sha256.Sum256([]byte(secret)); hmac.Equal(got[:], want[:]) {
			match = true
		}
	}
	switch {
	case !known:
		return errNoSecret
	case !match:
		return invalid("the secret is wrong")
	}
	return nil
}

// header returns the value of a header that must occur once: of several values, only one can be the signed one.
func header(r *http.Request, name string) (string, error) {
	values := r.Header.Values(name)
	if len(values) != 1 || values[0] == "" {
		return "", invalid("the header %s is missing, empty or there more than once", name)
	}
	return values[0], nil
}

// maxBody is far more than desks send.
const maxBody = 10 << 20

// readBody reads the body and restores it.
func readBody(r *http.Request) ([]byte, error) {
	if r.Body == nil {
		return nil, nil
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	if err != nil {
		return nil, invalid("its body could not be read")
	}
	if len(body) > maxBody {
		return nil, invalid("its body is larger than %d MiB", maxBody>>20)
	}
	rest := r.Body
	r.Body = struct {
		io.Reader
		io.Closer
	}{bytes.NewReader(body), rest}
	return body, nil
}

// errNoSecret is also the error for an empty secret: everybody can sign with an empty key.
var errNoSecret = invalid("no secret is configured to check it with")

var errMismatch = invalid("the signature does not match")

func invalid(format string, args ...any) error {
	return fmt.Errorf("verify: %w: "+format, append([]any{ErrInvalid}, args...)...)
}
