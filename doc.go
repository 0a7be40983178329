// Package sdk is the Go SDK for connecting a help desk to Botpress: write five methods against your service, and get the
// whole human-in-the-loop (HITL) protocol.
//
// This package is empty. What an author of an integration imports is
//
//   - [github.com/hitl-go/sdk/hitl]: the contract, the server that speaks the protocol, the integration's definition;
//   - [github.com/hitl-go/sdk/message]: what people say, as Go values, and transcripts of it;
//   - [github.com/hitl-go/sdk/hitl/cli]: the program around an integration, which serves, deploys and shows it.
//
// Beside them stand
//
//   - [github.com/hitl-go/sdk/hitl/verify]: is a webhook genuine?
//   - [github.com/hitl-go/sdk/hitl/oauth]: signing in to desks whose tokens expire;
//   - [github.com/hitl-go/sdk/hitl/bplog]: logs in Botpress' own format;
//   - [github.com/hitl-go/sdk/hitl/hitltest]: a suite that tells what is wrong with an adapter;
//   - [github.com/hitl-go/sdk/hitl/playground]: a page in the browser to try an integration on;
//   - [github.com/hitl-go/sdk/message/richtext] and [github.com/hitl-go/sdk/message/media]: HTML to text, and files to upload;
//   - [github.com/hitl-go/sdk/botpress]: a client of the Botpress API, useful alone;
//   - [github.com/hitl-go/sdk/botpress/botpresstest]: Botpress in memory, with the HITL plugin.
//
// The examples directory has a minimal integration, one for Zendesk, one for Slack, one for Request Tracker, one that is watched by
// Prometheus, and a template.
package sdk
