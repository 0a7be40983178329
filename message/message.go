// Package message holds what people say in a conversation: one plain struct for each of the
// twelve message types of Botpress, and [Unknown] for the thirteenth that somebody adds tomorrow.
//
// Botpress puts the type of a message beside its payload, so a variant is nothing but the payload:
//
//	{"type": "image", "payload": {"imageUrl": "https://example.com/cat.png", "title": "A cat"}}
//	message.Image{ImageURL: "https://example.com/cat.png", Title: "A cat"}
//
// Read a message with a type switch:
//
//	switch m := msg.(type) {
//	case message.Text:
//		return desk.Say(ctx, m.Text)
//	case message.Image:
//		return desk.Attach(ctx, m.ImageURL, m.Title)
//	default:
//		return desk.Say(ctx, message.PlainText(msg)) // Every type reads as text.
//	}
//
// Decoding is lenient and loses nothing, encoding is exact, [Validate] names the field that is
// wrong, [PlainText], [ToMarkdown] and [ToHTML] render any message, and a [Transcript] renders a
// whole history within the limits of a help desk.
//
// What desks send is converted by the packages richtext (HTML to text) and media (files), which
// are apart so that their imports are not forced on everyone.
package message

import "encoding/json"

// Type is the name of a message type on the wire, such as "text". The set is open: a newer
// Botpress may send names that this package does not know, and they arrive as [Unknown].
type Type string

// The message types of Botpress.
const (
	TypeText     Type = "text"
	TypeMarkdown Type = "markdown"
	TypeImage    Type = "image"
	TypeAudio    Type = "audio"
	TypeVideo    Type = "video"
	TypeFile     Type = "file"
	TypeLocation Type = "location"
	TypeCard     Type = "card"
	TypeCarousel Type = "carousel"
	TypeChoice   Type = "choice"
	TypeDropdown Type = "dropdown"
	TypeBloc     Type = "bloc"
)

// Message is one of [Text], [Markdown], [Image], [Audio], [Video], [File], [Location], [Card],
// [Carousel], [Choice], [Dropdown], [Bloc] and [Unknown]. No other package can add to the set.
//
// The variants are plain values. Decoding yields values, never pointers; functions of this package
// accept both, and treat a nil pointer like a nil Message.
//
//sumtype:decl
type Message interface {
	// Type is the name of the message's type on the wire. It panics on a nil pointer.
	Type() Type
	message()
}

// BlocItem is a message that may stand in a [Bloc]: [Text], [Markdown], [Image], [Audio],
// [Video], [File], [Location] or [Unknown]. A bloc within a bloc does not compile.
//
//sumtype:decl
type BlocItem interface {
	Message
	blocItem()
}

// Text is a message of plain text.
type Text struct {
	Text string `json:"text" jsonschema:"minLength=1"`
}

// Markdown is a message of formatted text. Botpress knows it in histories and in blocs; a channel
// of its own it is not.
type Markdown struct {
	Markdown string `json:"markdown" jsonschema:"minLength=1"`
}

// Image is a picture behind a URL. The title is optional.
type Image struct {
	ImageURL string `json:"imageUrl" jsonschema:"minLength=1"`
	Title    string `json:"title,omitzero" jsonschema:"minLength=1"`
}

// Audio is a sound recording behind a URL. The title is optional.
type Audio struct {
	AudioURL string `json:"audioUrl" jsonschema:"minLength=1"`
	Title    string `json:"title,omitzero" jsonschema:"minLength=1"`
}

// Video is a film behind a URL. The title is optional.
type Video struct {
	VideoURL string `json:"videoUrl" jsonschema:"minLength=1"`
	Title    string `json:"title,omitzero" jsonschema:"minLength=1"`
}

// File is a document behind a URL. The title is optional, and often the file's name.
type File struct {
	FileURL string `json:"fileUrl" jsonschema:"minLength=1"`
	Title   string `json:"title,omitzero" jsonschema:"minLength=1"`
}

// Location is a place on earth, in degrees: north and east are positive, south and west negative.
// Address and title are optional.
type Location struct {
	Latitude  float64 `json:"latitude"`
	Longitude float64 `json:"longitude"`
	Address   string  `json:"address,omitzero"`
	Title     string  `json:"title,omitzero"`
}

