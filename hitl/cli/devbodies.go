package cli

import (
	"bytes"
	"io"
	"net/http"

	"github.com/hitl-go/sdk/internal/deployment"
	"github.com/hitl-go/sdk/internal/redact"
	"github.com/hitl-go/sdk/internal/sessionview"
)

const (
	maxShown  = 2_000    // How many bytes are shown of a body.
	maxMasked = 64 << 10 // How many of them are masked before it is cut: a megabyte takes a second.
)

// shown shows the bodies of requests and responses if the flags ask for it. Secrets are masked as on the page: ours,
// those of the configuration that came with the request, and what is secret by its name.
func (d *dev) shown(kept *devState, next http.Handler) http.Handler {
	if !d.verbose {
		return next
	}
	definition := d.Server.Describe()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		mask := redact.New(append(deployment.Secrets(definition, r.Header), kept.SigningSecret, d.Getenv("BP_TOKEN"))...)
		show := func(way string, b []byte) {
			masked := redact.Named(mask.Mask(string(b[:min(len(b), maxMasked)])))
			d.say("%s %s", way, sessionview.Printable(beginning(masked)))
		}
		show(">", body)
		answer := &copied{ResponseWriter: w}
		next.ServeHTTP(answer, r)
		show("<", answer.body.Bytes())
	})
}

// beginning cuts what is masked already: of a secret that is cut, there may be too little to know it.
func beginning(body string) string {
	if len(body) > maxShown {
		return body[:maxShown] + "…"
	}
	return body
}

// copied keeps what is written.
type copied struct {
	http.ResponseWriter

	body bytes.Buffer
}

func (w *copied) Write(b []byte) (int, error) {
	w.body.Write(b)
	return w.ResponseWriter.Write(b)
}
