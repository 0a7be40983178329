package message_test

import (
	stdcmp "cmp"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hitl-go/sdk/message"
)

// all is one message of each type, as in testdata/history.json.
func all() []message.Message {
	return []message.Message{
		message.Text{Text: "My invoice is wrong.\nIt says 1 * 200 € <twice>"},
		message.Choice{Text: "Which one?", Options: []message.Option{{Label: "May", Value: "2026-05"}, {Label: "June", Value: "June"}}},
		message.Image{ImageURL: "https://example.com/i/1.png", Title: "The invoice"},
		message.Audio{AudioURL: "https://example.com/a/1.ogg"},
		message.Video{VideoURL: "https://example.com/v/1.mp4", Title: "Me, angry"},
		message.File{FileURL: "https://example.com/f/May (final).pdf", Title: "May.pdf"},
		message.Location{Latitude: -22.9519, Longitude: -43.2105, Address: "Parque Nacional da Tijuca\nRio de Janeiro", Title: "Cristo Redentor"},
		message.Dropdown{Text: "Your country?", Options: []message.Option{{Label: "Brazil", Value: "BR"}, {Label: "Québec", Value: "CA-QC"}}},
		message.Card{Title: "Billing", Subtitle: "Open all day", ImageURL: "https://example.com/c/1.png", Actions: []message.Action{
			{Kind: message.ActionURL, Label: "Visit", Value: "https://example.com/billing"},
			{Kind: message.ActionSay, Label: "Call me", Value: "Please call me"},
			{Kind: message.ActionPostback, Label: "Menu", Value: "menu"},
		}},
		message.Carousel{Items: []message.Card{
			{Title: "Plan A", Actions: []message.Action{}},
			{Title: "Plan B", Subtitle: "Cheaper", Actions: []message.Action{{Kind: message.ActionPostback, Label: "Take it", Value: "plan_b"}}},
		}},
		message.Bloc{Items: []message.BlocItem{
			message.Text{Text: "Look:"},
			message.Markdown{Markdown: "It is **easy**"},
			message.Image{ImageURL: "https://example.com/b/1.png"},
			message.Audio{AudioURL: "https://example.com/b/2.ogg", Title: "Hold music"},
			message.Video{VideoURL: "https://example.com/b/3.mp4"},
			message.File{FileURL: "https://example.com/b/4.pdf", Title: "Manual"},
			message.Location{Latitude: 48.8584, Longitude: 2.2945},
		}},
		message.Markdown{Markdown: "# Bye\n\n- see [us](https://example.com)"},
	}
}

func TestHistoryOfAllTypes(t *testing.T) {
	data := read(t, "history.json")
	var turns []message.Turn
	if err := json.Unmarshal(data, &turns); err != nil {
		t.Fatal(err)
	}
	var got []message.Message
	for i, turn := range turns {
		got = append(got, turn.Message)
		if _, unknown := turn.Message.(message.Unknown); unknown {
			t.Errorf("turn %d is unknown", i)
		}
	}
	if diff := cmp.Diff(all(), got); diff != "" {
		t.Errorf("decoded (-want +got):\n%s", diff)
	}
	if turns[0].UserID != "user_01" || turns[1].UserID != "" {
		t.Errorf("speakers are %q and %q, want user_01 and the bot", turns[0].UserID, turns[1].UserID)
	}
	again, err := json.Marshal(turns)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(parse(t, data), parse(t, again)); diff != "" {
		t.Errorf("encoded again (-want +got):\n%s", diff)
	}
}

// The HITL plugin sends payloads with keys that are not in the schemas.
func TestRecordings(t *testing.T) {
	var recorded struct {
		Messages  []json.RawMessage   `json:"messages"`
		Histories [][]json.RawMessage `json:"histories"`
	}
	if err := json.Unmarshal(read(t, "recorded.json"), &recorded); err != nil {
		t.Fatal(err)
	}
	for _, raw := range slices.Concat(append(recorded.Histories, recorded.Messages)...) {
		var e message.Envelope
		if err := json.Unmarshal(raw, &e); err != nil {
			t.Fatal(err)
		}
		var wire struct {
			Payload map[string]any `json:"payload"`
		}
		if err := json.Unmarshal(raw, &wire); err != nil {
			t.Fatal(err)
		}
		for _, key := range []string{"type", "userId", "additionalData"} {
			delete(wire.Payload, key)
		}
		_, payload, err := message.Encode(e.Message)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(any(wire.Payload), parse(t, payload)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", raw, diff)
		}
		if message.PlainText(e.Message) == "" {
			t.Errorf("%s renders as nothing", raw)
		}
	}
}

