package hitl

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/internal/wire"
)

// Bounds of what strangers can make an HTTP server hold. The bounds of bodies are in body.go.
const (
	maxHeader     = 64 << 10 // bytes; the configuration travels in one
	headerTimeout = 10 * time.Second
	idleTimeout   = 2 * time.Minute
	// connectionsPerOperation is how many connections there are to each operation that may be at work. Most of them are idle.
	connectionsPerOperation = 4
)

// ServeHTTP answers Botpress, which sends POST requests to any path but /health and /ready. These answer monitoring: GET of
// /health is 200 "ok" while the process lives, and GET of /ready is 200 while it can and will work, else 503 with the reason.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s.monitor(w, r) {
		return
	}
	start := time.Now()
	// Detach from the client's cancellation: an operation that a disconnect breaks off is redelivered, and done twice.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), s.opts.Timeout)
	defer cancel()
	ctx, seen := observe(botpress.ContextWithTrace(ctx, traceOf(r.Header)))
	seen.hungUp = r.Context().Done()

	b := body{of: s.bodies}
	defer b.release()
	err := s.receive(w, r, seen, &b)
	var res response
	if err != nil {
		b.release()
		// The body may be unread, and need not be: a connection that is kept is read to the end of the request first.
		w.Header().Set("Connection", "close")
	} else {
		var a admission
		res, a, err = s.operate(ctx, r.Header, &b)
		defer s.leave(a) // only then: the answer belongs to what is in flight
	}
	err = explained(err)
	done := Operation{
		Name: operationName(r.Header), Action: seen.action, Err: err,
		BotID: wire.Get(r.Header, wire.HeaderBotID), IntegrationID: wire.Get(r.Header, wire.HeaderIntegrationID),
		Alias: wire.Get(r.Header, wire.HeaderIntegrationAlias),
	}
	if err != nil {
		f := failureOf(err)
		f.body.Message = seen.mask.Load().Mask(s.mask.Mask(f.body.Message))
		res, done.ErrorID = f.response(), f.body.ID
		if seen.trusted {
			s.tellOwner(ctx, done, seen, f)
		}
	}
	res.write(w)
	done.Status, done.Duration, done.APICalls = res.status, time.Since(start), int(seen.apiCalls.Load())
	s.report(ctx, done, seen)
}

// monitor answers monitoring, and reports whether it was such a request. Botpress' SDK answers a POST of /health as well. But
// an operation is not sent there: Botpress would take "ok" for its answer, and all that it asks for would be lost.
func (s *Server) monitor(w http.ResponseWriter, r *http.Request) bool {
	get := r.Method == http.MethodGet || r.Method == http.MethodHead
	isOperation := wire.Get(r.Header, wire.HeaderOperation) != ""
	ok := response{status: http.StatusOK, body: []byte("ok")}
	switch {
	case (r.URL.Path == "/health" || r.URL.Path == "/ready") && isOperation:
		f := failureOf(&statusError{
			status: http.StatusNotFound, kind: botpress.TypeResourceNotFound,
			message: "the integration's address ends in " + r.URL.Path + ", where only monitoring is answered; deploy it with another address",
		})
		f.response().write(w)
	case r.URL.Path == "/health" && (get || r.Method == http.MethodPost):
		ok.write(w)
	case r.URL.Path == "/ready" && get:
		if err := s.Ready(); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			break
		}
		ok.write(w)
	default:
		return false
	}
	return true
}

