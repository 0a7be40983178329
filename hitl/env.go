package hitl

import (
	"log/slog"
	"os"
	"strings"

	"github.com/hitl-go/sdk/botpress"
)

// FromEnv returns options from the environment: those of [botpress.FromEnv], BP_TOKEN above all, and the signing
// secrets in BP_SIGNING_SECRET, separated by commas. If BP_LOG_FORMAT is json, logs are written to standard error
// in Botpress' format, see [NewLogHandler], from the level in LOG_LEVEL on: debug, info, warn or error.
func FromEnv() Options {
	o := Options{Botpress: botpress.FromEnv()}
	for secret := range strings.SplitSeq(os.Getenv("BP_SIGNING_SECRET"), ",") {
		if secret = strings.TrimSpace(secret); secret != "" {
			o.Secrets = append(o.Secrets, secret)
		}
	}
	if os.Getenv("BP_LOG_FORMAT") == "json" {
		level := slog.LevelDebug
		_ = level.UnmarshalText([]byte(os.Getenv("LOG_LEVEL"))) // as with the reference, a wrong one lets everything through
		o.Logger = slog.New(NewLogHandler(os.Stderr, level))
	}
	return o
}
