package botpress_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/hitl-go/sdk/botpress"
)

const secret = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY"

// The vectors were made by another implementation; see signatures.mjs.
func TestVerifyVectors(t *testing.T) {
	data, err := os.ReadFile("testdata/signatures.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors []struct {
		Name    string   `json:"name"`
		Method  string   `json:"method"`
		Secrets []string `json:"secrets"`
		Headers []string `json:"headers"`
		Body    string   `json:"body"`
		Now     int64    `json:"now"`
		Want    string   `json:"want"`
	}
	if err := json.Unmarshal(data, &vectors); err != nil {
		t.Fatal(err)
	}
	wants := map[string]error{
		"ok": nil, "missing": botpress.ErrNoSignature, "malformed": botpress.ErrBadSignature,
		"expired": botpress.ErrSignatureExpired, "wrong": botpress.ErrWrongSignature,
	}
	for _, v := range vectors {
		t.Run(v.Name, func(t *testing.T) {
			want, known := wants[v.Want]
			if !known {
				t.Fatalf("unknown outcome %q", v.Want)
			}
			verifier := newVerifier(t, v.Now, v.Secrets...)
			r := request(t, v.Method, v.Headers...)
			if err := verifier.Verify(r, []byte(v.Body)); !errors.Is(err, want) {
				t.Errorf("error %v, want %v", err, want)
			}
		})
	}
}

func TestSign(t *testing.T) {
	at := time.UnixMilli(1_795_256_430_456)
	body := []byte(`{"a":1}`)
	header, err := botpress.Sign(secret, at, body)
	if err != nil {
		t.Fatal(err)
	}
	r := request(t, http.MethodPost, header)
	if err := newVerifier(t, at.UnixMilli(), secret).Verify(r, body); err != nil {
		t.Error(err)
	}
	if err := newVerifier(t, at.UnixMilli(), secret).Verify(r, []byte(`{"a":2}`)); !errors.Is(err, botpress.ErrWrongSignature) {
		t.Errorf("another body: %v", err)
	}
	if _, err := botpress.Sign("s3cret!", at, body); err == nil || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("a secret that is not base64url: %v", err)
	}
}

func TestVerifierTellsTheTimeItself(t *testing.T) {
	v, err := botpress.NewVerifier(secret)
	if err != nil {
		t.Fatal(err)
	}
	header, err := botpress.Sign(secret, time.Now(), []byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	if err := v.Verify(request(t, http.MethodPost, header), []byte("x")); err != nil {
		t.Error(err)
	}
}

func TestNewVerifierRefuses(t *testing.T) {
	for _, secrets := range [][]string{nil, {""}, {"s3cret!"}, {secret, ""}, {secret, "s3cret+/"}, {"="}} {
		_, err := botpress.NewVerifier(secrets...)
		if err == nil {
			t.Errorf("%q: no error", secrets)
		} else if strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%q repeats the secret", err)
		}
	}
	if _, err := botpress.NewVerifier(secret + "="); err != nil {
		t.Errorf("a padded secret: %v", err)
	}
}

// Whatever the header, it verifies only if one of its hashes is right, nothing
// panics, and no error tells the hash that would have been right.
func FuzzVerify(f *testing.F) {
	const now = 1_795_256_430_456
	body := []byte(`{"a":1}`)
	right, err := botpress.Sign(secret, time.UnixMilli(now), body)
	if err != nil {
		f.Fatal(err)
	}
	stamp, hash, _ := strings.Cut(right, ",")
	f.Add(right)
	f.Add(stamp + "," + strings.Repeat("A", 43) + "," + hash)
	f.Add(stamp + "," + hash[:42] + "B")
	f.Add(stamp)
	f.Add("-" + right)
	f.Add("")
	f.Add(",,,,,,,,")
	f.Add("9223372036854775807," + hash)
	f.Fuzz(func(t *testing.T, header string) {
		r := &http.Request{Method: http.MethodPost, Header: http.Header{}}
		r.Header.Set(botpress.SignatureHeader, header)
		err := newVerifier(t, now, secret).Verify(r, body)
		genuine := strings.HasPrefix(header, stamp+",") && strings.Contains(header, hash)
		switch {
		case err == nil && !genuine:
			t.Errorf("%q verifies", header)
		case err != nil && strings.Contains(err.Error(), hash):
			t.Errorf("%q tells the hash", err)
		}
	})
}

func newVerifier(t *testing.T, now int64, secrets ...string) *botpress.Verifier {
	t.Helper()
	v, err := botpress.NewVerifier(secrets...)
	if err != nil {
		t.Fatal(err)
	}
	v.Now = func() time.Time { return time.UnixMilli(now) }
	return v
}

func request(t *testing.T, method string, signatures ...string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, "http://127.0.0.1/", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range signatures {
		r.Header.Add(botpress.SignatureHeader, s)
	}
	return r
}
