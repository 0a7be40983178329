package botpresstest

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// deployed is an integration as it was deployed.
type deployed struct {
	number            uint64
	id, name, version string
	createdAt         time.Time
	updatedAt         time.Time
	definition        map[string]any // By the keys of the API; see [definitionKeys].
	secrets           map[string]string
	signing           []signingSecret // The newest first.
}

type signingSecret struct {
	value string
	ends  time.Time // Zero: it is the newest.
}

const (
	// rotationPeriod is how long a secret still works after it was rotated.
	rotationPeriod = 24 * time.Hour
	// maxHashes is how many hashes a signature may have.
	maxHashes = 5
)

// secretsAt are the signing secrets that are valid at a time, the newest first.
func (d *deployed) secretsAt(now time.Time) []string {
	var valid []string
	for _, s := range d.signing {
		if s.ends.IsZero() || now.Before(s.ends) {
			valid = append(valid, s.value)
		}
	}
	return valid[:min(len(valid), maxHashes)]
}

// Deployed returns a deployed integration for [Server.Install]: its URL, what it declares and its newest signing secret. The
// caller sets the alias and the configuration.
func (s *Server) Deployed(name, version string) (Integration, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.deployed(name, version)
	if d == nil {
		return Integration{}, false
	}
	in := Integration{Name: d.name, Version: d.version, SigningSecret: d.signing[0].value}
	in.URL, _ = d.definition["url"].(string)
	_, in.Alias, _ = strings.Cut(d.name, "/")
	for _, statement := range objectAt(d.definition, "interfaces") {
		statement, _ := statement.(map[string]any)
		as := func(group, part string) string {
			name, _ := objectAt(statement, group, part)["name"].(string)
			return name
		}
		in.Names = Names{
			CreateUser: as("actions", "createUser"), StartHitl: as("actions", "startHitl"), StopHitl: as("actions", "stopHitl"),
			Assigned: as("events", "hitlAssigned"), Stopped: as("events", "hitlStopped"), Channel: as("channels", "hitl"),
		}
	}
	in.Tags.User = keysOf(objectAt(d.definition, "user", "tags"))
	in.Tags.Conversation = keysOf(objectAt(d.definition, "channels", in.Names.Channel, "conversation", "tags"))
	in.Tags.Message = keysOf(objectAt(d.definition, "channels", in.Names.Channel, "message", "tags"))
	in.Events, in.Channels = keysOf(objectAt(d.definition, "events")), keysOf(objectAt(d.definition, "channels"))
	in.States, in.StateTypes = append([]string{}, keysOf(objectAt(d.definition, "states"))...), map[string]string{}
	for _, name := range in.States {
		in.StateTypes[name], _ = objectAt(d.definition, "states", name)["type"].(string)
	}
	return in, true
}

// deployed finds an integration. Hold s.mu.
func (s *Server) deployed(name, version string) *deployed {
	for _, d := range s.admin.deployed {
		if d.name == name && d.version == version {
			return d
		}
	}
	return nil
}

// definitionKeys are the keys of a definition that creations and updates have.
const definitionKeys = "title description configuration configurations states events actions entities attributes identifier channels user " +
	"interfaces extraOperations sdkVersion icon readme visibility public code layers secrets"

func createIntegration(r *request) (any, *Error) {
	d, err := r.newIntegration()
	if err != nil {
		return nil, err
	}
	d.id, d.number, d.createdAt, d.updatedAt = r.newID("intver"), r.number(), r.clock.stamp(), r.clock.stamp()
	d.signing = []signingSecret{{value: r.newSecret()}}
	r.admin.deployed = append(r.admin.deployed, d)
	view := d.view()
	view["signingSecret"] = d.signing[0].value
	return map[string]any{"integration": view}, nil
}

func validateIntegrationCreation(r *request) (any, *Error) {
	_, err := r.newIntegration()
	return struct{}{}, err
}

func (r *request) newIntegration() (*deployed, *Error) {
	shape := "name! version! url dev " + definitionKeys
	body, err := decode[map[string]any](r.body, shape)
	if err != nil {
		return nil, err
	}
	d := &deployed{definition: map[string]any{}, secrets: map[string]string{}}
	d.name, _ = body["name"].(string)
	d.version, _ = body["version"].(string)
	delete(body, "name")
	delete(body, "version")
	switch handle, name, ok := strings.Cut(d.name, "/"); {
	case r.admin.handle == "":
		return nil, forbidden("the workspace has no handle, and without one nothing can be deployed from it")
	case !ok || handle != r.admin.handle || name == "":
		return nil, forbidden("the name of an integration of this workspace must begin with %q", r.admin.handle+"/")
	case !integrationName.MatchString(d.name) || len(d.name) > maxName:
		return nil, invalidPayload("name must consist of lower-case letters, digits and hyphens, at most %d, not %q", maxName, d.name)
	case !semantic.MatchString(d.version) || len(d.version) > maxName:
		return nil, invalidPayload("version must be a semantic version of at most %d characters, not %q", maxName, d.version)
	case r.deployed(d.name, d.version) != nil:
		return nil, &Error{Status: http.StatusConflict, Type: "AlreadyExists", Message: fmt.Sprintf("integration %s %s exists already", d.name, d.version)}
	}
	if err := definitionShape("definition", body); err != nil { // Unlike an update it has no nulls.
		return nil, err
	}
	if err := r.change(d, body); err != nil {
		return nil, err
	}
	return d, nil
}

