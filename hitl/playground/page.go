package playground

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"mime"
	"net"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/botpress/botpresstest"
	"github.com/hitl-go/sdk/message"
)

//go:embed assets
var assets embed.FS

const (
	maxOrder  = 1 << 20          // Bytes of what a page asks for.
	heartbeat = 15 * time.Second // So that a connection that has died is noticed.
)

// about is what a page needs to know once.
type about struct {
	Title    string          `json:"title"` // The integration's.
	Version  string          `json:"version"`
	Agents   []string        `json:"agents,omitempty"`  // Empty: the desk is played by hand.
	Session  json.RawMessage `json:"session,omitempty"` // The schema of a session's parameters.
	Webhooks []Webhook       `json:"webhooks,omitempty"`
	Tapped   bool            `json:"tapped"`
	Messages int             `json:"messages"` // How many are kept.
	Rows     int             `json:"rows"`
}

// Webhook is a template for a request of the desk. In its path, header and body, {{session}} stands for the session's id
// in the desk, {{conversation}} for the one in Botpress, {{user}} for the end user in Botpress, and {{new}} for a new id.
type Webhook struct {
	Name   string            `json:"name"`
	Method string            `json:"method"` // Empty: POST.
	Path   string            `json:"path"`   // Below the webhook's URL.
	Header map[string]string `json:"header"`
	Body   string            `json:"body"`
}

func describe(d botpress.CreateIntegrationParams, opts Options) about {
	a := about{
		Title: d.Title, Version: d.Version, Webhooks: opts.Webhooks, Tapped: opts.Tap != nil, Messages: maxMessages, Rows: maxRows,
	}
	if a.Title == "" {
		a.Title = d.Name
	}
	if opts.Desk != nil {
		a.Agents = opts.Desk.Agents()
	}
	for _, i := range d.Interfaces {
		if e := d.Entities[i.Entities["hitlSession"].Name]; e != nil {
			a.Session = e.Schema
		}
	}
	return a
}

// servePage serves the page until the context ends.
func (p *playground) servePage(ctx context.Context, l net.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s := &http.Server{
		Handler: guarded(p.routes()), ReadHeaderTimeout: 10 * time.Second,
		BaseContext: func(net.Listener) context.Context { return ctx }, // Streams of events end with it.
	}
	stopped := make(chan error, 1)
	context.AfterFunc(ctx, func() {
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), farewell)
		defer cancel()
		stopped <- errors.Join(s.Shutdown(last), s.Close())
	})
	err := s.Serve(l)
	cancel()
	if stop := <-stopped; !errors.Is(stop, context.DeadlineExceeded) {
		err = errors.Join(err, stop)
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("playground: %w", err)
}

func (p *playground) routes() http.Handler {
	files, err := fs.Sub(assets, "assets")
	if err != nil {
		panic(err) // The folder is embedded.
	}
	mux := http.NewServeMux()
	mux.Handle("GET /", typed(http.FileServerFS(files)))
	mux.HandleFunc("GET /api/about", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, http.StatusOK, p.about) })
	mux.HandleFunc("GET /api/events", p.serveEvents)
	mux.HandleFunc("GET /api/wire/{seq}", p.serveExchange)
	for name, do := range map[string]func(context.Context, *json.Decoder) error{
		"say": p.doSay, "escalate": p.doEscalate, "restart": p.doRestart, "desk": p.doDesk,
		"webhook": p.doWebhook, "again": p.doAgain, "faults": p.doFaults,
	} {
		mux.HandleFunc("POST /api/"+name, func(w http.ResponseWriter, r *http.Request) { serveOrder(w, r, do) })
	}
	return mux
}

// typed says what the files are. Left to itself, the file server asks the system, and some know scripts as plain text.
func typed(files http.Handler) http.Handler {
	types := map[string]string{".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml"}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if kind := types[path.Ext(r.URL.Path)]; kind != "" {
			w.Header().Set("Content-Type", kind)
		}
		files.ServeHTTP(w, r)
	})
}

// guarded keeps strangers out: other sites that the same browser has open, and those that make their own name point to
// this computer.
func guarded(next http.Handler) http.Handler {
	next = http.NewCrossOriginProtection().Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "+
			"base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		host := r.Host
		if name, _, err := net.SplitHostPort(host); err == nil {
			host = name
		}
		if !loopback(strings.Trim(host, "[]")) {
			refuse(w, http.StatusMisdirectedRequest, errors.New("the playground is served to this computer only: open it as localhost"))
			return
		}
		if origin := r.Header.Get("Origin"); origin != "" && !sameOrigin(origin, r.Host) {
			refuse(w, http.StatusForbidden, errors.New("the request comes from another site"))
			return
		}
		if site := r.Header.Get("Sec-Fetch-Site"); strings.HasPrefix(r.URL.Path, "/api/") && (site == "cross-site" || site == "same-site") {
			refuse(w, http.StatusForbidden, errors.New("the request comes from another site"))
			return
		}
		next.ServeHTTP(w, r)
	})
}

// sameOrigin says whether a page of this origin was served here.
func sameOrigin(origin, host string) bool {
	u, err := url.Parse(origin)
	return err == nil && u.Scheme == "http" && u.Host == host
}

// loopback says whether a host is this computer, by a name that nobody can point elsewhere.
func loopback(host string) bool {
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}

