package deployment

import (
	"encoding/base64"
	"encoding/json"
	"net/http"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/internal/schema"
	"github.com/hitl-go/sdk/internal/wire"
)

// Secrets are the secrets of the configuration that came with a request of Botpress. What is no configuration has none.
func Secrets(d botpress.CreateIntegrationParams, h http.Header) []string {
	var configuration json.RawMessage
	if d.Configuration != nil {
		configuration = d.Configuration.Schema
	}
	if alternative := d.Configurations[h.Get(wire.HeaderConfigurationType)]; alternative != nil {
		configuration = alternative.Schema
	}
	value, err := base64.StdEncoding.DecodeString(h.Get(wire.HeaderConfiguration))
	if err != nil {
		return nil
	}
	return schema.Secrets(configuration, value)
}
