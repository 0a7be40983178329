package botpresstest

import (
	"net/http"
	"slices"
	"strings"
)

// serveWebhook passes a desk's request to the integration as webhook_received, and returns its response. It is not
// retried: the desk sees the failure, and redelivery is its task.
func (s *Server) serveWebhook(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	s.mu.Lock()
	i := slices.IndexFunc(s.installations, func(in *Installation) bool { return in.WebhookID == id })
	if i < 0 {
		s.mu.Unlock()
		s.writeError(w, notFound("webhook", id))
		return
	}
	in := s.installations[i]
	s.mu.Unlock()

	body, tooLong := readBody(w, r)
	if tooLong != nil {
		s.writeError(w, tooLong)
		return
	}
	headers := map[string]string{"host": r.Host}
	for name, values := range r.Header {
		headers[strings.ToLower(name)] = strings.Join(values, ", ")
	}
	req := map[string]any{
		"method": r.Method, "path": strings.TrimPrefix(r.URL.EscapedPath(), "/webhook/"+id), "query": r.URL.RawQuery,
		"headers": headers,
	}
	if len(body) > 0 {
		req["body"] = string(body)
	}
	d, err := in.delivery(opWebhookReceived, "", map[string]any{"req": req})
	var a answer
	if err == nil {
		a, err = d.send(r.Context())
	}
	if err != nil {
		s.writeError(w, &Error{Status: http.StatusInternalServerError, Type: "Internal", Message: err.Error()})
		return
	}
	for name, values := range a.header {
		switch name {
		case "Connection", "Content-Length", "Date", "Keep-Alive", "Transfer-Encoding":
		default:
			w.Header()[name] = values
		}
	}
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body)
}
