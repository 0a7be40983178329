package zendesktest

import (
	"encoding/json"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

type trigger struct {
	ID         int64      `json:"id"`
	Title      string     `json:"title"`
	Active     bool       `json:"active"`
	Conditions conditions `json:"conditions"`
	Actions    []action   `json:"actions"`
}

type conditions struct {
	All []condition `json:"all"`
	Any []condition `json:"any"`
}

type condition struct {
	Field    string `json:"field"`
	Operator string `json:"operator"`
	Value    string `json:"value"`
}

type action struct {
	Field string   `json:"field"`
	Value []string `json:"value"`
}

// target is the webhook that the trigger calls.
func (t *trigger) target() string { return t.Actions[0].Value[0] }

// update is one update of a ticket, as the conditions see it.
type update struct {
	before  *Ticket // The zero Ticket if the ticket has just been created.
	ticket  *Ticket
	by      *User
	via     via
	comment *Comment
}

// fire runs the triggers, in order. Hold d.mu.
func (d *Desk) fire(u *update) {
	for _, t := range d.triggers {
		if !t.Active || !t.Conditions.met(u) {
			continue
		}
		if w := d.webhook(t.target()); w != nil {
			d.deliver(w, d.render(t.Actions[0].Value[1], u))
		}
	}
}

func (c conditions) met(u *update) bool {
	met := func(c condition) bool { return c.met(u) }
	return !slices.ContainsFunc(c.All, func(c condition) bool { return !c.met(u) }) && (len(c.Any) == 0 || slices.ContainsFunc(c.Any, met))
}

// operators are what may stand between a field and a value. "value" means "changed to".
var operators = map[string][]string{
	"status":            {"is", "is_not", "less_than", "greater_than", "changed", "not_changed", "value", "not_value", "value_previous", "not_value_previous"},
	"assignee_id":       {"is", "is_not", "changed", "not_changed", "value", "not_value", "value_previous", "not_value_previous"},
	"via_id":            {"is", "is_not"},
	"current_via_id":    {"is", "is_not"},
	"update_type":       {"is"},
	"role":              {"is", "is_not"},
	"comment_is_public": {"is", "is_not"},
}

func (c condition) valid() bool { return slices.Contains(operators[c.Field], c.Operator) }

func (c condition) met(u *update) bool {
	var before, after string
	switch c.Field {
	case "status":
		before, after = u.before.Status, u.ticket.Status
	case "assignee_id":
		before, after = idText(u.before.AssigneeID), idText(u.ticket.AssigneeID)
	case "via_id":
		after = map[string]string{"api": viaAPI.id, "web": viaWeb.id, "email": viaEmail.id}[u.ticket.Via.Channel]
	case "current_via_id":
		after = u.via.id
	case "update_type":
		if after = "Change"; u.before.ID == 0 {
			after = "Create"
		}
	case "role":
		if after = "agent"; u.by.Role == "end-user" {
			after = "end_user"
		}
	case "comment_is_public":
		switch {
		case u.comment == nil:
			after = ""
		case c.Value == "not_relevant":
			after = "not_relevant"
		case c.Value == "requester_can_see_comment" && u.comment.Public:
			after = "requester_can_see_comment"
		default:
			after = strconv.FormatBool(u.comment.Public)
		}
	}
	switch c.Operator {
	case "is":
		return after == c.Value
	case "is_not":
		return after != c.Value
	case "less_than":
		return slices.Index(statuses, after) < slices.Index(statuses, c.Value)
	case "greater_than":
		return slices.Index(statuses, after) > slices.Index(statuses, c.Value)
	case "changed":
		return after != before
	case "not_changed":
		return after == before
	case "value":
		return after != before && after == c.Value
	case "not_value":
		return after == before || after != c.Value
	case "value_previous":
		return after != before && before == c.Value
	case "not_value_previous":
		return after == before || before != c.Value
	}
	return false
}

// idText writes an id, and none as nothing.
func idText(id int64) string {
	if id == 0 {
		return ""
	}
	return strconv.FormatInt(id, 10)
}

var placeholder = regexp.MustCompile(`{{\s*([a-z_.]+)\s*}}`)

// render fills a template. What there is not becomes nothing. Hold d.mu.
func (d *Desk) render(template string, u *update) string {
	assignee := d.user(u.ticket.AssigneeID)
	if u.ticket.AssigneeID == 0 {
		assignee = &User{}
	}
	values := map[string]string{
		"ticket.id":            idText(u.ticket.ID),
		"ticket.external_id":   u.ticket.ExternalID,
		"ticket.status":        strings.ToUpper(u.ticket.Status[:1]) + u.ticket.Status[1:], // For people, not for programs.
		"ticket.assignee.id":   idText(assignee.ID),
		"ticket.assignee.name": assignee.Name,
		"current_user.id":      idText(u.by.ID),
		"current_user.name":    u.by.Name,
		"current_user.role":    u.by.Role,
	}
	for _, c := range slices.Backward(u.ticket.Comments) {
		if c.Public {
			values["ticket.latest_public_comment_html"] = c.HTML
			break
		}
	}
	return placeholder.ReplaceAllStringFunc(template, func(s string) string {
		quoted, err := json.Marshal(values[placeholder.FindStringSubmatch(s)[1]])
		if err != nil {
			return ""
		}
		return string(quoted[1 : len(quoted)-1]) // Templates are JSON.
	})
}

func (d *Desk) createTrigger(r *request) (any, *apiError) {
	var in struct{ Trigger trigger }
	if err := r.decode(&in); err != nil {
		return nil, err
	}
	t := in.Trigger
	if t.Title == "" {
		return nil, invalid("title", "Title: cannot be blank")
	}
	if len(t.Conditions.All)+len(t.Conditions.Any) == 0 {
		return nil, invalid("base", "Conditions: at least one is needed")
	}
	for _, c := range slices.Concat(t.Conditions.All, t.Conditions.Any) {
		if !c.valid() {
			return nil, invalid("base", "Conditions: "+c.Field+" "+c.Operator+" is invalid")
		}
	}
	if len(t.Actions) != 1 || t.Actions[0].Field != "notification_webhook" || len(t.Actions[0].Value) != 2 || d.webhook(t.target()) == nil {
		return nil, invalid("actions", "Actions: notification_webhook needs a webhook and a body")
	}
	t.ID, t.Active = d.nextID(), true
	d.triggers = append(d.triggers, &t)
	return map[string]any{"trigger": t}, nil
}

func (d *Desk) searchTriggers(r *request) (any, *apiError) {
	found := []*trigger{}
	for _, t := range d.triggers {
		if strings.Contains(strings.ToLower(t.Title), strings.ToLower(r.query("query"))) {
			found = append(found, t)
		}
	}
	return map[string]any{"triggers": found, "count": len(found)}, nil
}

func (d *Desk) deleteTrigger(r *request) (any, *apiError) {
	before := len(d.triggers)
	d.triggers = slices.DeleteFunc(d.triggers, func(t *trigger) bool { return idText(t.ID) == r.PathValue("id") })
	if len(d.triggers) == before {
		return nil, notFound()
	}
	return nil, nil
}
