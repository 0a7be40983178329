package botpresstest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hitl-go/sdk/internal/sleep"
	"github.com/hitl-go/sdk/internal/strictjson"
)

// maxBody bounds the body of a request or of an integration's response, in bytes.
const maxBody = 10 << 20

// operation is one operation of the runtime API or the files API, as the official OpenAPI names it.
type operation struct {
	id     string
	method string
	path   string
	status int
	do     func(*request) (any, *Error) // Called with s.mu held.
	slow   func(*request) (any, *Error) // Instead of do, without s.mu: for operations that call an integration.
	admin  bool                         // An operation of the admin API, which has no bot.
}

func operations() []operation {
	const get, post, put, patch, del = http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete
	const user, conv, msg, evt, st = "/v1/chat/users", "/v1/chat/conversations", "/v1/chat/messages", "/v1/chat/events", "/v1/chat/states/{type}/{id}/{name}"
	return []operation{
		{id: "createUser", method: post, path: user, status: 201, do: createUser},
		{id: "listUsers", method: get, path: user, do: listUsers},
		{id: "getOrCreateUser", method: post, path: user + "/get-or-create", do: getOrCreateUser},
		{id: "getUser", method: get, path: user + "/{id}", do: getUser},
		{id: "updateUser", method: put, path: user + "/{id}", do: updateUser},
		{id: "deleteUser", method: del, path: user + "/{id}", do: deleteUser},

		{id: "createConversation", method: post, path: conv, status: 201, do: createConversation},
		{id: "listConversations", method: get, path: conv, do: listConversations},
		{id: "getOrCreateConversation", method: post, path: conv + "/get-or-create", do: getOrCreateConversation},
		{id: "getConversation", method: get, path: conv + "/{id}", do: getConversation},
		{id: "updateConversation", method: put, path: conv + "/{id}", do: updateConversation},
		{id: "deleteConversation", method: del, path: conv + "/{id}", do: deleteConversation},
		{id: "listParticipants", method: get, path: conv + "/{id}/participants", do: listParticipants},
		{id: "addParticipant", method: post, path: conv + "/{id}/participants", do: addParticipant},
		{id: "getParticipant", method: get, path: conv + "/{id}/participants/{userId}", do: getParticipant},
		{id: "removeParticipant", method: del, path: conv + "/{id}/participants/{userId}", do: removeParticipant},

		{id: "createMessage", method: post, path: msg, status: 201, do: createMessage},
		{id: "listMessages", method: get, path: msg, do: listMessages},
		{id: "getOrCreateMessage", method: post, path: msg + "/get-or-create", do: getOrCreateMessage},
		{id: "importMessages", method: post, path: msg + "/import-messages", do: importMessages},
		{id: "getMessage", method: get, path: msg + "/{id}", do: getMessage},
		{id: "updateMessage", method: put, path: msg + "/{id}", do: updateMessage},
		{id: "deleteMessage", method: del, path: msg + "/{id}", do: deleteMessage},
		{id: "initializeIncomingMessage", method: post, path: "/v1/chat/initialize-incoming-message", do: initializeIncomingMessage},

		{id: "createEvent", method: post, path: evt, status: 201, do: createEvent},
		{id: "listEvents", method: get, path: evt, do: listEvents},
		{id: "getEvent", method: get, path: evt + "/{id}", do: getEvent},
		{id: "cancelScheduledEvent", method: del, path: evt + "/scheduled/{id}", do: cancelScheduledEvent},

		{id: "getState", method: get, path: st, do: getState},
		{id: "setState", method: post, path: st, do: setState},
		{id: "patchState", method: patch, path: st, do: patchState},
		{id: "getOrSetState", method: post, path: st + "/get-or-set", do: getOrSetState},
		{id: "setStateExpiry", method: post, path: st + "/expiry", do: setStateExpiry},

		{id: "callAction", method: post, path: "/v1/chat/actions", slow: callAction},
		{id: "configureIntegration", method: post, path: "/v1/chat/integrations/configure", do: configureIntegration},
		{id: "upsertFile", method: put, path: "/v1/files", do: upsertFile},
		{id: "listFiles", method: get, path: "/v1/files", do: listFiles},
		{id: "getFile", method: get, path: "/v1/files/{id}", do: getFile},
		{id: "updateFileMetadata", method: put, path: "/v1/files/{id}", do: updateFileMetadata},
		{id: "deleteFile", method: del, path: "/v1/files/{id}", do: deleteFile},

		{id: "listTagValues", method: get, path: "/v1/chat/tags/{key}/values", do: listTagValues},
	}
}

