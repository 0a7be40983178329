package redact_test

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/hitl-go/sdk/internal/racetest"
	"github.com/hitl-go/sdk/internal/redact"
)

// forms are the ways in which programs write a secret, made by those programs.
func forms(secret string) map[string]string {
	inner := func(s string) string { return s[1 : len(s)-1] }
	quoted := func(s string) string { return inner(strconv.Quote(s)) }
	asJSON := func(s string) string { b, _ := json.Marshal(s); return inner(string(b)) }
	escaped := url.QueryEscape(secret)
	everything, lower := "", ""
	for _, b := range []byte(secret) {
		everything += fmt.Sprintf("%%%02X", b)
		lower += fmt.Sprintf("%%%02x", b)
	}
	all := map[string]string{
		"plain":               secret,
		"in a query":          escaped,
		"in a query, with 20": strings.ReplaceAll(escaped, "+", "%20"),
		"in a path":           url.PathEscape(secret),
		"as a URL's path":     (&url.URL{Path: "/" + secret}).EscapedPath()[1:],
		"as a password":       strings.TrimPrefix(url.UserPassword("", secret).String(), ":"),
		"all escaped":         everything,
		"all escaped, lower":  lower,
		"quoted":              quoted(secret),
		"quoted twice":        quoted(quoted(secret)),
		"quoted as ASCII":     inner(strconv.QuoteToASCII(secret)),
		"in JSON":             asJSON(secret),
		"in JSON in JSON":     asJSON(asJSON(secret)),
		"in JSON by PHP":      strings.ReplaceAll(asJSON(secret), "/", `\/`),
		"quoted JSON":         quoted(asJSON(secret)),
		"password in JSON":    asJSON(strings.TrimPrefix(url.UserPassword("", secret).String(), ":")),
		"in hex":              hex.EncodeToString([]byte(secret)),
		"in upper hex":        strings.ToUpper(hex.EncodeToString([]byte(secret))),
		"as runes":            string([]rune(secret)),
		"as bytes":            inner(fmt.Sprintf("%v", []byte(secret))),
	}
	for before := range 3 {
		for after := range 4 {
			text := []byte("uuu"[:before] + secret + "vvvv"[:after])
			for name, alphabet := range map[string]*base64.Encoding{
				"standard": base64.StdEncoding, "standard, no padding": base64.RawStdEncoding,
				"URL": base64.URLEncoding, "URL, no padding": base64.RawURLEncoding,
			} {
				// At its ends, the secret shares digits with what stands around it.
				code := alphabet.EncodeToString(text)[before*8/6:]
				if after > 0 {
					code = code[:((before+len(secret))*8+5)/6-before*8/6]
				}
				all[fmt.Sprintf("base64, %s, %d before, %d after", name, before, after)] = code
			}
		}
	}
	return all
}

