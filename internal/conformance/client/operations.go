// Package client calls every operation of the Botpress API by its name, so that
// one set of inputs can be sent through package botpress and through Botpress'
// own JavaScript client, and compares what the two put on the wire.
//
// Its comparison needs Node.js and the npm package @botpress/client, and runs
// only when CONFORMANCE_CLIENT is set; see the test.
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"slices"
	"time"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/internal/openapitest"
)

// Call performs the operation with the given name and returns what it returned,
// without flags such as created; a list is returned as a slice.
func Call(ctx context.Context, c *botpress.Client, operation string, in openapitest.Input) (any, error) {
	f, ok := operations[operation]
	if !ok {
		return nil, fmt.Errorf("package botpress has no operation %s", operation)
	}
	return f(c, ctx, in)
}

// Names returns the operations that Call knows.
func Names() []string { return slices.Sorted(maps.Keys(operations)) }

type operation func(*botpress.Client, context.Context, openapitest.Input) (any, error)

type client = *botpress.Client

var operations = map[string]operation{
	"createUser":      create(client.CreateUser),
	"getOrCreateUser": find(client.GetOrCreateUser),
	"getUser":         get(client.GetUser, "id"),
	"updateUser":      update(client.UpdateUser),
	"deleteUser":      remove(client.DeleteUser),
	"listUsers":       list(client.ListUsers),

	"createConversation":      create(client.CreateConversation),
	"getOrCreateConversation": find(client.GetOrCreateConversation),
	"getConversation":         get(client.GetConversation, "id"),
	"updateConversation":      update(client.UpdateConversation),
	"deleteConversation":      remove(client.DeleteConversation),
	"listConversations":       list(client.ListConversations),

	"addParticipant": func(c client, ctx context.Context, in openapitest.Input) (any, error) {
		return c.AddParticipant(ctx, id(in, "id"), in.Body["userId"].(string))
	},
	"getParticipant": get2(client.GetParticipant, "id", "userId"),
	"removeParticipant": func(c client, ctx context.Context, in openapitest.Input) (any, error) {
		return struct{}{}, c.RemoveParticipant(ctx, id(in, "id"), id(in, "userId"))
	},
	"listParticipants": listOf(client.ListParticipants, "id"),

	"createMessage":      create(client.CreateMessage),
	"getOrCreateMessage": find(client.GetOrCreateMessage),
	"getMessage":         get(client.GetMessage, "id"),
	"updateMessage":      update(client.UpdateMessage),
	"deleteMessage":      remove(client.DeleteMessage),
	"listMessages":       list(client.ListMessages),
	"importMessages": func(c client, ctx context.Context, in openapitest.Input) (any, error) {
		body, err := params[struct{ Messages []botpress.ImportedMessage }](in.Body)
		if err != nil {
			return nil, err
		}
		return c.ImportMessages(ctx, body.Messages)
	},
	"initializeIncomingMessage": create(client.InitializeIncomingMessage),

	"createEvent":          create(client.CreateEvent),
	"getEvent":             get(client.GetEvent, "id"),
	"cancelScheduledEvent": remove(client.CancelScheduledEvent),
	"listEvents":           list(client.ListEvents),

	"getState": func(c client, ctx context.Context, in openapitest.Input) (any, error) {
		return c.GetState(ctx, stateKey(in))
	},
	"setState": func(c client, ctx context.Context, in openapitest.Input) (any, error) {
		return c.SetState(ctx, stateKey(in), stateParams(in))
	},
	"getOrSetState": func(c client, ctx context.Context, in openapitest.Input) (any, error) {
		return c.GetOrSetState(ctx, stateKey(in), stateParams(in))
	},
	"patchState": func(c client, ctx context.Context, in openapitest.Input) (any, error) {
		return c.PatchState(ctx, stateKey(in), stateParams(in).Payload)
	},
	"setStateExpiry": func(c client, ctx context.Context, in openapitest.Input) (any, error) {
		return c.SetStateExpiry(ctx, stateKey(in), stateParams(in).Expiry)
	},

	"callAction": func(c client, ctx context.Context, in openapitest.Input) (any, error) {
		p, err := params[botpress.CallActionParams](in.Body)
		if err != nil {
			return nil, err
		}
		result, err := c.CallAction(ctx, p)
		return map[string]any{"output": result.Output, "meta": map[string]any{"cached": result.Cached}}, err
	},
	"configureIntegration": func(c client, ctx context.Context, in openapitest.Input) (any, error) {
		p, err := params[botpress.ConfigureIntegrationParams](in.Body)
		if err != nil {
			return nil, err
		}
		return struct{}{}, c.ConfigureIntegration(ctx, p)
	},
	"listTagValues": func(c client, ctx context.Context, in openapitest.Input) (any, error) {
		p, err := params[botpress.ListTagValuesParams](in.Query)
		if err != nil {
			return nil, err
		}
		values := []map[string]string{}
		for value, err := range c.ListTagValues(ctx, id(in, "key"), p) {
			if err != nil {
				return nil, err
			}
			values = append(values, map[string]string{"value": value})
		}
		return values, nil
	},

	"upsertFile":         create(client.UpsertFile),
	"getFile":            get(client.GetFile, "id"),
	"updateFileMetadata": update(client.UpdateFileMetadata),
	"deleteFile":         remove(client.DeleteFile),
	"listFiles":          list(client.ListFiles),

	"createIntegration":           create(client.CreateIntegration),
	"validateIntegrationCreation": validate(client.ValidateIntegrationCreation),
	"updateIntegration":           update(client.UpdateIntegration),
	"validateIntegrationUpdate":   validateUpdate(client.ValidateIntegrationUpdate),
	"getIntegration":              get(client.GetIntegration, "id"),
	"getIntegrationByName":        get2(client.GetIntegrationByName, "name", "version"),
	"listIntegrations":            list(client.ListIntegrations),
	"deleteIntegration":           remove(client.DeleteIntegration),
	"getIntegrationLogs":          listOf(client.GetIntegrationLogs, "id"),
	"rotateIntegrationSigningSecrets": func(c client, ctx context.Context, in openapitest.Input) (any, error) {
		secret, err := c.RotateIntegrationSigningSecrets(ctx, id(in, "id"))
		return map[string]any{"newSigningSecret": secret}, err
	},
	"requestIntegrationVerification": func(c client, ctx context.Context, in openapitest.Input) (any, error) {
		return struct{}{}, c.RequestIntegrationVerification(ctx, in.Body["integrationId"].(string))
	},
	"listPublicIntegrations":   list(client.ListPublicIntegrations),
	"getPublicIntegrationById": get(client.GetPublicIntegrationByID, "id"),
	"getPublicIntegration":     get2(client.GetPublicIntegration, "name", "version"),

	"createIntegrationApiKey": create(client.CreateIntegrationAPIKey),
	"listIntegrationApiKeys": func(c client, ctx context.Context, in openapitest.Input) (any, error) {
		return c.ListIntegrationAPIKeys(ctx, in.Query["integrationId"].(string))
	},
	"deleteIntegrationApiKey": remove(client.DeleteIntegrationAPIKey),

	"createInterface":        create(client.CreateInterface),
	"updateInterface":        update(client.UpdateInterface),
	"getInterface":           get(client.GetInterface, "id"),
	"getInterfaceByName":     get2(client.GetInterfaceByName, "name", "version"),
	"listInterfaces":         list(client.ListInterfaces),
	"deleteInterface":        remove(client.DeleteInterface),
	"listPublicInterfaces":   list(client.ListPublicInterfaces),
	"getPublicInterfaceById": get(client.GetPublicInterfaceByID, "id"),
	"getPublicInterface":     get2(client.GetPublicInterface, "name", "version"),

	"createBot": create(client.CreateBot),
	"updateBot": update(client.UpdateBot),
	"getBot":    get(client.GetBot, "id"),
	"listBots":  list(client.ListBots),
	"deleteBot": remove(client.DeleteBot),

	"getWorkspace":    get(client.GetWorkspace, "id"),
	"updateWorkspace": update(client.UpdateWorkspace),
	"deleteWorkspace": remove(client.DeleteWorkspace),
}

