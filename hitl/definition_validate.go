package hitl

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"unicode/utf8"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/internal/hitlinterface"
)

// Bounds of the API, in characters.
const (
	maxName        = 200
	maxTitle       = 64
	maxDescription = 256
	maxAttribute   = 200
)

var (
	integrationName = regexp.MustCompile(`^([a-z0-9][a-z0-9-]*/)?[a-z][a-z0-9-]*$`)
	partName        = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_-]*$`)
	// semantic is the expression that semver.org suggests.
	semantic = regexp.MustCompile(`^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)` +
		`(-(0|[1-9]\d*|\d*[A-Za-z-][0-9A-Za-z-]*)(\.(0|[1-9]\d*|\d*[A-Za-z-][0-9A-Za-z-]*))*)?(\+[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?$`)
)

// checker collects what is wrong with a definition or an action, so that an author can fix all of it at once.
type checker struct {
	subject  string // what is checked, as errors call it
	problems []error
	names    map[string]string // what has been named so far, as "action x", and by which field
}

func (c *checker) refuse(field, format string, args ...any) {
	c.problems = append(c.problems, fmt.Errorf("hitl: %s.%s: "+format, append([]any{c.subject, field}, args...)...))
}

func (c *checker) err() error { return errors.Join(c.problems...) }

func (c *checker) definition(d *Definition) {
	switch {
	case d.Name == "":
		c.refuse("Name", "it is empty")
	case !integrationName.MatchString(d.Name) || len(d.Name) > maxName:
		c.refuse("Name", "%q must consist of lower-case letters, digits and hyphens, at most %d, and start with a letter", d.Name, maxName)
	}
	switch {
	case d.Version == "":
		c.refuse("Version", "it is empty; the first one is usually 1.0.0")
	case !semantic.MatchString(d.Version) || len(d.Version) > maxName:
		c.refuse("Version", "%q is not a semantic version like 1.0.0", d.Version)
	}
	c.length("Title", d.Title, maxTitle)
	c.length("Description", d.Description, maxDescription)
	if len(d.Icon) > 0 && !isSVG(d.Icon) {
		c.refuse("Icon", "it is not an SVG image")
	}
	if !utf8.Valid(d.Readme) || bytes.ContainsRune(d.Readme, 0) {
		c.refuse("Readme", "it is not text in UTF-8")
	}
	c.attributes("Attributes", d.Attributes)
	for _, p := range d.parts() {
		c.part(p.field, p.kind, *p.Part)
	}
	c.tags("UserTags", d.UserTags, ownUserTags)
	c.tags("ConversationTags", d.ConversationTags, ownConversationTags)
	c.tags("MessageTags", d.MessageTags, ownMessageTags)
	for i, alternative := range d.Configurations {
		c.part(fmt.Sprintf("Configurations[%d]", i), "configuration", Part{alternative.Name, alternative.Title, alternative.Description})
	}
	for i, e := range d.Events {
		field := fmt.Sprintf("Events[%d]", i)
		c.part(field, "event", Part{e.Name, e.Title, e.Description})
		c.attributes(field+".Attributes", e.Attributes)
	}
	for state := range ownStates() {
		c.names["state "+state] = "the server itself"
	}
	for i, state := range d.States {
		field := fmt.Sprintf("States[%d]", i)
		c.name(field+".Name", "state", state.Name)
		switch state.Scope {
		case "", botpress.StateOfIntegration, botpress.StateOfConversation, botpress.StateOfUser:
		default:
			c.refuse(field+".Scope", "a state of an integration belongs to an integration, a conversation or a user, not to a %s", state.Scope)
		}
	}
	for _, name := range sortedKeys(d.ExtraOperations) {
		c.name(fmt.Sprintf("ExtraOperations[%q]", name), "operation", name)
	}
	for i, name := range d.Secrets {
		c.name(fmt.Sprintf("Secrets[%d]", i), "secret", name)
	}
}

// name checks a name and that nothing of its kind has it already.
func (c *checker) name(field, kind, name string) {
	if !partName.MatchString(name) || len(name) > maxName {
		c.refuse(field, "the name %q must consist of letters, digits, hyphens and underscores, at most %d, and start with a letter", name, maxName)
		return
	}
	if other, taken := c.names[kind+" "+name]; taken {
		c.refuse(field, "the %s %q is there already, by %s", kind, name, other)
		return
	}
	c.names[kind+" "+name] = field
}

// part checks what a part is called.
func (c *checker) part(field, kind string, p Part) {
	c.name(field+".Name", kind, p.Name)
	c.length(field+".Title", p.Title, maxTitle)
	c.length(field+".Description", p.Description, maxDescription)
}

func (c *checker) attributes(field string, attributes map[string]string) {
	for _, name := range sortedKeys(attributes) {
		at := fmt.Sprintf("%s[%q]", field, name)
		c.length(at, attributes[name], maxAttribute)
		if attributes[name] == "" {
			c.refuse(at, "it is empty; leave the attribute out")
		}
	}
}

func (c *checker) length(field, s string, most int) {
	if n := utf8.RuneCountInString(s); n > most {
		c.refuse(field, "it has %d characters, and Botpress takes %d", n, most)
	}
}

// tags checks tags that are declared. Of the server's own tags, those that authors know may get other texts.
func (c *checker) tags(field string, declared, own []Part) {
	for i, p := range declared {
		at := fmt.Sprintf("%s[%d]", field, i)
		if hasPart(own, p.Name) && p.Name != tagID && p.Name != tagEmail {
			c.refuse(at, "the server keeps and declares the tag %q itself; use another name", p.Name)
			continue
		}
		c.part(at, field, p)
	}
}

// object makes the schema of a type whose JSON must be an object. A nil type is that of a nil interface.
func (c *checker) object(what string, t reflect.Type) json.RawMessage {
	s, err := objectSchema(t)
	c.add(what, err)
	return s
}

// add takes note of an error about something; each of several gets a line of its own.
func (c *checker) add(what string, err error) {
	if err == nil {
		return
	}
	each := []error{err}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		each = joined.Unwrap()
	}
	for _, err := range each {
		c.problems = append(c.problems, fmt.Errorf("hitl: %s: %w", what, err))
	}
}

// objectSchema is the schema of a type whose JSON is an object.
func objectSchema(t reflect.Type) (json.RawMessage, error) {
	if t == nil {
		return nil, errors.New("it has no type; give it a value of a struct")
	}
	if t == reflect.TypeFor[json.RawMessage]() {
		return json.RawMessage(`{"type":"object","additionalProperties":true}`), nil
	}
	elem := t
	for elem.Kind() == reflect.Pointer {
		elem = elem.Elem()
	}
	if !slices.Contains([]reflect.Kind{reflect.Struct, reflect.Map}, elem.Kind()) {
		return nil, fmt.Errorf("%s is not a struct, and Botpress wants an object", t)
	}
	return hitlinterface.SchemaOf(t)
}

// isSVG reports whether the outermost element of a document is an SVG image.
func isSVG(data []byte) bool {
	d := xml.NewDecoder(bytes.NewReader(data))
	d.Strict = false // Drawing programs write entities into the document type that are declared nowhere.
	for {
		switch token, err := d.Token(); t := token.(type) {
		case xml.StartElement:
			return t.Name.Local == "svg"
		default:
			if err != nil {
				return false
			}
		}
	}
}
