package message_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/hitl-go/sdk/message"
)

// A history as it comes with startHitl, read with a type switch.
func Example() {
	const data = `[
		{"source": {"type": "user", "userId": "user_01"}, "type": "text", "payload": {"text": "It broke, see:"}},
		{"source": {"type": "user", "userId": "user_01"}, "type": "image", "payload": {"imageUrl": "https://example.com/shoe.png"}},
		{"source": {"type": "bot"}, "type": "choice", "payload": {"text": "Left or right?", "options": [{"label": "Left", "value": "l"}]}},
		{"source": {"type": "bot"}, "type": "hologram", "payload": {"depth": 3}}
	]`
	var history []message.Turn
	if err := json.Unmarshal([]byte(data), &history); err != nil {
		fmt.Println(err)
		return
	}
	for _, turn := range history {
		switch m := turn.Message.(type) {
		case message.Text:
			fmt.Println("says", m.Text)
		case message.Image:
			fmt.Println("shows", m.ImageURL)
		case message.Choice:
			fmt.Println("asks", m.Text, "of", len(m.Options), "options")
		default:
			fmt.Println("sends", message.PlainText(m))
		}
	}
	// Output:
	// says It broke, see:
	// shows https://example.com/shoe.png
	// asks Left or right? of 1 options
	// sends [hologram] {"depth":3}
}

// One line makes a history into the first comment of a ticket.
func ExampleTranscript() {
	history := []message.Turn{
		{UserID: "user_01", Message: message.Text{Text: "My order has not arrived."}},
		{UserID: "user_01", Message: message.Text{Text: "It is number 4711."}},
		{Message: message.Text{Text: "I will get someone to help you."}},
	}
	fmt.Println(message.Transcript(context.Background(), history, nil))
	// Output:
	// User:
	//   My order has not arrived.
	//
	//   It is number 4711.
	//
	// Bot:
	//   I will get someone to help you.
}

// A desk that takes 4,096 UTF-16 units gets as much of the end of the conversation as fits.
func ExampleTranscript_limit() {
	var history []message.Turn
	for i := range 1000 {
		history = append(history, message.Turn{UserID: "user_01", Message: message.Text{Text: fmt.Sprint("This is message ", i+1, " 👋")}})
	}
	comment := message.Transcript(context.Background(), history, &message.TranscriptOptions{
		Format: message.FormatMarkdown,
		Limit:  4096,
		Unit:   message.UTF16,
		Name:   func(context.Context, string) (string, error) { return "Jane", nil },
	})
	lines := strings.Split(comment, "\n")
	fmt.Println(message.UTF16.Len(comment) <= 4096)
	fmt.Println(strings.Join(lines[:5], "\n"))
	fmt.Println("…")
	fmt.Println(lines[len(lines)-1])
	// Output:
	// true
	// *845 earlier messages left out*
	//
	// ### Jane
	//
	// > This is message 846 👋
	// …
	// > This is message 1000 👋
}

// The whole of a long history, in as many comments as it takes.
func ExampleTranscriptParts() {
	history := []message.Turn{
		{UserID: "user_01", Message: message.Text{Text: "Good morning! I have a question about the washing machine."}},
		{Message: message.Text{Text: "Yes?"}},
	}
	for _, part := range message.TranscriptParts(context.Background(), history, &message.TranscriptOptions{Limit: 50}) {
		fmt.Printf("%q\n", part)
	}
	// Output:
	// "User:\n  Good morning! I have a question about the"
	// "User:\n  washing machine."
	// "Bot:\n  Yes?"
}

// A text for a desk that takes 80 UTF-16 units a message.
func ExampleSplit() {
	text := "Your parcel is on its way. 🚚 You can follow it on https://example.com/parcels/4711.\n\nIs there anything else?"
	for _, piece := range message.Split(text, 80, message.UTF16) {
		fmt.Println("-", piece)
	}
	// Output:
	// - Your parcel is on its way.
	// - 🚚 You can follow it on https://example.com/parcels/4711.
	// - Is there anything else?
}

// The subject of a ticket.
func ExampleTitle() {
	fmt.Println(message.Title("My parcel\nhas not arrived yet", 20, message.Runes))
	// Output: My parcel has not…
}

func ExampleValidate() {
	fmt.Println(message.Validate(message.Card{
		Title: "Our shop",
		Actions: []message.Action{
			{Kind: message.ActionSay, Label: "Help", Value: "Help!"},
			{Kind: message.ActionURL, Value: "https://example.com"},
		},
	}))
	// Output: card.actions[1].label: must not be empty
}

// Messages in JSON of one's own.
func ExampleEnvelope() {
	var note struct {
		Author  string           `json:"author"`
		Message message.Envelope `json:"message"`
	}
	data := []byte(`{"author": "Alice", "message": {"type": "text", "payload": {"text": "Hi"}}}`)
	if err := json.Unmarshal(data, &note); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(note.Author, "wrote", message.PlainText(note.Message.Message))
	// Output: Alice wrote Hi
}

func ExampleFlatten() {
	bloc := message.Bloc{Items: []message.BlocItem{
		message.Text{Text: "Here it is:"},
		message.File{FileURL: "https://example.com/invoice.pdf", Title: "Invoice"},
	}}
	for m := range message.Flatten(bloc) {
		fmt.Println(m.Type(), "–", message.PlainText(m))
	}
	// Output:
	// text – Here it is:
	// file – File: Invoice <https://example.com/invoice.pdf>
}
