// Package deployment works out how an integration that is deployed becomes the one that is wanted.
package deployment

import (
	"cmp"
	"maps"

	"github.com/hitl-go/sdk/botpress"
)

// Create returns what creates the wanted integration. A secret that is empty is left for later, an empty visibility is private.
func Create(wanted botpress.CreateIntegrationParams) botpress.CreateIntegrationParams {
	wanted.Secrets = given(wanted.Secrets)
	wanted.Visibility = cmp.Or(wanted.Visibility, botpress.Private)
	return wanted
}

// Update returns what makes the deployed integration into the wanted one: all of the wanted, and a null for everything that is
// deployed and no longer wanted, as Botpress' own tools send it. A wanted URL, visibility or secret that is empty keeps
// the deployed one.
func Update(wanted botpress.CreateIntegrationParams, deployed botpress.Integration) botpress.UpdateIntegrationParams {
	u := botpress.UpdateIntegrationParams{IntegrationDefinition: wanted.IntegrationDefinition, IntegrationSource: wanted.IntegrationSource}
	if wanted.URL != "" {
		u.URL = botpress.Set(wanted.URL)
	}
	u.Secrets = secrets(wanted.Secrets, deployed.Secrets)
	u.Attributes = removable(wanted.Attributes, deployed.Attributes)
	u.Identifier = identifier(wanted.Identifier, deployed.Identifier)
	u.Configuration = configuration(wanted.Configuration, deployed.Configuration)
	u.Configurations = removing(wanted.Configurations, deployed.Configurations, configuration)
	u.Entities = removing(wanted.Entities, deployed.Entities, keep)
	u.States = removing(wanted.States, deployed.States, keep)
	u.Interfaces = removing(wanted.Interfaces, deployed.Interfaces, keep)
	u.User = tagged(wanted.User, deployed.User)
	u.Actions = removing(wanted.Actions, deployed.Actions, func(wanted, deployed *botpress.ActionDefinition) *botpress.ActionDefinition {
		a := *wanted
		a.Attributes = removable(a.Attributes, deployed.Attributes)
		return &a
	})
	u.Events = removing(wanted.Events, deployed.Events, func(wanted, deployed *botpress.EventDefinition) *botpress.EventDefinition {
		e := *wanted
		e.Attributes = removable(e.Attributes, deployed.Attributes)
		return &e
	})
	u.Channels = removing(wanted.Channels, deployed.Channels, func(wanted, deployed *botpress.ChannelDefinition) *botpress.ChannelDefinition {
		c := *wanted
		c.Messages = removing(c.Messages, deployed.Messages, keep)
		c.Conversation = tagged(c.Conversation, deployed.Conversation)
		c.Message = tagged(c.Message, deployed.Message)
		return &c
	})
	return u
}

// removing returns the wanted parts, changed in view of the deployed ones of the same name, and a nil for each of the others.
func removing[V any](wanted, deployed map[string]*V, change func(wanted, deployed *V) *V) map[string]*V {
	all := make(map[string]*V, len(wanted))
	for name, old := range deployed {
		switch w, ok := wanted[name]; {
		case !ok:
			all[name] = nil
		case old == nil:
			all[name] = w
		default:
			all[name] = change(w, old)
		}
	}
	for name, w := range wanted {
		if _, ok := deployed[name]; !ok {
			all[name] = w
		}
	}
	return all
}

func keep[V any](wanted, _ *V) *V { return wanted }

// removable returns the wanted strings, and an empty one, which is sent as null, for each of the others.
func removable(wanted, deployed botpress.Removable) botpress.Removable {
	if wanted == nil && len(deployed) == 0 {
		return nil
	}
	all := botpress.Removable{}
	for name := range deployed {
		all[name] = ""
	}
	maps.Copy(all, wanted)
	return all
}

// secrets returns the values that are given, and a null for each secret that is no longer declared.
func secrets(wanted botpress.Removable, deployed []string) botpress.Removable {
	all := given(wanted)
	for _, name := range deployed {
		if _, declared := wanted[name]; !declared {
			all[name] = ""
		}
	}
	return all
}

// given are the secrets that have values.
func given(secrets botpress.Removable) botpress.Removable {
	all := botpress.Removable{}
	for name, value := range secrets {
		if value != "" {
			all[name] = value
		}
	}
	return all
}

func tagged(wanted, deployed *botpress.Tagged) *botpress.Tagged {
	var w, d botpress.Tagged
	if wanted != nil {
		w = *wanted
	}
	if deployed != nil {
		d = *deployed
	}
	w.Tags = removing(w.Tags, d.Tags, keep)
	return &w
}

// identifier and configuration take back the scripts of an integration that had some: this SDK never has any.

func identifier(wanted, deployed *botpress.IdentifierDefinition) *botpress.IdentifierDefinition {
	if wanted == nil || deployed == nil {
		return wanted
	}
	i := *wanted
	i.ExtractScript = takenBack(i.ExtractScript, deployed.ExtractScript)
	i.FallbackHandlerScript = takenBack(i.FallbackHandlerScript, deployed.FallbackHandlerScript)
	return &i
}

func configuration(wanted, deployed *botpress.ConfigurationDefinition) *botpress.ConfigurationDefinition {
	if wanted == nil || wanted.Identifier == nil || deployed == nil || deployed.Identifier == nil {
		return wanted
	}
	c, i := *wanted, *wanted.Identifier
	i.LinkTemplateScript = takenBack(i.LinkTemplateScript, deployed.Identifier.LinkTemplateScript)
	c.Identifier = &i
	return &c
}

func takenBack(wanted, deployed botpress.Optional[string]) botpress.Optional[string] {
	if script, ok := deployed.Get(); wanted.IsZero() && ok && script != "" {
		return botpress.Null[string]()
	}
	return wanted
}
