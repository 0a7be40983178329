package message

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"

	"github.com/hitl-go/sdk/internal/strictjson"
)

// Decode decodes the payload of a message of type t. The result is a value, never a pointer, and
// nil only if there is an error.
//
// Decode is lenient. It ignores unknown keys, because the HITL plugin adds "type" and "userId" to
// payloads. A message of an unknown type, or with a payload that does not match its type, becomes
// [Unknown] as a whole; of a bloc, only the item does. A payload in which any object has a key twice, at
// any depth, becomes Unknown as a whole, blocs included. Only invalid JSON is an error.
func Decode(t Type, payload []byte) (Message, error) {
	if !json.Valid(payload) {
		return nil, fmt.Errorf("message: the payload of a message of type %q is not valid JSON", t)
	}
	if m, ok := decode(t, payload); ok {
		return m, nil
	}
	return Unknown{Kind: t, Payload: bytes.Clone(payload)}, nil
}

// decode reports false if the type is unknown or the payload does not match it.
func decode(t Type, payload []byte) (Message, bool) {
	o, ok := readObject(payload)
	if !ok {
		return nil, false
	}
	var m Message
	switch t {
	case TypeText:
		m = Text{Text: o.text("text")}
	case TypeMarkdown:
		m = Markdown{Markdown: o.text("markdown")}
	case TypeImage:
		m = Image{ImageURL: o.text("imageUrl"), Title: o.optional("title")}
	case TypeAudio:
		m = Audio{AudioURL: o.text("audioUrl"), Title: o.optional("title")}
	case TypeVideo:
		m = Video{VideoURL: o.text("videoUrl"), Title: o.optional("title")}
	case TypeFile:
		m = File{FileURL: o.text("fileUrl"), Title: o.optional("title")}
	case TypeLocation:
		m = Location{
			Latitude: o.number("latitude"), Longitude: o.number("longitude"),
			Address: o.optional("address"), Title: o.optional("title"),
		}
	case TypeCard:
		m = readCard(o)
	case TypeCarousel:
		m = Carousel{Items: list(o, "items", readCard)}
	case TypeChoice:
		m = Choice{Text: o.text("text"), Options: list(o, "options", readOption)}
	case TypeDropdown:
		m = Dropdown{Text: o.text("text"), Options: list(o, "options", readOption)}
	case TypeBloc:
		m = Bloc{Items: o.blocItems("items")}
	default:
		return nil, false
	}
	if o.mismatch {
		return nil, false
	}
	return m, true
}

func readCard(o *object) Card {
	return Card{
		Title: o.text("title"), Subtitle: o.optional("subtitle"), ImageURL: o.optional("imageUrl"),
		Actions: list(o, "actions", readAction),
	}
}

func readAction(o *object) Action {
	return Action{Kind: ActionKind(o.text("action")), Label: o.text("label"), Value: o.text("value")}
}

func readOption(o *object) Option {
	return Option{Label: o.text("label"), Value: o.text("value")}
}

// object reads the keys of a JSON object and records whether one is missing or has the wrong type.
//
// json.Unmarshal is too lenient for that: it accepts "TEXT" for "text", and decodes a text message
// without a text as an empty one. What stands under other keys would be lost.
type object struct {
	keys     map[string]json.RawMessage
	mismatch bool
}

func readObject(data []byte) (*object, bool) {
	var keys map[string]json.RawMessage
	if err := strictjson.Unmarshal(data, &keys); err != nil || keys == nil {
		return nil, false
	}
	return &object{keys: keys}, true
}

func (o *object) text(key string) string     { return read[string](o, key, true) }
func (o *object) optional(key string) string { return read[string](o, key, false) }
func (o *object) number(key string) float64  { return read[float64](o, key, true) }

// array reads a required array. It accepts null for an empty one, because Go encodes a nil slice as
// null.
func (o *object) array(key string) []json.RawMessage {
	if _, ok := o.keys[key]; !ok {
		o.mismatch = true
	}
	return read[[]json.RawMessage](o, key, false)
}

func (o *object) blocItems(key string) []BlocItem {
	raws := o.array(key)
	items := make([]BlocItem, len(raws))
	for i, raw := range raws {
		items[i] = decodeItem(raw)
	}
	return items
}

