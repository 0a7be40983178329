// Package media downloads the files of messages, for help desks that take files and not URLs.
//
//	file, err := media.Fetch(ctx, m.ImageURL, m.Title, &media.Options{MaxBytes: 5 << 20})
//	if errors.Is(err, media.ErrTooLarge) {
//		return desk.Say(ctx, message.PlainText(m)) // With the URL.
//	}
//
// The URLs come from end users and are not trusted. To prevent server-side request forgery, Fetch
// checks the IP address of each connection after name resolution, so that neither a redirect nor
// DNS rebinding leads into a private network. It limits size, time and redirects.
package media

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"syscall"
	"time"
)

var (
	// ErrTooLarge means that a file has more than [Options].MaxBytes.
	ErrTooLarge = errors.New("the file is too large")

	// ErrPrivate means that a URL, or a redirect, leads to an address that is not public.
	ErrPrivate = errors.New("the address is not public; set AllowPrivate if you trust the URL")
)

const (
	defaultMaxBytes = 20 << 20
	defaultTimeout  = 30 * time.Second
	maxRedirects    = 5
)

// Options limit a fetch. The zero value, like a nil pointer, means 20 MiB, 30 seconds and public
// addresses only.
type Options struct {
	MaxBytes int64
	Timeout  time.Duration // For the whole fetch, including redirects and body.

	// AllowPrivate also lets Fetch connect to loopback, private, link-local and other addresses
	// that are not public. Set it in tests and where all URLs are your own.
	AllowPrivate bool

	// Authorization is the Authorization header, such as "Bearer t0ken", for the files of a desk that shows them to its own users
	// only. It goes to the URL's own scheme, host and port: no redirect leads it elsewhere.
	Authorization string
}

// File is a downloaded file.
type File struct {
	// Name is a file name without a directory, safe on all systems and never empty. It comes from
	// the title, else from the Content-Disposition header, else from the URL. If it has no
	// extension that fits the content, as "My order at shop.com" for a PDF, it gets one.
	Name string

	// ContentType is a media type without parameters, by its registered name. The bytes decide. Where
	// they show a container only, such as the zip of an office document, the Content-Type header and
	// the extension say what is in it. "application/octet-stream" means unknown.
	ContentType string

	Data []byte
}

// Fetch downloads a file from an http or https URL with a single GET. It reads the URL as browsers do,
// with blanks around it or a stray percent sign. The title may be empty. An
// error wraps [ErrTooLarge], [ErrPrivate] or the network's error. It contains only the host of the
// URL, because the rest is often a secret. Fetch ignores the environment's proxies.
func Fetch(ctx context.Context, url, title string, opts *Options) (File, error) {
	var o Options
	if opts != nil {
		o = *opts
	}
	if o.MaxBytes <= 0 {
		o.MaxBytes = defaultMaxBytes
	}
	o.MaxBytes = min(o.MaxBytes, math.MaxInt64-1) // get reads one byte more, to detect larger files.
	if o.Timeout <= 0 {
		o.Timeout = defaultTimeout
	}
	allowed := isPublic
	if o.AllowPrivate {
		allowed = func(netip.AddrPort) bool { return true }
	}
	return fetch(ctx, url, title, o, allowed)
}

func fetch(ctx context.Context, address, title string, o Options, allowed func(netip.AddrPort) bool) (File, error) {
	u, err := parseURL(address)
	if err != nil {
		return File{}, fmt.Errorf("media: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	file, err := get(ctx, u, title, o, newTransport(allowed))
	switch {
	case errors.Is(err, ErrPrivate): // The error contains the address.
		return File{}, fmt.Errorf("media: %s: %w", u.Host, ErrPrivate)
	case err != nil:
		return File{}, fmt.Errorf("media: %s: %w", u.Host, err)
	}
	return file, nil
}

// statusError is an answer that is no file.
type statusError int

func (s statusError) Error() string {
	return fmt.Sprintf("the server answers %d %s", int(s), http.StatusText(int(s)))
}

// IsTemporary reports whether [Fetch] may succeed later: the network has failed, the connection broke, the time was up, ctx was
// cancelled, or the server has answered 429 or 5xx.
func IsTemporary(err error) bool {
	if status, ok := errors.AsType[statusError](err); ok {
		return status == http.StatusTooManyRequests || status >= http.StatusInternalServerError
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, context.Canceled) {
		return true
	}
	_, network := errors.AsType[net.Error](err)
	return network && !errors.Is(err, ErrPrivate)
}

// newTransport returns a transport for one fetch. It reuses no connections, and asks allowed about
// each new one.
func newTransport(allowed func(netip.AddrPort) bool) *http.Transport {
	dialer := net.Dialer{
		// The address is already resolved, so that DNS rebinding cannot change it.
		ControlContext: func(_ context.Context, _, address string, _ syscall.RawConn) error {
			if a, err := netip.ParseAddrPort(address); err != nil || !allowed(a) {
				return ErrPrivate
			}
			return nil
		},
	}
	return &http.Transport{
		DialContext:            dialer.DialContext,
		DisableKeepAlives:      true,
		MaxResponseHeaderBytes: 64 << 10,
	}
}

func get(ctx context.Context, u *url.URL, title string, o Options, transport http.RoundTripper) (File, error) {
	resp, err := follow(ctx, u, o.Authorization, transport)
	if err != nil {
		return File{}, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return File{}, statusError(resp.StatusCode)
	}
	if resp.ContentLength > o.MaxBytes {
		return File{}, ErrTooLarge
	}
	data, err := io.ReadAll(io.LimitReader(resp.Body, o.MaxBytes+1))
	if err != nil {
		return File{}, err
	}
	if int64(len(data)) > o.MaxBytes {
		return File{}, ErrTooLarge
	}
	return newFile(data, title, resp.Header, resp.Request.URL), nil
}

// follow requests a URL and where it redirects. It sends no Referer, which would leak the URL and its
// secrets to the next host. A client of the package http refuses addresses that browsers take.
func follow(ctx context.Context, u *url.URL, authorization string, transport http.RoundTripper) (*http.Response, error) {
	first := u
	for range maxRedirects + 1 {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), http.NoBody)
		if err != nil {
			return nil, errMalformed // The error contains the URL.
		}
		if u.User != nil {
			password, _ := u.User.Password()
			r.SetBasicAuth(u.User.Username(), password)
		}
		if authorization != "" && u.Scheme == first.Scheme && u.Host == first.Host {
			r.Header.Set("Authorization", authorization)
		}
		resp, err := transport.RoundTrip(r)
		if err != nil || !isRedirect(resp) {
			return resp, err
		}
		_ = resp.Body.Close()
		if u, err = resolve(u, resp.Header.Get("Location")); err != nil {
			return nil, fmt.Errorf("the server redirects: %w", err)
		}
	}
	return nil, fmt.Errorf("more than %d redirects", maxRedirects)
}

func isRedirect(resp *http.Response) bool {
	switch resp.StatusCode {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return resp.Header.Get("Location") != ""
	}
	return false
}