// awkward are secrets that have everything in them that is written in more than one way.
var awkward = map[string]string{
	"plain":      "hunter2",
	"short":      "s3cr3t",
	"signs":      `a+b/c d&"e'<f>%41\n$,;:@=?#[]!*()~^|{}` + "`",
	"backslash":  `\\\"\\\\\`,
	"percent":    `%25%%2525%`,
	"umlauts":    "Grüße, 世界 🙂!",
	"lines":      "-----BEGIN KEY-----\nabc\tdef\r\n\x00\x1f\x7f-----END KEY-----",
	"no text":    "\xff\xfe\x80key\xc3\x28\xed\xa0\x80",
	"base64":     "q83vAQ+/EjRWeJq83vASNFZ4mrze8BI0VniavN7wEjQ=",
	"number":     "12345678",
	"repetitive": "abababababab",
}

func TestForms(t *testing.T) {
	for kind, secret := range awkward {
		m := redact.New("another secret", secret)
		for name, form := range forms(secret) {
			for _, around := range [][2]string{
				{"", ""},
				{"https://desk.example.com/?key=", "&page=2"},
				{"https://jane:", "@desk.example.com"},
				{`{"url": "https://desk.example.com", "key": "`, `"}`},
				{"Grüße ", " 🙂"},
			} {
				want := around[0] + "[secret]" + around[1]
				if got := m.Mask(around[0] + form + around[1]); got != want {
					t.Errorf("%s %s: %q becomes %q", kind, name, around[0]+form+around[1], got)
				}
			}
		}
	}
}

func TestMask(t *testing.T) {
	basic := func(text string) string { return "Basic " + base64.StdEncoding.EncodeToString([]byte(text)) }
	for name, tc := range map[string]struct {
		secrets    []string
		text, want string
	}{
		"nothing":                {nil, "hunter2", "hunter2"},
		"empty":                  {[]string{"hunter2"}, "", ""},
		"one letter":             {[]string{"hunter2"}, "h", "h"},
		"twice":                  {[]string{"hunter2"}, "hunter2hunter2, hunter2", "[secret][secret], [secret]"},
		"too short":              {[]string{"high", "en", "", "señor"}, "high en señor", "high en señor"},
		"the desk":               {[]string{"hunter2!"}, "https://jane:hunter2%21@desk.example.com/x", "https://jane:[secret]@desk.example.com/x"},
		"another case":           {[]string{"hunter2"}, "Hunter2", "Hunter2"},
		"the longest":            {[]string{"hunter2", "hunter2-and-more", "and-more"}, "hunter2-and-more", "[secret]"},
		"overlapping":            {[]string{"abcdefgh", "efghijkl"}, "abcdefghijkl.", "[secret]."},
		"one in another":         {[]string{"cdefgh", "abcdefghij"}, "abcdefghi_, cdefgh", "[secret]_, [secret]"},
		"cut":                    {[]string{"0123456789abcdefghij"}, "0123456789", "[secret]"},
		"cut, and more":          {[]string{"0123456789abcdefghij"}, `"0123456789abc…"`, `"[secret]…"`},
		"cut too short":          {[]string{"0123456789abcdefghij"}, "012345678", "012345678"},
		"a short one, cut":       {[]string{"0123456789"}, "01234567, 0123456", "[secret], 0123456"},
		"the shortest, cut":      {[]string{"012345"}, "01234", "01234"},
		"the last part":          {[]string{"0123456789abcdefghij"}, "123456789abcdefghij", "123456789abcdefghij"},
		"cut, escaped":           {[]string{"0123456789/abcdefghij"}, "0123456789%2Fab%6", "[secret]%6"},
		"cut, in JSON":           {[]string{`0123456789"abcdefghij`}, `0123456789\"ab\`, `[secret]\`},
		"cut, in hex":            {[]string{"0123456789abcdefghij"}, "30313233343536373839 303132333435363738", "[secret] 303132333435363738"},
		"Basic":                  {[]string{"hunter2"}, basic("jane:hunter2"), "Basic amFuZT[secret]"},
		"Basic, in front":        {[]string{"hunter2"}, basic("hunter2:x"), "Basic [secret]p4"},
		"Basic, cut":             {[]string{"0123456789abcdefghij"}, basic("jane:0123456789abcdefghij")[:26], "Basic amFuZT[secret]"},
		"Basic, all alignments":  {[]string{"hunter2"}, basic("hunter2 hunter2 hunter2"), "Basic [secret][secret]I[secret]"},
		"base64, escaped":        {[]string{"~~~???~~~"}, "fn5%2BPz8%2ffn5-", "[secret]"},
		"base64, in JSON":        {[]string{"~~~???~~~"}, `fn5+Pz8\/fn5+`, "[secret]"},
		"base64, padding":        {[]string{"hunter2"}, "aHVudGVyMg==&aHVudGVyMg%3d%3D", "[secret]&[secret]"},
		"part escaped":           {[]string{"a b/c d"}, "a b%2fc+d, a%20b/c d, %61 b%2Fc%20d", "[secret], [secret], [secret]"},
		"another's JSON":         {[]string{"<Grüße>🙂"}, `\u003CGr\u00FC\u00dfe\u003e\uD83D\uDE42`, "[secret]"},
		"after half an escape":   {[]string{"5hunter2"}, `%25hunter2 \u005hunter2 \5hunter2`, `%2[secret] \u00[secret] \[secret]`},
		"as bytes in JSON":       {[]string{"hunter2"}, "[104,117,110,116,101,114,50]", "[[secret]]"},
		"what looks like a mask": {[]string{"[secret]", "secret"}, "a [secret]", "a [secret]"},
		"several":                {[]string{"hunter2", "hunter3"}, "hunter2 hunter3 hunter4", "[secret] [secret] hunter4"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := redact.New(tc.secrets...).Mask(tc.text); got != tc.want {
				t.Errorf("%q becomes\n%q, want\n%q", tc.text, got, tc.want)
			}
		})
	}
	var none *redact.Masker
	if got := none.Mask("hunter2") + new(redact.Masker).Mask("hunter2"); got != "hunter2hunter2" {
		t.Errorf("without secrets, the text becomes %q", got)
	}
}

