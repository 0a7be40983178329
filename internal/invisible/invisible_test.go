package invisible_test

import (
	"testing"

	"github.com/hitl-go/sdk/internal/invisible"
)

func TestOnly(t *testing.T) {
	for _, s := range []string{"", " \n\t", "\u00a0\u3000", "\u200b", "\ufeff", "\u2060\u00ad\u200d", "\u202e\u2069", "\ufe0f", "\U000e0020\U000e0100", "\u3164\u115f\u1160\uffa0", "\u2800", "\u180e\u034f", "\x00\u0085"} {
		if !invisible.Only(s) {
			t.Errorf("%+q shows something", s)
		}
	}
	for _, s := range []string{"a", "\u200ba", "-", "\u0600", "😀", "\ufffd", "\u0301", "一"} {
		if invisible.Only(s) {
			t.Errorf("%+q shows nothing", s)
		}
	}
}
