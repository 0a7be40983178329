package botpresstest

import (
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

// admin is the data of the admin API: a workspace, what is deployed from it, and the hub.
type admin struct {
	handle     string
	interfaces []publicInterface
	deployed   []*deployed
	keys       []*accessKey
}

// publicInterface is an interface on the hub. Only the names of its parts are modelled.
type publicInterface struct {
	id, name, version         string
	actions, events, channels []string
	entities                  []string
}

// accessKey is an integration access key: a token with which one integration may call the runtime API.
type accessKey struct {
	id, integrationID, note, value string
	createdAt                      time.Time
}

func newAdmin() admin {
	hitl := publicInterface{
		name: "hitl", entities: []string{"hitlSession"}, channels: []string{"hitl"},
		actions: []string{"createUser", "startHitl", "stopHitl"}, events: []string{"hitlAssigned", "hitlStopped"},
	}
	older, newer := hitl, hitl
	older.id, older.version = "iface_01J9Z3NDEKTSV4RRFFQ6HITL20", "2.0.0"
	newer.id, newer.version = "iface_01J9Z3NDEKTSV4RRFFQ6HITL21", "2.1.0"
	return admin{handle: "acme", interfaces: []publicInterface{older, newer}}
}

// WorkspaceID is the id of the server's only workspace, which calls of the administration name in x-workspace-id.
const WorkspaceID = "wkspace_01J9Z3NDEKTSV4RRFFQ69G5FAV"

// SetHandle gives the workspace a handle, which the names of its integrations must begin with. It is "acme" at first; a
// workspace with an empty one cannot deploy.
func (s *Server) SetHandle(handle string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.admin.handle = handle
}

func adminOperations() []operation {
	const get, post, put, del = http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete
	const base, hub = "/v1/admin/integrations", "/v1/admin/hub"
	all := []operation{
		{id: "getWorkspace", method: get, path: "/v1/admin/workspaces/{id}", do: getWorkspace},

		{id: "createIntegration", method: post, path: base, do: createIntegration},
		{id: "validateIntegrationCreation", method: post, path: base + "/validate", do: validateIntegrationCreation},
		{id: "listIntegrations", method: get, path: base, do: listIntegrations},
		{id: "getIntegration", method: get, path: base + "/{id}", do: getIntegration},
		{id: "getIntegrationByName", method: get, path: base + "/{name}/{version}", do: getIntegrationByName},
		{id: "updateIntegration", method: put, path: base + "/{id}", do: updateIntegration},
		{id: "validateIntegrationUpdate", method: put, path: base + "/{id}/validate", do: validateIntegrationUpdate},
		{id: "deleteIntegration", method: del, path: base + "/{id}", do: deleteIntegration},
		{id: "rotateIntegrationSigningSecrets", method: post, path: base + "/{id}/signing-secrets/rotate", do: rotateSigningSecret},

		{id: "createIntegrationApiKey", method: post, path: base + "/iaks", do: createAccessKey},
		{id: "listIntegrationApiKeys", method: get, path: base + "/iaks", do: listAccessKeys},
		{id: "deleteIntegrationApiKey", method: del, path: base + "/iaks/{id}", do: deleteAccessKey},

		{id: "getPublicIntegration", method: get, path: hub + "/integrations/{name}/{version}", do: getPublicIntegration},
		{id: "getPublicInterface", method: get, path: hub + "/interfaces/{name}/{version}", do: getPublicInterface},
		{id: "getPublicInterfaceById", method: get, path: hub + "/interfaces/{id}", do: getPublicInterface},
	}
	for i := range all {
		all[i].admin = true
	}
	return all
}

// administrate checks that the caller may use the admin API: an integration access key may not.
func (s *Server) administrate(r *http.Request) *Error {
	token, ok := bearer(r)
	switch {
	case ok && s.keyOf(token) != nil:
		return forbidden("an integration access key cannot administrate; use a personal access token")
	case !ok || !same(token, s.Token):
		return unauthorized()
	case strings.HasPrefix(r.URL.Path, "/v1/admin/hub/"), strings.HasPrefix(r.URL.Path, "/v1/admin/workspaces/"):
		return nil
	case r.Header.Get("x-workspace-id") == "":
		return invalidPayload("the header x-workspace-id is missing")
	case r.Header.Get("x-workspace-id") != WorkspaceID:
		return forbidden("the token is not for workspace %q", r.Header.Get("x-workspace-id"))
	}
	return nil
}

// mayCall reports whether a token may call the runtime API for an integration, whose id is empty for the bot itself. Hold s.mu.
func (s *Server) mayCall(token, integrationID string) bool {
	if key := s.keyOf(token); key != nil {
		return key.integrationID == integrationID
	}
	return same(token, s.Token)
}

func (s *Server) keyOf(token string) *accessKey {
	for _, key := range s.admin.keys {
		if same(key.value, token) {
			return key
		}
	}
	return nil
}

func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

func bearer(r *http.Request) (string, bool) {
	return strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
}

func unauthorized() *Error {
	return &Error{Status: http.StatusUnauthorized, Type: "Unauthorized", Message: "the Authorization header has no valid bearer token"}
}

func getWorkspace(r *request) (any, *Error) {
	if id := r.http.PathValue("id"); id != WorkspaceID {
		return nil, forbidden("the token is not for workspace %q", id)
	}
	view := map[string]any{
		"id": WorkspaceID, "name": "Acme Inc.", "ownerId": "user", "createdAt": r.clock.stamp(), "updatedAt": r.clock.stamp(), "botCount": 1,
		"billingVersion": "v4", "plan": "team", "blocked": false, "spendingLimit": 0, "activeTrialId": nil,
	}
	if r.admin.handle != "" {
		view["handle"] = r.admin.handle
	}
	return view, nil
}

func getPublicInterface(r *request) (any, *Error) {
	id, name, version := r.http.PathValue("id"), r.http.PathValue("name"), r.http.PathValue("version")
	for _, i := range r.admin.interfaces {
		if i.id == id || i.name == name && i.version == version {
			return map[string]any{"interface": i.view(r.clock.stamp())}, nil
		}
	}
	return nil, notFound("interface", id+name+" "+version)
}

func (i publicInterface) view(now time.Time) any {
	schema := map[string]any{"schema": map[string]any{"type": "object"}}
	parts := func(names []string, part any) map[string]any {
		all := map[string]any{}
		for _, name := range names {
			all[name] = part
		}
		return all
	}
	return map[string]any{
		"id": i.id, "name": i.name, "version": i.version, "createdAt": now, "updatedAt": now,
		"title": "HITL", "description": "", "iconUrl": "", "readmeUrl": "", "public": true, "attributes": map[string]any{},
		"entities": parts(i.entities, schema), "events": parts(i.events, schema),
		"actions":  parts(i.actions, map[string]any{"input": schema, "output": schema}),
		"channels": parts(i.channels, map[string]any{"messages": map[string]any{"text": schema}}),
	}
}

func createAccessKey(r *request) (any, *Error) {
	body, err := decode[struct {
		IntegrationID string `json:"integrationId"`
		Note          string `json:"note"`
	}](r.body, "integrationId! note")
	if err != nil {
		return nil, err
	}
	d, err := r.integration(body.IntegrationID)
	if err != nil {
		return nil, err
	}
	key := &accessKey{
		id: r.newID("iak"), integrationID: d.id, note: body.Note, createdAt: r.clock.stamp(),
		value: r.newID("bp_iak"),
	}
	r.admin.keys = append(r.admin.keys, key)
	view := key.view()
	view["value"] = key.value
	return view, nil
}

func (k *accessKey) view() map[string]any {
	return map[string]any{"id": k.id, "createdAt": k.createdAt, "note": k.note}
}

func listAccessKeys(r *request) (any, *Error) {
	d, err := r.integration(r.http.URL.Query().Get("integrationId"))
	if err != nil {
		return nil, err
	}
	all := []any{}
	for _, key := range r.admin.keys {
		if key.integrationID == d.id {
			all = append(all, key.view())
		}
	}
	return map[string]any{"iaks": all}, nil
}

func deleteAccessKey(r *request) (any, *Error) {
	id := r.http.PathValue("id")
	i := slices.IndexFunc(r.admin.keys, func(k *accessKey) bool { return k.id == id })
	if i < 0 {
		return nil, notFound("integration access key", id)
	}
	r.admin.keys = slices.Delete(r.admin.keys, i, i+1)
	return struct{}{}, nil
}

// newSecret makes a signing secret. Hold s.mu.
func (s *Server) newSecret() string {
	key := make([]byte, 32)
	for i := range key {
		key[i] = byte(s.rand.Uint32())
	}
	return base64.RawURLEncoding.EncodeToString(key)
}

// merge applies an update to an object: null removes, objects are merged, schemas and everything else are replaced.
func merge(into, changes map[string]any) {
	for key, change := range changes {
		old, isObject := into[key].(map[string]any)
		inner, changesObject := change.(map[string]any)
		switch {
		case change == nil:
			delete(into, key)
		case isObject && changesObject && key != "schema":
			merge(old, inner)
		case changesObject && key != "schema":
			fresh := map[string]any{}
			merge(fresh, inner)
			into[key] = fresh
		default:
			into[key] = change
		}
	}
}

// cloned returns a deep copy of a JSON object.
func cloned(object map[string]any) map[string]any {
	data, err := json.Marshal(object)
	if err != nil {
		panic(err) // It came from JSON.
	}
	fresh := map[string]any{}
	if err := json.Unmarshal(data, &fresh); err != nil {
		panic(err)
	}
	return fresh
}

// object is what stands in an object under a path of keys, if it is an object itself.
func objectAt(object map[string]any, path ...string) map[string]any {
	for _, key := range path {
		object, _ = object[key].(map[string]any)
	}
	return object
}

func keysOf(object map[string]any) []string { return slices.Sorted(maps.Keys(object)) }
