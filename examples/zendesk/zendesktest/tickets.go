package zendesktest

import (
	"bytes"
	"cmp"
	"encoding/json"
	"html"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hitl-go/sdk/message/richtext"
)

// created is what a request with an idempotency key has created.
type created struct {
	parameters []byte
	answer     any
	at         time.Time
}

// keyLife is how long an idempotency key is remembered.
const keyLife = 2 * time.Hour

// optionalID is an id that may be missing, which is not the same as null.
type optionalID struct{ id *int64 }

func (o *optionalID) UnmarshalJSON(data []byte) error {
	var n number
	if err := n.UnmarshalJSON(data); err != nil {
		return err
	}
	o.id = (*int64)(&n)
	return nil
}

// ticketFields are a ticket as it is sent. What is missing changes nothing.
type ticketFields struct {
	ExternalID  words      `json:"external_id"`
	Subject     string     `json:"subject"`
	Description string     `json:"description"` // Another way to write the first comment.
	Status      string     `json:"status"`
	Priority    string     `json:"priority"`
	RequesterID number     `json:"requester_id"`
	Requester   *requester `json:"requester"`
	SubmitterID number     `json:"submitter_id"`
	AssigneeID  optionalID `json:"assignee_id"`
	GroupID     optionalID `json:"group_id"`
	FormID      number     `json:"ticket_form_id"`
	Tags        []string   `json:"tags"`
	AddTags     []string   `json:"additional_tags"`
	RemoveTags  []string   `json:"remove_tags"`
	CCs         []struct {
		UserID number `json:"user_id"`
		Action string `json:"action"`
	} `json:"email_ccs"`
	Metadata map[string]any `json:"metadata"`
	Comment  *commentFields `json:"comment"`
}

// commentFields are a comment as it is sent.
type commentFields struct {
	AuthorID number   `json:"author_id"`
	HTML     string   `json:"html_body"`
	Body     string   `json:"body"` // A text, for those who have no HTML.
	Public   *bool    `json:"public"`
	Uploads  []string `json:"uploads"`
}

// requester is somebody who may not be known yet.
type requester struct {
	Name  string `json:"name"`
	Email string `json:"email"`
}

// tags makes new tags of old ones.
func (f ticketFields) tags(old []string) []string {
	if f.Tags != nil {
		old = f.Tags
	}
	old = append(old, f.AddTags...)
	old = slices.DeleteFunc(old, func(tag string) bool { return slices.Contains(f.RemoveTags, tag) })
	slices.Sort(old)
	return slices.Compact(old)
}

func (f ticketFields) ccs(old []int64) []int64 {
	for _, cc := range f.CCs {
		old = slices.DeleteFunc(old, func(id int64) bool { return id == int64(cc.UserID) })
		if cc.Action != "delete" {
			old = append(old, int64(cc.UserID))
		}
	}
	return old
}

func (f ticketFields) change(c *Comment) change {
	return change{
		status: f.Status, priority: f.Priority, subject: f.Subject, externalID: f.ExternalID, assignee: f.AssigneeID.id, group: f.GroupID.id,
		tags: f.tags, ccs: f.ccs, comment: c,
	}
}

// comment makes a comment of what was sent. It is the API user's unless it says otherwise.
func (d *Desk) comment(by *User, f ticketFields) (*Comment, *apiError) {
	if f.Comment == nil {
		return nil, nil
	}
	c := &Comment{
		AuthorID: cmp.Or(int64(f.Comment.AuthorID), by.ID), HTML: cmp.Or(f.Comment.HTML, paragraphs(f.Comment.Body)),
		Public: f.Comment.Public == nil || *f.Comment.Public, Metadata: Metadata{Custom: f.Metadata},
	}
	switch author := d.user(c.AuthorID); {
	case author.Role == "":
		return nil, invalid("author", saysAuthor)
	case author.Suspended:
		return nil, invalid("author", saysAuthorSuspended, author.Name)
	case author.Role == "end-user" && !c.Public:
		return nil, invalid("base", saysNoteByEndUser)
	case strings.TrimSpace(c.HTML) == "" && len(f.Comment.Uploads) == 0:
		return nil, invalid("base", saysNoDescription).of("FieldDescription")
	case len(c.HTML) > 65_535:
		return nil, invalid("base", saysLongComment)
	}
	var refused *apiError
	c.Attachments, refused = d.uploaded(f.Comment.Uploads)
	return c, refused
}