func TestEncodingSatisfiesTheInterface(t *testing.T) {
	var schemas struct {
		Channel map[message.Type]schema `json:"channel"`
		History schema                  `json:"history"`
	}
	if err := json.Unmarshal(read(t, "hitl-2.1.0.schemas.json"), &schemas); err != nil {
		t.Fatal(err)
	}
	sparse := []message.Message{ // Required fields only, and nil slices.
		message.Image{ImageURL: "u"},
		message.Audio{AudioURL: "u"},
		message.Video{VideoURL: "u"},
		message.File{FileURL: "u"},
		message.Location{},
		message.Card{Title: "t"},
		message.Carousel{},
		message.Bloc{},
		message.Choice{Text: "t"},
		message.Dropdown{Text: "t"},
		message.Carousel{Items: []message.Card{{Title: "t"}}},
	}
	for _, m := range append(all(), sparse...) {
		turn, err := json.Marshal([]message.Turn{{Message: m}, {UserID: "u", Message: m}})
		if err != nil {
			t.Fatal(err)
		}
		if err := schemas.History.check("messageHistory", parse(t, turn)); err != nil {
			t.Errorf("history: %v in %s", err, turn)
		}
		kind, payload, err := message.Encode(m)
		if err != nil {
			t.Fatal(err)
		}
		if channel, ok := schemas.Channel[kind]; ok {
			if err := channel.check(string(kind), parse(t, payload)); err != nil {
				t.Errorf("channel: %v in %s", err, payload)
			}
		}
		if err := message.Validate(m); err != nil {
			t.Errorf("the schemas accept %s, Validate does not: %v", payload, err)
		}
	}
}

