package cli

import (
	"bytes"
	"io"
	"net/http"

	"github.com/hitl-go/sdk/internal/deployment"
	"github.com/hitl-go/sdk/internal/redact"
)

// maxShown is how many bytes are shown of a body.
const maxShown = 2_000

// shown shows the bodies of requests and responses if the flags ask for it. Secrets are masked: ours, and those of the configuration
// that came with the request.
func (d *dev) shown(next http.Handler) http.Handler {
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
		mask := redact.New(append(deployment.Secrets(definition, r.Header), d.Getenv("BP_TOKEN"))...)
		d.say("> %s", mask.Mask(beginning(body)))
		answer := &copied{ResponseWriter: w}
		next.ServeHTTP(answer, r)
		d.say("< %s", mask.Mask(beginning(answer.body.Bytes())))
	})
}

func beginning(body []byte) string {
	if len(body) > maxShown {
		return string(body[:maxShown]) + "…"
	}
	return string(body)
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
