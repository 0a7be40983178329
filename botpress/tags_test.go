package botpress_test

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hitl-go/sdk/botpress"
)

// Tags are sorted, so that equal ones are the same text, and what is no UTF-8 is replaced, as encoding/json does.
func TestTagsInJSON(t *testing.T) {
	for want, tags := range map[string]botpress.Tags{
		`{}`:                          {},
		`{"id":"a"}`:                  {"id": "a"},
		`{"a":"","b":"2","c":"1"}`:    {"c": "1", "a": "", "b": "2"},
		`{"\"\\\n":"<é&😀>","é":"\t"}`: {"\"\\\n": "<é&😀>", "é": "\t"},
		`{"a":"x�"}`:                  {"a": "x\xff"},
	} {
		direct, err := tags.MarshalJSON()
		if diff := cmp.Diff(want, string(direct)); diff != "" || err != nil {
			t.Errorf("%q: %v (-want +got):\n%s", tags, err, diff)
		}
		text, err := json.Marshal(tags)
		var got, plain map[string]string
		if err := errors.Join(err, json.Unmarshal(text, &got)); err != nil {
			t.Errorf("%q: %v", tags, err)
		}
		if text, err = json.Marshal(map[string]string(tags)); err != nil || json.Unmarshal(text, &plain) != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(plain, got); diff != "" {
			t.Errorf("%q (-plain map +tags):\n%s", tags, diff)
		}
	}
	if text, err := json.Marshal(botpress.Tags(nil)); string(text) != "{}" || err != nil {
		t.Errorf("nil tags are %s, %v", text, err)
	}
}