// The forms of names and versions, of which the OpenAPI says nothing. These are the strict guess.
var (
	integrationName = regexp.MustCompile(`^[a-z0-9-]+/[a-z0-9-]+$`)
	semantic        = regexp.MustCompile(`^\d+\.\d+\.\d+([-+][0-9A-Za-z.+-]+)?$`)
)

// change applies the body of an update to d. If it fails, d may be half changed.
func (r *request) change(d *deployed, body map[string]any) *Error {
	given := map[string]any{}
	merge(given, body) // Without nulls, which remove.
	if err := definitionShape("definition", given); err != nil {
		return err
	}
	secrets := objectAt(body, "secrets")
	delete(body, "secrets")
	for name, value := range secrets {
		if text, ok := value.(string); ok {
			d.secrets[name] = text
		} else {
			delete(d.secrets, name)
		}
	}
	before := keysOfParts(d.definition)
	wasPublic := d.definition["visibility"] == "public" || d.definition["visibility"] == "unlisted"
	merge(d.definition, body)
	if err := r.checkDefinition(d.definition); err != nil {
		return err
	}
	after := keysOfParts(d.definition)
	for _, part := range before {
		if wasPublic && !slices.Contains(after, part) {
			return &Error{Status: http.StatusBadRequest, Type: "BreakingChanges", Message: part + " is gone, which bots may use"}
		}
	}
	return nil
}

// keysOfParts names the parts that bots depend on.
func keysOfParts(definition map[string]any) []string {
	var all []string
	for _, group := range []string{"actions", "events", "channels", "entities"} {
		for _, name := range keysOf(objectAt(definition, group)) {
			all = append(all, group+"."+name)
		}
	}
	return all
}

func (r *request) checkDefinition(definition map[string]any) *Error {
	for _, part := range []string{"icon", "readme"} {
		text, _ := definition[part].(string)
		data, err := base64.StdEncoding.DecodeString(text)
		if err != nil || part == "icon" && text != "" && !bytes.Contains(data, []byte("<svg")) {
			return invalidPayload("%s must be base64 of an SVG or of Markdown", part)
		}
	}
	if err := checkSchemas("definition", definition); err != nil {
		return err
	}
	for key, value := range objectAt(definition, "interfaces") {
		statement, _ := value.(map[string]any)
		i := slices.IndexFunc(r.admin.interfaces, func(i publicInterface) bool { return i.id == statement["id"] })
		if i < 0 {
			return unknownReference("interface", fmt.Sprint(statement["id"]))
		}
		published := r.admin.interfaces[i]
		statement["name"], statement["version"] = published.name, published.version
		for group, names := range map[string][]string{
			"actions": published.actions, "events": published.events, "channels": published.channels, "entities": published.entities,
		} {
			for _, part := range names {
				as, _ := objectAt(statement, group, part)["name"].(string)
				if objectAt(definition, group, as) == nil {
					return invalidPayload("interface %s: there is nothing called %q in %s for its %s", key, as, group, part)
				}
			}
		}
	}
	return nil
}

// checkSchemas refuses references, which the API does not resolve.
func checkSchemas(path string, v any) *Error {
	switch v := v.(type) {
	case map[string]any:
		if _, ok := v["$ref"].(string); ok {
			return &Error{Status: http.StatusBadRequest, Type: "InvalidJsonSchema", Message: path + " has a reference"}
		}
		for key, part := range v {
			if err := checkSchemas(path+"."+key, part); err != nil {
				return err
			}
		}
	case []any:
		for _, part := range v {
			if err := checkSchemas(path, part); err != nil {
				return err
			}
		}
	}
	return nil
}

func updateIntegration(r *request) (any, *Error) {
	d, changed, err := r.changedIntegration()
	if err != nil {
		return nil, err
	}
	d.definition, d.secrets, d.updatedAt = changed.definition, changed.secrets, r.clock.stamp()
	return map[string]any{"integration": d.view()}, nil
}

