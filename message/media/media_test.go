package media_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hitl-go/sdk/message/media"
)

const png = "\x89PNG\r\n\x1a\n and so on"

// trusted allows servers on loopback.
var trusted = &media.Options{AllowPrivate: true}

func serve(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

func TestFetch(t *testing.T) {
	for _, tt := range []struct {
		name, path, title, contentType, disposition, body string
		want                                              media.File
	}{
		{
			name: "title", path: "/x?token=1", title: "The invoice", contentType: "application/pdf; q=1", body: "%PDF-1.7",
			want: media.File{Name: "The invoice.pdf", ContentType: "application/pdf"},
		},
		{
			name: "title with an extension", path: "/x", title: "a.b/../c.JPEG", contentType: "image/jpeg", body: "\xff\xd8\xff\xe0\x00\x10JFIF",
			want: media.File{Name: "a.b_.._c.JPEG", ContentType: "image/jpeg"},
		},
		{
			name: "title that ends a sentence", path: "/x", title: "Look at this.", contentType: "image/png", body: png,
			want: media.File{Name: "Look at this.png", ContentType: "image/png"},
		},
		{
			name: "extension of the header", path: "/x.php", title: "Sheet", contentType: "application/octet-stream", disposition: `attachment; filename="a.ods"`, body: "PK\x03\x04",
			want: media.File{Name: "Sheet.ods", ContentType: "application/vnd.oasis.opendocument.spreadsheet"},
		},
		{
			name: "header", path: "/x.php", contentType: "text/csv", disposition: `attachment; filename="C:\\temp\\Résumé.csv"`, body: "a,b",
			want: media.File{Name: "Résumé.csv", ContentType: "text/csv"},
		},
		{
			name: "encoded header", path: "/x", contentType: "text/plain", disposition: `inline; filename*=UTF-8''%e2%82%ac%2F..%2Fb.txt`, body: "a",
			want: media.File{Name: "b.txt", ContentType: "text/plain"},
		},
		{
			name: "broken header", path: "/d/y.gif", contentType: "image/gif", disposition: `attachment; filename=a b`, body: "GIF89a\x01\x00",
			want: media.File{Name: "a b.gif", ContentType: "image/gif"},
		},
		{
			name: "path", path: "/files/May%20%28final%29.docx?x=y", contentType: "application/vnd.openxmlformats-officedocument.wordprocessingml.document", body: "PK\x03\x04",
			want: media.File{Name: "May (final).docx", ContentType: "application/vnd.openxmlformats-officedocument.wordprocessingml.document"},
		},
		{
			name: "nothing", path: "/", contentType: "audio/ogg", body: "OggS\x00",
			want: media.File{Name: "file.ogg", ContentType: "audio/ogg"},
		},
		{
			name: "nothing at all", path: "/..%2f", body: "\x00\x01",
			want: media.File{Name: "file", ContentType: "application/octet-stream"},
		},
		{
			name: "extension of the path", path: "/a.heif", title: "Photo", contentType: "application/octet-stream", body: "\x00\x01",
			want: media.File{Name: "Photo.heif", ContentType: "application/octet-stream"},
		},
		{
			name: "no type", path: "/a", contentType: " ", body: png,
			want: media.File{Name: "a.png", ContentType: "image/png"},
		},
		{
			name: "wrong type", path: "/a", contentType: "text/html", body: png,
			want: media.File{Name: "a.png", ContentType: "image/png"},
		},
		{
			name: "type of a download", path: "/a", contentType: "application/force-download", body: "\x1f\x8b\x08",
			want: media.File{Name: "a.gz", ContentType: "application/gzip"},
		},
		{
			name: "sound in a film's clothes", path: "/a", contentType: "audio/mp4", body: "\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom",
			want: media.File{Name: "a.m4a", ContentType: "audio/mp4"},
		},
		{
			name: "empty", path: "/a.txt", contentType: "text/plain",
			want: media.File{Name: "a.txt", ContentType: "text/plain"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			url := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if r.Method != http.MethodGet {
					t.Errorf("method %s", r.Method)
				}
				w.Header().Set("Content-Type", tt.contentType)
				if tt.disposition != "" {
					w.Header().Set("Content-Disposition", tt.disposition)
				}
				fmt.Fprint(w, tt.body)
			})
			got, err := media.Fetch(t.Context(), url+tt.path, tt.title, trusted)
			if err != nil {
				t.Fatal(err)
			}
			tt.want.Data = []byte(tt.body)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestFileNames(t *testing.T) {
	url := serve(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, png) })
	for _, tt := range []struct{ title, want string }{
		{`a/b\c:d*e?f"g<h>i|j.png`, "a_b_c_d_e_f_g_h_i_j.png"},
		{"..", "file.png"},
		{"../../etc/passwd", "_.._etc_passwd.png"},
		{".htaccess", "htaccess.png"},
		{"a. . ", "a.png"},
		{"a\x00b\r\nc\td\u2028e\xff.png", "a b c d e .png"},
		{"fdp\u202Egnp.exe", "fdpgnp.exe.png"},
		{"CON", "_CON.png"},
		{"lpt1 .txt", "_lpt1 .txt.png"},
		{"Concert.png", "Concert.png"},
		{"COM", "COM.png"},
		{"👨‍👩‍👧.png", "👨‍👩‍👧.png"},
		{"שלום.png", "שלום.png"},
		{"a.tar.gz", "a.tar.gz.png"},
		{"Version 1.5", "Version 1.5.png"},
		{"a.toolongforone", "a.toolongforone.png"},
		{"a.é", "a.é.png"},
		{strings.Repeat("ä", 100) + ".apng", strings.Repeat("ä", 70) + ".apng.png"},
		{strings.Repeat("ä", 100), strings.Repeat("ä", 73) + ".png"},
		{strings.Repeat("x", 145) + ". y" + strings.Repeat("z", 100), strings.Repeat("x", 145) + ".png"},
	} {
		got, err := media.Fetch(t.Context(), url, tt.title, trusted)
		if err != nil {
			t.Fatal(err)
		}
		if got.Name != tt.want {
			t.Errorf("%q becomes %q, want %q", tt.title, got.Name, tt.want)
		}
	}
}

func TestSizeIsCapped(t *testing.T) {
	var packed bytes.Buffer
	zip := gzip.NewWriter(&packed)
	if _, err := zip.Write(make([]byte, 1<<20)); err != nil || zip.Close() != nil {
		t.Fatal(err)
	}
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/declared":
			w.Header().Set("Content-Length", "101")
			fmt.Fprint(w, strings.Repeat("x", 101))
		case "/streamed":
			for range 1000 {
				if _, err := fmt.Fprint(w, strings.Repeat("x", 1000)); err != nil {
					return
				}
				http.NewResponseController(w).Flush()
			}
		case "/bomb":
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write(packed.Bytes())
		default:
			fmt.Fprint(w, strings.Repeat("x", 100))
		}
	})
	opts := &media.Options{MaxBytes: 100, AllowPrivate: true}
	for _, path := range []string{"/declared", "/streamed", "/bomb"} {
		if _, err := media.Fetch(t.Context(), url+path, "", opts); !errors.Is(err, media.ErrTooLarge) {
			t.Errorf("%s: %v, want %v", path, err, media.ErrTooLarge)
		}
	}
	for _, opts := range []*media.Options{opts, {MaxBytes: 1<<63 - 1, AllowPrivate: true}} {
		if file, err := media.Fetch(t.Context(), url, "", opts); err != nil || len(file.Data) != 100 {
			t.Errorf("exactly as many as allowed: %d bytes, %v", len(file.Data), err)
		}
	}
}

