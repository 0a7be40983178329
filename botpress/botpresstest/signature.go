package botpresstest

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// sign makes the header x-bp-signature for a body: the time in Unix milliseconds, and for each secret a comma and the
// HMAC-SHA256 of the time, a dot and the body under the decoded secret.
func sign(secrets []string, body []byte, now time.Time) (string, error) {
	millis := strconv.FormatInt(now.UnixMilli(), 10)
	parts := []string{millis}
	for _, secret := range secrets {
		key, err := decodeSecret(secret)
		if err != nil {
			return "", fmt.Errorf("the signing secret is not base64url: %w", err)
		}
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(millis + "."))
		mac.Write(body)
		parts = append(parts, base64.RawURLEncoding.EncodeToString(mac.Sum(nil)))
	}
	return strings.Join(parts, ","), nil
}

func decodeSecret(secret string) ([]byte, error) {
	return base64.RawURLEncoding.DecodeString(strings.TrimRight(secret, "="))
}