func validateIntegrationUpdate(r *request) (any, *Error) {
	_, _, err := r.changedIntegration()
	return struct{}{}, err
}

func (r *request) changedIntegration() (old, changed *deployed, _ *Error) {
	d, err := r.integration(r.http.PathValue("id"))
	if err != nil {
		return nil, nil, err
	}
	body, err := decode[map[string]any](r.body, definitionKeys+" url? maxExecutionTime")
	if err != nil {
		return nil, nil, err
	}
	changed = &deployed{definition: cloned(d.definition), secrets: map[string]string{}}
	maps.Copy(changed.secrets, d.secrets)
	return d, changed, r.change(changed, body)
}

// integration finds what is deployed under an id. Hold s.mu.
func (s *Server) integration(id string) (*deployed, *Error) {
	for _, d := range s.admin.deployed {
		if d.id == id {
			return d, nil
		}
	}
	return nil, notFound("integration", id)
}

func getIntegration(r *request) (any, *Error) {
	d, err := r.integration(r.http.PathValue("id"))
	if err != nil {
		return nil, err
	}
	return map[string]any{"integration": d.view()}, nil
}

func getIntegrationByName(r *request) (any, *Error) {
	name, version := r.http.PathValue("name"), r.http.PathValue("version")
	d := r.deployed(name, version)
	if d == nil {
		return nil, notFound("integration", name+" "+version)
	}
	return map[string]any{"integration": d.view()}, nil
}

func getPublicIntegration(r *request) (any, *Error) {
	name, version := r.http.PathValue("name"), r.http.PathValue("version")
	d := r.deployed(name, version)
	if d == nil || d.definition["visibility"] != "public" {
		return nil, notFound("integration", name+" "+version)
	}
	view := d.view()
	view["ownerWorkspace"] = map[string]any{"id": WorkspaceID, "handle": r.admin.handle, "name": "Acme Inc."}
	view["meta"] = map[string]any{"installs": 0, "views": 0}
	return map[string]any{"integration": view}, nil
}

// listIntegrations returns the newest integration first, unless the query says otherwise.
func listIntegrations(r *request) (any, *Error) {
	q, err := r.query(
		"limit", "name", "version", "interfaceId", "interfaceName", "installedByBotId", "search", "dev=true,false", "visibility=public,private",
		"verificationStatus=unapproved,pending,approved,rejected", "sortBy=popularity,name,createdAt,updatedAt,installCount", "direction=asc,desc",
	)
	if err != nil {
		return nil, err
	}
	if q.Has("pageSize") {
		return nil, invalidQuery("the parameter %q is not known here", "pageSize")
	}
	if limit := q.Get("limit"); limit != "" {
		size, err := strconv.Atoi(limit)
		if err != nil || size < 1 {
			return nil, invalidQuery("limit must be a positive number")
		}
		q.size = size
	}
	var chosen []*deployed
	for _, d := range r.admin.deployed {
		if r.matches(d, q) {
			chosen = append(chosen, d)
		}
	}
	key := map[string]func(*deployed) string{
		"popularity":   func(d *deployed) string { return fmt.Sprintf("%020d", r.installs(d)) },
		"installCount": func(d *deployed) string { return fmt.Sprintf("%020d", r.installs(d)) },
		"name":         func(d *deployed) string { return d.name },
		"createdAt":    func(d *deployed) string { return chronological(d.createdAt) },
		"updatedAt":    func(d *deployed) string { return chronological(d.updatedAt) },
	}[cmp.Or(q.Get("sortBy"), "createdAt")]
	page, meta, err := paged(q, chosen, q.Get("direction") == "asc", func(d *deployed) position { return position{key(d), d.number} })
	if err != nil {
		return nil, err
	}
	all := []any{}
	for _, d := range page {
		view, summary := d.view(), map[string]any{}
		for _, key := range []string{
			"id", "name", "version", "createdAt", "updatedAt", "title", "description", "iconUrl", "public", "visibility",
			"verificationStatus", "lifecycleStatus",
		} {
			summary[key] = view[key]
		}
		all = append(all, summary)
	}
	return map[string]any{"integrations": all, "meta": meta}, nil
}

// installs is how often an integration is installed. Hold s.mu.
func (s *Server) installs(d *deployed) (n int) {
	for _, in := range s.installations {
		if in.IntegrationID == d.id {
			n++
		}
	}
	return n
}

