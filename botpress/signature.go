package botpress

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// SignatureHeader is the header in which Botpress signs the requests that it
// sends to an integration or a bot.
const SignatureHeader = "X-Bp-Signature"

// SignatureTolerance is how far a signature's time may lie in the past or the
// future.
const SignatureTolerance = 5 * time.Minute

// Why a request is refused. The errors never hold the expected signature.
var (
	// ErrNoSignature means that the header is missing.
	ErrNoSignature = errors.New("botpress: the request is not signed")
	// ErrBadSignature means that the header is malformed, the method is not POST,
	// or the body is empty.
	ErrBadSignature = errors.New("botpress: the signature is malformed")
	// ErrSignatureExpired means that the signature's time is further away than
	// [SignatureTolerance], or that the clock of this machine is wrong.
	ErrSignatureExpired = errors.New("botpress: the signature's time is more than 5 minutes from now")
	// ErrWrongSignature means that no hash matches a known secret.
	ErrWrongSignature = errors.New("botpress: the signature does not match")
)

// Verifier checks that a request comes from Botpress. It is safe for concurrent
// use.
//
// Only the body and the time are signed, not the headers. A replay of a request
// within [SignatureTolerance] verifies.
type Verifier struct {
	// Now returns the current time. Nil means time.Now.
	Now func() time.Time

	keys []*signer
}

// NewVerifier returns a verifier that accepts requests signed with any of the
// given signing secrets: two during a rotation, else one. It fails without a
// secret and on one that is not base64url.
func NewVerifier(secrets ...string) (*Verifier, error) {
	if len(secrets) == 0 {
		return nil, errors.New("botpress: no signing secret to verify requests with; it is shown when the integration is created or its secret is rotated")
	}
	v := &Verifier{}
	for i, secret := range secrets {
		key, err := signingKey(secret)
		if err != nil {
			return nil, fmt.Errorf("signing secret %d of %d: %w", i+1, len(secrets), err)
		}
		v.keys = append(v.keys, newSigner(key))
	}
	return v, nil
}

// Verify checks the signature of a request whose body has been read into body.
// It returns one of the errors above if the request must not be served.
func (v *Verifier) Verify(r *http.Request, body []byte) error {
	if r.Method != http.MethodPost {
		return fmt.Errorf("%w: the method is not POST", ErrBadSignature)
	}
	if len(body) == 0 {
		return fmt.Errorf("%w: the body is empty", ErrBadSignature)
	}
	values := r.Header.Values(SignatureHeader)
	switch len(values) {
	case 0:
		return ErrNoSignature
	case 1:
	default:
		return fmt.Errorf("%w: the header is there %d times", ErrBadSignature, len(values))
	}
	stamp, sums, err := parseSignature(values[0])
	if err != nil {
		return err
	}
	now := time.Now
	if v.Now != nil {
		now = v.Now
	}
	if age := now().UnixMilli() - stamp.millis; age > SignatureTolerance.Milliseconds() || age < -SignatureTolerance.Milliseconds() {
		return ErrSignatureExpired
	}
	matches := false
	for _, key := range v.keys {
		want := key.sign(stamp.text, body)
		for _, got := range sums {
			if hmac.Equal(got, want) {
				matches = true
			}
		}
	}
	if !matches {
		return ErrWrongSignature
	}
	return nil
}

// Sign returns the value of [SignatureHeader] for a request that is sent at the
// given time, as Botpress would sign it. It serves tests and local development.
func Sign(secret string, at time.Time, body []byte) (string, error) {
	key, err := signingKey(secret)
	if err != nil {
		return "", err
	}
	stamp := strconv.FormatInt(at.UnixMilli(), 10)
	return stamp + "," + base64.RawURLEncoding.EncodeToString(newSigner(key).sign(stamp, body)), nil
}

// signer makes signatures with one key. It keeps what it has prepared of the key.
type signer struct{ hashes sync.Pool }

func newSigner(key []byte) *signer {
	return &signer{sync.Pool{New: func() any { return hmac.New(sha256.New, key) }}}
}

func (s *signer) sign(stamp string, body []byte) []byte {
	h, _ := s.hashes.Get().(hash.Hash)
	defer s.hashes.Put(h)
	h.Reset()
	h.Write(append([]byte(stamp), '.'))
	h.Write(body)
	return h.Sum(nil)
}

type signatureTime struct {
	text   string // as signed
	millis int64
}

var strictBase64 = base64.RawURLEncoding.Strict()

// parseSignature reads a time and one to five hashes of 43 characters.
func parseSignature(header string) (signatureTime, [][]byte, error) {
	const most = 5
	fields := strings.Split(header, ",")
	if len(fields) < 2 || len(fields) > 1+most {
		return signatureTime{}, nil, fmt.Errorf("%w: it should be a time and 1 to %d hashes", ErrBadSignature, most)
	}
	millis, err := strconv.ParseInt(fields[0], 10, 64)
	if err != nil || strings.Trim(fields[0], "0123456789") != "" {
		return signatureTime{}, nil, fmt.Errorf("%w: the time is not a number of milliseconds", ErrBadSignature)
	}
	sums := make([][]byte, 0, most)
	for _, field := range fields[1:] {
		sum, err := strictBase64.DecodeString(field)
		if err != nil || len(field) != 43 || len(sum) != sha256.Size { // the decoder skips line breaks
			return signatureTime{}, nil, fmt.Errorf("%w: a hash is not 43 characters of unpadded base64url", ErrBadSignature)
		}
		sums = append(sums, sum)
	}
	return signatureTime{fields[0], millis}, sums, nil
}

// signingKey decodes a secret. The error does not repeat it.
func signingKey(secret string) ([]byte, error) {
	key, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(secret, "="))
	if err != nil || len(key) == 0 {
		return nil, errors.New("botpress: the signing secret is not base64url; check how it was copied")
	}
	return key, nil
}
