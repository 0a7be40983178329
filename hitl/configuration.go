package hitl

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/internal/redact"
	"github.com/hitl-go/sdk/internal/schema"
	"github.com/hitl-go/sdk/internal/strictjson"
)

// configuration is a configuration that the definition declares.
type configuration struct {
	schema  json.RawMessage
	checker *schema.Checker
}

// configurations prepares the declared configurations, by name. The default one has none.
func configurations(body botpress.CreateIntegrationParams) (map[string]*configuration, error) {
	configs := map[string]*configuration{}
	var errs []error
	add := func(name string, d *botpress.ConfigurationDefinition) {
		c, err := schema.NewChecker(d.Schema)
		if err != nil {
			errs = append(errs, fmt.Errorf("hitl: the configuration %s: %w", name, err))
		}
		configs[name] = &configuration{d.Schema, c}
	}
	add("", body.Configuration)
	for name, d := range body.Configurations {
		add(name, d)
	}
	return configs, errors.Join(errs...)
}

// checkConfiguration returns a configuration with cleared fields unset and defaults filled in, or tells the bot's owner which
// fields are missing or wrong. The masker hides the secret ones, whether all fit or not.
func (s *Server) checkConfiguration(name string, raw json.RawMessage) (json.RawMessage, *redact.Masker, error) {
	c, ok := s.configs[name]
	if !ok {
		// The definition may have been deployed anew, and not this server. Botpress' SDK lets all through. Without a schema,
		// every value counts as a secret.
		return raw, redact.New(schema.Secrets(nil, raw)...), nil
	}
	mask := redact.New(schema.Secrets(c.schema, raw)...)
	if err := strictjson.Unique(raw); err != nil {
		return raw, mask, Errorf("The configuration is invalid: %w", err)
	}
	none, empty := bytes.Equal(raw, []byte("null")), json.RawMessage("{}")
	value := raw
	if none {
		value = empty
	}
	value = c.checker.Normalize(value)
	if err := c.checker.Check(value); err != nil {
		return raw, mask, Errorf("The configuration is invalid: %w", err)
	}
	if none && bytes.Equal(value, empty) {
		return raw, mask, nil // an adapter with a type of its own sees what was sent
	}
	return value, mask, nil
}

// redactedLogger is a logger that hides secrets.
func redactedLogger(log *slog.Logger, mask *redact.Masker) *slog.Logger {
	return slog.New(redact.Handler(log.Handler(), func() *redact.Masker { return mask }))
}