// matches reports whether a query for integrations selects one. Hold s.mu.
func (s *Server) matches(d *deployed, q query) bool {
	view := d.view()
	matches := true
	for _, name := range []string{"name", "version", "visibility", "verificationStatus", "dev"} {
		matches = matches && (!q.Has(name) || q.Get(name) == fmt.Sprint(view[name]))
	}
	for parameter, name := range map[string]string{"interfaceId": "id", "interfaceName": "name"} {
		matches = matches && (!q.Has(parameter) || slices.ContainsFunc(slices.Collect(maps.Values(objectAt(view, "interfaces"))), func(v any) bool {
			statement, _ := v.(map[string]any)
			return statement[name] == q.Get(parameter)
		}))
	}
	if q.Has("installedByBotId") {
		matches = matches && q.Get("installedByBotId") == s.BotID && s.installs(d) > 0
	}
	text := strings.ToLower(fmt.Sprint(view["name"], "\n", view["title"], "\n", view["description"]))
	return matches && strings.Contains(text, strings.ToLower(q.Get("search")))
}

func deleteIntegration(r *request) (any, *Error) {
	d, err := r.integration(r.http.PathValue("id"))
	if err != nil {
		return nil, err
	}
	for _, in := range r.installations {
		if in.IntegrationID == d.id {
			return nil, &Error{Status: http.StatusConflict, Type: "ReferenceConstraint", Message: "the integration is installed in a bot"}
		}
	}
	r.admin.deployed = slices.DeleteFunc(r.admin.deployed, func(other *deployed) bool { return other == d })
	return struct{}{}, nil
}

// rotateSigningSecret makes a new signing secret. From now on operations are signed with it, and for a day with the old one,
// too. The order of the hashes and the end of a secret that is rotated twice are not documented. These are the strict guess:
// the newest comes first, and a second rotation does not prolong the first secret.
func rotateSigningSecret(r *request) (any, *Error) {
	d, err := r.integration(r.http.PathValue("id"))
	if err != nil {
		return nil, err
	}
	d.signing[0].ends = r.clock.now().Add(rotationPeriod)
	d.signing = slices.Insert(d.signing, 0, signingSecret{value: r.newSecret()})
	return map[string]any{"newSigningSecret": d.signing[0].value}, nil
}

// view is the integration as the API returns it.
func (d *deployed) view() map[string]any {
	view := cloned(d.definition)
	for _, key := range []string{"icon", "readme", "code", "layers", "sdkVersion", "extraOperations", "visibility", "public"} {
		delete(view, key)
	}
	for _, key := range []string{"identifier", "configuration", "configurations", "channels", "states", "events", "actions", "user", "entities", "interfaces", "attributes"} {
		if _, ok := view[key].(map[string]any); !ok {
			view[key] = map[string]any{}
		}
	}
	for _, key := range []string{"title", "description", "url"} {
		if _, ok := view[key].(string); !ok {
			view[key] = ""
		}
	}
	if view["title"] == "" {
		view["title"] = d.name
	}
	// The API fills in what was left out, and does not repeat the names of renamed parts: they are the keys.
	noCreation := map[string]any{"creation": map[string]any{"enabled": false, "requiredTags": []any{}}, "tags": map[string]any{}}
	noIdentifier := map[string]any{"identifier": map[string]any{"required": false}, "schema": map[string]any{}}
	fill(view, map[string]any{"user": noCreation, "configuration": noIdentifier})
	for _, group := range []string{"actions", "events", "channels", "configurations"} {
		for _, part := range view[group].(map[string]any) {
			part := part.(map[string]any)
			delete(part, "name")
			switch group {
			case "channels":
				fill(part, map[string]any{"conversation": noCreation, "message": map[string]any{"tags": map[string]any{}}})
			case "configurations":
				fill(part, noIdentifier)
			}
		}
	}
	visibility, _ := d.definition["visibility"].(string)
	if visibility == "" {
		visibility = "private"
	}
	secrets := []string{}
	for name := range d.secrets {
		secrets = append(secrets, name)
	}
	slices.Sort(secrets)
	dev, _ := d.definition["dev"].(bool)
	maps.Copy(view, map[string]any{
		"id": d.id, "name": d.name, "version": d.version, "createdAt": d.createdAt, "updatedAt": d.updatedAt, "dev": dev,
		"iconUrl": "", "readmeUrl": "", "visibility": visibility, "public": visibility == "public", "secrets": secrets,
		"verificationStatus": "unapproved", "lifecycleStatus": "published",
	})
	return view
}

// fill sets the keys that an object lacks.
func fill(object, defaults map[string]any) {
	for key, value := range defaults {
		fallback, isObject := value.(map[string]any)
		switch old, ok := object[key].(map[string]any); {
		case ok && isObject:
			fill(old, fallback)
		case object[key] == nil && isObject:
			object[key] = cloned(fallback)
		case object[key] == nil:
			object[key] = value
		}
	}
}
