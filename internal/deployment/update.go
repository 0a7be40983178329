// Package deployment computes how to update a deployed integration to its new definition.
package deployment

import (
	"cmp"
	"maps"

	"github.com/hitl-go/sdk/botpress"
)

// Create returns the parameters that create an integration. It omits empty secrets. An empty visibility means
// private.
func Create(wanted botpress.CreateIntegrationParams) botpress.CreateIntegrationParams {
	wanted.Secrets = withValues(wanted.Secrets)
	wanted.Visibility = cmp.Or(wanted.Visibility, botpress.Private)
	return wanted
}

// Update returns the parameters that update a deployed integration to the wanted one: everything that is wanted,
// and null for everything else that is deployed, as Botpress' own tools send it. An empty URL, visibility or
// secret keeps the deployed one.
func Update(wanted botpress.CreateIntegrationParams, deployed botpress.Integration) botpress.UpdateIntegrationParams {
	u := botpress.UpdateIntegrationParams{IntegrationDefinition: wanted.IntegrationDefinition, IntegrationSource: wanted.IntegrationSource}
	if wanted.URL != "" {
		u.URL = botpress.Set(wanted.URL)
	}
	u.Secrets = mergeSecrets(wanted.Secrets, deployed.Secrets)
	u.Attributes = mergeRemovable(wanted.Attributes, deployed.Attributes)
	u.Identifier = identifier(wanted.Identifier, deployed.Identifier)
	u.Configuration = configuration(wanted.Configuration, deployed.Configuration)
	u.Configurations = merge(wanted.Configurations, deployed.Configurations, configuration)
	u.Entities = merge(wanted.Entities, deployed.Entities, keep)
	u.States = merge(wanted.States, deployed.States, keep)
	u.Interfaces = merge(wanted.Interfaces, deployed.Interfaces, keep)
	u.User = mergeTags(wanted.User, deployed.User)
	u.Actions = merge(wanted.Actions, deployed.Actions, func(wanted, deployed *botpress.ActionDefinition) *botpress.ActionDefinition {
		a := *wanted
		a.Attributes = mergeRemovable(a.Attributes, deployed.Attributes)
		return &a
	})
	u.Events = merge(wanted.Events, deployed.Events, func(wanted, deployed *botpress.EventDefinition) *botpress.EventDefinition {
		e := *wanted
		e.Attributes = mergeRemovable(e.Attributes, deployed.Attributes)
		return &e
	})
	u.Channels = merge(wanted.Channels, deployed.Channels, func(wanted, deployed *botpress.ChannelDefinition) *botpress.ChannelDefinition {
		c := *wanted
		c.Messages = merge(c.Messages, deployed.Messages, keep)
		c.Conversation = mergeTags(c.Conversation, deployed.Conversation)
		c.Message = mergeTags(c.Message, deployed.Message)
		return &c
	})
	return u
}

// merge returns the wanted parts, and nil for each deployed part that is not wanted. change adapts a wanted part
// to the deployed one of the same name.
func merge[V any](wanted, deployed map[string]*V, change func(wanted, deployed *V) *V) map[string]*V {
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

// mergeRemovable returns the wanted strings, and an empty one for each deployed one that is not wanted. It is sent
// as null.
func mergeRemovable(wanted, deployed botpress.Removable) botpress.Removable {
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

// mergeSecrets returns the secrets that have values, and an empty one, which is sent as null, for each deployed
// secret that is no longer declared.
func mergeSecrets(wanted botpress.Removable, deployed []string) botpress.Removable {
	all := withValues(wanted)
	for _, name := range deployed {
		if _, declared := wanted[name]; !declared {
			all[name] = ""
		}
	}
	return all
}

// withValues returns the secrets that have values.
func withValues(secrets botpress.Removable) botpress.Removable {
	all := botpress.Removable{}
	for name, value := range secrets {
		if value != "" {
			all[name] = value
		}
	}
	return all
}

func mergeTags(wanted, deployed *botpress.Tagged) *botpress.Tagged {
	var w, d botpress.Tagged
	if wanted != nil {
		w = *wanted
	}
	if deployed != nil {
		d = *deployed
	}
	w.Tags = merge(w.Tags, d.Tags, keep)
	return &w
}

// identifier and configuration remove deployed scripts that are not wanted, because this SDK never sets any.

func identifier(wanted, deployed *botpress.IdentifierDefinition) *botpress.IdentifierDefinition {
	if wanted == nil || deployed == nil {
		return wanted
	}
	i := *wanted
	i.ExtractScript = removeScript(i.ExtractScript, deployed.ExtractScript)
	i.FallbackHandlerScript = removeScript(i.FallbackHandlerScript, deployed.FallbackHandlerScript)
	return &i
}

func configuration(wanted, deployed *botpress.ConfigurationDefinition) *botpress.ConfigurationDefinition {
	if wanted == nil || wanted.Identifier == nil || deployed == nil || deployed.Identifier == nil {
		return wanted
	}
	c, i := *wanted, *wanted.Identifier
	i.LinkTemplateScript = removeScript(i.LinkTemplateScript, deployed.Identifier.LinkTemplateScript)
	c.Identifier = &i
	return &c
}

func removeScript(wanted, deployed botpress.Optional[string]) botpress.Optional[string] {
	if script, ok := deployed.Get(); wanted.IsZero() && ok && script != "" {
		return botpress.Null[string]()
	}
	return wanted
}
