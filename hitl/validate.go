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

// checker collects what is wrong with a definition or an action, so that an author can mend all of it at once.
type checker struct {
	subject  string // what is checked, as errors call it
	problems []error
	names    map[string]string // what has been named so far, as "action x", and by which field
}

func (c *checker) refuse(field, format string, args ...any) {
	c.problems = append(c.problems, fmt.Errorf("hitl: %s.%s: "+format, append([]any{c.subject, field}, args...)...))
}

func (c *checker) err() error { return errors.Join(c.problems...) }

func (c *checker) definition(d Definition) {
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
	for _, name := range sortedKeys(d.Attributes) {
		field := fmt.Sprintf("Attributes[%q]", name)
		c.length(field, d.Attributes[name], maxAttribute)
		if d.Attributes[name] == "" {
			c.refuse(field, "it is empty; leave the attribute out")
		}
	}

	for _, part := range []struct {
		field, kind, name string
		text              Text
	}{
		{"CreateUser", "action", d.Names.CreateUser, d.Texts.CreateUser},
		{"StartHitl", "action", d.Names.StartHitl, d.Texts.StartHitl},
		{"StopHitl", "action", d.Names.StopHitl, d.Texts.StopHitl},
		{"Assigned", "event", d.Names.Assigned, d.Texts.Assigned},
		{"Stopped", "event", d.Names.Stopped, d.Texts.Stopped},
		{"Channel", "channel", d.Names.Channel, d.Texts.Channel},
		{"Session", "entity", d.Names.Session, d.Texts.Session},
	} {
		c.name("Names."+part.field, part.kind, part.name)
		c.text("Texts."+part.field, part.text)
	}
	c.tags("UserTags", d.UserTags, ownUserTags())
	c.tags("ConversationTags", d.ConversationTags, ownConversationTags())
	c.tags("MessageTags", d.MessageTags, ownMessageTags())
	for _, name := range sortedKeys(d.Configurations) {
		field := fmt.Sprintf("Configurations[%q]", name)
		c.name(field, "configuration", name)
		c.text(field, d.Configurations[name].Text)
	}
	for _, name := range sortedKeys(d.Events) {
		field := fmt.Sprintf("Events[%q]", name)
		c.name(field, "event", name)
		c.text(field, d.Events[name].Text)
	}
	for state := range ownStates() {
		c.names["state "+state] = "the server itself"
	}
	for _, name := range sortedKeys(d.States) {
		field := fmt.Sprintf("States[%q]", name)
		c.name(field, "state", name)
		switch d.States[name].Of {
		case "", botpress.StateOfIntegration, botpress.StateOfConversation, botpress.StateOfUser:
		default:
			c.refuse(field+".Of", "a state of an integration belongs to an integration, a conversation or a user, not to a %s", d.States[name].Of)
		}
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

func (c *checker) text(field string, t Text) {
	c.length(field+".Title", t.Title, maxTitle)
	c.length(field+".Description", t.Description, maxDescription)
}

func (c *checker) length(field, s string, most int) {
	if n := utf8.RuneCountInString(s); n > most {
		c.refuse(field, "it has %d characters, and Botpress takes %d", n, most)
	}
}

func (c *checker) tags(field string, declared, own map[string]Text) {
	for _, name := range sortedKeys(declared) {
		at := fmt.Sprintf("%s[%q]", field, name)
		if _, taken := own[name]; taken {
			c.refuse(at, "the server keeps and declares this tag itself; use another name")
			continue
		}
		c.name(at, field, name)
		c.text(at, declared[name])
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
	return schemaOf(t)
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
