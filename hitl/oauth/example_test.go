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

// Parameters of the page of consent stand in its address, those of requests for a token in Params.
func ExampleConfig() {
	c := struct{ URL, ClientID, ClientSecret string }{URL: "https://acme.example.com", ClientID: "id"}
	config := oauth.Config{
		Desk:   "Acme",                                        // in what people read
		Params: map[string]string{"audience": "https://acme"}, // in requests for a token
		Config: oauth2.Config{
			ClientID: c.ClientID, ClientSecret: c.ClientSecret, Scopes: []string{"tickets:write"},
			Endpoint: oauth2.Endpoint{
				AuthURL:  c.URL + "/authorize?access_type=offline", // its parameters stay
				TokenURL: c.URL + "/oauth/tokens",
			},
		},
	}
	fmt.Println(config.Desk, config.Params["audience"], config.AuthCodeURL("state"))
	// Output: Acme https://acme https://acme.example.com/authorize?access_type=offline&client_id=id&response_type=code&scope=tickets%3Awrite&state=state
}