// paragraphs makes HTML of a text.
func paragraphs(text string) string {
	if strings.TrimSpace(text) == "" {
		return ""
	}
	return "<p>" + strings.ReplaceAll(html.EscapeString(text), "\n", "<br>") + "</p>"
}

// repeated looks an idempotency key up. What counts are the parameters, not how they are written.
func (d *Desk) repeated(r *request, key string) (parameters []byte, answer any, refused *apiError) {
	if key == "" {
		return nil, nil, nil
	}
	var sent any
	if refused = r.decode(&sent); refused != nil {
		return nil, nil, refused
	}
	parameters, err := json.Marshal(sent)
	if err != nil {
		return nil, nil, badRequest("JsonParseError", err.Error())
	}
	before, ok := d.idempotent[key]
	if age := time.Since(before.at); !ok || age >= keyLife {
		r.answer.Set("X-Idempotency-Lookup", "miss")
		return parameters, nil, nil
	}
	if !bytes.Equal(before.parameters, parameters) {
		return nil, nil, badRequest("IdempotentRequestError", "Request parameters don't match the given idempotency key")
	}
	r.answer.Set("X-Idempotency-Lookup", "hit")
	return parameters, before.answer, nil
}

func (d *Desk) createTicket(r *request) (any, *apiError) {
	key := r.Header.Get("Idempotency-Key")
	parameters, before, refused := d.repeated(r, key)
	if refused != nil || before != nil {
		return before, refused
	}
	var in struct{ Ticket ticketFields }
	if err := r.decode(&in); err != nil {
		return nil, err
	}
	t, c, refused := d.newTicket(r.by, in.Ticket)
	if refused != nil {
		return nil, refused
	}
	d.lastTicket = t.ID
	d.tickets = append(d.tickets, t)
	d.spend(in.Ticket.Comment)
	d.fire(&update{before: &Ticket{}, ticket: t, by: r.by, via: viaAPI, comment: c})
	out := wire{"ticket": d.ticketAnswer(t), "audit": d.audit(t, r.by, c.ID, true)}
	if key != "" {
		d.idempotent[key] = created{parameters, out, time.Now()}
	}
	return out, nil
}

// newTicket makes a ticket that is not in the account yet.
func (d *Desk) newTicket(by *User, f ticketFields) (*Ticket, *Comment, *apiError) {
	if f.Comment == nil && f.Description == "" {
		return nil, nil, invalid("base", saysNoDescription).of("FieldDescription")
	}
	if f.Comment == nil {
		f.Comment = &commentFields{Body: f.Description}
	}
	if f.SubmitterID != 0 {
		f.Comment.AuthorID = f.SubmitterID // The submitter is always the author of the first comment.
	}
	asking, refused := d.requesterOf(by, f)
	if refused != nil {
		return nil, nil, refused
	}
	c, refused := d.comment(by, f)
	if refused != nil {
		return nil, nil, refused
	}
	change := f.change(c)
	change.status = cmp.Or(f.Status, "new")
	if f.AssigneeID.id == nil && d.autoAssigns.ID != 0 {
		change.assignee, change.status = &d.autoAssigns.ID, "open"
	}
	t, refused := d.applied(Ticket{
		ID: d.lastTicket + 1, RequesterID: asking, SubmitterID: c.AuthorID, FormID: int64(f.FormID), Via: Via{Channel: viaAPI.channel}, CreatedAt: now(),
	}, viaAPI, change)
	return &t, c, refused
}

// requesterOf is who asks: somebody known, or by name and address.
func (d *Desk) requesterOf(by *User, f ticketFields) (int64, *apiError) {
	u := by
	switch {
	case f.RequesterID != 0:
		u = d.user(int64(f.RequesterID))
	case f.Requester != nil && f.Requester.Email != "" && d.owner(f.Requester.Email) != nil:
		u = d.owner(f.Requester.Email)
	case f.Requester != nil:
		saved, refused := d.save(nil, userFields{Name: &f.Requester.Name, Email: words{true, f.Requester.Email}})
		if refused != nil {
			return 0, invalid("requester", saysRequester)
		}
		u = saved
	}
	switch {
	case u.Role == "":
		return 0, invalid("requester", saysRequester)
	case u.Suspended:
		return 0, invalid("requester", saysSuspended, u.Name)
	}
	return u.ID, nil
}

