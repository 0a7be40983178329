package strictjson_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hitl-go/sdk/internal/strictjson"
)

type base struct {
	ID   string `json:"id"`
	Kind string
}

type inner struct {
	UserID string            `json:"userId"`
	Tags   map[string]string `json:"tags,omitempty"`
	Next   *inner            `json:"next"`
}

type target struct {
	base
	*second

	UserID  string `json:"userId"`
	Kept    string `json:"USERID"` // differs in case only
	Ignored string `json:"-"`
	hidden  string
	Raw     json.RawMessage  `json:"raw"`
	Any     any              `json:"any"`
	Inner   inner            `json:"inner"`
	Many    []inner          `json:"many"`
	ByName  map[string]inner `json:"byName"`
	Own     own              `json:"own"`
	Count   int              `json:"count,string"`
	Bytes   []byte           `json:"bytes"`
	Failing failing          `json:"failing"`
	Number  json.Number      `json:"number"`
}

type second struct {
	Second string `json:"second"`
	ID     int    `json:"ID"`
}

// own decodes itself.
type own struct{ text string }

func (o *own) UnmarshalJSON(data []byte) error {
	o.text = string(data)
	return nil
}

var errFailed = errors.New("it has failed")

type failing struct{}

func (*failing) UnmarshalJSON([]byte) error { return errFailed }

func decode(t *testing.T, text string) (target, error) {
	t.Helper()
	var v target
	v.second = &second{}
	err := strictjson.Unmarshal([]byte(text), &v)
	return v, err
}

func TestOtherKeysAreUnknown(t *testing.T) {
	for _, key := range []string{
		"userid", "UserId", "USERid", "uſerId", `\u0055serId`, `user\u0049d`, "u\u017ferId",
	} {
		for _, text := range []string{
			`{"%":"mallory","userId":"jane"}`, `{"userId":"jane","%":"mallory"}`, `{"userId":"jane" , "%" : "mallory"}`,
		} {
			text = strings.ReplaceAll(text, "%", key)
			v, err := decode(t, text)
			if key == `user\u0049d` { // it is the key, spelt otherwise
				if !errors.Is(err, strictjson.ErrDuplicate) {
					t.Errorf("%s: %v", text, err)
				}
				continue
			}
			if err != nil || v.UserID != "jane" || v.Kept != "" {
				t.Errorf("%s: got %q and %q, %v", text, v.UserID, v.Kept, err)
			}
			nested := `{"inner":` + text + `,"many":[{},` + text + `],"byName":{"a":` + text + `}}`
			v, err = decode(t, nested)
			if err != nil || v.Inner.UserID != "jane" || v.Many[1].UserID != "jane" || v.ByName["a"].UserID != "jane" {
				t.Errorf("%s: got %+v, %v", nested, v, err)
			}
		}
	}
	v, err := decode(t, `{"id":"a","Id":"b","ID":3,"kind":"c","Kind":"d","second":"e","Second":"f","USERID":"g","hidden":"h","Ignored":"i"}`)
	if err != nil || v.base.ID != "a" || v.second.ID != 3 || v.Kind != "d" || v.Second != "e" || v.Kept != "g" || v.hidden != "" || v.Ignored != "" {
		t.Errorf("got %+v %+v, %v", v, v.second, err)
	}
}

func TestDuplicateKeys(t *testing.T) {
	for text, refused := range map[string]bool{
		`{"userId":"a","userId":"b"}`:                       true,
		`{"userId":"a","user\u0049d":"b"}`:                  true,
		`{"inner":{"userId":"a","userId":"a"}}`:             true,
		`{"inner":{"tags":{"id":"a","id":"b"}}}`:            true,
		`{"inner":{"next":{"next":{"tags":{},"tags":{}}}}}`: true,
		`{"many":[{"userId":"a"},{"userId":"b"}]}`:          false,
		`{"unknown":1,"unknown":2}`:                         true,
		`{"unknown":{"userId":"a","userId":"b"}}`:           true,
		`{"raw":{"userId":"a","userId":"b"}}`:               true,
		`{"any":{"userId":"a","userId":"b"}}`:               true,
		`{"own":{"userId":"a","userId":"b"}}`:               true,
		`{"Ignored":1,"Ignored":2}`:                         true,
		`{"unknown":1,"Unknown":2}`:                         false,
	} {
		if _, err := decode(t, text); errors.Is(err, strictjson.ErrDuplicate) != refused || err != nil && !refused {
			t.Errorf("%s: %v, want it refused: %t", text, err, refused)
		}
	}
	if _, err := decode(t, `{"inner":{"tags":{"id":"s3cret","id":"b"}}}`); err.Error() != `a key is there twice: "inner.tags.id"` {
		t.Errorf("the error is %v", err)
	}
	long := strings.Repeat("é", 1_000_000)
	if _, err := decode(t, `{"`+long+`":1,"`+long+`":2}`); !errors.Is(err, strictjson.ErrDuplicate) || len(err.Error()) > 300 {
		t.Errorf("the error of a long key has %d bytes", len(err.Error()))
	}
	fields := map[string]int{}
	text := []byte(`{"k":1,"k":2}`)
	if err := strictjson.Unmarshal(text, &fields); !errors.Is(err, strictjson.ErrDuplicate) {
		t.Errorf("a map: %v", err)
	}
	var wide struct {
		F00, F01, F02, F03, F04, F05, F06, F07, F08, F09, F10, F11, F12, F13, F14, F15, F16, F17, F18, F19, F20, F21, F22, F23 int
		F24, F25, F26, F27, F28, F29, F30, F31, F32, F33, F34, F35, F36, F37, F38, F39, F40, F41, F42, F43, F44, F45, F46, F47 int
		F48, F49, F50, F51, F52, F53, F54, F55, F56, F57, F58, F59, F60, F61, F62, F63, F64, F65, F66, F67, F68, F69, F70, F71 int
	}
	for text, refused := range map[string]bool{`{"F70":1,"F70":2}`: true, `{"F70":1,"F71":2,"F06":3,"f06":4}`: false, `{"F63":1,"F63":2}`: true} {
		if err := strictjson.Unmarshal([]byte(text), &wide); errors.Is(err, strictjson.ErrDuplicate) != refused {
			t.Errorf("many fields: %s: %v", text, err)
		}
	}
}

