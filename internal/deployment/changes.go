package deployment

import (
	"cmp"
	"encoding/json"
	"reflect"
	"slices"

	"github.com/hitl-go/sdk/botpress"
)

// Kind is the kind of a [Change], as it is printed.
type Kind string

// The kinds of changes.
const (
	Added   Kind = "+"
	Changed Kind = "~"
	Removed Kind = "-"
)

// Change is a change to one part of an integration, such as "action startHitl".
type Change struct {
	Kind Kind
	Part string
}

// Changes lists the changes that [Update] makes, sorted by part. It leaves out the icon and the readme: Botpress returns their
// addresses, not their content.
func Changes(wanted botpress.CreateIntegrationParams, deployed botpress.Integration) ([]Change, error) {
	now, err := parts(deployed.IntegrationDefinition)
	if err != nil {
		return nil, err
	}
	then, err := parts(wanted.IntegrationDefinition)
	if err != nil {
		return nil, err
	}
	now["URL"], then["URL"] = deployed.URL, cmp.Or(wanted.URL, deployed.URL)
	for _, part := range []string{"title", "description", "visibility"} { // An empty one is not sent, and changes nothing.
		if then[part] == nil && now[part] != nil {
			then[part] = now[part]
		}
	}
	for _, name := range deployed.Secrets {
		now["secret "+name] = "" // Botpress does not return the value
	}
	for name, value := range wanted.Secrets {
		if _, there := now["secret "+name]; there || value != "" {
			then["secret "+name] = value
		}
	}

	var changes []Change
	for part, old := range now {
		switch v, ok := then[part]; {
		case !ok:
			changes = append(changes, Change{Removed, part})
		case !reflect.DeepEqual(v, old):
			changes = append(changes, Change{Changed, part})
		}
	}
	for part := range then {
		if _, ok := now[part]; !ok {
			changes = append(changes, Change{Added, part})
		}
	}
	slices.SortFunc(changes, func(a, b Change) int { return cmp.Compare(a.Part, b.Part) })
	return changes, nil
}

// parts splits a definition into the parts that a [Change] names.
func parts(d botpress.IntegrationDefinition) (map[string]any, error) {
	data, err := json.Marshal(d)
	if err != nil {
		return nil, err
	}
	var definition map[string]any
	if err := json.Unmarshal(data, &definition); err != nil {
		return nil, err
	}
	all := map[string]any{}
	add := func(part string, value any) {
		if value = withoutEmpty(value); value != nil {
			all[part] = value
		}
	}
	addEach := func(kind string, values any) {
		items, _ := values.(map[string]any)
		for name, value := range items {
			all[kind+" "+name] = withoutEmpty(value)
		}
	}
	for _, part := range []string{"title", "description", "visibility", "configuration", "identifier"} {
		add(part, definition[part])
	}
	// The name of a part is its key already, and Botpress does not return it a second time.
	for _, group := range []string{"actions", "events"} {
		items, _ := definition[group].(map[string]any)
		for _, item := range items {
			if part, ok := item.(map[string]any); ok {
				delete(part, "name")
			}
		}
	}
	for group, kind := range map[string]string{
		"configurations": "configuration", "entities": "entity", "actions": "action", "events": "event",
		"states": "state", "interfaces": "interface", "attributes": "attribute",
	} {
		addEach(kind, definition[group])
	}
	addEach("user tag", lookup(definition, "user", "tags"))
	channels, _ := definition["channels"].(map[string]any)
	for name, value := range channels {
		channel, _ := value.(map[string]any)
		addEach("message "+name, channel["messages"])
		addEach("conversation tag "+name, lookup(channel, "conversation", "tags"))
		addEach("message tag "+name, lookup(channel, "message", "tags"))
		all["channel "+name] = []any{channel["title"], channel["description"]}
	}
	return all, nil
}

func lookup(v map[string]any, path ...string) any {
	for _, key := range path[:len(path)-1] {
		v, _ = v[key].(map[string]any)
	}
	return v[path[len(path)-1]]
}

// withoutEmpty removes empty values, which Botpress may or may not return. Schemas stay as they are.
func withoutEmpty(v any) any {
	object, ok := v.(map[string]any)
	if !ok {
		if v == nil || v == "" || v == false {
			return nil
		}
		return v
	}
	all := map[string]any{}
	for key, value := range object {
		if key == "schema" {
			all[key] = value
		} else if value = withoutEmpty(value); value != nil {
			all[key] = value
		}
	}
	if len(all) == 0 {
		return nil
	}
	return all
}