// ticketAnswer is a ticket as the API shows it.
func (d *Desk) ticketAnswer(t *Ticket) wire {
	public := slices.ContainsFunc(t.Comments, func(c Comment) bool { return c.Public })
	description := ""
	if len(t.Comments) > 0 {
		description = richtext.Text(t.Comments[0].HTML, nil)
	}
	return wire{
		"id": t.ID, "url": d.URL + "/api/v2/tickets/" + strconv.FormatInt(t.ID, 10) + ".json", "external_id": orNull(t.ExternalID),
		"via": t.Via.answer(), "created_at": t.CreatedAt, "updated_at": t.UpdatedAt, "generated_timestamp": t.UpdatedAt.Unix(),
		"type": nil, "subject": orNull(t.Subject), "raw_subject": orNull(t.Subject), "description": description, "status": t.Status,
		"priority": orNull(t.Priority), "recipient": nil, "requester_id": t.RequesterID, "submitter_id": t.SubmitterID,
		"assignee_id": orNull(t.AssigneeID), "group_id": orNull(t.GroupID), "organization_id": nil, "ticket_form_id": orNull(t.FormID),
		"brand_id": 1, "collaborator_ids": append([]int64{}, t.CCs...), "email_cc_ids": append([]int64{}, t.CCs...), "follower_ids": []int64{},
		"followup_ids": []int64{}, "problem_id": nil, "has_incidents": false, "is_public": public, "due_at": nil,
		"tags": append([]string{}, t.Tags...), "custom_fields": []wire{}, "fields": []wire{}, "satisfaction_rating": nil,
		"sharing_agreement_ids": []int64{}, "custom_status_id": nil, "encoded_id": "", "allow_channelback": false,
		"allow_attachments": true, "from_messaging_channel": false,
	}
}

func (v Via) answer() wire {
	return wire{"channel": v.Channel, "source": wire{"from": wire{}, "to": wire{}, "rel": orNull(v.Rel)}}
}

func (c *Comment) answer() wire {
	custom := c.Metadata.Custom
	if custom == nil {
		custom = wire{}
	}
	files := []wire{}
	for _, a := range c.Attachments {
		files = append(files, a.answer())
	}
	plain := richtext.Text(c.HTML, nil)
	return wire{
		"id": c.ID, "type": c.Type, "author_id": c.AuthorID, "body": plain, "plain_body": plain,
		"html_body": `<div class="zd-comment" dir="auto">` + c.HTML + `</div>`, "public": c.Public, "attachments": files, "audit_id": c.ID + 1,
		"via": c.Via.answer(), "created_at": c.CreatedAt,
		"metadata": wire{"system": wire{"client": "client", "ip_address": "192.0.2.1", "location": "Lisbon, Portugal"}, "custom": custom},
	}
}

// audit is what an update has done.
func (d *Desk) audit(t *Ticket, by *User, commentID int64, first bool) wire {
	events := []wire{{"id": d.nextID(), "type": map[bool]string{true: "Create", false: "Change"}[first], "field_name": "status", "value": t.Status}}
	if commentID != 0 {
		c := t.Comments[len(t.Comments)-1].answer()
		c["id"] = commentID
		events = append(events, c)
	}
	return wire{
		"id": d.nextID(), "ticket_id": t.ID, "created_at": now(), "author_id": by.ID, "events": events, "via": t.Via.answer(),
		"metadata": wire{"system": wire{}, "custom": wire{}},
	}
}

func (d *Desk) ticketAnswers(tickets []*Ticket) []wire {
	all := []wire{}
	for _, t := range tickets {
		all = append(all, d.ticketAnswer(t))
	}
	return all
}

// ticketsWith returns the tickets of which something is true.
func (d *Desk) ticketsWith(is func(*Ticket) bool) (found []*Ticket) {
	for _, t := range d.tickets {
		if is(t) {
			found = append(found, t)
		}
	}
	return found
}

// listTickets knows of every ticket at once, unlike searches.
func (d *Desk) listTickets(r *request) (any, *apiError) {
	id := r.query("external_id")
	return d.pageOf(r, "tickets", d.ticketAnswers(d.ticketsWith(func(t *Ticket) bool { return id == "" || id == t.ExternalID }))), nil
}

