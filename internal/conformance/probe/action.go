package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"

	"github.com/hitl-go/sdk/internal/conformance/client"
	"github.com/hitl-go/sdk/internal/openapitest"
)

// echoed is the output of the action echo: all that an action is told.
type echoed struct {
	Context struct {
		BotID             string          `json:"botId"`
		BotUserID         string          `json:"botUserId"`
		IntegrationID     string          `json:"integrationId"`
		IntegrationAlias  string          `json:"integrationAlias"`
		WebhookID         string          `json:"webhookId"`
		Operation         string          `json:"operation"`
		ConfigurationType *string         `json:"configurationType"`
		Configuration     json.RawMessage `json:"configuration"`
	} `json:"ctx"`
	Input json.RawMessage `json:"input"`
	Type  string          `json:"type"`
}

func echo(ctx context.Context, a *adapter, input json.RawMessage) (echoed, error) {
	e := echoed{Input: input, Type: "echo"}
	c := &e.Context
	c.BotID, c.BotUserID, c.IntegrationID, c.IntegrationAlias = a.in.BotID, a.in.BotUserID, a.in.IntegrationID, a.in.Alias
	c.WebhookID, c.Operation, c.Configuration = a.in.WebhookID, "action_triggered", a.configuration
	if named, _ := ctx.Value(namedKey{}).(bool); named {
		c.ConfigurationType = &a.in.ConfigurationType
	}
	return e, nil
}

type price struct {
	Cost float64 `json:"cost"`
}

func cost(ctx context.Context, a *adapter, p price) (struct{}, error) {
	a.in.SetCost(ctx, p.Cost)
	return struct{}{}, nil
}

func returnNull(context.Context, *adapter, struct{}) (*struct{}, error) { return nil, nil }

func returnArray(context.Context, *adapter, struct{}) ([]int, error) { return []int{1, 2}, nil }

// front stands for what the recorded integration has and ours cannot have. The echo is told whether the configuration has
// been named: the reference tells no name from an empty one. And the recorded one has a second channel without handlers: what
// is updated there is taken for an update in ours.
func front(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		named := len(r.Header.Values("X-Bp-Configuration-Type")) > 0
		if r.Header.Get("X-Bp-Operation") == "conversation_updated" {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				w.WriteHeader(http.StatusBadRequest)
				return
			}
			body = bytes.ReplaceAll(body, []byte(`"channel":"supportTicket"`), []byte(`"channel":"hitl"`))
			r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		}
		h.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), namedKey{}, named)))
	})
}

type namedKey struct{}

// apiCall is the input of the action callApi: an operation of the Botpress API, with its parameters in one object.
type apiCall struct {
	Op   string          `json:"op"`
	Args json.RawMessage `json:"args"`
}

// callAPI calls the Botpress API and returns its answer as it came.
func callAPI(ctx context.Context, a *adapter, c apiCall) (json.RawMessage, error) {
	var args map[string]any
	if err := json.Unmarshal(c.Args, &args); err != nil {
		return nil, err
	}
	rest := maps.Clone(args)
	for _, name := range []string{"id", "key"} { // which stand in paths only
		delete(rest, name)
	}
	var got json.RawMessage
	_, err := client.Call(context.WithValue(ctx, answerKey{}, &got), a.in.Client, c.Op, openapitest.Input{Path: args, Query: rest, Body: rest})
	return got, err
}

type answerKey struct{}

// recorder keeps the first success among the answers to a callAPI.
type recorder struct{ base http.RoundTripper }

func recording(given *http.Client) *http.Client {
	var base http.RoundTripper
	if given != nil {
		base = given.Transport
	}
	return &http.Client{Transport: recorder{cmp.Or[http.RoundTripper](base, http.DefaultTransport)}}
}

func (r recorder) RoundTrip(req *http.Request) (*http.Response, error) {
	res, err := r.base.RoundTrip(req)
	got, ok := req.Context().Value(answerKey{}).(*json.RawMessage)
	if err != nil || !ok || *got != nil || res.StatusCode != http.StatusOK {
		return res, err
	}
	body, err := io.ReadAll(res.Body)
	if err = errors.Join(err, res.Body.Close()); err != nil {
		return nil, err
	}
	*got = body
	res.Body = io.NopCloser(bytes.NewReader(body))
	return res, nil
}
