// Package verify tells genuine webhook requests from forged ones, by the schemes that help desks use.
//
// A [Func] is made once, with the secret from the installation's configuration, and asked about every request:
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
// Comparisons take the same time wherever two values differ, and signatures are checked on the body as it came.
// Desks that sign in another way are described by an [HMAC].
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

// ErrInvalid is wrapped by every error of a [Func]. A server of package hitl answers it with status 401. The error's
// text says what was wrong, and never holds a secret or the signature that would have been right.
var ErrInvalid = errors.New("the request is not genuine")

// Func reports whether a request is genuine: nil, or an error that wraps [ErrInvalid]. Afterwards the request's
// body can be read as if nobody had touched it. A Func is safe for concurrent use.
type Func func(*http.Request) error

// Header accepts requests that have one of the given secrets in a header, for desks that let an administrator
// add headers to a webhook. The value must be the secret alone; for "Authorization: Bearer …", the secret is
// all that stands in the header.
func Header(name string, secrets ...string) Func {
	return func(r *http.Request) error {
		given, err := header(r, name)
		if err != nil {
			return err
		}
		return oneOf(given, secrets)
	}
}

// Basic accepts requests with this user and password, as in the address https://user:password@host.
func Basic(user, password string) Func {
	return func(r *http.Request) error {
		u, p, ok := r.BasicAuth()
		if !ok {
			return invalid("it has no basic authentication")
		}
		return oneOf(u+":"+p, []string{pair(user, password)})
	}
}

// pair joins a user with a password, unless one of them is missing.
func pair(user, password string) string {
	if user == "" || password == "" {
		return ""
	}
	return user + ":" + password
}

// Any accepts what one of the given schemes accepts, for a desk that is moving from one to another. Its error is
// that of the last one.
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

// oneOf compares in constant time. Hashing first keeps the secrets' lengths to ourselves. A secret that
// is empty, because somebody forgot to configure it, matches nothing.
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

// header returns the value of a header that must be there once: which one of several would the desk have signed?
func header(r *http.Request, name string) (string, error) {
	values := r.Header.Values(name)
	if len(values) != 1 || values[0] == "" {
		return "", invalid("the header %s is missing, empty or there more than once", name)
	}
	return values[0], nil
}

// maxBody is far more than desks send.
const maxBody = 10 << 20

// readBody reads the body and puts it back.
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

// errNoSecret also stands for a secret that is empty: a signature made with an empty key proves nothing.
var errNoSecret = invalid("no secret is configured to check it with")

func invalid(format string, args ...any) error {
	return fmt.Errorf("verify: %w: "+format, append([]any{ErrInvalid}, args...)...)
}
