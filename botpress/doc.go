// Package botpress is a client of the Botpress API: the runtime (users,
// conversations, messages, events, states, actions), files, and the
// administration of integrations, interfaces, bots and workspaces. It also
// verifies the signature of the requests that Botpress sends.
//
// Every method is named after its operation in the official OpenAPI document.
// Parameters and results are plain structs; a field that is zero is left out
// of the request. Lists are iterators that fetch page after page and can be
// ranged over again; the parameters NextToken and Next give single pages.
// Failures that the API reports are *[Error]; callers branch with errors.Is on
// sentinels such as [ErrNotFound]. Transient failures are retried; see [Retry].
//
// A [Client] is safe for concurrent use. [Client.With] gives a cheap view for
// another bot over the same connections.
package botpress
