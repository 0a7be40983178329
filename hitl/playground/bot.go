package playground

import (
	"strings"

	"github.com/hitl-go/sdk/message"
)

// answer returns the answers of the bot to a message.
func (p *playground) answer(m message.Message) []message.Message {
	if p.opts.Bot != nil {
		return p.opts.Bot(m)
	}
	return bot(m)
}

// bot is the default bot. It has answers of every type of message, so that a history can have all of them.
func bot(m message.Message) []message.Message {
	if wantsHuman(m) {
		return nil // The HITL plugin answers.
	}
	said := strings.ToLower(message.PlainText(m))
	var answers []message.Message
	for _, topic := range topics() {
		if strings.Contains(said, topic.word) {
			answers = append(answers, topic.answer)
		}
	}
	if answers == nil {
		answers = append(answers, message.Text{Text: "I am only a bot. I can show you a card, a carousel, a choice, a dropdown, a location or some " +
			"Markdown, tell you where your parcel is, or you talk to a human."})
	}
	return answers
}

type topic struct {
	word   string
	answer message.Message
}

func topics() []topic {
	parcels := []message.Option{{Label: "4711, from Lisbon", Value: "4711"}, {Label: "4712, from Oslo", Value: "4712"}}
	arrived := message.Card{
		Title: "Parcel 4711", Subtitle: "Handed over to a neighbour on Monday",
		Actions: []message.Action{
			{Kind: message.ActionURL, Label: "Track it", Value: "https://parcels.example.com/4711"},
			{Kind: message.ActionSay, Label: "I have no neighbours", Value: "But I have no neighbours!"},
		},
	}
	underway := message.Card{
		Title: "Parcel 4712", Subtitle: "On its way from Oslo",
		Actions: []message.Action{{Kind: message.ActionPostback, Label: "Redirect it", Value: "redirect"}},
	}
	return []topic{
		{"my parcel", message.Choice{Text: "Which parcel is it?", Options: parcels}},
		{"4711", arrived},
		{"4712", underway},
		{"redirect", message.Text{Text: "Only a human can do that."}},
		{"neighbour", message.Text{Text: "That is strange. You may want to talk to a human."}},
		{"card", arrived},
		{"carousel", message.Carousel{Items: []message.Card{arrived, underway}}},
		{"choice", message.Choice{Text: "Which parcel is it?", Options: parcels}},
		{"dropdown", message.Dropdown{Text: "Where shall we leave it?", Options: []message.Option{
			{Label: "At the door", Value: "At the door"}, {Label: "With a neighbour next door", Value: "Next door"}, {Label: "In a parcel shop", Value: "In a parcel shop"},
		}}},
		{"location", message.Location{Latitude: 52.5163, Longitude: 13.3777, Title: "Parcel shop", Address: "Pariser Platz 1, Berlin"}},
		{"markdown", message.Markdown{Markdown: "**Opening hours**\n\n- Monday to Friday: 9 to 18\n- Saturday: 10 to 14"}},
	}
}