// receive takes a request in: it reads the body, within bounds, and checks that Botpress has sent it.
func (s *Server) receive(w http.ResponseWriter, r *http.Request, seen *observation, b *body) error {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		return &statusError{status: http.StatusMethodNotAllowed, kind: botpress.TypeMethodNotFound, message: "only POST is served here"}
	}
	if err := s.Ready(); err != nil {
		return &statusError{
			status: http.StatusServiceUnavailable, kind: botpress.TypeInternal, message: err.Error(), retryAfter: time.Second,
		}
	}
	if e := r.Header.Get("Content-Encoding"); e != "" && e != "identity" {
		return &statusError{
			status: http.StatusUnsupportedMediaType, kind: botpress.TypeUnsupportedMediaType, message: "bodies must not be compressed",
		}
	}
	if r.ContentLength > s.opts.MaxBody {
		return tooLarge(s.opts.MaxBody)
	}
	// A ping does nothing, so it needs no signature: it tells a deployment that the address is right.
	isPing := wire.Get(r.Header, wire.HeaderOperation) == string(wire.Ping)
	if s.verifier != nil && isPing {
		return nil
	}
	if s.verifier != nil && r.Header.Get(botpress.SignatureHeader) == "" {
		return unauthorized("the request is not signed", botpress.ErrNoSignature)
	}
	if err := b.read(w, r, s.opts.MaxBody); err != nil {
		return err
	}
	if err := s.authenticate(r, b.data); err != nil {
		return err
	}
	b.checked()
	seen.trusted = true
	working(r)
	return nil
}

// authenticate checks that Botpress has sent a request, and for whom.
func (s *Server) authenticate(r *http.Request, body []byte) error {
	if s.verifier == nil {
		return nil
	}
	if err := s.verifier.Verify(r, body); err != nil {
		return unauthorized("the signature of the request is not valid", err)
	}
	if s.signatures.isReplay(r.Header, body) {
		return unauthorized("the request was received before for another bot, configuration or operation", nil)
	}
	s.observeSignature(r.Header)
	return nil
}

func unauthorized(message string, cause error) error {
	return &statusError{status: http.StatusUnauthorized, kind: botpress.TypeUnauthorized, message: message, cause: cause}
}

// unreadable says why a body could not be read.
func unreadable(err error) error {
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return tooLarge(large.Limit)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return &statusError{status: http.StatusRequestTimeout, kind: botpress.TypeOperationTimeout, message: "the body did not arrive in time"}
	default:
		return invalidf("the body could not be read to its end")
	}
}

func tooLarge(limit int64) error {
	return &statusError{
		status: http.StatusRequestEntityTooLarge, kind: botpress.TypePayloadTooLarge, message: fmt.Sprintf("the body is larger than %d bytes", limit),
	}
}

// overloaded asks the sender to retry in a second.
func overloaded(message string) error {
	return &statusError{status: http.StatusServiceUnavailable, kind: botpress.TypeRuntime, message: message, retryAfter: time.Second}
}

// operate runs an operation if there is a place for it. Panics of the author's code become errors here.
func (s *Server) operate(ctx context.Context, header http.Header, b *body) (res response, taken admission, err error) {
	op, err := readContext(header)
	if err != nil {
		return response{}, admission{}, err
	}
	op.body = b.data
	taken = admission{scopeOf(op.in), op.name == wire.WebhookReceived, b.size()}
	if err := s.admit(taken); err != nil {
		return response{}, admission{}, err
	}
	defer func() {
		if v := recover(); v != nil {
			err = panicked(v)
		}
	}()
	res, err = op.run(ctx, s)
	return res, taken, err
}

// admit takes a place among all operations at work, and among those of the installation. It does not wait for one: Botpress
// has the better queue. Leave gives the place back.
func (s *Server) admit(a admission) error {
	if !s.slots.TryAcquire(1) {
		return overloaded("too many operations at once")
	}
	if s.closing.Load() { // since it was received
		s.slots.Release(1)
		return overloaded(errClosing.Error())
	}
	if !s.bulkhead.enter(a) {
		s.slots.Release(1)
		return overloaded("too many operations of one installation at once")
	}
	return nil
}

// leave gives a place back, if there is one.
func (s *Server) leave(a admission) {
	if a != (admission{}) {
		s.bulkhead.leave(a)
		s.slots.Release(1)
	}
}

