package verify_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hitl-go/sdk/hitl/verify"
	"github.com/hitl-go/sdk/internal/corpus"
)

// A secret that cannot be one is named as the problem, without a word of it. It does no harm beside a good one.
func TestSecrets(t *testing.T) {
	const good, signature = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
	at := time.Unix(1614265330, 0)
	request := func(signature string) *http.Request {
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(`{"test": 2432232314}`))
		r.Header.Set("Webhook-Id", "msg_p5jXN8AQM9LWM0D4loKWxJek")
		r.Header.Set("Webhook-Timestamp", strconv.FormatInt(at.Unix(), 10))
		r.Header.Set("Webhook-Signature", signature)
		return r
	}
	for _, kind := range corpus.Load(t, "testdata/secrets.txt") {
		t.Run(kind.Name, func(t *testing.T) {
			onClock(t, at, func(t *testing.T) {
				for _, c := range kind.Cases {
					err := verify.Standard(c.In)(request("v1,AAAA"))
					if !errors.Is(err, verify.ErrInvalid) || !strings.HasSuffix(err.Error(), ": "+c.Want) {
						t.Errorf("line %d: with %q: %v, want %s", c.Line, c.In, err, c.Want)
					}
					if err := verify.Standard(c.In, good)(request(signature)); err != nil {
						t.Errorf("line %d: beside a good one: %v", c.Line, err)
					}
				}
			})
		})
	}
}