func TestError(t *testing.T) {
	m := redact.New("hunter2")
	if err := m.Error(nil); err != nil {
		t.Errorf("no error becomes %v", err)
	}
	if err := m.Error(io.EOF); err != io.EOF { //nolint:errorlint // It must be the same.
		t.Errorf("an error without a secret becomes %#v", err)
	}
	cause := &url.Error{Op: "Get", URL: "https://desk.example.com/?key=hunter2", Err: io.EOF}
	err := m.Error(cause)
	const want = `Get "https://desk.example.com/?key=[secret]": EOF`
	if got := fmt.Sprintf("%v|%+v", err, err); got != want+"|"+want {
		t.Errorf("the error becomes %s", got)
	}
	var found *url.Error
	if !errors.Is(err, io.EOF) || !errors.As(err, &found) || found != cause {
		t.Error("the error has lost its cause")
	}
}

const (
	line = `{"time":"2026-07-01T12:00:00Z","level":"INFO","msg":"operation","operation":"action_triggered","action":"startHitl",` +
		`"url":"https://desk.example.com/api/v2/tickets%2Fopen?page=2","error":"Post \"https://desk.example.com\": EOF"}`
	token = "bp_pat_q83vEjRWeJq83vASNFZ4mrze8BI0Vn"
)

func fiveSecrets() []string {
	return []string{token, "s3cr3t-of-the-desk", "12345678", "hunter2 & more", "\xff\xfe0123456789abcdef\x80"}
}

// Nearly all that is masked has nothing to mask.
func TestNoAllocations(t *testing.T) {
	m := redact.New(append(fiveSecrets(), "operator", "https://hooks.example.com/x", `\\%%25%\\`)...)
	if n := testing.AllocsPerRun(100, func() {
		if m.Mask(line) != line {
			t.Fatal("something is masked")
		}
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkMask(b *testing.B) {
	m := redact.New(fiveSecrets()...)
	b.ReportAllocs()
	b.SetBytes(int64(len(line)))
	for b.Loop() {
		m.Mask(line)
	}
}

func BenchmarkNew(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		redact.New(fiveSecrets()...)
	}
}

// Texts may be made to be slow by those who write them; fifty times as long must not be 2500 times as slow.
func TestLinear(t *testing.T) {
	for name, piece := range map[string]string{
		"the beginning":  "abababa",
		"the whole":      "abababab",
		"backslashes":    `\`,
		"percent signs":  "%25",
		"hex":            "6162",
		"base64":         "YWJh",
		"many beginning": "bp_pat_",
	} {
		m := redact.New("abababab", "abababababababababababababababab!", `\\\\\\\\\\\\\\\\!`, "%%%%%%%%%%%%%%%%!", token)
		took := func(n int) time.Duration {
			fastest := time.Hour
			text := strings.Repeat(piece, n/len(piece))
			for range 3 {
				start := time.Now()
				m.Mask(text)
				fastest = min(fastest, time.Since(start))
			}
			return fastest
		}
		if short, long := took(2_000), took(100_000); long > 500*short+10*time.Millisecond {
			t.Errorf("%s: 2 kB take %v, and 100 kB %v", name, short, long)
		} else if long > 2*time.Second*racetest.Slowdown {
			t.Errorf("%s: 100 kB take %v", name, long)
		}
	}
}

// No form of a secret survives, whatever stands around it, and what has no piece of it is left alone.
func FuzzMask(f *testing.F) {
	for _, secret := range awkward {
		f.Add(secret, "https://desk.example.com/?key=", "&page=2")
		f.Add(secret, secret[:3], secret)
		f.Add(secret, `\`, "%2")
	}
	f.Fuzz(func(t *testing.T, secret, before, after string) {
		if utf8.RuneCountInString(secret) < 6 || len(secret) > 200 || len(before)+len(after) > 1000 {
			t.Skip()
		}
		m := redact.New(secret)
		for name, form := range forms(secret) {
			clean := m.Mask(before + form + after)
			if !strings.Contains(clean, "[secret]") {
				t.Errorf("%s: nothing is masked in %q", name, before+form+after)
			}
			for part := range strings.SplitSeq(clean, "[secret]") { // the mask itself may be a part of the secret
				if strings.Contains(part, form) {
					t.Errorf("%s: %q becomes %q", name, before+form+after, clean)
				}
			}
		}
		// A match begins with a byte of the secret, escaped or not, or of one of its encodings.
		text := strings.Map(func(r rune) rune {
			if strings.ContainsRune(`%\+, `, r) || r < utf8.RuneSelf && (r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r == '/' || r == '-' || r == '_') ||
				strings.ContainsRune(secret, r) {
				return '·'
			}
			return r
		}, before+after)
		if strings.ContainsAny(secret, "·\ufffd") || !utf8.ValidString(secret) {
			return
		}
		if clean := m.Mask(text); clean != text {
			t.Errorf("%q has nothing of %q, and becomes %q", text, secret, clean)
		}
	})
}
