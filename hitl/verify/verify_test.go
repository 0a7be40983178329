package verify_test

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hitl-go/sdk/hitl/verify"
)

// vector is an example from a desk's documentation, or a request that OpenSSL has signed.
type vector struct {
	name   string
	scheme func(secrets ...string) verify.Func
	secret string
	at     time.Time
	header map[string]string
	body   string
}

const slackBody = "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V" +
	"&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=" +
	"&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN" +
	"&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"

var vectors = []vector{
	{
		name: "Zendesk", scheme: verify.Zendesk, secret: "dGhpc19zZWNyZXRfaXNfZm9yX3Rlc3Rpbmdfb25seQ==",
		at: time.Date(2021, 3, 25, 5, 9, 27, 0, time.UTC),
		header: map[string]string{
			"X-Zendesk-Webhook-Signature":           "ywpRZiAB7t63lmd+pF7GH2wmTjBlyoVl8feO7lD518g=",
			"X-Zendesk-Webhook-Signature-Timestamp": "2021-03-25T05:09:27Z",
		},
		body: `{"id":1}`,
	},
	{
		name: "Slack", scheme: verify.Slack, secret: "8f742231b10e8888abcd99yyyzzz85a5",
		at: time.Unix(1531420618, 0),
		header: map[string]string{
			"X-Slack-Signature":         "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503",
			"X-Slack-Request-Timestamp": "1531420618",
		},
		body: slackBody,
	},
	{
		name: "GitHub", scheme: verify.GitHub, secret: "It's a Secret to Everybody",
		header: map[string]string{
			"X-Hub-Signature-256": "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
		},
		body: "Hello, World!",
	},
	{
		name: "Meta", scheme: verify.Meta, secret: "It's a Secret to Everybody",
		header: map[string]string{
			"X-Hub-Signature-256": "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
		},
		body: "Hello, World!",
	},
	{
		name: "Intercom", scheme: verify.Intercom, secret: "It's a Secret to Everybody",
		header: map[string]string{"X-Hub-Signature": "sha1=01dc10d0c83e72ed246219cdd91669667fe2ca59"},
		body:   "Hello, World!",
	},
	{
		name: "Standard Webhooks", scheme: verify.Standard, secret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
		at: time.Unix(1614265330, 0),
		header: map[string]string{
			"Webhook-Id":        "msg_p5jXN8AQM9LWM0D4loKWxJek",
			"Webhook-Timestamp": "1614265330",
			"Webhook-Signature": "v1a,bm90IG91cnM= v1,bm90IG91cnM= v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
		},
		body: `{"test": 2432232314}`,
	},
	{
		name: "Svix", scheme: verify.Standard, secret: "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
		at: time.Unix(1614265330, 0),
		header: map[string]string{
			"Svix-Id":        "msg_p5jXN8AQM9LWM0D4loKWxJek",
			"Svix-Timestamp": "1614265330",
			"Svix-Signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
		},
		body: `{"test": 2432232314}`,
	},
	{
		name: "a header", scheme: func(s ...string) verify.Func { return verify.Header("X-Token", s...) },
		secret: "0123456789", header: map[string]string{"X-Token": "0123456789"}, body: "any",
	},
	{
		name: "basic", secret: "open sesame",
		scheme: func(s ...string) verify.Func {
			schemes := make([]verify.Func, len(s))
			for i, password := range s {
				schemes[i] = verify.Basic("desk", password)
			}
			return verify.Any(schemes...)
		},
		header: map[string]string{"Authorization": "Basic " + base64.StdEncoding.EncodeToString([]byte("desk:open sesame"))},
	},
	{
		name: "an HMAC of our own", secret: "It's a Secret to Everybody",
		scheme: verify.HMAC{Header: "X-Sig", Hash: sha1.New}.Func,
		header: map[string]string{"X-Sig": "01DC10D0C83E72ED246219CDD91669667FE2CA59"}, body: "Hello, World!",
	},
}

func (v vector) request() *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(v.body))
	for name, value := range v.header {
		r.Header.Set(name, value)
	}
	return r
}

// onClock runs a test at the given time.
func onClock(t *testing.T, at time.Time, test func(t *testing.T)) {
	synctest.Test(t, func(t *testing.T) {
		<-time.After(time.Until(at)) // the bubble's clock starts in the year 2000
		test(t)
	})
}

func TestGenuine(t *testing.T) {
	for _, v := range vectors {
		t.Run(v.name, func(t *testing.T) {
			onClock(t, v.at, func(t *testing.T) {
				for _, secrets := range [][]string{{v.secret}, {"b2xk", v.secret}} {
					r := v.request()
					if err := v.scheme(secrets...)(r); err != nil {
						t.Errorf("with %d secrets: %v", len(secrets), err)
					}
					if body, err := io.ReadAll(r.Body); err != nil || string(body) != v.body {
						t.Errorf("afterwards the body is %q (%v), want %q", body, err, v.body)
					}
				}
			})
		})
	}
}