// Card is a title with buttons, and optionally a subtitle and a picture.
type Card struct {
	Title    string   `json:"title" jsonschema:"minLength=1"`
	Subtitle string   `json:"subtitle,omitzero" jsonschema:"minLength=1"`
	ImageURL string   `json:"imageUrl,omitzero" jsonschema:"minLength=1"`
	Actions  []Action `json:"actions"`
}

// Action is a button on a [Card].
type Action struct {
	Kind  ActionKind `json:"action" jsonschema:"enum=postback,enum=url,enum=say"`
	Label string     `json:"label" jsonschema:"minLength=1"` // What the button says.
	Value string     `json:"value" jsonschema:"minLength=1"` // A URL, words, or a value for the bot, as Kind tells.
}

// ActionKind says what happens when a button is pressed. Like [Type], the set is open.
type ActionKind string

// The kinds of buttons.
const (
	ActionPostback ActionKind = "postback" // The bot is told the value, the user sees nothing.
	ActionURL      ActionKind = "url"      // The value, a URL, is opened.
	ActionSay      ActionKind = "say"      // The user says the value.
)

// Carousel is a row of cards.
type Carousel struct {
	Items []Card `json:"items"`
}

// Choice is a question with buttons to answer it.
type Choice struct {
	Text    string   `json:"text" jsonschema:"minLength=1"`
	Options []Option `json:"options"`
}

// Dropdown is a question with a list to choose the answer from.
type Dropdown struct {
	Text    string   `json:"text" jsonschema:"minLength=1"`
	Options []Option `json:"options"`
}

// Option is one answer of a [Choice] or a [Dropdown].
type Option struct {
	Label string `json:"label" jsonschema:"minLength=1"` // What people see.
	Value string `json:"value" jsonschema:"minLength=1"` // What the bot gets.
}

// Bloc is several messages sent as one. [Decode] reads it; encoding/json alone can only write it.
type Bloc struct {
	Items []BlocItem `json:"items"`
}

// Unknown is a message whose type this package does not know, or whose payload does not have the
// shape that its type promises. Nothing of it is lost: encoding writes the payload as it came.
//
// An empty Kind means that not even a type beside a payload was found where [Envelope], [Turn] or
// [Bloc] looked for one. Payload is then all that stood there, and is written back as such.
type Unknown struct {
	Kind    Type
	Payload json.RawMessage
}

// Turn is one message of a conversation's history and who said it: the user with this id, or the
// bot if UserID is empty.
//
// Its JSON is an entry of the messageHistory that startHitl receives:
//
//	{"source": {"type": "user", "userId": "user_01"}, "type": "text", "payload": {"text": "Hi"}}
//	{"source": {"type": "bot"}, "type": "text", "payload": {"text": "Hello"}}
type Turn struct {
	UserID  string
	Message Message
}

// Type is [TypeText].
func (Text) Type() Type { return TypeText }

// Type is [TypeMarkdown].
func (Markdown) Type() Type { return TypeMarkdown }

// Type is [TypeImage].
func (Image) Type() Type { return TypeImage }

// Type is [TypeAudio].
func (Audio) Type() Type { return TypeAudio }

// Type is [TypeVideo].
func (Video) Type() Type { return TypeVideo }

// Type is [TypeFile].
func (File) Type() Type { return TypeFile }

// Type is [TypeLocation].
func (Location) Type() Type { return TypeLocation }

// Type is [TypeCard].
func (Card) Type() Type { return TypeCard }

// Type is [TypeCarousel].
func (Carousel) Type() Type { return TypeCarousel }

// Type is [TypeChoice].
func (Choice) Type() Type { return TypeChoice }

// Type is [TypeDropdown].
func (Dropdown) Type() Type { return TypeDropdown }

// Type is [TypeBloc].
func (Bloc) Type() Type { return TypeBloc }

// Type is the message's Kind: the name that came over the wire.
func (u Unknown) Type() Type { return u.Kind }

func (Text) message()     {}
func (Markdown) message() {}
func (Image) message()    {}
func (Audio) message()    {}
func (Video) message()    {}
func (File) message()     {}
func (Location) message() {}
func (Card) message()     {}
func (Carousel) message() {}
func (Choice) message()   {}
func (Dropdown) message() {}
func (Bloc) message()     {}
func (Unknown) message()  {}

func (Text) blocItem()     {}
func (Markdown) blocItem() {}
func (Image) blocItem()    {}
func (Audio) blocItem()    {}
func (Video) blocItem()    {}
func (File) blocItem()     {}
func (Location) blocItem() {}
func (Unknown) blocItem()  {}
