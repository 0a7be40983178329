// Package oauth signs an adapter in to a help desk whose access tokens expire: with its own credentials ([ClientCredentials]), or
// on behalf of somebody who connects an account in the browser ([AuthorizationCode], with PKCE).
//
// Tokens are kept in a state of the installation, which all replicas share. They are renewed early, and once after a 401. One replica
// renews a token, the others wait for it:
//
//	func connect(ctx context.Context, in hitl.Installation, c Config) (*adapter, error) {
//		source := oauth.ClientCredentials(in, oauth.Config{Desk: "Acme", Config: oauth2.Config{
//			ClientID: c.ClientID, ClientSecret: c.ClientSecret, Endpoint: oauth2.Endpoint{TokenURL: c.URL + "/oauth/tokens"},
//		}})
//		return &adapter{api: source.Client(c.URL)}, nil
//	}
//
// The [hitl.Definition] needs the state: States: []hitl.StateDefinition{oauth.State()}.
//
// # Connecting an account
//
// With an authorization code, somebody opens the webhook's address followed by /oauth/start, says yes in the desk, and is led back to
// /oauth/callback, which must be registered in the desk: https://webhook.botpress.cloud/<webhook id>/oauth/callback. The source serves
// both. [LinkTemplate] gives the configuration a button for it. The state parameter is signed, bound to the
// installation, good for ten minutes and once. Botpress' shared address, https://webhook.botpress.cloud/oauth, cannot be used: it takes
// nothing but the webhook's id as state.
//
// Who knows the address of the webhook can begin, and connect an account of theirs in that desk: let the configuration name the desk.
//
// # When the account must be connected again
//
// Many desks take a refresh token once, and take it for stolen if they see it twice. So it is noted in the state that a refresh token is
// being used before it is, and a token whose answer got lost is never used again: if a process died between the renewal and its
// note, if the connection broke after the request was sent, or if a proxy answered 502 or 504. Clocks of replicas may differ by 20 s. The bot's owner then reads that the account must be connected
// again. [Config.Reusable] is for desks that take a refresh token more than once. Client credentials have no such token, and
// recover by themselves.
package oauth
