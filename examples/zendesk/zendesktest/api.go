package zendesktest

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// maxBody bounds a request's body, in bytes. Zendesk takes uploads of 50 MB.
const maxBody = 50 << 20

// request is one request to the API. Its handler runs with d.mu held.
type request struct {
	*http.Request

	body []byte
	by   *User
}

func (r *request) query(name string) string { return r.URL.Query().Get(name) }

func (r *request) decode(v any) *apiError {
	if err := json.Unmarshal(r.body, v); err != nil {
		return &apiError{Status: http.StatusBadRequest, Kind: "JsonParseError", Description: err.Error()}
	}
	return nil
}

// apiError is a refusal, in the form in which Zendesk writes it.
type apiError struct {
	Status      int                            `json:"-"`
	Kind        string                         `json:"error"`
	Description string                         `json:"description"`
	Details     map[string][]map[string]string `json:"details,omitempty"`
}

func (e *apiError) Error() string { return "zendesktest: " + e.Kind + ": " + e.text() }

func (e *apiError) text() string {
	for _, detail := range e.Details {
		return detail[0]["description"]
	}
	return e.Description
}

func invalid(field, description string) *apiError {
	return &apiError{
		Status: http.StatusUnprocessableEntity, Kind: "RecordInvalid", Description: "Record validation errors",
		Details: map[string][]map[string]string{field: {{"description": description}}},
	}
}

func notFound() *apiError {
	return &apiError{Status: http.StatusNotFound, Kind: "RecordNotFound", Description: "Not found"}
}

//nolint:unparam // It is one handler of many.
func me(r *request) (any, *apiError) { return map[string]any{"user": r.by}, nil }

func (d *Desk) routes() http.Handler {
	mux := http.NewServeMux()
	for pattern, do := range map[string]func(*request) (any, *apiError){
		"GET /users/me":                     me,
		"GET /users/search":                 d.searchUsers,
		"GET /users/{id}":                   d.showUser,
		"POST /users/create_or_update":      d.createOrUpdateUser,
		"POST /tickets":                     d.createTicket,
		"GET /tickets":                      d.listTickets,
		"GET /tickets/{id}":                 d.showTicket,
		"PUT /tickets/{id}":                 d.updateTicket,
		"GET /tickets/{id}/comments":        d.listComments,
		"POST /uploads":                     d.upload,
		"POST /webhooks":                    d.createWebhook,
		"GET /webhooks":                     d.listWebhooks,
		"GET /webhooks/{id}/signing_secret": d.showSecret,
		"DELETE /webhooks/{id}":             d.deleteWebhook,
		"POST /triggers":                    d.createTrigger,
		"GET /triggers/search":              d.searchTriggers,
		"DELETE /triggers/{id}":             d.deleteTrigger,
	} {
		method, path, _ := strings.Cut(pattern, " ")
		mux.Handle(method+" /api/v2"+path, d.serve(do))
	}
	mux.HandleFunc("GET /attachments/token/{token}/{$}", d.serveAttachment)

	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.URL.Path = strings.TrimSuffix(r.URL.Path, ".json") // Each path may have the ending or not.
		mux.ServeHTTP(w, r)
	})
}