func TestTimeIsBounded(t *testing.T) {
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/body" {
			fmt.Fprint(w, "x")
			http.NewResponseController(w).Flush()
		}
		<-r.Context().Done()
	})
	for _, path := range []string{"/header", "/body"} {
		opts := &media.Options{Timeout: 20 * time.Millisecond, AllowPrivate: true}
		if _, err := media.Fetch(t.Context(), url+path, "", opts); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %v, want %v", path, err, context.DeadlineExceeded)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := media.Fetch(ctx, url, "", trusted); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want %v", err, context.Canceled)
	}
}

func TestTemporaryErrors(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch status, _ := strconv.Atoi(strings.TrimPrefix(r.URL.Path, "/")); status {
		case 0:
			panic(http.ErrAbortHandler)
		case 1:
			<-r.Context().Done()
		case 2: // It breaks off.
			w.Header().Set("Content-Length", "100")
			_, _ = w.Write([]byte("half"))
		default:
			w.WriteHeader(status)
		}
	}))
	t.Cleanup(server.Close)
	closed := httptest.NewServer(nil)
	closed.Close()
	for address, want := range map[string]bool{
		server.URL + "/429": true, server.URL + "/500": true, server.URL + "/503": true, server.URL + "/404": false, server.URL + "/401": false,
		server.URL + "/1": true, closed.URL: true, server.URL + "/0": true, server.URL + "/2": true, "http://": false,
	} {
		_, err := media.Fetch(t.Context(), address, "", &media.Options{AllowPrivate: true, Timeout: 100 * time.Millisecond})
		if err == nil || media.IsTemporary(err) != want {
			t.Errorf("%s: temporary is %t of %v", address, !want, err)
		}
	}
	if _, err := media.Fetch(t.Context(), server.URL, "", nil); media.IsTemporary(err) {
		t.Errorf("a private address is one only for now: %v", err)
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := media.Fetch(cancelled, server.URL+"/404", "", &media.Options{AllowPrivate: true}); !media.IsTemporary(err) {
		t.Errorf("who has given up may not ask again: %v", err)
	}
	if media.IsTemporary(media.ErrTooLarge) || media.IsTemporary(nil) {
		t.Error("a file that is too large, or none, is one only for now")
	}
}

