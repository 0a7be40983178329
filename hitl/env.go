package hitl

import (
	"log/slog"
	"os"
	"strings"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/hitl/bplog"
)

// FromEnv returns options from the environment: those of [botpress.FromEnv], BP_TOKEN above all, and the signing
// secrets in BP_SIGNING_SECRET, separated by commas. The log goes to standard error, as text or, if BP_LOG_FORMAT is json,
// in Botpress' format, see package bplog; from the level in LOG_LEVEL on: debug, info, warn or error.
// Without LOG_LEVEL that is info, and debug in Botpress' format.
func FromEnv() Options {
	o := Options{Botpress: botpress.FromEnv()}
	for secret := range strings.SplitSeq(os.Getenv("BP_SIGNING_SECRET"), ",") {
		if secret = strings.TrimSpace(secret); secret != "" {
			o.Secrets = append(o.Secrets, secret)
		}
	}
	level := slog.LevelInfo
	json := os.Getenv("BP_LOG_FORMAT") == "json"
	if json {
		level = slog.LevelDebug // as with Botpress' SDK, which leaves the choice to who reads the log
	}
	_ = level.UnmarshalText([]byte(os.Getenv("LOG_LEVEL"))) // a wrong one changes nothing
	if json {
		o.Logger = slog.New(bplog.NewHandler(os.Stderr, level))
	} else {
		o.Logger = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level}))
	}
	return o
}
