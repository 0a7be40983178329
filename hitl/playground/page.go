package playground

import (
	"cmp"
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"path"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/hitl-go/sdk/botpress"
)

//go:embed assets
var assets embed.FS

// heartbeat is the interval of comments to an open page, by which a dead connection is noticed.
const heartbeat = 15 * time.Second

// about is what does not change while the playground runs.
type about struct {
	Run      string          `json:"run"`               // Of the program. The state has it, too: a page belongs to one run.
	Title    string          `json:"title"`             // The integration's.
	Agents   []string        `json:"agents,omitempty"`  // Empty without Options.Desk.
	Session  json.RawMessage `json:"session,omitempty"` // The schema of a session's parameters.
	Webhooks []Webhook       `json:"webhooks,omitempty"`
	Live     string          `json:"live,omitempty"` // Name and version of an integration that runs in a real bot.
	Messages int             `json:"messages"`       // How many the page keeps.
	Rows     int             `json:"rows"`
}

// page is what the simulation and the view of live traffic have in common: the list of requests.
type page struct {
	about about
	view  *view
	wire  *wire

	mu     sync.Mutex
	resend map[string]http.RoundTripper // By the party to which it sends requests again. Guarded by mu.
}

func newPage() *page {
	v := newView()
	return &page{view: v, wire: newWire(v, &faults{}), resend: map[string]http.RoundTripper{}}
}

func (p *page) resendBy(to string, t http.RoundTripper) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.resend[to] = t
}

func (p *page) resender(to string) (http.RoundTripper, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if t := p.resend[to]; t != nil {
		return t, nil
	}
	return nil, fmt.Errorf("nothing can be sent to the %s yet", to)
}

// describe sets what does not change.
func (p *page) describe(d botpress.CreateIntegrationParams, opts Options) {
	a := about{Run: p.view.run, Title: cmp.Or(d.Title, d.Name), Webhooks: opts.Webhooks, Messages: maxMessages, Rows: maxRows}
	if opts.Desk != nil {
		a.Agents = opts.Desk.Agents()
	} else {
		a.Webhooks = append(slices.Clip(a.Webhooks), byHand()...)
	}
	for _, i := range d.Interfaces {
		if e := d.Entities[i.Entities["hitlSession"].Name]; e != nil {
			a.Session = e.Schema
		}
	}
	p.about = a
}

// serve serves the page until the context ends.
func serve(ctx context.Context, l net.Listener, page http.Handler) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s := &http.Server{
		Handler: protected(page), ReadHeaderTimeout: 10 * time.Second,
		BaseContext: func(net.Listener) context.Context { return ctx }, // Event streams end with it.
	}
	stopped := make(chan error, 1)
	context.AfterFunc(ctx, func() {
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
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

func (p *page) routes() *http.ServeMux {
	files, err := fs.Sub(assets, "assets")
	if err != nil {
		panic(err) // The folder is embedded.
	}
	mux := http.NewServeMux()
	mux.Handle("GET /", withContentType(http.FileServerFS(files)))
	mux.HandleFunc("GET /api/about", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, http.StatusOK, p.about) })
	mux.HandleFunc("GET /api/events", p.serveEvents)
	mux.HandleFunc("GET /api/wire/{seq}", p.serveExchange)
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
		mux.HandleFunc(method+" /api/replay/{seq}", p.replay)
	}
	return mux
}

func (p *playground) routes() http.Handler {
	mux := p.page.routes()
	for name, do := range map[string]command{
		"say": withoutAnswer(p.doSay), "escalate": withoutAnswer(p.doEscalate), "restart": withoutAnswer(p.doRestart), "desk": withoutAnswer(p.doDesk),
		"faults": withoutAnswer(p.doFaults), "webhook": p.doWebhook, "again": p.doAgain,
	} {
		mux.HandleFunc("POST /api/"+name, func(w http.ResponseWriter, r *http.Request) { serveCommand(w, r, do) })
	}
	mux.HandleFunc("GET /api/picture", p.servePicture)
	return mux
}

// withContentType sets the content types. The file server takes them from the system, and some systems serve scripts as plain
// text.
func withContentType(files http.Handler) http.Handler {
	types := map[string]string{".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml"}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if kind := types[path.Ext(r.URL.Path)]; kind != "" {
			w.Header().Set("Content-Type", kind)
		}
		files.ServeHTTP(w, r)
	})
}

func refuse(w http.ResponseWriter, status int, err error) {
	writeJSON(w, status, map[string]string{"error": err.Error()})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // The page is closed if this fails.
}

// serveEvents sends the whole state, and then the changes.
func (p *page) serveEvents(w http.ResponseWriter, r *http.Request) {
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

// serveExchange sends a request and its response in full.
func (p *page) serveExchange(w http.ResponseWriter, r *http.Request) {
	x, err := p.exchange(r)
	if err != nil {
		refuse(w, http.StatusNotFound, err)
		return
	}
	type half struct {
		Header  [][2]string `json:"header"`
		Body    string      `json:"body"`
		Missing string      `json:"missing,omitempty"` // Why the body is not shown.
	}
	show := func(h http.Header, b []byte) half {
		shown := half{Header: p.wire.secrets.header(h)}
		shown.Body, shown.Missing = p.wire.secrets.body(b, x.gone)
		return shown
	}
	writeJSON(w, http.StatusOK, map[string]any{
		"row": x.row, "method": x.method, "url": p.wire.secrets.text(x.url), "webhook": x.webhookPath != "",
		"request": show(x.header, x.body), "response": show(x.answerHeader, x.answer),
	})
}

// exchange returns the request of the list that a request of the page names.
func (p *page) exchange(r *http.Request) (exchange, error) {
	seq, err := strconv.ParseUint(r.PathValue("seq"), 10, 64)
	x, ok := p.view.exchange(seq)
	if err != nil || !ok {
		return exchange{}, errors.New("this request is no longer available")
	}
	return x, nil
}
