package zendesktest

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"strconv"
	"strings"
)

// maxBody bounds a request's body, in bytes. Zendesk takes uploads of 50 MB.
const maxBody = 50 << 20

// request is one request to the API. Its handler runs with d.mu held.
type request struct {
	*http.Request

	body   []byte
	by     *User
	status int         // Of the answer, where it is not the usual one for the method.
	answer http.Header // Of the answer.
}

func (r *request) query(name string) string { return r.URL.Query().Get(name) }

func (r *request) decode(v any) *apiError {
	if err := json.Unmarshal(r.body, v); err != nil {
		return badRequest("JsonParseError", err.Error())
	}
	return nil
}

// pathID is the number in the path, or zero, which nothing has.
func (r *request) pathID() int64 {
	id, _ := strconv.ParseInt(r.PathValue("id"), 10, 64)
	return id
}

// number is an id in a request, which may be written as text. Null is zero.
type number int64

func (n *number) UnmarshalJSON(data []byte) error {
	s := strings.Trim(string(data), `"`)
	if s == "null" || s == "" {
		return nil
	}
	i, err := strconv.ParseInt(s, 10, 64)
	*n = number(i)
	return err
}

// words is a text in a request, which may be written as a number. Null is an empty text.
type words struct {
	given bool
	text  string
}

func (t *words) UnmarshalJSON(data []byte) error {
	t.given = true
	switch s := string(data); {
	case s == "null":
		return nil
	case data[0] == '"':
		return json.Unmarshal(data, &t.text)
	default:
		t.text = s
		return nil
	}
}

func (d *Desk) routes() http.Handler {
	mux := http.NewServeMux()
	for pattern, do := range map[string]func(*request) (any, *apiError){
		"GET /users":                         d.listUsers,
		"POST /users":                        d.createUser,
		"GET /users/me":                      d.showMe,
		"GET /users/count":                   d.countUsers,
		"GET /users/search":                  d.searchUsers,
		"GET /users/show_many":               d.showManyUsers,
		"GET /users/{id}":                    d.showUser,
		"PUT /users/{id}":                    d.updateUser,
		"POST /users/create_or_update":       d.createOrUpdateUser,
		"GET /users/{id}/identities":         d.listIdentities,
		"POST /users/{id}/identities":        d.createIdentity,
		"GET /users/{id}/tickets/requested":  d.listRequested,
		"GET /search":                        d.search,
		"GET /search/count":                  d.countSearch,
		"POST /tickets":                      d.createTicket,
		"GET /tickets":                       d.listTickets,
		"GET /tickets/count":                 d.countTickets,
		"GET /tickets/show_many":             d.showManyTickets,
		"GET /tickets/{id}":                  d.showTicket,
		"PUT /tickets/{id}":                  d.updateTicket,
		"DELETE /tickets/{id}":               d.deleteTicket,
		"GET /tickets/{id}/comments":         d.listComments,
		"GET /tickets/{id}/comments/count":   d.countComments,
		"POST /uploads":                      d.upload,
		"DELETE /uploads/{id}":               d.deleteUpload,
		"GET /attachments/{id}":              d.showAttachment,
		"POST /webhooks":                     d.createWebhook,
		"GET /webhooks":                      d.listWebhooks,
		"GET /webhooks/{id}":                 d.showWebhook,
		"PUT /webhooks/{id}":                 d.updateWebhook,
		"PATCH /webhooks/{id}":               d.updateWebhook,
		"DELETE /webhooks/{id}":              d.deleteWebhook,
		"GET /webhooks/{id}/signing_secret":  d.showSecret,
		"POST /webhooks/{id}/signing_secret": d.resetSecret,
		"POST /triggers":                     d.createTrigger,
		"GET /triggers":                      d.listTriggers,
		"GET /triggers/active":               d.listActiveTriggers,
		"GET /triggers/search":               d.searchTriggers,
		"GET /triggers/{id}":                 d.showTrigger,
		"PUT /triggers/{id}":                 d.updateTrigger,
		"DELETE /triggers/{id}":              d.deleteTrigger,
	} {
		method, path, _ := strings.Cut(pattern, " ")
		mux.Handle(method+" /api/v2"+path, d.serve(d.signedIn(do)))
	}
	mux.Handle("POST /oauth/tokens", d.serve(d.token))
	mux.Handle("GET /oauth/authorizations/new", http.HandlerFunc(d.askConsent))
	mux.Handle("POST /oauth/authorizations", http.HandlerFunc(d.takeConsent))
	mux.HandleFunc("GET /attachments/token/{token}/{$}", d.serveAttachment)
	mux.HandleFunc("GET /system/attachments/{token}", d.serveSigned)
	mux.HandleFunc("GET /auth/v2/login", signIn)

	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.URL.Path = strings.TrimSuffix(r.URL.Path, ".json") // Each path may have the ending or not.
		mux.ServeHTTP(w, r)
	})
}

