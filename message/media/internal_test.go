package media

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/hitl-go/sdk/internal/corpus"
)

func TestIsPublic(t *testing.T) {
	for address, want := range map[string]bool{
		"8.8.8.8":              true,
		"172.32.0.1":           true,
		"2606:4700::1111":      true,
		"2001:4860:4860::8888": true,
		"::ffff:8.8.8.8":       true,
		"64:ff9b::808:808":     true,
		"127.0.0.1":            false,
		"127.255.0.1":          false,
		"10.1.2.3":             false,
		"172.16.0.1":           false,
		"192.168.1.1":          false,
		"169.254.169.254":      false, // Metadata services of clouds.
		"168.63.129.16":        false,
		"100.64.0.1":           false,
		"0.0.0.0":              false,
		"0.1.2.3":              false,
		"192.0.0.8":            false,
		"198.18.0.1":           false,
		"224.0.0.1":            false,
		"240.0.0.1":            false,
		"255.255.255.255":      false,
		"::":                   false,
		"::1":                  false,
		"::127.0.0.1":          false,
		"::ffff:100.64.0.1":    false,
		"::ffff:10.0.0.1":      false,
		"::ffff:0:10.0.0.1":    false,
		"::ffff:0:8.8.8.8":     false,
		"100::1":               false,
		"100:0:0:1::1":         false,
		"64:ff9b::a00:1":       false,
		"64:ff9b:1::1":         false,
		"2002:7f00:1::":        false,
		"2001:0:7f00:1::":      false,
		"fc00::1":              false,
		"fd00:ec2::254":        false,
		"fe80::1%eth0":         false,
		"fec0::1":              false,
		"ff02::1":              false,
	} {
		if got := isPublic(netip.AddrPortFrom(netip.MustParseAddr(address), 80)); got != want {
			t.Errorf("%s is public: %v, want %v", address, got, want)
		}
	}
}

// Every connection is checked: that of a redirect, and that of a name that resolves to another
// address the second time.
func TestEveryAddressIsChecked(t *testing.T) {
	private := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("has been reached") }))
	defer private.Close()
	public := httptest.NewServer(http.RedirectHandler(private.URL, http.StatusFound))
	defer public.Close()

	var asked []string
	allowed := func(a netip.AddrPort) bool {
		asked = append(asked, "http://"+a.String())
		return "http://"+a.String() == public.URL
	}
	_, err := fetch(t.Context(), public.URL, "", Options{MaxBytes: 1, Timeout: time.Minute}, allowed)
	if !errors.Is(err, ErrPrivate) {
		t.Errorf("%v, want %v", err, ErrPrivate)
	}
	if want := []string{public.URL, private.URL}; fmt.Sprint(asked) != fmt.Sprint(want) {
		t.Errorf("asked for %v, want %v", asked, want)
	}
}

// A proxy would connect in our place, to any address.
func TestNoProxy(t *testing.T) {
	if newTransport(isPublic).Proxy != nil {
		t.Error("there is a proxy")
	}
}

func FuzzNameOf(f *testing.F) {
	f.Add("The invoice", `attachment; filename="a.pdf"`, "/x/y.png", "application/pdf", "%PDF-1.7")
	f.Add("..", `inline; filename*=UTF-8''%2e%2e%2f`, "/..", "", "")
	for _, kind := range corpus.Load(f, "testdata/names.txt") {
		for _, c := range kind.Cases {
			f.Add("", c.In, "/", "", "")
		}
	}
	f.Add("CON.\u202Etxt", "", "/\x00", "image/png", "GIF89a")
	f.Fuzz(func(t *testing.T, title, disposition, path, contentType, data string) {
		header := http.Header{"Content-Disposition": {disposition}, "Content-Type": {contentType}}
		name := newFile([]byte(data), title, header, &url.URL{Path: path}).Name
		switch {
		case name == "" || len(name) > maxNameLen || !utf8.ValidString(name):
			t.Errorf("%q has %d bytes", name, len(name))
		case strings.ContainsAny(name, `/\:*?"<>|`) || strings.ContainsFunc(name, unicode.IsControl):
			t.Errorf("%q has a forbidden character", name)
		case strings.HasPrefix(name, ".") || strings.HasSuffix(name, ".") || strings.TrimSpace(name) != name:
			t.Errorf("%q begins or ends badly", name)
		}
	})
}

// Whatever is written as an address, what is requested is one that every server can read, and the same
// when it is read once more.
func FuzzParseURL(f *testing.F) {
	for _, table := range []string{"addresses", "redirects"} {
		for _, kind := range corpus.Load(f, "testdata/"+table+".txt") {
			for _, c := range kind.Cases {
				f.Add(c.In)
			}
		}
	}
	base := &url.URL{Scheme: "https", Host: "shop.example", Path: "/a/b", RawQuery: "q"}
	f.Fuzz(func(t *testing.T, address string) {
		for name, parse := range map[string]func(string) (*url.URL, error){
			"absolute": parseURL,
			"relative": func(s string) (*url.URL, error) { return resolve(base, s) },
		} {
			u, err := parse(address)
			if err != nil {
				continue
			}
			written := u.String()
			outside := func(r rune) bool { return r <= ' ' || r > '~' }
			switch again, err := parseURL(written); {
			case err != nil || again.String() != written:
				t.Errorf("%s: %q becomes %q, and that becomes %v, %v", name, address, written, again, err)
			case u.Scheme != "http" && u.Scheme != "https", u.Hostname() == "", !strings.HasPrefix(u.EscapedPath(), "/"):
				t.Errorf("%s: %q has become %q", name, address, written)
			case strings.ContainsFunc(written, outside) || strings.ContainsAny(u.Host, "/\\@?#%"):
				t.Errorf("%s: %q has become %q, with characters that no URL has", name, address, written)
			case u.EscapedPath() != u.RawPath && u.RawPath != "":
				t.Errorf("%s: the package url writes %q and not %q", name, u.EscapedPath(), u.RawPath)
			}
		}
	})
}