func (d *Desk) showManyTickets(r *request) (any, *apiError) {
	ids := r.ids()
	return d.pageOf(r, "tickets", d.ticketAnswers(d.ticketsWith(func(t *Ticket) bool { return slices.Contains(ids, t.ID) }))), nil
}

func (d *Desk) listRequested(r *request) (any, *apiError) {
	return d.pageOf(r, "tickets", d.ticketAnswers(d.ticketsWith(func(t *Ticket) bool { return t.RequesterID == r.pathID() }))), nil
}

func (d *Desk) countTickets(*request) (any, *apiError) { return countOf(len(d.tickets)), nil }

func (d *Desk) byPath(r *request) (*Ticket, *apiError) {
	t, err := d.ticket(r.pathID())
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
	out := wire{"ticket": d.ticketAnswer(t)}
	if r.query("include") == "users" {
		out["users"] = d.userAnswers(d.usersOf(t.RequesterID, t.AssigneeID))
	}
	return out, nil
}

func (d *Desk) updateTicket(r *request) (any, *apiError) {
	t, refused := d.byPath(r)
	if refused != nil {
		return nil, refused
	}
	if refused := d.limit("tickets", time.Minute, d.Limits.TicketUpdates); refused != nil {
		return nil, refused
	}
	key := "ticket " + idText(t.ID) + " " + idText(r.by.ID)
	if refused := d.limit(key, 10*time.Minute, d.Limits.UpdatesOfTicket); refused != nil {
		return nil, refused
	}
	var in struct {
		Ticket struct {
			ticketFields
			safeUpdate
		}
	}
	if err := r.decode(&in); err != nil {
		return nil, err
	}
	if refused := in.Ticket.check(t); refused != nil {
		return nil, refused
	}
	c, refused := d.comment(r.by, in.Ticket.ticketFields)
	if refused != nil {
		return nil, refused
	}
	commentID, refused := d.change(t, r.by, viaAPI, in.Ticket.change(c))
	if refused != nil {
		return nil, refused
	}
	d.spend(in.Ticket.Comment)
	return wire{"ticket": d.ticketAnswer(t), "audit": d.audit(t, r.by, commentID, false)}, nil
}

// safeUpdate has an update refused if the ticket was updated after the stamp.
type safeUpdate struct {
	Safe  any       `json:"safe_update"` // A boolean, or a text of one.
	Stamp time.Time `json:"updated_stamp"`
}

func (s safeUpdate) check(t *Ticket) *apiError {
	if safe := s.Safe; safe != true && safe != "true" || !t.UpdatedAt.After(s.Stamp) {
		return nil
	}
	e := badRequest("UpdateConflict", "the ticket has been updated after updated_stamp")
	e.status = http.StatusConflict
	return e
}

func (d *Desk) deleteTicket(r *request) (any, *apiError) {
	t, refused := d.byPath(r)
	if refused != nil {
		return nil, refused
	}
	d.tickets = slices.DeleteFunc(d.tickets, func(other *Ticket) bool { return other == t })
	r.status = http.StatusNoContent
	return nil, nil
}

// listComments lists the oldest comment first. It heeds the order that is asked for only where it pages by cursor.
func (d *Desk) listComments(r *request) (any, *apiError) {
	t, refused := d.byPath(r)
	if refused != nil {
		return nil, refused
	}
	all, authors := []wire{}, []int64{}
	comments := slices.Clone(t.Comments)
	if r.query("page[size]") != "" && r.query("sort") == "-created_at" || r.query("page[size]") == "" && r.query("sort_order") == "desc" {
		slices.Reverse(comments)
	}
	for _, c := range comments {
		all = append(all, c.answer())
	}
	out := d.pageOf(r, "comments", all)
	if r.query("include") == "users" {
		shown, _ := out["comments"].([]wire)
		for _, c := range shown {
			id, _ := c["author_id"].(int64)
			authors = append(authors, id)
		}
		out["users"] = d.userAnswers(d.usersOf(authors...))
	}
	return out, nil
}

func (d *Desk) countComments(r *request) (any, *apiError) {
	t, refused := d.byPath(r)
	if refused != nil {
		return nil, refused
	}
	return countOf(len(t.Comments)), nil
}