func TestDecodeLosesNothing(t *testing.T) {
	for _, tt := range []struct {
		name, kind, payload string
		want                message.Message
	}{
		{"unknown keys", "text", `{"text":"a","type":"text","userId":"u","x":{}}`, message.Text{Text: "a"}},
		{"keys are exact", "text", `{"text":"a","TEXT":"b"}`, message.Text{Text: "a"}},
		{"null is no title", "image", `{"imageUrl":"u","title":null}`, message.Image{ImageURL: "u"}},
		{"null is no actions", "card", `{"title":"t","actions":null}`, message.Card{Title: "t", Actions: []message.Action{}}},
		{"unknown type", "poll", `{"question": "?"}`, unknown("poll", `{"question": "?"}`)},
		{"no type", "", `{"text":"a"}`, unknown("", `{"text":"a"}`)},
		{"required key missing", "text", `{"markdown":"a"}`, unknown("text", `{"markdown":"a"}`)},
		{"required key null", "text", `{"text":null}`, unknown("text", `{"text":null}`)},
		{"wrong shape", "text", `{"text":5}`, unknown("text", `{"text":5}`)},
		{"wrong shape of an option", "choice", `{"text":"a","options":["b"]}`, unknown("choice", `{"text":"a","options":["b"]}`)},
		{"wrong shape of an action", "card", `{"title":"a","actions":[{"label":"b"}]}`, unknown("card", `{"title":"a","actions":[{"label":"b"}]}`)},
		{"no list", "carousel", `{"cards":[]}`, unknown("carousel", `{"cards":[]}`)},
		{"too great a number", "location", `{"latitude":1e999,"longitude":0}`, unknown("location", `{"latitude":1e999,"longitude":0}`)},
		{"no object", "text", `"a"`, unknown("text", `"a"`)},
		{"null", "text", `null`, unknown("text", `null`)},
		{
			"another kind of action", "card", `{"title":"a","actions":[{"action":"dance","label":"b","value":"c"}]}`,
			message.Card{Title: "a", Actions: []message.Action{{Kind: "dance", Label: "b", Value: "c"}}},
		},
		{
			"items of a bloc", "bloc", `{"items":[
			{"type":"text","payload":{"text":"a"}},
			{"type":"text","payload":{"text":5}},
			{"type":"card","payload":{"title":"t","actions":[]}},
			{"type":"bloc","payload":{"items":[]}},
			{"type":7},
			"b",
			null]}`,
			message.Bloc{Items: []message.BlocItem{
				message.Text{Text: "a"},
				unknown("text", `{"text":5}`),
				unknown("card", `{"title":"t","actions":[]}`),
				unknown("bloc", `{"items":[]}`),
				unknown("", `{"type":7}`),
				unknown("", `"b"`),
				unknown("", `null`),
			}},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := message.Decode(message.Type(tt.kind), []byte(tt.payload))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func unknown(kind, payload string) message.Unknown {
	return message.Unknown{Kind: message.Type(kind), Payload: json.RawMessage(payload)}
}

func TestDecodeNeedsJSON(t *testing.T) {
	for _, payload := range []string{"", "{", "text", `{"text":"a"} x`} {
		if m, err := message.Decode(message.TypeText, []byte(payload)); err == nil {
			t.Errorf("Decode(%q) = %v, want an error", payload, m)
		}
	}
}

func TestDecodeKeepsNoPartOfItsInput(t *testing.T) {
	payload := []byte(`{"question":"?"}`)
	m, err := message.Decode("poll", payload)
	if err != nil {
		t.Fatal(err)
	}
	copy(payload, "xxxxxxxx")
	if diff := cmp.Diff(message.Message(unknown("poll", `{"question":"?"}`)), m); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestEnvelope(t *testing.T) {
	for _, tt := range []struct {
		in   string
		want message.Message
		out  string // Equals in if empty.
	}{
		{`{"type":"text","payload":{"text":"a"}}`, message.Text{Text: "a"}, ""},
		{`{"type":"text","payload":{"text":"a"},"id":"msg"}`, message.Text{Text: "a"}, `{"type":"text","payload":{"text":"a"}}`},
		{`{"type":"poll","payload":{"question":"?"}}`, unknown("poll", `{"question":"?"}`), ""},
		{`{"type":"poll","payload":null}`, unknown("poll", `null`), ""},
		{
			`{"type":"bloc","payload":{"items":[{"type":"card","payload":{"title":5}},"x"]}}`,
			message.Bloc{Items: []message.BlocItem{unknown("card", `{"title":5}`), unknown("", `"x"`)}},
			"",
		},
		{`{"type":"text"}`, unknown("", `{"type":"text"}`), ""},
		{`{"type":"","payload":{}}`, unknown("", `{"type":"","payload":{}}`), ""},
		{`[1]`, unknown("", `[1]`), ""},
		{`null`, unknown("", `null`), ""},
	} {
		var e message.Envelope
		if err := json.Unmarshal([]byte(tt.in), &e); err != nil {
			t.Errorf("%s: %v", tt.in, err)
			continue
		}
		if diff := cmp.Diff(tt.want, e.Message); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.in, diff)
		}
		out, err := json.Marshal(e)
		if err != nil {
			t.Errorf("%s: %v", tt.in, err)
			continue
		}
		if want := stdcmp.Or(tt.out, tt.in); string(out) != want {
			t.Errorf("%s encodes as %s, want %s", tt.in, out, want)
		}
	}
}

func TestTurnWithoutASourceIsTheBots(t *testing.T) {
	for _, in := range []string{
		`{"type":"text","payload":{"text":"a"}}`,
		`{"source":null,"type":"text","payload":{"text":"a"}}`,
		`{"source":{"type":"user"},"type":"text","payload":{"text":"a"}}`,
		`{"source":"user","type":"text","payload":{"text":"a"}}`,
	} {
		turn := message.Turn{UserID: "someone before"}
		if err := json.Unmarshal([]byte(in), &turn); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(message.Turn{Message: message.Text{Text: "a"}}, turn); diff != "" {
			t.Errorf("%s (-want +got):\n%s", in, diff)
		}
	}
}

// A pointer to a variant is a message too, and so is a struct that embeds a variant.
func TestPointersAndNils(t *testing.T) {
	pointer := &message.Bloc{Items: []message.BlocItem{&message.Text{Text: "a"}, message.Text{Text: "b"}}}
	kind, payload, err := message.Encode(pointer)
	want := `{"items":[{"type":"text","payload":{"text":"a"}},{"type":"text","payload":{"text":"b"}}]}`
	if err != nil || kind != message.TypeBloc || string(payload) != want {
		t.Errorf("Encode = %s, %s, %v, want %s", kind, payload, err, want)
	}
	if err := message.Validate(pointer); err != nil {
		t.Error(err)
	}
	if got := message.PlainText(pointer); got != "a\n\nb" {
		t.Errorf("PlainText = %q", got)
	}
	flat := slices.Collect(message.Flatten(pointer))
	if diff := cmp.Diff([]message.Message{message.Text{Text: "a"}, message.Text{Text: "b"}}, flat); diff != "" {
		t.Errorf("Flatten (-want +got):\n%s", diff)
	}

	type foreign struct{ message.Text }
	type hollow struct{ message.Message }
	var noText *message.Text
	var noForeign *foreign
	for _, m := range []message.Message{nil, noText, (*message.Bloc)(nil), foreign{}, hollow{}, &hollow{}, noForeign} {
		if _, _, err := message.Encode(m); err == nil {
			t.Errorf("Encode(%T) gives no error", m)
		}
		if err := message.Validate(m); err == nil {
			t.Errorf("Validate(%T) gives no error", m)
		}
		if _, err := json.Marshal(message.Envelope{Message: m}); err == nil {
			t.Errorf("Envelope of %T gives no error", m)
		}
		if _, err := json.Marshal(message.Turn{Message: m}); err == nil {
			t.Errorf("Turn of %T gives no error", m)
		}
		if got := message.PlainText(m) + message.ToMarkdown(m) + message.ToHTML(m); got != "" {
			t.Errorf("%T renders as %q", m, got)
		}
		for range message.Flatten(m) {
			t.Errorf("Flatten(%T) yields something", m)
		}
	}
	items := message.Bloc{Items: []message.BlocItem{message.Text{Text: "a"}, nil, noText}}
	if got := message.PlainText(items); got != "a" {
		t.Errorf("PlainText of a bloc with nils = %q", got)
	}
	if _, _, err := message.Encode(items); err == nil || !strings.Contains(err.Error(), "items[1]") {
		t.Errorf("Encode of a bloc with nils: %v, want an error about items[1]", err)
	}
	if err := message.Validate(items); err == nil || !strings.Contains(err.Error(), "bloc.items[1]") {
		t.Errorf("Validate of a bloc with nils: %v, want an error about bloc.items[1]", err)
	}
}

func TestEncodeRefusesWhatIsNoJSON(t *testing.T) {
	for _, m := range []message.Message{
		message.Location{Latitude: math.NaN()},
		message.Location{Longitude: math.Inf(1)},
		message.Unknown{Kind: "poll"},
		unknown("poll", "{"),
		message.Bloc{Items: []message.BlocItem{unknown("poll", "{")}},
	} {
		if _, payload, err := message.Encode(m); err == nil {
			t.Errorf("Encode(%v) = %s, want an error", m, payload)
		}
	}
}

func TestOnlyPlainMessagesAreBlocItems(t *testing.T) {
	for _, m := range append(all(), message.Unknown{}) {
		_, got := m.(message.BlocItem)
		var want bool
		switch m.(type) {
		case message.Text, message.Markdown, message.Image, message.Audio, message.Video, message.File, message.Location, message.Unknown:
			want = true
		}
		if got != want {
			t.Errorf("%T is an item of a bloc: %v, want %v", m, got, want)
		}
	}
}

func TestFlattenStops(t *testing.T) {
	for m := range message.Flatten(all()[10]) {
		if m.Type() == message.TypeImage {
			break // The iterator must not go on.
		}
	}
}

func TestValidateNamesTheField(t *testing.T) {
	action := message.Action{Kind: message.ActionSay, Label: "l", Value: "v"}
	for _, tt := range []struct {
		message message.Message
		want    string
	}{
		{message.Text{}, "text.text: must not be empty"},
		{message.Markdown{}, "markdown.markdown: must not be empty"},
		{message.Image{Title: "t"}, "image.imageUrl: must not be empty"},
		{message.Audio{}, "audio.audioUrl: must not be empty"},
		{message.Video{}, "video.videoUrl: must not be empty"},
		{message.File{}, "file.fileUrl: must not be empty"},
		{message.Location{Longitude: math.Inf(1)}, "location.longitude: must be a finite number"},
		{message.Card{Title: "t", Actions: []message.Action{action, {Kind: message.ActionURL, Value: "v"}}}, "card.actions[1].label: must not be empty"},
		{message.Card{Title: "t", Actions: []message.Action{{Kind: "dance", Label: "l", Value: "v"}}}, "card.actions[0].action: must be postback, url or say"},
		{message.Carousel{Items: []message.Card{{Title: "t"}, {}}}, "carousel.items[1].title: must not be empty"},
		{message.Choice{Text: "?", Options: []message.Option{{Label: "l"}}}, "choice.options[0].value: must not be empty"},
		{message.Dropdown{Options: []message.Option{{}}}, "dropdown.text: must not be empty\ndropdown.options[0].label: must not be empty\ndropdown.options[0].value: must not be empty"},
		{message.Bloc{Items: []message.BlocItem{message.Text{Text: "a"}, message.File{}}}, "bloc.items[1].fileUrl: must not be empty"},
		{unknown("", `{}`), "unknown: must have a type"},
		{unknown("poll", `[]`), "poll.payload: must be a JSON object"},
	} {
		if err := message.Validate(tt.message); err == nil || err.Error() != tt.want {
			t.Errorf("Validate(%#v) = %v, want %s", tt.message, err, tt.want)
		}
	}
}

// schema is the subset of JSON Schema that the interface's schemas use.
type schema struct {
	Type       string            `json:"type"`
	Const      any               `json:"const"`
	Enum       []any             `json:"enum"`
	MinLength  *int              `json:"minLength"`
	MaxLength  *int              `json:"maxLength"`
	Properties map[string]schema `json:"properties"`
	Required   []string          `json:"required"`
	Items      *schema           `json:"items"`
	AnyOf      []schema          `json:"anyOf"`
}

func (s schema) check(path string, v any) error {
	if len(s.AnyOf) > 0 {
		var errs []error
		for _, option := range s.AnyOf {
			err := option.check(path, v)
			if err == nil {
				return nil
			}
			errs = append(errs, err)
		}
		return errors.Join(errs...)
	}
	if s.Const != nil && v != s.Const || s.Enum != nil && !slices.Contains(s.Enum, v) {
		return fmt.Errorf("%s is %v", path, v)
	}
	switch v := v.(type) {
	case string:
		if s.Type != "string" || s.MinLength != nil && len(v) < *s.MinLength || s.MaxLength != nil && len(v) > *s.MaxLength {
			return fmt.Errorf("%s is the string %q", path, v)
		}
	case float64:
		if s.Type != "number" {
			return fmt.Errorf("%s is a number", path)
		}
	case []any:
		if s.Type != "array" {
			return fmt.Errorf("%s is an array", path)
		}
		for i, item := range v {
			if err := s.Items.check(fmt.Sprintf("%s[%d]", path, i), item); err != nil {
				return err
			}
		}
	case map[string]any:
		if s.Type != "object" {
			return fmt.Errorf("%s is an object", path)
		}
		for _, key := range s.Required {
			if _, ok := v[key]; !ok {
				return fmt.Errorf("%s.%s is missing", path, key)
			}
		}
		for key, value := range v {
			property, ok := s.Properties[key]
			if !ok { // All objects of the interface say additionalProperties: false.
				return fmt.Errorf("%s.%s is one too many", path, key)
			}
			if err := property.check(path+"."+key, value); err != nil {
				return err
			}
		}
	default:
		return fmt.Errorf("%s is %v", path, v)
	}
	return nil
}

func read(tb testing.TB, name string) []byte {
	tb.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		tb.Fatal(err)
	}
	return data
}

func parse(tb testing.TB, data []byte) (v any) {
	tb.Helper()
	if err := json.Unmarshal(data, &v); err != nil {
		tb.Fatal(err)
	}
	return v
}