type (
	tagInside struct {
		A string `json:"a"`
	}
	tagged struct {
		tagInside `json:"x"`
	}
	deep    struct{ X map[string]string }
	left    struct{ deep }
	right   struct{ X tagInside }
	shallow struct {
		left
		right
	}
	one       struct{ ID string }
	two       struct{ ID string }
	ambiguous struct {
		one
		two
		Id string
	}
	untagged struct{ X map[string]string }
	withTag  struct {
		Y tagInside `json:"X"`
	}
	preferTag struct {
		untagged
		withTag
	}
)

// Of embedded structs, the fields are those that encoding/json decodes.
func TestEmbeddedStructs(t *testing.T) {
	decode := func(text string, v any) any {
		t.Helper()
		if err := strictjson.Unmarshal([]byte(text), v); err != nil {
			t.Errorf("%s: %v", text, err)
		}
		return v
	}
	if v := decode(`{"x":{"a":"jane","A":"mallory"},"X":{"a":"mallory"}}`, &tagged{}).(*tagged); v.A != "jane" {
		t.Errorf("an unexported struct with a tag: %+v", v)
	}
	if err := strictjson.Unmarshal([]byte(`{"x":{},"x":{}}`), &tagged{}); !errors.Is(err, strictjson.ErrDuplicate) {
		t.Errorf("an unexported struct with a tag, twice: %v", err)
	}
	if v := decode(`{"X":{"a":"jane","A":"mallory"}}`, &shallow{}).(*shallow); v.X.A != "jane" {
		t.Errorf("a field that is less deep: %+v", v)
	}
	if v := decode(`{"Id":"jane","ID":"mallory"}`, &ambiguous{}).(*ambiguous); v.Id != "jane" {
		t.Errorf("fields that hide each other: %+v", v)
	}
	if v := decode(`{"X":{"a":"jane","A":"mallory"}}`, &preferTag{}).(*preferTag); v.Y.A != "jane" {
		t.Errorf("a field with a tag: %+v", v)
	}
}