// decodeItem does not decode types that a bloc cannot contain: nested blocs would be parsed once
// more at each level.
func decodeItem(raw json.RawMessage) BlocItem {
	o, _ := readObject(raw)
	kind, payload, ok := o.envelope()
	if !ok {
		return Unknown{Payload: raw}
	}
	switch kind {
	case TypeText, TypeMarkdown, TypeImage, TypeAudio, TypeVideo, TypeFile, TypeLocation:
		m, _ := decode(kind, payload)
		if item, ok := m.(BlocItem); ok {
			return item
		}
		return Unknown{Kind: kind, Payload: payload}
	default:
		return Unknown{Kind: kind, Payload: payload}
	}
}

func read[T any](o *object, key string, required bool) (v T) {
	raw, ok := o.keys[key]
	if !ok || string(raw) == "null" {
		o.mismatch = o.mismatch || required
		return v
	}
	if err := strictjson.Unmarshal(raw, &v); err != nil {
		o.mismatch = true
	}
	return v
}

func list[T any](o *object, key string, read func(*object) T) []T {
	raws := o.array(key)
	items := make([]T, 0, len(raws))
	for _, raw := range raws {
		item, ok := readObject(raw)
		if !ok {
			o.mismatch = true
			return nil
		}
		items = append(items, read(item))
		o.mismatch = o.mismatch || item.mismatch
	}
	return items
}

// Encode is the inverse of [Decode]. It returns the message's type and its payload, with exactly
// the keys of the HITL interface. The message may be a value or a pointer. A nil message, a nil
// item of a bloc, a number that JSON cannot express and an [Unknown] without valid JSON are errors.
// Encode does not check the content; [Validate] does.
func Encode(m Message) (Type, json.RawMessage, error) {
	m, err := value(m)
	if err != nil {
		return "", nil, fmt.Errorf("message: %w", err)
	}
	payload, err := encode(m)
	if err != nil {
		return "", nil, fmt.Errorf("message: a message of type %q cannot be encoded: %w", m.Type(), err)
	}
	return m.Type(), payload, nil
}

// encode encodes the payload of a message that value has returned.
func encode(m Message) (json.RawMessage, error) {
	if u, ok := m.(Unknown); ok {
		if !json.Valid(u.Payload) {
			return nil, errors.New("its payload is not valid JSON")
		}
		return u.Payload, nil
	}
	return json.Marshal(m)
}

// value turns a pointer to a variant into the variant.
func value(m Message) (Message, error) {
	v := reflect.ValueOf(m)
	if v.Kind() == reflect.Pointer && !v.IsNil() {
		m, _ = v.Elem().Interface().(Message)
	}
	switch m := m.(type) {
	case Text, Markdown, Image, Audio, Video, File, Location, Card, Carousel, Choice, Dropdown, Bloc, Unknown:
		return m, nil
	case nil, *Text, *Markdown, *Image, *Audio, *Video, *File, *Location, *Card, *Carousel, *Choice, *Dropdown, *Bloc, *Unknown:
		return nil, errors.New("the message is nil")
	default: // A struct of another package that embeds a variant: sealed interfaces cannot forbid it.
		return nil, fmt.Errorf("%T is not a message: pass the variant that it embeds", m)
	}
}

// MarshalJSON encodes missing actions as an empty array, which the interface requires.
func (c Card) MarshalJSON() ([]byte, error) {
	type plain Card
	c.Actions = orEmpty(c.Actions)
	return json.Marshal(plain(c))
}

// MarshalJSON encodes missing items as an empty array, which the interface requires.
func (c Carousel) MarshalJSON() ([]byte, error) {
	type plain Carousel
	c.Items = orEmpty(c.Items)
	return json.Marshal(plain(c))
}

// MarshalJSON encodes missing options as an empty array, which the interface requires.
func (c Choice) MarshalJSON() ([]byte, error) {
	type plain Choice
	c.Options = orEmpty(c.Options)
	return json.Marshal(plain(c))
}

