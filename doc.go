// Package sdk is the Go SDK for connecting a help desk to Botpress: write five methods against your service, and get the
// whole human-in-the-loop (HITL) protocol.
//
// This package is empty. What an author of an integration imports is
//
//   - [github.com/hitl-go/sdk/hitl]: the contract, the server that speaks the protocol, the integration's definition;
//   - [github.com/hitl-go/sdk/message]: what people say, as Go values, and transcripts of it.
//
// Beside them stand
//
//   - [github.com/hitl-go/sdk/botpress]: a client of the Botpress API, useful alone;
//   - [github.com/hitl-go/sdk/botpress/botpresstest]: Botpress in memory, with the HITL plugin, for tests and demos.
//
// The examples directory has a minimal integration and one for Zendesk.
package sdk