// The shapes that methods of the client have.

func create[P, R any](f func(client, context.Context, P) (R, error)) operation {
	return func(c client, ctx context.Context, in openapitest.Input) (any, error) {
		p, err := params[P](in.Body)
		if err != nil {
			return nil, err
		}
		return f(c, ctx, p)
	}
}

func find[P, R any](f func(client, context.Context, P) (R, bool, error)) operation {
	return func(c client, ctx context.Context, in openapitest.Input) (any, error) {
		p, err := params[P](in.Body)
		if err != nil {
			return nil, err
		}
		r, _, err := f(c, ctx, p)
		return r, err
	}
}

func validate[P any](f func(client, context.Context, P) error) operation {
	return create(func(c client, ctx context.Context, p P) (struct{}, error) { return struct{}{}, f(c, ctx, p) })
}

func get[R any](f func(client, context.Context, string) (R, error), name string) operation {
	return func(c client, ctx context.Context, in openapitest.Input) (any, error) { return f(c, ctx, id(in, name)) }
}

func get2[R any](f func(client, context.Context, string, string) (R, error), first, second string) operation {
	return func(c client, ctx context.Context, in openapitest.Input) (any, error) {
		return f(c, ctx, id(in, first), id(in, second))
	}
}

func update[P, R any](f func(client, context.Context, string, P) (R, error)) operation {
	return func(c client, ctx context.Context, in openapitest.Input) (any, error) {
		p, err := params[P](in.Body)
		if err != nil {
			return nil, err
		}
		return f(c, ctx, id(in, "id"), p)
	}
}