var errClosing = errors.New("hitl: the server is shutting down")

// Ready reports what keeps the server from working: a missing token or signing secret, for instance, or that it
// is shutting down. Until it returns nil, every request from Botpress is answered 503.
func (s *Server) Ready() error {
	if s.closing.Load() {
		return errClosing
	}
	return s.notReady
}

// Shutdown refuses new operations with 503, so that Botpress redelivers them, to another replica if there is one. It waits
// until those in flight are done, and what retries and sweeps are sending, and then closes the adapters. Its error says that the
// context ended first. A server cannot be started again.
//
// An [http.Server] in front of it should be shut down afterwards; [Server.Serve] does both.
func (s *Server) Shutdown(ctx context.Context) error {
	s.closing.Store(true)
	all := int64(s.opts.MaxConcurrent)
	if err := s.slots.Acquire(ctx, all); err != nil {
		return fmt.Errorf("hitl: shut down while operations are at work: %w", err)
	}
	defer s.slots.Release(all)

	if err := s.adapters.shutdown(ctx); err != nil {
		return err
	}
	if s.client != nil {
		s.client.CloseIdleConnections()
	}
	return nil
}

// HTTPServer returns an HTTP server for s with limits on time and headers, as a server on the internet needs
// them. It may be changed before it is started; its Addr is empty.
//
// Its ConnState and ConnContext bound the connections, at four times [Options.MaxConcurrent]: one too many closes the one that has
// been waiting longest without being at work.
func (s *Server) HTTPServer() *http.Server {
	srv := &http.Server{
		Handler:           s,
		MaxHeaderBytes:    maxHeader,
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       headerTimeout + bodyTimeout,
		WriteTimeout:      bodyTimeout + s.opts.Timeout + ackGrace,
		IdleTimeout:       idleTimeout,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelWarn),
	}
	bound(srv, connectionsPerOperation*s.opts.MaxConcurrent)
	return srv
}

// Serve answers on a listener until ctx ends or the listener fails. Then it shuts down, see [Server.Shutdown], for which
// operations have the time that they may take anyway. The error is nil if ctx has ended and they needed no more; else it says
// what broke the listener, or what has not ended. The listener is closed in either case.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	srv := s.HTTPServer()
	shutdown := func() error {
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.opts.Timeout+ackGrace)
		defer cancel()
		return errors.Join(s.Shutdown(last), srv.Shutdown(last), srv.Close())
	}
	closed := make(chan error, 1)
	stop := context.AfterFunc(ctx, func() { closed <- shutdown() })
	err := srv.Serve(l)
	if stop() { // so nobody has asked for it
		return errors.Join(fmt.Errorf("hitl: serve: %w", err), shutdown())
	}
	return <-closed
}

// response is what goes back to Botpress.
type response struct {
	status int
	header http.Header
	json   bool // the Content-Type, unless the header has one
	body   []byte
}

func (res response) write(w http.ResponseWriter) {
	header := w.Header()
	header["Content-Type"] = nil // not to be guessed
	if res.json {
		header["Content-Type"] = jsonType
	}
	for name, values := range res.header {
		header[http.CanonicalHeaderKey(name)] = values
	}
	w.WriteHeader(res.status)
	_, _ = w.Write(res.body) // the sender is gone if this fails, and will retry
}

// nothing answers 200 with an empty object.
var nothing = response{status: http.StatusOK, json: true, body: []byte("{}")}

// jsonType is a header's value. It is not written to.
var jsonType = []string{"application/json"}

// jsonResponse answers 200 with v.
func jsonResponse(v any) (response, error) { return encodeResponse(http.StatusOK, v) }

func encodeResponse(status int, v any) (response, error) {
	body, err := json.Marshal(v)
	if err != nil {
		return response{}, fmt.Errorf("hitl: encode the answer: %w", err)
	}
	return response{status: status, json: true, body: body}, nil
}