func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	var methods []string
	for _, op := range slices.Concat(operations(), adminOperations()) {
		mux.Handle(op.method+" "+op.path, s.serve(op))
		if !slices.Contains(methods, op.method) {
			methods = append(methods, op.method)
		}
	}
	mux.HandleFunc("/webhook/{id}", s.serveWebhook)
	mux.HandleFunc("/webhook/{id}/{rest...}", s.serveWebhook)
	mux.HandleFunc("PUT /storage/uploads/{id}", s.serveUpload)
	mux.HandleFunc("GET /storage/files/{id}", s.serveFile)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		err := &Error{Status: http.StatusNotFound, Type: "ResourceNotFound", Message: "there is nothing at " + r.URL.Path}
		for _, method := range methods {
			other := r.Clone(r.Context())
			other.Method = method
			if _, pattern := mux.Handler(other); pattern != "/" {
				err = &Error{Status: http.StatusMethodNotAllowed, Type: "MethodNotFound", Message: "no operation " + r.Method + " " + r.URL.Path}
			}
		}
		setQuota(w.Header(), 99, 60)
		s.writeError(w, err)
	})
	return mux
}

// request is one call of the API.
type request struct {
	*Server

	in   *Installation // The caller; nil is the bot, or a person with an access token.
	http *http.Request
	body []byte
}

// serve runs an operation: it authenticates the caller, applies a fault, and records the call.
func (s *Server) serve(op operation) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		call := Call{
			Kind: APICall, Operation: op.id, Method: r.Method, Path: r.URL.RequestURI(), At: time.Now(),
			TraceID: traceID(r.Header.Get("traceparent")), Installation: r.Header.Get("x-integration-alias"),
		}
		body, tooLong := readBody(w, r)
		call.Request = body
		fault := s.faultFor(op.id, APICall)
		call.Fault = fault.Kind

		setQuota(w.Header(), 99, 60)
		status, answer := http.StatusInternalServerError, any(nil)
		refuse := func(err *Error) {
			status, answer = err.Status, s.identified(err).body()
			if status == http.StatusTooManyRequests { // The rate limiter stands before the API, and its errors have another shape.
				answer = map[string]any{"type": err.Type, "description": err.Message, "status": status}
				setQuota(w.Header(), 0, fault.seconds())
			}
		}
		switch fault.Kind {
		case DropBefore, Reset:
			s.record(call)
			cut(w, fault.Kind)
		case RateLimited, Unavailable, InternalError:
			refuse(fault.err())
		default:
			if fault.Kind == Late {
				r = r.WithContext(s.ctx) //nolint:contextcheck // The caller's ends when it gives up.
			}
			if (fault.Kind == Delay || fault.Kind == Late) && sleep.For(r.Context(), fault.Delay) != nil {
				panic(http.ErrAbortHandler)
			}
			var err *Error
			if err = tooLong; err == nil {
				answer, err = s.perform(op, &request{Server: s, http: r, body: body})
			}
			status = max(op.status, http.StatusOK)
			if err != nil {
				refuse(err)
			}
		}
		data, err := json.Marshal(answer)
		if err != nil {
			panic(err) // A bug in this package: every response is plain data.
		}
		call.Status, call.Response, call.Took = status, data, time.Since(call.At)
		s.record(call)
		if fault.Kind == DropAfter {
			cut(w, fault.Kind)
		}
		w.Header().Set("Content-Type", "application/json")
		if fault.Kind == BadGateway {
			w.Header().Set("Content-Type", "text/html")
			status, data = http.StatusBadGateway, []byte(badGateway)
		}
		w.WriteHeader(status)
		_, _ = w.Write(data)
	})
}

// setQuota sets the headers with which the API's rate limiter tells the quota: every response has them.
func setQuota(h http.Header, remaining, reset int) {
	h.Set("RateLimit-Limit", "100")
	h.Set("RateLimit-Remaining", strconv.Itoa(remaining))
	h.Set("RateLimit-Reset", strconv.Itoa(reset)) // In seconds from now.
}

func (s *Server) perform(op operation, r *request) (answer any, err *Error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if op.admin {
		err = s.administrate(r.http)
	} else {
		r.in, err = s.authenticate(r.http)
	}
	if err != nil {
		return nil, err
	}
	if r.http.Method != http.MethodGet {
		if err := s.crowded(); err != nil {
			return nil, err
		}
	}
	if op.slow == nil {
		return op.do(r)
	}
	s.mu.Unlock()
	defer s.mu.Lock()
	return op.slow(r)
}

// authenticate says which installation calls, or nil for the bot. Hold s.mu.
func (s *Server) authenticate(r *http.Request) (*Installation, *Error) {
	token, ok := bearer(r)
	if !ok || !s.mayCall(token, r.Header.Get("x-integration-id")) {
		return nil, unauthorized()
	}
	switch r.Header.Get("x-bot-id") {
	case s.BotID:
	case "":
		return nil, invalidPayload("the header x-bot-id is missing")
	default:
		return nil, forbidden("bot %q is not in this workspace", r.Header.Get("x-bot-id"))
	}
	id, alias := r.Header.Get("x-integration-id"), r.Header.Get("x-integration-alias")
	if id == "" {
		return nil, nil //nolint:nilnil // No installation: the bot itself.
	}
	var found *Installation
	for _, in := range s.installations {
		if in.IntegrationID != id || alias != "" && in.Alias != alias {
			continue
		}
		if found != nil {
			return nil, invalidPayload("integration %s is installed more than once: send x-integration-alias", id)
		}
		found = in
	}
	if found == nil {
		return nil, forbidden("integration %q with alias %q is not installed in the bot", id, alias)
	}
	return found, nil
}