// signedIn does what is asked if it is asked by somebody who may, and not too often.
func (d *Desk) signedIn(do func(*request) (any, *apiError)) func(*request) (any, *apiError) {
	return func(r *request) (any, *apiError) {
		by, refused := d.authenticate(r.Request)
		if refused != nil {
			return nil, refused
		}
		if refused := d.plan(r.answer); refused != nil {
			return nil, refused
		}
		r.by = by
		return do(r)
	}
}

// serve answers one request, or lets a fault do so.
func (d *Desk) serve(do func(*request) (any, *apiError)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, hr *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, hr.Body, maxBody))
		if err != nil {
			answer(w, http.StatusRequestEntityTooLarge, wire{"error": "RequestEntityTooLarge", "description": "the body is too large"})
			return
		}
		d.mu.Lock()
		defer d.mu.Unlock()
		r := &request{Request: hr, body: body, answer: w.Header()}
		d.requests = append(d.requests, hr.Method+" "+hr.RequestURI)
		fault := d.fault(hr)
		if fault != nil && !fault.AfterWork {
			fault.strike(w)
			return
		}
		out, refused := do(r)
		switch {
		case fault != nil:
			fault.strike(w)
		case refused != nil:
			if refused.retryAfter > 0 {
				w.Header().Set("Retry-After", strconv.Itoa(seconds(refused.retryAfter)))
			}
			answer(w, refused.status, refused.body(d.Language))
		case r.status == http.StatusNoContent, hr.Method == http.MethodDelete:
			w.WriteHeader(http.StatusNoContent)
		case r.status != 0:
			answer(w, r.status, out)
		case hr.Method == http.MethodPost:
			answer(w, http.StatusCreated, out)
		default:
			answer(w, http.StatusOK, out)
		}
	})
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // Whoever asked is gone if this fails.
}

// pageOf answers a part of a list: by cursor if the request asks for pages of a size, else by the number of the page.
func (d *Desk) pageOf(r *request, name string, all []wire) wire {
	q := r.URL.Query()
	link := func(name, value string) string {
		next := maps.Clone(q)
		next.Set(name, value)
		return d.URL + r.URL.Path + ".json?" + next.Encode()
	}
	out := wire{name: append([]wire{}, all...)}
	if size, _ := strconv.Atoi(q.Get("page[size]")); size > 0 {
		begin, _ := strconv.Atoi(q.Get("page[after]"))
		begin = min(max(0, begin), len(all))
		end := min(len(all), begin+min(size, maxPage))
		out[name] = append([]wire{}, all[begin:end]...)
		meta, links := wire{"has_more": end < len(all), "after_cursor": nil, "before_cursor": nil}, wire{"next": nil, "prev": nil}
		if end < len(all) {
			meta["after_cursor"], links["next"] = strconv.Itoa(end), link("page[after]", strconv.Itoa(end))
		}
		out["meta"], out["links"] = meta, links
		return out
	}
	size, _ := strconv.Atoi(q.Get("per_page"))
	if size <= 0 || size > maxPage {
		size = maxPage
	}
	page, _ := strconv.Atoi(q.Get("page"))
	page = max(1, page)
	begin := min(len(all), (page-1)*size)
	end := min(len(all), begin+size)
	out[name], out["count"], out["next_page"], out["previous_page"] = append([]wire{}, all[begin:end]...), len(all), nil, nil
	if end < len(all) {
		out["next_page"] = link("page", strconv.Itoa(page+1))
	}
	if page > 1 {
		out["previous_page"] = link("page", strconv.Itoa(page-1))
	}
	return out
}

const maxPage = 100

// countOf is how Zendesk counts what is in a list.
func countOf(n int) wire { return wire{"count": wire{"value": n, "refreshed_at": now()}} }

// ids are the numbers in a query such as "1,2,3".
func (r *request) ids() (all []int64) {
	for s := range strings.SplitSeq(r.query("ids"), ",") {
		if id, err := strconv.ParseInt(s, 10, 64); err == nil {
			all = append(all, id)
		}
	}
	return all
}