// MarshalJSON encodes missing options as an empty array, which the interface requires.
func (d Dropdown) MarshalJSON() ([]byte, error) {
	type plain Dropdown
	d.Options = orEmpty(d.Options)
	return json.Marshal(plain(d))
}

func orEmpty[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}

// MarshalJSON encodes each item with its type and its payload.
func (b Bloc) MarshalJSON() ([]byte, error) {
	items := make([]json.RawMessage, len(b.Items))
	for i, item := range b.Items {
		raw, err := encodeEnvelope(item)
		if err != nil {
			return nil, fmt.Errorf("items[%d]: %w", i, err)
		}
		items[i] = raw
	}
	return json.Marshal(map[string]any{"items": items})
}

// Envelope is a message in JSON, with its type and its payload:
//
//	{"type": "text", "payload": {"text": "Hi"}}
//
// Use it as a field of your own structs. Decoding ignores other keys. It never fails for valid
// JSON, and always sets Message. Encoding a nil Message is an error.
type Envelope struct {
	Message Message
}

// MarshalJSON encodes the type and the payload.
func (e Envelope) MarshalJSON() ([]byte, error) {
	return encodeEnvelope(e.Message)
}

// UnmarshalJSON decodes the type and the payload as [Decode] does.
func (e *Envelope) UnmarshalJSON(data []byte) error {
	e.Message = decodeEnvelope(data)
	return nil
}

// wireEnvelope is a message on the wire.
type wireEnvelope struct {
	Source  *wireSource     `json:"source,omitzero"` // In a history only.
	Type    Type            `json:"type"`
	Payload json.RawMessage `json:"payload"`
}

type wireSource struct {
	Type   string `json:"type"`
	UserID string `json:"userId,omitzero"`
}

func encodeEnvelope(m Message) (json.RawMessage, error) {
	m, err := value(m)
	if err != nil {
		return nil, err
	}
	payload, err := encode(m)
	if err != nil || m.Type() == "" {
		return payload, err
	}
	return json.Marshal(wireEnvelope{Type: m.Type(), Payload: payload})
}

// decodeEnvelope decodes any valid JSON.
func decodeEnvelope(data []byte) Message {
	o, _ := readObject(data)
	return o.message(data)
}

// message decodes an object with a type and a payload. raw is the whole object.
func (o *object) message(raw json.RawMessage) Message {
	kind, payload, ok := o.envelope()
	if !ok {
		return Unknown{Payload: bytes.Clone(raw)}
	}
	if m, ok := decode(kind, payload); ok {
		return m
	}
	return Unknown{Kind: kind, Payload: payload}
}

func (o *object) envelope() (kind Type, payload json.RawMessage, ok bool) {
	if o == nil {
		return "", nil, false
	}
	kind, payload = Type(o.text("type")), o.keys["payload"]
	return kind, payload, kind != "" && payload != nil
}

// MarshalJSON encodes an entry of a message history.
func (t Turn) MarshalJSON() ([]byte, error) {
	m, err := value(t.Message)
	if err != nil {
		return nil, err
	}
	payload, err := encode(m)
	if err != nil || m.Type() == "" {
		return payload, err
	}
	source := &wireSource{Type: "bot"}
	if t.UserID != "" {
		source = &wireSource{Type: "user", UserID: t.UserID}
	}
	return json.Marshal(wireEnvelope{Source: source, Type: m.Type(), Payload: payload})
}

// UnmarshalJSON decodes an entry of a message history, as leniently as [Envelope] does. A source
// without a user means the bot. It is an error if it is there twice who speaks.
func (t *Turn) UnmarshalJSON(data []byte) error {
	o, ok := readObject(data)
	if !ok {
		*t = Turn{Message: o.message(data)}
		return twice(data)
	}
	*t = Turn{Message: o.message(data)}
	source, ok := readObject(o.keys["source"])
	if !ok {
		return twice(o.keys["source"])
	}
	t.UserID = source.optional("userId")
	return nil
}

// twice returns an error if an object has a key twice.
func twice(data []byte) error {
	var keys map[string]json.RawMessage
	if err := strictjson.Unmarshal(data, &keys); errors.Is(err, strictjson.ErrDuplicate) {
		return err
	}
	return nil
}