// serve answers one request: who asks, which fault, what for.
func (d *Desk) serve(do func(*request) (any, *apiError)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, hr *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, hr.Body, maxBody))
		if err != nil {
			answer(w, http.StatusRequestEntityTooLarge, &apiError{Kind: "RequestEntityTooLarge", Description: "the body is too large"})
			return
		}
		d.mu.Lock()
		defer d.mu.Unlock()
		r := &request{Request: hr, body: body}
		d.requests = append(d.requests, hr.Method+" "+hr.RequestURI)
		fault := d.fault(hr)
		if fault != nil && !fault.AfterWork {
			fault.strike(w)
			return
		}
		if r.by = d.authenticate(hr); r.by == nil {
			answer(w, http.StatusUnauthorized, map[string]string{"error": "Couldn't authenticate you"})
			return
		}
		out, refused := do(r)
		switch {
		case fault != nil:
			fault.strike(w)
		case refused != nil:
			answer(w, refused.Status, refused)
		case hr.Method == http.MethodPost:
			answer(w, http.StatusCreated, out)
		case hr.Method == http.MethodDelete:
			w.WriteHeader(http.StatusNoContent)
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

// fault is the fault that strikes this request, or nil.
func (d *Desk) fault(r *http.Request) *Fault {
	if d.down {
		return &Fault{Status: http.StatusServiceUnavailable, RetryAfter: -1}
	}
	i := slices.IndexFunc(d.faults, func(f *Fault) bool {
		fits := f.Times > 0 && (f.Method == "" || f.Method == r.Method) && strings.Contains(r.URL.Path, f.Path)
		if fits && f.Skip > 0 {
			f.Skip--
			return false
		}
		return fits
	})
	if i < 0 {
		return nil
	}
	d.faults[i].Times--
	return d.faults[i]
}

func (f *Fault) strike(w http.ResponseWriter) {
	if f.Status == 0 {
		panic(http.ErrAbortHandler)
	}
	if f.RetryAfter >= 0 && (f.Status == http.StatusTooManyRequests || f.Status == http.StatusServiceUnavailable) {
		w.Header().Set("Retry-After", strconv.Itoa(int(f.RetryAfter/time.Second)))
	}
	answer(w, f.Status, &apiError{Kind: http.StatusText(f.Status), Description: "the test wants it so"})
}

func (d *Desk) authenticate(r *http.Request) *User {
	user, token, ok := r.BasicAuth()
	want := d.Token
	if ok {
		ok = user == d.Email+"/token"
	} else {
		token, ok = strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		want = d.AccessToken
	}
	if !ok || subtle.ConstantTimeCompare([]byte(token), []byte(want)) == 0 {
		return nil
	}
	return d.users[0]
}

func (d *Desk) showUser(r *request) (any, *apiError) {
	id, _ := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if u := d.user(id); u.Role != "" {
		return map[string]any{"user": u}, nil
	}
	return nil, notFound()
}

func (d *Desk) searchUsers(r *request) (any, *apiError) {
	email, ok := strings.CutPrefix(r.query("query"), "email:")
	external := r.query("external_id")
	if !ok && external == "" {
		return nil, &apiError{Status: http.StatusBadRequest, Kind: "BadRequest", Description: "only searches by external_id or email: are known here"}
	}
	found := []*User{}
	for _, u := range d.users {
		if email != "" && strings.EqualFold(u.Email, email) || external != "" && strings.EqualFold(u.ExternalID, external) {
			found = append(found, u)
		}
	}
	return map[string]any{"users": found, "count": len(found)}, nil
}

// createOrUpdateUser finds a user by external id, in any case of letters, else by address.
func (d *Desk) createOrUpdateUser(r *request) (any, *apiError) {
	var in struct {
		User struct {
			User
			PhotoURL string `json:"remote_photo_url"`
		}
	}
	if err := r.decode(&in); err != nil {
		return nil, err
	}
	fields := in.User
	switch {
	case utf8.RuneCountInString(fields.Name) < 1:
		return nil, invalid("name", "Name:  is too short (minimum is 1 character)")
	case len(fields.PhotoURL) > 255:
		return nil, invalid("remote_photo_url", "Remote photo url: is too long (maximum is 255 characters)")
	case fields.Email != "" && !strings.Contains(fields.Email, "@"):
		return nil, invalid("email", "Email: "+fields.Email+" is not properly formatted")
	}
	i := slices.IndexFunc(d.users, func(u *User) bool {
		return fields.ExternalID != "" && strings.EqualFold(u.ExternalID, fields.ExternalID)
	})
	if i < 0 {
		i = slices.IndexFunc(d.users, func(u *User) bool { return fields.Email != "" && strings.EqualFold(u.Email, fields.Email) })
	}
	if i < 0 {
		i = len(d.users)
		d.users = append(d.users, &User{ID: d.nextID(), Role: "end-user"})
	}
	u := d.users[i]
	u.Name = fields.Name
	if fields.Role != "" {
		u.Role = fields.Role
	}
	if fields.Email != "" {
		u.Email = fields.Email
	}
	if fields.ExternalID != "" {
		u.ExternalID = fields.ExternalID
	}
	if fields.PhotoURL != "" {
		u.Photo = &Photo{URL: fields.PhotoURL}
	}
	return map[string]any{"user": u}, nil
}

// created is what a request with an idempotency key has created.
type created struct {
	ticket int64
	body   []byte
}

// number is an id in a request, which may be written as text.
type number int64

func (n *number) UnmarshalJSON(data []byte) error {
	i, err := strconv.ParseInt(strings.Trim(string(data), `"`), 10, 64)
	*n = number(i)
	return err
}

// ticketFields are a ticket as it is sent.
type ticketFields struct {
	ExternalID  string         `json:"external_id"`
	Subject     string         `json:"subject"`
	Status      string         `json:"status"`
	Priority    string         `json:"priority"`
	RequesterID number         `json:"requester_id"`
	SubmitterID number         `json:"submitter_id"`
	AssigneeID  *number        `json:"assignee_id"`
	FormID      number         `json:"ticket_form_id"`
	Tags        []string       `json:"tags"`
	Metadata    map[string]any `json:"metadata"`
	Comment     *struct {
		AuthorID number   `json:"author_id"`
		HTML     string   `json:"html_body"`
		Public   *bool    `json:"public"`
		Uploads  []string `json:"uploads"`
	} `json:"comment"`
}

// comment makes a comment of what was sent. It is the API user's unless it says otherwise.
func (d *Desk) comment(by *User, f ticketFields) (*Comment, *apiError) {
	if f.Comment == nil {
		return nil, nil
	}
	c := &Comment{AuthorID: int64(f.Comment.AuthorID), HTML: f.Comment.HTML, Public: f.Comment.Public == nil || *f.Comment.Public}
	c.Metadata.Custom = f.Metadata
	if c.AuthorID == 0 {
		c.AuthorID = by.ID
	}
	switch author := d.user(c.AuthorID); {
	case author.Role == "":
		return nil, invalid("author", "Author: is invalid")
	case author.Role == "end-user" && !c.Public:
		return nil, invalid("base", "Comment: end users cannot write internal notes")
	case strings.TrimSpace(c.HTML) == "" && len(f.Comment.Uploads) == 0:
		return nil, invalid("base", "Description: cannot be blank")
	case len(c.HTML) > 65_535:
		return nil, invalid("base", "Comment: is too long")
	}
	for _, token := range f.Comment.Uploads {
		files, ok := d.uploads[token]
		if !ok {
			return nil, invalid("base", "Attachment: is invalid")
		}
		delete(d.uploads, token) // A token is good for one comment.
		c.Attachments = append(c.Attachments, files...)
	}
	return c, nil
}

func (d *Desk) createTicket(r *request) (any, *apiError) {
	key := r.Header.Get("Idempotency-Key")
	if before, ok := d.idempotent[key]; ok && key != "" {
		if !bytes.Equal(before.body, r.body) {
			return nil, &apiError{Status: http.StatusBadRequest, Kind: "IdempotentRequestError", Description: "The request parameters do not match those of the first request"}
		}
		t, err := d.ticket(before.ticket)
		if err != nil {
			return nil, notFound()
		}
		return map[string]any{"ticket": t}, nil
	}
	var in struct{ Ticket ticketFields }
	if err := r.decode(&in); err != nil {
		return nil, err
	}
	f := in.Ticket
	if f.Comment == nil {
		return nil, invalid("base", "Description: cannot be blank")
	}
	if f.SubmitterID != 0 {
		f.Comment.AuthorID = f.SubmitterID // "The submitter always becomes the author of the first comment."
	}
	c, refused := d.comment(r.by, f)
	if refused != nil {
		return nil, refused
	}
	t := Ticket{
		ID: d.lastTicket + 1, ExternalID: f.ExternalID, Subject: f.Subject, RequesterID: cmp.Or(int64(f.RequesterID), r.by.ID),
		SubmitterID: c.AuthorID, FormID: int64(f.FormID), Tags: f.Tags, Via: Via{viaAPI.channel}, CreatedAt: now(),
	}
	if d.user(t.RequesterID).Role == "" {
		return nil, invalid("requester", "Requester: Name:  is too short (minimum is 1 character)")
	}
	status := cmp.Or(f.Status, "new")
	if f.AssigneeID == nil && d.autoAssigns.ID != 0 {
		f.AssigneeID, status = (*number)(&d.autoAssigns.ID), "open"
	}
	if t, refused = d.applied(t, viaAPI, change{status: status, priority: f.Priority, assignee: (*int64)(f.AssigneeID), comment: c}); refused != nil {
		return nil, refused
	}
	d.lastTicket = t.ID
	d.tickets = append(d.tickets, &t)
	if key != "" {
		d.idempotent[key] = created{t.ID, r.body}
	}
	d.fire(&update{before: &Ticket{}, ticket: &t, by: r.by, via: viaAPI, comment: c})
	return map[string]any{"ticket": t}, nil
}

func (d *Desk) listTickets(r *request) (any, *apiError) {
	found := []*Ticket{}
	for _, t := range d.tickets {
		if id := r.query("external_id"); id == "" || id == t.ExternalID {
			found = append(found, t)
		}
	}
	return map[string]any{"tickets": found}, nil
}

func (d *Desk) byPath(r *request) (*Ticket, *apiError) {
	id, _ := strconv.ParseInt(r.PathValue("id"), 10, 64)
	t, err := d.ticket(id)
	if err != nil {
		return nil, notFound()
	}
	return t, nil
}

func (d *Desk) showTicket(r *request) (any, *apiError) {
	t, refused := d.byPath(r)
	if refused != nil {
		return nil, refused
	}
	out := map[string]any{"ticket": t}
	if r.query("include") == "users" {
		out["users"] = d.usersOf(t.RequesterID, t.AssigneeID)
	}
	return out, nil
}

// usersOf returns each user once, as side-loads do.
func (d *Desk) usersOf(ids ...int64) []*User {
	list := []*User{}
	for _, id := range ids {
		u := d.user(id)
		if u.Role != "" && !slices.ContainsFunc(list, func(other *User) bool { return other.ID == u.ID }) {
			list = append(list, u)
		}
	}
	return list
}

func (d *Desk) updateTicket(r *request) (any, *apiError) {
	t, refused := d.byPath(r)
	if refused != nil {
		return nil, refused
	}
	var in struct{ Ticket ticketFields }
	if err := r.decode(&in); err != nil {
		return nil, err
	}
	f := in.Ticket
	c, refused := d.comment(r.by, f)
	if refused != nil {
		return nil, refused
	}
	commentID, refused := d.change(t, r.by, viaAPI, change{
		status: f.Status, priority: f.Priority, externalID: f.ExternalID, assignee: (*int64)(f.AssigneeID), comment: c,
	})
	if refused != nil {
		return nil, refused
	}
	events := []map[string]any{{"id": d.nextID(), "type": "Change", "field_name": "updated_at"}}
	if commentID != 0 {
		events = append(events, map[string]any{"id": commentID, "type": "Comment", "author_id": c.AuthorID})
	}
	return map[string]any{"ticket": t, "audit": map[string]any{"id": d.nextID(), "events": events}}, nil
}

// listComments sorts by the parameter sort only if the pages have cursors, as Zendesk does.
func (d *Desk) listComments(r *request) (any, *apiError) {
	t, refused := d.byPath(r)
	if refused != nil {
		return nil, refused
	}
	page := slices.Clone(t.Comments)
	out := map[string]any{}
	if size, err := strconv.Atoi(r.query("page[size]")); err == nil {
		if r.query("sort") == "-created_at" {
			slices.Reverse(page)
		}
		begin, _ := strconv.Atoi(r.query("page[after]")) // A cursor of ours is how many came before.
		begin = min(max(begin, 0), len(page))
		end := min(begin+size, len(page))
		out["meta"] = map[string]any{"has_more": end < len(page), "after_cursor": strconv.Itoa(end)}
		page = page[begin:end]
	}
	out["comments"] = append([]Comment{}, page...)
	if r.query("include") == "users" {
		var authors []int64
		for _, c := range page {
			authors = append(authors, c.AuthorID)
		}
		out["users"] = d.usersOf(authors...)
	}
	return out, nil
}

func (d *Desk) upload(r *request) (any, *apiError) {
	name := r.query("filename")
	if name == "" {
		return nil, invalid("filename", "filename: is required")
	}
	a := d.attach(File{Name: name, ContentType: r.Header.Get("Content-Type"), Data: r.body})
	token := rand.Text()
	d.uploads[token] = []Attachment{a}
	return map[string]any{"upload": map[string]any{"token": token, "attachment": a}}, nil
}

func (d *Desk) serveAttachment(w http.ResponseWriter, r *http.Request) {
	d.mu.Lock()
	f, ok := d.contents[r.PathValue("token")]
	d.mu.Unlock()
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", f.ContentType)
	w.Header().Set("Content-Disposition", "inline; filename="+url.PathEscape(f.Name))
	_, _ = w.Write(f.Data)
}