func readBody(w http.ResponseWriter, r *http.Request) ([]byte, *Error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	var tooLong *http.MaxBytesError
	switch {
	case errors.As(err, &tooLong):
		return nil, &Error{Status: http.StatusRequestEntityTooLarge, Type: "PayloadTooLarge", Message: "the body is too large"}
	case err != nil:
		return nil, invalidPayload("the body cannot be read: %v", err)
	}
	return body, nil
}

func (s *Server) identified(err *Error) *Error {
	if err.ID == "" {
		s.mu.Lock()
		err.ID = s.newID("err")
		s.mu.Unlock()
	}
	return err
}

func (s *Server) writeError(w http.ResponseWriter, err *Error) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(err.Status)
	_ = json.NewEncoder(w).Encode(s.identified(err).body())
}

// decode reads a JSON object whose keys are those of the shape and no others. In a shape, "name!" is required and
// "name?" may be null; without a mark it is optional and not null.
func decode[T any](raw []byte, shape string) (T, *Error) {
	var v T
	raw = lastWins(raw)
	var keys map[string]json.RawMessage
	if err := json.Unmarshal(raw, &keys); err != nil || keys == nil {
		return v, invalidPayload("the body must be a JSON object with the keys %s", shape)
	}
	known := 0
	for field := range strings.FieldsSeq(shape) {
		name := strings.TrimRight(field, "!?")
		value, given := keys[name]
		switch {
		case !given && strings.Contains(field, "!"):
			return v, invalidPayload("%s is required", name)
		case given && bytes.Equal(value, []byte("null")) && !strings.Contains(field, "?"):
			return v, invalidPayload("%s must not be null", name)
		case given:
			known++
		}
	}
	if known < len(keys) {
		for name := range keys {
			if !slices.ContainsFunc(strings.Fields(shape), func(f string) bool { return strings.TrimRight(f, "!?") == name }) {
				return v, invalidPayload("%s is not known here; the keys are %s", name, shape)
			}
		}
	}
	if err := json.Unmarshal(raw, &v); err != nil {
		return v, invalidPayload("the body has the wrong shape: %v", err)
	}
	return v, nil
}

// lastWins leaves of a key that an object has several times the last one, as JSON.parse does: what Botpress keeps has each key once.
func lastWins(raw []byte) []byte {
	var v any
	if strictjson.Unique(raw) == nil || json.Unmarshal(raw, &v) != nil {
		return raw
	}
	return mustJSON(v)
}

// object checks that a payload is a JSON object.
func object(name string, raw json.RawMessage) *Error {
	var keys map[string]json.RawMessage
	if err := json.Unmarshal(raw, &keys); err != nil || keys == nil {
		return invalidPayload("%s must be an object", name)
	}
	return nil
}

// checkID refuses malformed ids.
func checkID(name, id string) *Error {
	if id != "" && (len(id) < 28 || len(id) > 36) {
		return invalidPayload("%s must have 28 to 36 characters, not %d", name, len(id))
	}
	return nil
}

// when is the time of a message or an event that is scheduled, by Botpress' clock, zero if it is not.
func (s *Server) when(raw json.RawMessage) (time.Time, *Error) {
	if raw == nil {
		return time.Time{}, nil
	}
	spec, err := decode[struct {
		DateTime *string  `json:"dateTime"`
		Delay    *float64 `json:"delay"`
	}](raw, "dateTime delay")
	switch {
	case err != nil:
		return time.Time{}, err
	case (spec.DateTime == nil) == (spec.Delay == nil):
		return time.Time{}, invalidPayload("schedule needs either dateTime or delay")
	case spec.Delay != nil:
		const longest = float64(365 * 24 * time.Hour / time.Millisecond)
		if !(*spec.Delay >= 0 && *spec.Delay <= longest) {
			return time.Time{}, invalidPayload("schedule.delay must be milliseconds from 0 to %v", longest)
		}
		return s.clock.now().Add(time.Duration(*spec.Delay * float64(time.Millisecond))), nil
	case len(*spec.DateTime) < 24 || len(*spec.DateTime) > 28:
		return time.Time{}, invalidPayload("schedule.dateTime must have 24 to 28 characters")
	}
	at, wrong := time.Parse(time.RFC3339, *spec.DateTime)
	if wrong != nil {
		return time.Time{}, invalidPayload("schedule.dateTime is no ISO date and time: %v", wrong)
	}
	return at, nil
}

// traceID is the trace id in a traceparent header.
func traceID(parent string) string {
	if parts := strings.Split(parent, "-"); len(parts) == 4 {
		return parts[1]
	}
	return ""
}