func refuse(w http.ResponseWriter, status int, err error) {
	writeJSON(w, status, map[string]string{"error": err.Error()})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // The page has gone if this fails.
}

// serveEvents tells a page everything, and then what changes.
func (p *playground) serveEvents(w http.ResponseWriter, r *http.Request) {
	watcher, leave := p.view.watch()
	defer leave()
	w.Header().Set("Content-Type", "text/event-stream")
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	for {
		var news [][]byte
		select {
		case <-r.Context().Done():
			return
		case <-beat.C:
			news = [][]byte{[]byte(":\n\n")} // A comment.
		case <-watcher.wake:
			news = p.view.news(watcher)
		}
		for _, n := range news {
			if _, err := w.Write(n); err != nil {
				return
			}
		}
		if http.NewResponseController(w).Flush() != nil {
			return
		}
	}
}

// serveExchange shows one request in full.
func (p *playground) serveExchange(w http.ResponseWriter, r *http.Request) {
	seq, err := strconv.ParseUint(r.PathValue("seq"), 10, 64)
	x, ok := p.view.exchange(seq)
	if err != nil || !ok {
		refuse(w, http.StatusNotFound, errors.New("this request is no longer kept"))
		return
	}
	type half struct {
		Header  [][2]string `json:"header"`
		Body    string      `json:"body"`
		Missing string      `json:"missing,omitempty"` // Why the body is not shown.
	}
	show := func(h http.Header, b []byte) half {
		shown := half{Header: p.wire.secrets.header(h)}
		shown.Body, shown.Missing = p.wire.secrets.body(b)
		return shown
	}
	writeJSON(w, http.StatusOK, map[string]any{
		"row": x.row, "method": x.method, "url": p.wire.secrets.text(x.url), "webhook": x.webhookPath != "",
		"request": show(x.header, x.body), "response": show(x.answerHeader, x.answer),
	})
}

// serveOrder does what a page asks for. What comes of it is told by events.
func serveOrder(w http.ResponseWriter, r *http.Request, do func(context.Context, *json.Decoder) error) {
	// A form of another site cannot have this type.
	if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind != "application/json" {
		refuse(w, http.StatusUnsupportedMediaType, errors.New("only JSON is understood here"))
		return
	}
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxOrder))
	if err := do(r.Context(), decoder); err != nil {
		refuse(w, http.StatusBadRequest, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (p *playground) doSay(ctx context.Context, body *json.Decoder) error {
	var m message.Envelope
	if err := body.Decode(&m); err != nil {
		return fmt.Errorf("the message is no JSON: %w", err)
	}
	if u, ok := m.Message.(message.Unknown); ok && u.Kind == "" {
		return errors.New("a message needs a type and a payload")
	}
	return p.say(ctx, m.Message)
}

func (p *playground) doEscalate(ctx context.Context, body *json.Decoder) error {
	var order struct {
		Title       string          `json:"title"`
		Description string          `json:"description"`
		Session     json.RawMessage `json:"session"`
	}
	if err := body.Decode(&order); err != nil {
		return err
	}
	if now := p.session(); now.Active || now.Waiting {
		return errActive
	}
	// Without a word since the last session, the plugin does nothing.
	if err := p.sayOnly(ctx, message.Text{Text: "I would like to talk to a human."}); err != nil {
		return err
	}
	e := botpresstest.Escalation{Title: order.Title, Description: order.Description}
	if len(order.Session) > 0 {
		e.Session = order.Session
	}
	return p.escalate(e)
}

func (p *playground) doRestart(context.Context, *json.Decoder) error {
	p.invite()
	p.view.touch()
	return nil
}

func (p *playground) doDesk(ctx context.Context, body *json.Decoder) error {
	var order struct{ Do, Ticket, Agent, Text string }
	if err := body.Decode(&order); err != nil {
		return err
	}
	defer p.view.touch()
	switch order.Do {
	case "assign":
		return p.desk.Assign(ctx, order.Ticket, order.Agent)
	case "reply":
		return p.desk.Reply(ctx, order.Ticket, order.Agent, order.Text)
	case "note":
		return p.desk.Note(ctx, order.Ticket, order.Agent, order.Text)
	case "resolve":
		return p.desk.Resolve(ctx, order.Ticket, order.Agent)
	}
	return fmt.Errorf("an agent cannot %q", order.Do)
}

func (p *playground) doWebhook(ctx context.Context, body *json.Decoder) error {
	var order struct {
		Webhook

		Ticket string `json:"ticket"`
	}
	if err := body.Decode(&order); err != nil {
		return err
	}
	fill := p.placeholders(order.Ticket)
	header := http.Header{}
	for name, value := range order.Header {
		header.Set(name, fill(value))
	}
	if order.Method == "" {
		order.Method = http.MethodPost
	}
	return p.webhook(ctx, order.Method, fill(order.Path), header, []byte(fill(order.Body)))
}

func (p *playground) doAgain(ctx context.Context, body *json.Decoder) error {
	var order struct{ Seq uint64 }
	if err := body.Decode(&order); err != nil {
		return err
	}
	return p.again(ctx, order.Seq)
}

func (p *playground) doFaults(_ context.Context, body *json.Decoder) error {
	var order struct {
		Name string
		On   bool
	}
	if err := body.Decode(&order); err != nil {
		return err
	}
	if err := p.faults.set(order.Name, order.On); err != nil {
		return err
	}
	p.view.setFault(order.Name, order.On)
	return nil
}