func TestRedirects(t *testing.T) {
	var referer string
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/3", "/2", "/1":
			http.Redirect(w, r, fmt.Sprintf("/%d", r.URL.Path[1]-'1'), http.StatusFound)
		case "/0":
			referer = r.Referer()
			fmt.Fprint(w, "x")
		case "/percent":
			w.Header().Set("Location", "/50%-off.pdf")
			w.WriteHeader(http.StatusFound)
		case "/50%-off.pdf":
			user, password, _ := r.BasicAuth()
			fmt.Fprint(w, user, ":", password)
		case "/to-bearer":
			http.Redirect(w, r, "/bearer", http.StatusFound)
		case "/bearer":
			fmt.Fprint(w, r.Header.Get("Authorization"))
		case "/elsewhere":
			http.Redirect(w, r, r.FormValue("to")+"/", http.StatusFound)
		case "/loop":
			http.Redirect(w, r, "/loop", http.StatusFound)
		case "/file":
			w.Header().Set("Location", "file:///etc/passwd")
			w.WriteHeader(http.StatusFound)
		case "/malformed":
			w.Header().Set("Location", "http://secret:%zz/")
			w.WriteHeader(http.StatusFound)
		}
	})
	if file, err := media.Fetch(t.Context(), url+"/3?token=secret", "", trusted); err != nil || string(file.Data) != "x" {
		t.Errorf("three redirects: %q, %v", file.Data, err)
	}
	if referer != "" {
		t.Errorf("the URL was told to the next: %q", referer)
	}
	signedIn := strings.Replace(url, "://", "://jane:a%40b@", 1)
	for _, address := range []string{signedIn + "/percent", signedIn + "/50%-off.pdf", " " + signedIn + "/50%25-off.pdf\n"} {
		file, err := media.Fetch(t.Context(), address, "", trusted)
		if err != nil || file.Name != "50%-off.pdf.txt" || string(file.Data) != "jane:a@b" {
			t.Errorf("%q: %q with %q, %v", address, file.Name, file.Data, err)
		}
	}
	elsewhere := serve(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.Header.Get("Authorization")) })
	file, err := media.Fetch(t.Context(), signedIn+"/elsewhere?to="+elsewhere, "", trusted)
	if err != nil || len(file.Data) > 0 {
		t.Errorf("another host was given the credentials %q, %v", file.Data, err)
	}
	bearer := &media.Options{AllowPrivate: true, Authorization: "Bearer t0ken"}
	for address, want := range map[string]string{url + "/bearer": "Bearer t0ken", url + "/to-bearer": "Bearer t0ken", url + "/elsewhere?to=" + elsewhere: ""} {
		if file, err := media.Fetch(t.Context(), address, "", bearer); err != nil || string(file.Data) != want {
			t.Errorf("%s was sent %q, %v, want %q", address, file.Data, err, want)
		}
	}
	for path, want := range map[string]string{
		"/loop":      "more than 5 redirects",
		"/file":      `scheme is "file"`,
		"/malformed": "redirects: the URL is malformed",
	} {
		if _, err := media.Fetch(t.Context(), url+path, "", trusted); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v, want %q", path, err, want)
		}
	}
}

func TestPrivateAddressesAreRefused(t *testing.T) {
	url := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("has been reached") })
	port := url[strings.LastIndex(url, ":"):]
	for _, host := range []string{"127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "0.0.0.0"} {
		if _, err := media.Fetch(t.Context(), "http://"+host+port+"/secret", "", nil); !errors.Is(err, media.ErrPrivate) {
			t.Errorf("%s: %v, want %v", host, err, media.ErrPrivate)
		}
	}
}

// A presigned URL is a secret, and errors end up in logs.
func TestErrorsKeepSecrets(t *testing.T) {
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/gone":
			http.Error(w, "secret", http.StatusGone)
		case "/short":
			w.Header().Set("Content-Length", "100")
			fmt.Fprint(w, "x")
		case "/hangup":
			panic(http.ErrAbortHandler)
		}
	})
	for _, address := range []string{
		url + "/gone?secret", url + "/short?secret", url + "/hangup?secret", "http://user:secret@127.0.0.1:1/secret",
		"ftp://127.0.0.1/secret", "file:///secret", "/secret", "http://?secret", "http://127.0.0.1\x00/secret", "secret", "",
	} {
		for _, opts := range []*media.Options{trusted, nil} {
			_, err := media.Fetch(t.Context(), address, "", opts)
			if err == nil || strings.Contains(err.Error(), "secret") || !strings.HasPrefix(err.Error(), "media: ") {
				t.Errorf("%q: %v", address, err)
			}
		}
	}
}

func ExampleFetch() {
	storage := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/octet-stream")
		fmt.Fprint(w, "%PDF-1.7 …")
	}))
	defer storage.Close()

	file, err := media.Fetch(context.Background(), storage.URL+"/download?id=4711", "Invoice May", &media.Options{
		MaxBytes:     5 << 20,
		AllowPrivate: true, // The example's storage is on this machine.
	})
	fmt.Println(file.Name, file.ContentType, len(file.Data), err)

	_, err = media.Fetch(context.Background(), storage.URL, "", nil)
	fmt.Println(errors.Is(err, media.ErrPrivate))
	// Output:
	// Invoice May.pdf application/pdf 12 <nil>
	// true
}
