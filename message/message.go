// Package message has a plain struct for each of the twelve message types of Botpress, and [Unknown]
// for all other types.
//
// On the wire a message is a type and a payload. A struct holds the payload:
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
//		return desk.Say(ctx, message.PlainText(msg)) // Every type can be rendered as text.
//	}
//
// Decoding is lenient and keeps what it does not understand. Encoding follows the schemas exactly.
// [Validate] reports invalid fields. [PlainText], [ToMarkdown] and [ToHTML] render any message.
// [Transcript] renders a history within the length limit of a help desk. [Split] and [Title] fit a
// text into one.
//
// Package richtext converts the HTML of help desks to text. Package media downloads files. They are
// separate packages because they need more imports.
package message

import "encoding/json"

// Type is the name of a message type on the wire, such as "text". Botpress may add types: their
// messages decode to [Unknown].
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
// [Carousel], [Choice], [Dropdown], [Bloc] and [Unknown]. Other packages cannot implement it.
//
// Decoding returns values, never pointers. The functions of this package accept both, and treat a
// nil pointer like a nil Message.
//
//sumtype:decl
type Message interface {
	// Type is the name of the message's type on the wire. It panics on a nil pointer.
	Type() Type
	message()
}

// BlocItem is a message that a [Bloc] can contain: [Text], [Markdown], [Image], [Audio], [Video],
// [File], [Location] or [Unknown]. A bloc within a bloc does not compile.
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

// Markdown is a message of formatted text. It occurs in histories and in blocs only.
type Markdown struct {
	Markdown string `json:"markdown" jsonschema:"minLength=1"`
}

// Image is an image at a URL. The title is optional.
type Image struct {
	ImageURL string `json:"imageUrl" jsonschema:"minLength=1"`
	Title    string `json:"title,omitzero" jsonschema:"minLength=1"`
}

// Audio is an audio recording at a URL. The title is optional.
type Audio struct {
	AudioURL string `json:"audioUrl" jsonschema:"minLength=1"`
	Title    string `json:"title,omitzero" jsonschema:"minLength=1"`
}

// Video is a video at a URL. The title is optional.
type Video struct {
	VideoURL string `json:"videoUrl" jsonschema:"minLength=1"`
	Title    string `json:"title,omitzero" jsonschema:"minLength=1"`
}

// File is a document at a URL. The title is optional, and often the file's name.
type File struct {
	FileURL string `json:"fileUrl" jsonschema:"minLength=1"`
	Title   string `json:"title,omitzero" jsonschema:"minLength=1"`
}

// Location is a geographic position, in degrees: north and east are positive, south and west
// negative. Address and title are optional.
type Location struct {
	Latitude  float64 `json:"latitude"`
	Longitude float64 `json:"longitude"`
	Address   string  `json:"address,omitzero"`
	Title     string  `json:"title,omitzero"`
}

// Card is a title with buttons, and optionally a subtitle and an image.
type Card struct {
	Title    string   `json:"title" jsonschema:"minLength=1"`
	Subtitle string   `json:"subtitle,omitzero" jsonschema:"minLength=1"`
	ImageURL string   `json:"imageUrl,omitzero" jsonschema:"minLength=1"`
	Actions  []Action `json:"actions"`
}

// Action is a button on a [Card].
type Action struct {
	Kind  ActionKind `json:"action" jsonschema:"enum=postback,enum=url,enum=say"`
	Label string     `json:"label" jsonschema:"minLength=1"` // The text on the button.
	Value string     `json:"value" jsonschema:"minLength=1"` // A URL, a text or a value for the bot, depending on Kind.
}

// ActionKind is what a button does. Like [Type], the set is open.
type ActionKind string

// The kinds of buttons.
const (
	ActionPostback ActionKind = "postback" // Sends the value to the bot. The user does not see it.
	ActionURL      ActionKind = "url"      // Opens the value, a URL.
	ActionSay      ActionKind = "say"      // Sends the value as a message of the user.
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
	Label string `json:"label" jsonschema:"minLength=1"` // What the user sees.
	Value string `json:"value" jsonschema:"minLength=1"` // What the bot receives.
}

// Bloc is several messages sent as one. Decode it with [Decode], [Envelope] or [Turn]:
// encoding/json cannot decode its items.
type Bloc struct {
	Items []BlocItem `json:"items"`
}

// Unknown is a message whose type this package does not know, or whose payload does not match its
// type or has a key twice. It keeps the payload, and encoding writes it back unchanged.
//
// If Kind is empty, [Envelope], [Turn] or [Bloc] found JSON without a type and a payload. Payload
// is then all of that JSON, and encoding writes it back unchanged.
type Unknown struct {
	Kind    Type
	Payload json.RawMessage
}

// Turn is one message of a conversation's history and its sender: the user with this id, or the bot
// if UserID is empty.
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

// Type is the message's Kind.
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
