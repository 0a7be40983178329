package zendesktest

import (
	"slices"
	"strings"
)

// triggerFields are a trigger as it is sent. What is missing changes nothing.
type triggerFields struct {
	Title      *string      `json:"title"`
	Active     *bool        `json:"active"`
	About      words        `json:"description"`
	CategoryID words        `json:"category_id"`
	Conditions *conditions  `json:"conditions"`
	All        *[]condition `json:"all"` // Conditions may also stand by themselves.
	Any        *[]condition `json:"any"`
	Actions    *[]action    `json:"actions"`
}

// triggerAnswer is a trigger as the API shows it.
func (d *Desk) triggerAnswer(t *trigger) wire {
	return wire{
		"id": t.ID, "url": d.URL + "/api/v2/triggers/" + idText(t.ID) + ".json", "title": t.Title, "raw_title": t.Title, "description": orNull(t.About),
		"active": t.Active, "default": t.ours, "position": slices.Index(d.triggers, t) + 1, "category_id": t.CategoryID,
		"conditions": wire{"all": append([]condition{}, t.Conditions.All...), "any": append([]condition{}, t.Conditions.Any...)},
		"actions":    t.Actions, "created_at": t.created, "updated_at": t.created,
	}
}

// saved is a trigger with what was sent, if it is valid.
func (d *Desk) saved(t trigger, f triggerFields) (trigger, *apiError) {
	if f.Title != nil {
		t.Title = *f.Title
	}
	if f.Active != nil {
		t.Active = *f.Active
	}
	if f.About.given {
		t.About = f.About.text
	}
	if f.CategoryID.text != "" {
		t.CategoryID = f.CategoryID.text
	}
	if f.Conditions != nil {
		t.Conditions = *f.Conditions
	}
	if f.All != nil {
		t.Conditions.All = *f.All
	}
	if f.Any != nil {
		t.Conditions.Any = *f.Any
	}
	if f.Actions != nil {
		t.Actions = *f.Actions
	}
	switch {
	case t.Title == "":
		return t, invalid("title", saysNoTitle)
	case len(t.Conditions.All)+len(t.Conditions.Any) == 0:
		return t, invalid("base", saysConditions)
	}
	for _, c := range slices.Concat(t.Conditions.All, t.Conditions.Any) {
		if !c.valid() {
			return t, invalid("base", saysCondition, c.Field, c.Operator)
		}
	}
	if len(t.Actions) == 0 {
		return t, invalid("actions", saysActions, "none")
	}
	for _, a := range t.Actions {
		if !d.valid(a) {
			return t, invalid("actions", saysActions, a.Field)
		}
	}
	return t, nil
}

// valid reports whether an action is known here and has what it needs.
func (d *Desk) valid(a action) bool {
	switch a.Field {
	case actWebhook:
		return len(a.Value) == 2 && d.webhook(a.Value[0]) != nil
	case actMail:
		return len(a.Value) == 3
	case actSetTags, actAddTags, actRemoveTags:
		return len(a.Value) > 0
	}
	return false
}

func (d *Desk) createTrigger(r *request) (any, *apiError) {
	var in struct{ Trigger triggerFields }
	if err := r.decode(&in); err != nil {
		return nil, err
	}
	t, refused := d.saved(trigger{Active: true, CategoryID: "1", created: now()}, in.Trigger)
	if refused != nil {
		return nil, refused
	}
	t.ID = d.nextID()
	d.triggers = append(d.triggers, &t)
	return wire{"trigger": d.triggerAnswer(&t)}, nil
}

func (d *Desk) triggerByPath(r *request) (*trigger, *apiError) {
	if i := slices.IndexFunc(d.triggers, func(t *trigger) bool { return t.ID == r.pathID() }); i >= 0 {
		return d.triggers[i], nil
	}
	return nil, notFound()
}

func (d *Desk) showTrigger(r *request) (any, *apiError) {
	t, refused := d.triggerByPath(r)
	if refused != nil {
		return nil, refused
	}
	return wire{"trigger": d.triggerAnswer(t)}, nil
}

func (d *Desk) updateTrigger(r *request) (any, *apiError) {
	t, refused := d.triggerByPath(r)
	if refused != nil {
		return nil, refused
	}
	var in struct{ Trigger triggerFields }
	if refused = r.decode(&in); refused != nil {
		return nil, refused
	}
	changed, refused := d.saved(*t, in.Trigger)
	if refused != nil {
		return nil, refused
	}
	*t = changed
	return wire{"trigger": d.triggerAnswer(t)}, nil
}

// triggersWith lists the triggers of which something is true.
func (d *Desk) triggersWith(r *request, is func(*trigger) bool) wire {
	all := []wire{}
	for _, t := range d.triggers {
		if is(t) {
			all = append(all, d.triggerAnswer(t))
		}
	}
	return d.pageOf(r, "triggers", all)
}

func (d *Desk) listTriggers(r *request) (any, *apiError) {
	active := r.query("active")
	return d.triggersWith(r, func(t *trigger) bool { return active == "" || (active == "true") == t.Active }), nil
}

func (d *Desk) listActiveTriggers(r *request) (any, *apiError) {
	return d.triggersWith(r, func(t *trigger) bool { return t.Active }), nil
}

func (d *Desk) searchTriggers(r *request) (any, *apiError) {
	query := strings.ToLower(r.query("query"))
	return d.triggersWith(r, func(t *trigger) bool { return strings.Contains(strings.ToLower(t.Title), query) }), nil
}

func (d *Desk) deleteTrigger(r *request) (any, *apiError) {
	t, refused := d.triggerByPath(r)
	if refused != nil {
		return nil, refused
	}
	d.triggers = slices.DeleteFunc(d.triggers, func(other *trigger) bool { return other == t })
	return nil, nil
}
