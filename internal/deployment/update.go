// Package deployment computes the API calls that create an integration or update a deployed one.
package deployment

import (
	"cmp"
	"maps"

	"github.com/hitl-go/sdk/botpress"
)

// Create returns the parameters that create the wanted integration. Empty secrets are not sent. The default visibility is
// private.
func Create(wanted botpress.CreateIntegrationParams) botpress.CreateIntegrationParams {
	wanted.Secrets = nonEmpty(wanted.Secrets)
	wanted.Visibility = cmp.Or(wanted.Visibility, botpress.Private)
	return wanted
}

// Update returns the parameters that turn the deployed integration into the wanted one. Like Botpress' own tools, it sends the
// whole definition, and a null for each deployed part that the definition no longer has. An empty URL, title,
// description, visibility or secret leaves the deployed one unchanged.
func Update(wanted botpress.CreateIntegrationParams, deployed botpress.Integration) botpress.UpdateIntegrationParams {
	u := botpress.UpdateIntegrationParams{IntegrationDefinition: wanted.IntegrationDefinition, IntegrationSource: wanted.IntegrationSource}
	if wanted.URL != "" {
		u.URL = botpress.Set(wanted.URL)
	}
	u.Secrets = secrets(wanted.Secrets, deployed.Secrets)
	u.Attributes = withStringRemovals(wanted.Attributes, deployed.Attributes)
	u.Identifier = identifier(wanted.Identifier, deployed.Identifier)
	u.Configuration = configuration(wanted.Configuration, deployed.Configuration)
	u.Configurations = withRemovals(wanted.Configurations, deployed.Configurations, configuration)
	u.Entities = withRemovals(wanted.Entities, deployed.Entities, keepWanted)
	u.States = withRemovals(wanted.States, deployed.States, keepWanted)
	u.Interfaces = withRemovals(wanted.Interfaces, deployed.Interfaces, keepWanted)
	u.User = tagged(wanted.User, deployed.User)
	u.Actions = withRemovals(wanted.Actions, deployed.Actions, func(wanted, deployed *botpress.ActionDefinition) *botpress.ActionDefinition {
		a := *wanted
		a.Attributes = withStringRemovals(a.Attributes, deployed.Attributes)
		return &a
	})
	u.Events = withRemovals(wanted.Events, deployed.Events, func(wanted, deployed *botpress.EventDefinition) *botpress.EventDefinition {
		e := *wanted
		e.Attributes = withStringRemovals(e.Attributes, deployed.Attributes)
		return &e
	})
	u.Channels = withRemovals(wanted.Channels, deployed.Channels, func(wanted, deployed *botpress.ChannelDefinition) *botpress.ChannelDefinition {
		c := *wanted
		c.Messages = withRemovals(c.Messages, deployed.Messages, keepWanted)
		c.Conversation = tagged(c.Conversation, deployed.Conversation)
		c.Message = tagged(c.Message, deployed.Message)
		return &c
	})
	return u
}

// withRemovals returns the wanted parts, merged with the deployed ones of the same name, and a nil for each other deployed part.
func withRemovals[V any](wanted, deployed map[string]*V, merge func(wanted, deployed *V) *V) map[string]*V {
	all := make(map[string]*V, len(wanted))
	for name, old := range deployed {
		switch w, ok := wanted[name]; {
		case !ok:
			all[name] = nil
		case old == nil:
			all[name] = w
		default:
			all[name] = merge(w, old)
		}
	}
	for name, w := range wanted {
		if _, ok := deployed[name]; !ok {
			all[name] = w
		}
	}
	return all
}

func keepWanted[V any](wanted, _ *V) *V { return wanted }

// withStringRemovals returns the wanted strings, and an empty one, which is sent as null, for each other deployed string.
func withStringRemovals(wanted, deployed botpress.Removable) botpress.Removable {
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

// secrets returns the values to set, and an empty one, which is sent as null, for each secret that is no longer declared.
func secrets(wanted botpress.Removable, deployed []string) botpress.Removable {
	all := nonEmpty(wanted)
	for _, name := range deployed {
		if _, declared := wanted[name]; !declared {
			all[name] = ""
		}
	}
	return all
}

// nonEmpty returns the secrets that have values.
func nonEmpty(secrets botpress.Removable) botpress.Removable {
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
	w.Tags = withRemovals(w.Tags, d.Tags, keepWanted)
	return &w
}

// identifier and configuration remove the scripts that are deployed and not wanted any more.

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
