package zendesktest

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

// version is what searches know of a user from a time on.
type version struct {
	born, at time.Time
	user     User
	emails   []string
}

// touch is due after every change of a user. Hold d.mu.
func (d *Desk) touch(u *User) {
	v := version{at: time.Now(), user: *u}
	for _, i := range d.identities {
		if i.UserID == u.ID && i.Type == "email" {
			v.emails = append(v.emails, i.Value)
		}
	}
	all := d.versions[u.ID]
	if v.born = v.at; len(all) > 0 {
		v.born = all[0].born
	}
	// What is older than what searches know already is of no use any more.
	for len(all) > 1 && d.indexed(all[1].at) {
		all = all[1:]
	}
	d.versions[u.ID] = append(all, v)
}

// indexed reports whether searches know what happened then. A clock that was turned back hides nothing.
func (d *Desk) indexed(at time.Time) bool {
	age := time.Since(at)
	return age < 0 || age >= d.SearchLag
}

// known is what searches know of a user, or nothing.
func (d *Desk) known(u *User) (version, bool) {
	for _, v := range slices.Backward(d.versions[u.ID]) {
		if d.indexed(v.at) {
			return v, true
		}
	}
	return version{}, false
}

// term is a part of a query: "word", "key:value" or "status<solved".
type term struct{ key, operator, value string }

// terms reads a query. What is in quotes is one value.
func terms(query string) (all []term) {
	var parts []string
	var part strings.Builder
	quoted := false
	for _, c := range query + " " {
		switch {
		case c == '"':
			quoted = !quoted
		case c == ' ' && !quoted:
			if part.Len() > 0 {
				parts = append(parts, part.String())
			}
			part.Reset()
		default:
			part.WriteRune(c)
		}
	}
	for _, p := range parts {
		i := strings.IndexAny(p, ":<>")
		if i <= 0 {
			all = append(all, term{value: p})
			continue
		}
		all = append(all, term{key: strings.ToLower(p[:i]), operator: p[i : i+1], value: p[i+1:]})
	}
	return all
}

// fits reports whether a record with these values is what is looked for. Words may stand anywhere in its text.
func fits(terms []term, values map[string][]string, text string) bool {
	for _, t := range terms {
		is := func(value string) bool {
			switch t.operator {
			case "<":
				return slices.Index(statuses, value) < slices.Index(statuses, t.value)
			case ">":
				return slices.Index(statuses, value) > slices.Index(statuses, t.value)
			}
			return strings.EqualFold(value, t.value)
		}
		switch {
		case t.key == "type" || t.key == "order_by" || t.key == "sort":
		case t.key == "" && !strings.Contains(strings.ToLower(text), strings.ToLower(strings.Trim(t.value, "*"))),
			t.key == "name" && !strings.Contains(strings.ToLower(strings.Join(values["name"], " ")), strings.ToLower(strings.Trim(t.value, "*"))),
			t.key != "" && t.key != "name" && !slices.ContainsFunc(values[t.key], is):
			return false
		}
	}
	return true
}

func (d *Desk) findUsers(query []term) (found []*User) {
	for _, u := range d.users {
		v, ok := d.known(u)
		values := map[string][]string{
			"email": v.emails, "user": append(slices.Clone(v.emails), v.user.Name), "name": {v.user.Name},
			"role": {v.user.Role}, "external_id": {v.user.ExternalID},
		}
		if ok && fits(query, values, v.user.Name+" "+strings.Join(v.emails, " ")) {
			found = append(found, u)
		}
	}
	return found
}

func (d *Desk) findTickets(query []term) (found []*Ticket) {
	for _, t := range d.tickets {
		requester := d.user(t.RequesterID)
		values := map[string][]string{
			"id": {idText(t.ID)}, "ticket_id": {idText(t.ID)}, "external_id": {t.ExternalID}, "subject": {t.Subject}, "status": {t.Status},
			"priority": {t.Priority}, "tags": t.Tags, "requester": {requester.Name, requester.Email, idText(t.RequesterID)}, "assignee": {idText(t.AssigneeID)},
		}
		text := []string{t.Subject}
		for _, c := range t.Comments {
			text = append(text, c.HTML)
		}
		if d.indexed(t.UpdatedAt) && fits(query, values, strings.Join(text, " ")) {
			found = append(found, t)
		}
	}
	return found
}

// searchUsers finds by external id, or by a query.
func (d *Desk) searchUsers(r *request) (any, *apiError) {
	query, external := r.query("query"), r.query("external_id")
	switch {
	case external != "":
		return d.pageOf(r, "users", d.userAnswers(d.findUsers([]term{{"external_id", ":", external}}))), nil
	case query != "":
		return d.pageOf(r, "users", d.userAnswers(d.findUsers(terms(query)))), nil
	}
	return nil, badRequest("BadRequest", "query or external_id is needed")
}

// found is what a search for anything finds.
func (d *Desk) found(r *request) ([]wire, *apiError) {
	if r.query("query") == "" {
		return nil, &apiError{status: http.StatusUnprocessableEntity, kind: "invalid", says: saysOther, args: []any{"Invalid search: query is needed"}}
	}
	query := terms(r.query("query"))
	kind := ""
	for _, t := range query {
		if t.key == "type" {
			kind = t.value
		}
	}
	all := []wire{}
	add := func(result wire, kind string) {
		result = maps.Clone(result)
		result["result_type"] = kind
		all = append(all, result)
	}
	if kind == "" || kind == "ticket" {
		for _, t := range d.findTickets(query) {
			add(d.ticketAnswer(t), "ticket")
		}
	}
	if kind == "" || kind == "user" {
		for _, u := range d.findUsers(query) {
			add(d.userAnswer(u), "user")
		}
	}
	return all, nil
}

func (d *Desk) search(r *request) (any, *apiError) {
	all, refused := d.found(r)
	if refused != nil {
		return nil, refused
	}
	out := d.pageOf(r, "results", all)
	out["facets"] = nil
	return out, nil
}

func (d *Desk) countSearch(r *request) (any, *apiError) {
	all, refused := d.found(r)
	return wire{"count": len(all)}, refused
}
