package message

import (
	"cmp"
	"fmt"
)

// Words are the words that a [Transcript] adds, for desks in other languages. An empty field means
// the English word. Words are escaped like any other text.
type Words struct {
	Bot  string // The name of the bot: "Bot".
	User string // The name of a user whose name cannot be found: "User".

	// The words before a title or a URL: "Image", "Audio", "Video", "File" and "Location".
	Image, Audio, Video, File, Location string

	// LeftOut returns the note that n earlier messages are not shown: "1 earlier message left out",
	// "2 earlier messages left out". n is at least 1.
	LeftOut func(n int) string
}

func (w Words) orEnglish() Words {
	w.Bot = cmp.Or(w.Bot, "Bot")
	w.User = cmp.Or(w.User, "User")
	w.Image = cmp.Or(w.Image, "Image")
	w.Audio = cmp.Or(w.Audio, "Audio")
	w.Video = cmp.Or(w.Video, "Video")
	w.File = cmp.Or(w.File, "File")
	w.Location = cmp.Or(w.Location, "Location")
	if w.LeftOut == nil {
		w.LeftOut = leftOut
	}
	return w
}

func leftOut(n int) string {
	if n == 1 {
		return "1 earlier message left out"
	}
	return fmt.Sprintf("%d earlier messages left out", n)
}
