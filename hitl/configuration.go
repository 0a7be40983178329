package hitl

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/internal/schema"
)

// configCheckers makes the checkers of all configurations.
func configCheckers(body botpress.CreateIntegrationParams) (map[string]*schema.Checker, error) {
	checkers := map[string]*schema.Checker{}
	var errs []error
	add := func(name string, d *botpress.ConfigurationDefinition) {
		c, err := schema.NewChecker(d.Schema)
		if err != nil {
			errs = append(errs, fmt.Errorf("hitl: the configuration %s: %w", name, err))
		}
		checkers[name] = c
	}
	add("", body.Configuration)
	for name, d := range body.Configurations {
		add(name, d)
	}
	return checkers, errors.Join(errs...)
}

// checkConfiguration tells the bot's owner which fields of the configuration are missing or wrong.
func (s *Server) checkConfiguration(name string, configuration json.RawMessage) error {
	c, ok := s.configs[name]
	if !ok {
		return nil // the definition may have been deployed anew, and not this server; the reference lets all through
	}
	if bytes.Equal(configuration, []byte("null")) {
		configuration = json.RawMessage("{}")
	}
	if err := c.Check(configuration); err != nil {
		return Errorf("The configuration does not fit: %w", err)
	}
	return nil
}
