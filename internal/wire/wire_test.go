package wire_test

import (
	"net/http"
	"testing"

	"github.com/hitl-go/sdk/internal/wire"
)

func TestHeadersAreCanonical(t *testing.T) {
	for _, name := range []string{
		wire.HeaderOperation, wire.HeaderBotID, wire.HeaderBotUserID, wire.HeaderIntegrationID, wire.HeaderIntegrationAlias,
		wire.HeaderWebhookID, wire.HeaderConfiguration, wire.HeaderConfigurationType, wire.HeaderTraceParent, wire.HeaderTraceState,
	} {
		if canonical := http.CanonicalHeaderKey(name); name != canonical {
			t.Errorf("the header %s is not found: its canonical form is %s", name, canonical)
		}
	}
}
