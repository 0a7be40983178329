package zendesktest

import (
	"encoding/json"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

type trigger struct {
	ID         int64
	Title      string
	Active     bool
	About      string // Its description.
	CategoryID string
	Conditions conditions
	Actions    []action
	created    time.Time
	ours       bool // Every account has it at first.
}

type conditions struct {
	All []condition `json:"all"`
	Any []condition `json:"any"`
}

type condition struct {
	Field    string `json:"field"`
	Operator string `json:"operator"`
	Value    text   `json:"value"`
}

// text is a text in a request, which may be written as a number, a truth or null.
type text string

func (t *text) UnmarshalJSON(data []byte) error {
	var w words
	if err := w.UnmarshalJSON(data); err != nil {
		return err
	}
	*t = text(w.text)
	return nil
}

type action struct {
	Field string `json:"field"`
	Value values `json:"value"`
}

// values are one text or several.
type values []string

func (v *values) UnmarshalJSON(data []byte) error {
	var several []text
	if data[0] != '[' {
		data = slices.Concat([]byte("["), data, []byte("]"))
	}
	err := json.Unmarshal(data, &several)
	for _, one := range several {
		*v = append(*v, string(one))
	}
	return err
}

// calls reports whether the trigger calls a webhook.
func (t *trigger) calls(webhookID string) bool {
	return slices.ContainsFunc(t.Actions, func(a action) bool { return a.Field == actWebhook && a.Value[0] == webhookID })
}

// What triggers can do here.
const (
	actWebhook    = "notification_webhook"
	actMail       = "notification_user"
	actSetTags    = "set_tags"
	actAddTags    = "current_tags"
	actRemoveTags = "remove_tags"
)

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
		for _, a := range t.Actions {
			d.act(t, a, u)
		}
	}
}

func (d *Desk) act(t *trigger, a action, u *update) {
	tags := strings.Fields(strings.Join(a.Value, " "))
	switch a.Field {
	case actWebhook:
		if w := d.webhook(a.Value[0]); w != nil {
			d.deliver(w, d.render(a.Value[1], u))
		}
	case actMail:
		d.mail(t, a.Value[0], u)
	case actSetTags:
		u.ticket.Tags = tags
	case actAddTags:
		u.ticket.Tags = ticketFields{AddTags: tags}.tags(slices.Clone(u.ticket.Tags))
	case actRemoveTags:
		u.ticket.Tags = ticketFields{RemoveTags: tags}.tags(slices.Clone(u.ticket.Tags))
	}
}

func (c conditions) met(u *update) bool {
	met := func(c condition) bool { return c.met(u) }
	return !slices.ContainsFunc(c.All, func(c condition) bool { return !c.met(u) }) && (len(c.Any) == 0 || slices.ContainsFunc(c.Any, met))
}

// operators are what may stand between a field and a value. "value" means "changed to".
var operators = map[string][]string{
	"status":            {"is", "is_not", "less_than", "greater_than", "changed", "not_changed", "value", "not_value", "value_previous", "not_value_previous"},
	"priority":          {"is", "is_not", "less_than", "greater_than", "changed", "not_changed", "value", "not_value", "value_previous", "not_value_previous"},
	"assignee_id":       {"is", "is_not", "changed", "not_changed", "value", "not_value", "value_previous", "not_value_previous"},
	"group_id":          {"is", "is_not", "changed", "not_changed", "value", "not_value", "value_previous", "not_value_previous"},
	"requester_id":      {"is", "is_not", "changed", "not_changed", "value", "not_value", "value_previous", "not_value_previous"},
	"current_tags":      {"includes", "not_includes"},
	"via_id":            {"is", "is_not"},
	"current_via_id":    {"is", "is_not"},
	"update_type":       {"is"},
	"role":              {"is", "is_not"},
	"comment_is_public": {"is", "is_not"},
	"ticket_is_public":  {"is"},
}

func (c condition) valid() bool { return slices.Contains(operators[c.Field], c.Operator) }

// met compares values without regard to the case of letters.
func (c condition) met(u *update) bool {
	before, after, order := "", "", statuses
	want := strings.ToLower(string(c.Value))
	switch c.Field {
	case "status":
		before, after = u.before.Status, u.ticket.Status
	case "priority":
		before, after, order = u.before.Priority, u.ticket.Priority, priorities
	case "assignee_id":
		before, after = idText(u.before.AssigneeID), idText(u.ticket.AssigneeID)
	case "group_id":
		before, after = idText(u.before.GroupID), idText(u.ticket.GroupID)
	case "requester_id":
		before, after = idText(u.before.RequesterID), idText(u.ticket.RequesterID)
	case "current_tags":
		return c.tagged(u.ticket.Tags)
	case "via_id":
		after = map[string]string{"api": viaAPI.id, "web": viaWeb.id, "email": viaEmail.id}[u.ticket.Via.Channel]
	case "current_via_id":
		after = u.via.id
	case "update_type":
		if after = "change"; u.before.ID == 0 {
			after = "create"
		}
	case "role": // Of who makes the update, or who that is.
		if after = "agent"; u.by.Role == "end-user" {
			after = "end_user"
		}
		if _, err := strconv.ParseInt(want, 10, 64); err == nil {
			after = idText(u.by.ID)
		}
	case "ticket_is_public":
		if after = "private"; slices.ContainsFunc(u.ticket.Comments, func(c Comment) bool { return c.Public }) {
			after = "public"
		}
	case "comment_is_public":
		switch {
		case u.comment == nil:
			after = ""
		case want == "not_relevant":
			after = want
		case want == "requester_can_see_comment" && u.comment.Public:
			after = want
		default:
			after = strconv.FormatBool(u.comment.Public)
		}
	}
	if want == "current_user" {
		want = idText(u.by.ID)
	}
	return c.compare(before, after, want, order)
}

// tagged reports whether one of the tags in the value is there, or none of them.
func (c condition) tagged(tags []string) bool {
	one := slices.ContainsFunc(strings.Fields(string(c.Value)), func(tag string) bool {
		return slices.ContainsFunc(tags, func(other string) bool { return strings.EqualFold(tag, other) })
	})
	return one == (c.Operator == "includes")
}

func (c condition) compare(before, after, want string, order []string) bool {
	switch c.Operator {
	case "is":
		return after == want
	case "is_not":
		return after != want
	case "less_than":
		return slices.Index(order, after) < slices.Index(order, want)
	case "greater_than":
		return slices.Index(order, after) > slices.Index(order, want)
	case "changed":
		return after != before
	case "not_changed":
		return after == before
	case "value":
		return after != before && after == want
	case "not_value":
		return after == before || after != want
	case "value_previous":
		return after != before && before == want
	case "not_value_previous":
		return after == before || before != want
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