func TestUnique(t *testing.T) {
	for text, unique := range map[string]bool{
		`{"a":{"b":[1,{"c":2,"d":{"c":3}}]},"b":null}`: true, `[]`: true, `1`: true, `{`: true, ``: true,
		`{"a":1,"a":2}`: false, `{"a":{"b":[1,[{"c":2,"c":3}]]}}`: false, `[{},{"":1,"":2}]`: false, `{"a":1,"\u0061":2}`: false,
	} {
		if err := strictjson.Unique([]byte(text)); errors.Is(err, strictjson.ErrDuplicate) == unique {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestInvalidText(t *testing.T) {
	for _, text := range []string{
		"", " ", "{", `{"userId"`, `{"userId":`, `{"userId":"a"`, `{"userId" "a"}`, `{"userId":"a",}`, `{,}`, `{"a":1 "b":2}`, `[`, `[1,]`, `{}}`, `{} {}`,
		`"`, `"\`, `nul`, `{"userId":"a"}x`, `{"many":[{}}`, `{"userId":1}`, `{"a":}`, strings.Repeat(`{"next":`, 20_000),
	} {
		var v inner
		if err := strictjson.Unmarshal([]byte(text), &v); err == nil {
			t.Errorf("%.40q is taken for %+v", text, v)
		}
	}
	if err := strictjson.Unmarshal([]byte(`{}`), nil); err == nil {
		t.Error("it decodes into nil")
	}
}

// What is given stays as it was.
func TestInputIsLeftAlone(t *testing.T) {
	const text = `{"USERid":"mallory"}`
	data := []byte(text)
	var v inner
	if err := strictjson.Unmarshal(data, &v); err != nil || string(data) != text {
		t.Errorf("%v; the text is %s", err, data)
	}
}

// odd reports whether a key differs from a name of a field in case only.
func odd(data []byte) bool {
	names := []string{
		"id", "Kind", "second", "ID", "userId", "tags", "next", "USERID", "raw", "any", "inner", "many", "byName", "own", "count", "bytes", "failing", "number",
	}
	for d := json.NewDecoder(bytes.NewReader(data)); ; {
		token, err := d.Token()
		if err != nil {
			return false
		}
		key, _ := token.(string) // or a value: it is as well to leave those out
		if slices.ContainsFunc(names, func(name string) bool { return name != key && strings.EqualFold(name, key) }) && !slices.Contains(names, key) {
			return true
		}
	}
}

// Without keys that differ in case or are there twice, it is encoding/json.
func FuzzUnmarshal(f *testing.F) {
	for _, text := range []string{
		`{"userId":"a","USERid":"b","inner":{"tags":{"a":"b"},"next":{"userId":"c"}},"many":[{}],"any":{"x":[1,null,true]},"raw":{"a":1}}`,
		`{"byName":{"a":{"userId":"b"}},"own":[1],"count":"3","bytes":"AAEC","id":"x","ID":4,"Kind":"k","second":"s"}`,
		`{"user\u0049d":"a","u\u017ferId":"b"}`, `{"Failing":1,"failing":2}`, `{"number":5,"userId":1}`, `{"number":"x"}`, ` [ ] `, `null`, `{"many":null,"inner":null}`, `{"a\"b":1}`, "{\"\xff\":1}",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		got, want := target{second: &second{}}, target{second: &second{}}
		gotErr := strictjson.Unmarshal(data, &got)
		if errors.Is(gotErr, strictjson.ErrDuplicate) {
			return
		}
		if odd(data) {
			return
		}
		wantErr := json.Unmarshal(data, &want)
		if (gotErr == nil) != (wantErr == nil) {
			t.Fatalf("%q: %v, encoding/json: %v", data, gotErr, wantErr)
		}
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(target{}, own{}, base{}, second{})); diff != "" && gotErr == nil {
			t.Errorf("%q (-want +got):\n%s", data, diff)
		}
	})
}

// Types at which encoding/json/v2 takes offence are decoded as encoding/json does.
func TestTagsOfOtherPeople(t *testing.T) {
	type strange struct {
		A       string   `json:"a,"`             //nolint:staticcheck // It is the point.
		B       string   `json:"b,omit_empty"`   //nolint:staticcheck // It is the point.
		Strings []string `json:"strings,string"` //nolint:staticcheck // It is the point.
		Any     any      `json:"any,string"`     //nolint:staticcheck // It is the point.
		Empty   struct{ unexported int }
	}
	const text = `{"a":"x","b":"y","strings":["s"],"any":"w","Empty":{"unexported":1}}`
	var got, want strange
	if err := json.Unmarshal([]byte(text), &want); err != nil {
		t.Fatal(err)
	}
	if err := strictjson.Unmarshal([]byte(text), &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(strange{}, struct{ unexported int }{})); diff != "" || got.A != "x" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// What comes after a value that does not fit is decoded all the same.
func TestGoesOnAfterAMismatch(t *testing.T) {
	v, err := decode(t, `{"count":[],"inner":{"tags":5,"userId":"a"},"userId":"b"}`)
	if err == nil || !strings.HasPrefix(err.Error(), "count ") || v.UserID != "b" || v.Inner.UserID != "a" {
		t.Errorf("got %+v, %v", v, err)
	}
}

// Numbers that are kept as they are written come from numbers, or from strings that hold one.
func TestNumbers(t *testing.T) {
	for text, want := range map[string]json.Number{`{"number":5}`: "5", `{"number":"-1.50e3"}`: "-1.50e3", `{"number":null}`: ""} {
		if v, err := decode(t, text); err != nil || v.Number != want {
			t.Errorf("%s: got %q, %v", text, v.Number, err)
		}
	}
}

// What does not fit is named, and its value left out.
func TestMismatch(t *testing.T) {
	for text, want := range map[string]string{
		`{"userId":5}`:                          "userId is of the type number, which does not fit the Go type string",
		`{"inner":{"tags":{"a/b":["s3cret"]}}}`: "inner.tags.a/b is of the type array, which does not fit the Go type string",
		`"s3cret"`:                              "it is of the type string, which does not fit the Go type strictjson_test.target",
		`{"many":{}}`:                           "many is of the type object, which does not fit the Go type []strictjson_test.inner",
		`{"own":"s3cret","any":1,"count":true}`: "count is of the type boolean, which does not fit the Go type int",
		`{"count":"s3cret"}`:                    "count: invalid syntax",
		`{"failing":"s3cret"}`:                  "failing: it has failed",
		`{"number":"s3cret"}`:                   "number: a number is wanted",
	} {
		_, err := decode(t, text)
		if _, ok := errors.AsType[*strictjson.MismatchError](err); !ok || err.Error() != want {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
	if _, err := decode(t, `{"failing":1}`); !errors.Is(err, errFailed) {
		t.Errorf("the cause of %v is lost", err)
	}
}