func validateUpdate[P any](f func(client, context.Context, string, P) error) operation {
	return update(func(c client, ctx context.Context, id string, p P) (struct{}, error) {
		return struct{}{}, f(c, ctx, id, p)
	})
}

func remove(f func(client, context.Context, string) error) operation {
	return get(func(c client, ctx context.Context, id string) (struct{}, error) { return struct{}{}, f(c, ctx, id) }, "id")
}

func list[P, R any](f func(client, context.Context, P) iter.Seq2[R, error]) operation {
	return func(c client, ctx context.Context, in openapitest.Input) (any, error) {
		p, err := params[P](in.Query)
		if err != nil {
			return nil, err
		}
		return collect(f(c, ctx, p))
	}
}

func listOf[P, R any](f func(client, context.Context, string, P) iter.Seq2[R, error], name string) operation {
	return func(c client, ctx context.Context, in openapitest.Input) (any, error) {
		p, err := params[P](in.Query)
		if err != nil {
			return nil, err
		}
		return collect(f(c, ctx, id(in, name), p))
	}
}

func collect[R any](seq iter.Seq2[R, error]) ([]R, error) {
	items := []R{}
	for item, err := range seq {
		if err != nil {
			return nil, err
		}
		items = append(items, item)
	}
	return items, nil
}

func id(in openapitest.Input, name string) string {
	s, _ := in.Path[name].(string)
	return s
}

// renamed are parameters whose fields have shorter names here.
var renamed = map[string]string{
	"afterDate": "after", "beforeDate": "before", "timeStart": "start", "timeEnd": "end", "limit": "pageSize",
}

// params fills the fields of P and fails if there is none for a key: then the
// operation takes something that P cannot say.
func params[P any](object map[string]any) (P, error) {
	named := make(map[string]any, len(object))
	for key, value := range object {
		if short, ok := renamed[key]; ok {
			key = short
		}
		named[key] = value
	}
	var p P
	decoder := json.NewDecoder(bytes.NewReader(openapitest.JSON(named)))
	decoder.DisallowUnknownFields()
	err := decoder.Decode(&p)
	return p, err
}

func stateKey(in openapitest.Input) botpress.StateKey {
	return botpress.StateKey{Type: botpress.StateType(id(in, "type")), ID: id(in, "id"), Name: id(in, "name")}
}

func stateParams(in openapitest.Input) botpress.SetStateParams {
	var p botpress.SetStateParams
	if payload := in.Body["payload"]; payload != nil {
		p.Payload = openapitest.JSON(payload)
	}
	if millis, ok := in.Body["expiry"].(float64); ok {
		p.Expiry = time.Duration(millis) * time.Millisecond
	}
	return p
}