func TestForged(t *testing.T) {
	for _, v := range vectors {
		refused := func(t *testing.T, what string, genuine verify.Func, r *http.Request) {
			t.Helper()
			err := genuine(r)
			if !errors.Is(err, verify.ErrInvalid) {
				t.Errorf("%s: got %v, want an error that wraps ErrInvalid", what, err)
				return
			}
			for _, hidden := range append([]string{v.secret}, values(v.header)...) {
				if strings.Contains(err.Error(), hidden) {
					t.Errorf("%s: the error %q has %q in it", what, err, hidden)
				}
			}
		}
		t.Run(v.name, func(t *testing.T) {
			onClock(t, v.at, func(t *testing.T) {
				genuine := v.scheme(v.secret)
				refused(t, "the wrong secret", v.scheme("d3Jvbmc="), v.request())
				refused(t, "no secret", v.scheme(), v.request())
				refused(t, "an empty secret", v.scheme(""), v.request())
				for name := range v.header {
					r := v.request()
					r.Header.Del(name)
					refused(t, "without "+name, genuine, r)

					r = v.request()
					r.Header.Set(name, "")
					refused(t, "with an empty "+name, genuine, r)

					r = v.request()
					r.Header.Set(name, "☃ garbage")
					refused(t, "with garbage in "+name, genuine, r)

					if name != "Authorization" {
						r = v.request()
						r.Header.Add(name, r.Header.Get(name))
						refused(t, "with two of "+name, genuine, r)
					}
				}
				if v.body != "" && v.name != "a header" {
					r := v.request()
					r.Body = io.NopCloser(strings.NewReader(v.body + " "))
					refused(t, "with another body", genuine, r)
				}
			})
		})
	}
}

func TestTolerance(t *testing.T) {
	for _, v := range vectors {
		if v.at.IsZero() {
			continue
		}
		for shift, want := range map[time.Duration]bool{
			verify.Tolerance: true, -verify.Tolerance: true,
			verify.Tolerance + time.Millisecond: false, -verify.Tolerance - time.Millisecond: false,
		} {
			t.Run(v.name+" "+shift.String(), func(t *testing.T) {
				onClock(t, v.at.Add(shift), func(t *testing.T) {
					if err := v.scheme(v.secret)(v.request()); (err == nil) != want {
						t.Errorf("got %v, want genuine %t", err, want)
					}
				})
			})
		}
	}
}

// Everybody can sign with an empty key.
func TestEmptyKey(t *testing.T) {
	mac := hmac.New(sha256.New, nil)
	mac.Write([]byte("Hello, World!"))
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader("Hello, World!"))
	r.Header.Set("X-Hub-Signature-256", "sha256="+hex.EncodeToString(mac.Sum(nil)))
	for _, genuine := range []verify.Func{verify.GitHub(""), verify.Standard("whsec_"), verify.Basic("", ""), verify.Any()} {
		if err := genuine(r); !errors.Is(err, verify.ErrInvalid) {
			t.Errorf("got %v, want ErrInvalid", err)
		}
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestBodyOutOfBounds(t *testing.T) {
	for name, body := range map[string]io.Reader{
		"broken":  broken{},
		"endless": endless{},
	} {
		r := httptest.NewRequest(http.MethodPost, "/", body)
		r.Header.Set("X-Hub-Signature-256", "sha256="+strings.Repeat("00", 32))
		if err := verify.GitHub("secret")(r); !errors.Is(err, verify.ErrInvalid) {
			t.Errorf("%s: got %v, want ErrInvalid", name, err)
		}
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

func values(m map[string]string) []string {
	var all []string
	for _, v := range m {
		if _, err := strconv.Atoi(v); err != nil { // a time is no secret
			all = append(all, v)
		}
	}
	return all
}

// FuzzForged sends headers and bodies of attackers who do not know the secret.
func FuzzForged(f *testing.F) {
	for _, v := range vectors {
		for _, value := range v.header {
			f.Add(value, "1531420618", v.body)
		}
	}
	f.Add("v1,AAAA v1, v1", "9223372036854775807", "")
	f.Add("sha256="+hex.EncodeToString(make([]byte, 32)), "-9223372036854775808", "{}")
	schemes := []verify.Func{
		verify.Zendesk("s3cr3t"), verify.Slack("s3cr3t"), verify.GitHub("s3cr3t"), verify.Intercom("s3cr3t"),
		verify.Standard("czNjcjN0"), verify.Header("X-Token", "s3cr3t-token"), verify.Basic("user", "s3cr3t"),
	}
	names := []string{
		"X-Zendesk-Webhook-Signature", "X-Slack-Signature", "X-Hub-Signature-256", "X-Hub-Signature",
		"Webhook-Signature", "Webhook-Id", "X-Token", "Authorization",
	}
	f.Fuzz(func(t *testing.T, signature, timestamp, body string) {
		for _, genuine := range schemes {
			r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
			for _, name := range names {
				r.Header.Set(name, signature)
			}
			for _, name := range []string{"X-Zendesk-Webhook-Signature-Timestamp", "X-Slack-Request-Timestamp", "Webhook-Timestamp"} {
				r.Header.Set(name, timestamp)
			}
			err := genuine(r)
			if !errors.Is(err, verify.ErrInvalid) {
				t.Fatalf("%q at %q was taken for genuine (%v)", signature, timestamp, err)
			}
			if strings.Contains(err.Error(), "s3cr3t") {
				t.Fatalf("the error has the secret: %v", err)
			}
		}
	})
}

// Lenient base64 has several encodings of the same bytes. Only the canonical one is accepted.
func TestBase64IsStrict(t *testing.T) {
	const secret, body = "s3cret", "hello"
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(body))
	signature := base64.StdEncoding.EncodeToString(mac.Sum(nil))
	const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	last := len(signature) - 2 // before the padding; its two lowest bits are unused
	spoilt := signature[:last] + string(digits[strings.IndexByte(digits, signature[last])+1]) + "="
	check := verify.HMAC{Header: "X-Signature", Encoding: verify.Base64}.Func(secret)
	for value, genuine := range map[string]bool{signature: true, spoilt: false} {
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
		r.Header.Set("X-Signature", value)
		if err := check(r); (err == nil) != genuine {
			t.Errorf("%s: %v, genuine is %v", value, err, genuine)
		}
	}
}
