package botpresstest

import (
	"testing"
	"time"
)

// The hash is from openssl:
//
//	printf '%s.%s' "$millis" "$body" | openssl dgst -sha256 -mac HMAC -macopt hexkey:0001…1e1f -binary | base64
func TestSign(t *testing.T) {
	const secret = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"
	const want = "1700000000000,pcloVx91dveiPzUObJxlbSC5N9WnyiSiJOtsD7p2OqY"
	for _, s := range []string{secret, secret + "="} {
		got, err := sign([]string{s}, []byte(`{"webhookUrl":"https://example.com"}`), time.UnixMilli(1_700_000_000_000))
		if err != nil || got != want {
			t.Errorf("sign with %s: %s, %v; want %s", s, got, err, want)
		}
	}
}
