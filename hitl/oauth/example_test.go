package oauth_test

import (
	"context"
	"fmt"
	"net/http"

	"golang.org/x/oauth2"

	"github.com/hitl-go/sdk/hitl"
	"github.com/hitl-go/sdk/hitl/oauth"
)

// An adapter signs in with credentials of its own. The definition declares the state that holds the tokens.
func Example() {
	connect := func(_ context.Context, in hitl.Installation, url string) *http.Client {
		source := oauth.ClientCredentials(in, oauth.Config{Desk: "Acme", Config: oauth2.Config{
			ClientID: "id", ClientSecret: "secret", Endpoint: oauth2.Endpoint{TokenURL: url + "/oauth/tokens"},
		}})
		return source.Client(url)
	}
	_ = connect
	definition := hitl.Definition{Name: "acme", Version: "1.0.0", States: []hitl.StateDefinition{oauth.State()}}
	fmt.Println(definition.Name, definition.Version, len(definition.States))
	// Output: acme 1.0.0 1
}
