package deployment

import (
	"cmp"
	"encoding/json"
	"reflect"
	"slices"

	"github.com/hitl-go/sdk/botpress"
)

// Kind says what happens to a part of an integration.
type Kind string

// The kinds of changes, as they are shown.
const (
	Added   Kind = "+"
	Changed Kind = "~"
	Removed Kind = "-"
)

// Change is what happens to one part of an integration, such as "action startHitl".
type Change struct {
	Kind Kind
	Part string
}

// Changes lists what [Update] does, sorted by part. Whether the icon and the readme change is not to be found out: Botpress
// tells where they are, not what.
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
	if wanted.Visibility == "" {
		then["visibility"] = now["visibility"]
	}
	for _, name := range deployed.Secrets {
		now["secret "+name] = "" // the value is not told
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

// parts takes a definition apart into what a person would name.
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
		if value = meaningful(value); value != nil {
			all[part] = value
		}
	}
	addEach := func(kind string, values any) {
		items, _ := values.(map[string]any)
		for name, value := range items {
			all[kind+" "+name] = meaningful(value)
		}
	}
	for _, part := range []string{"title", "description", "visibility", "configuration", "identifier"} {
		add(part, definition[part])
	}
	// What a renamed part is called is its key already, and Botpress does not tell it again.
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
	addEach("user tag", within(definition, "user", "tags"))
	channels, _ := definition["channels"].(map[string]any)
	for name, value := range channels {
		channel, _ := value.(map[string]any)
		addEach("message "+name, channel["messages"])
		addEach("conversation tag "+name, within(channel, "conversation", "tags"))
		addEach("message tag "+name, within(channel, "message", "tags"))
		all["channel "+name] = []any{channel["title"], channel["description"]}
	}
	return all, nil
}

func within(v map[string]any, path ...string) any {
	for _, key := range path[:len(path)-1] {
		v, _ = v[key].(map[string]any)
	}
	return v[path[len(path)-1]]
}

// meaningful leaves out what means the same as nothing, which Botpress may or may not send back. Schemas stay as they are.
func meaningful(v any) any {
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
		} else if value = meaningful(value); value != nil {
			all[key] = value
		}
	}
	if len(all) == 0 {
		return nil
	}
	return all
}
