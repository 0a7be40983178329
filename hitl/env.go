package hitl

import (
	"os"
	"strings"

	"github.com/hitl-go/sdk/botpress"
)

// FromEnv returns options from the environment: those of [botpress.FromEnv], BP_TOKEN above all, and the signing
// secrets in BP_SIGNING_SECRET, separated by commas.
func FromEnv() Options {
	o := Options{Botpress: botpress.FromEnv()}
	for secret := range strings.SplitSeq(os.Getenv("BP_SIGNING_SECRET"), ",") {
		if secret = strings.TrimSpace(secret); secret != "" {
			o.Secrets = append(o.Secrets, secret)
		}
	}
	return o
}
