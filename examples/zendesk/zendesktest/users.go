package zendesktest

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// User is an agent, an admin or an end user.
type User struct {
	ID         int64
	Name       string
	Alias      string // What end users are shown of an agent, if it is set.
	Email      string // The primary address; see [Desk.Identities] for all of them.
	Role       string // "end-user", "agent" or "admin".
	ExternalID string
	Photo      *Photo
	Suspended  bool
}

// Photo is the picture of a user.
type Photo struct {
	URL string
}

// userAnswer is a user as the API shows them.
func (d *Desk) userAnswer(u *User) wire {
	created, updated := now(), now()
	if all := d.versions[u.ID]; len(all) > 0 {
		created, updated = all[0].born.UTC().Truncate(time.Second), all[len(all)-1].at.UTC().Truncate(time.Second)
	}
	verified := slices.ContainsFunc(d.identities, func(i *Identity) bool { return i.UserID == u.ID && i.Primary && i.Verified })
	out := wire{
		"id": orNull(u.ID), "url": d.URL + "/api/v2/users/" + strconv.FormatInt(u.ID, 10) + ".json", "name": u.Name, "email": orNull(u.Email),
		"alias": orNull(u.Alias), "role": u.Role, "external_id": orNull(u.ExternalID), "photo": nil, "suspended": u.Suspended,
		"active": true, "verified": verified, "shared": false, "shared_agent": false, "moderator": u.Role != "end-user",
		"created_at": created, "updated_at": updated, "last_login_at": nil, "time_zone": "UTC", "iana_time_zone": "Etc/UTC",
		"locale": "en-US", "locale_id": 1, "phone": nil, "shared_phone_number": nil, "signature": nil, "details": nil, "notes": nil,
		"role_type": nil, "custom_role_id": nil, "default_group_id": nil, "organization_id": nil, "two_factor_auth_enabled": nil,
		"restricted_agent": false, "only_private_comments": false, "report_csv": false,
		"ticket_restriction": nil, "tags": []string{}, "user_fields": wire{},
	}
	if u.Photo != nil {
		out["photo"] = wire{
			"id": u.ID, "content_url": u.Photo.URL, "mapped_content_url": u.Photo.URL, "content_type": "image/png", "file_name": "photo.png",
			"size": 1, "width": 80, "height": 80, "inline": false, "deleted": false, "thumbnails": []wire{},
		}
	}
	return out
}

func (d *Desk) userAnswers(users []*User) []wire {
	all := []wire{}
	for _, u := range users {
		all = append(all, d.userAnswer(u))
	}
	return all
}

// userFields are a user as it is sent. What is missing changes nothing.
type userFields struct {
	Name       *string `json:"name"`
	Email      words   `json:"email"`
	ExternalID words   `json:"external_id"`
	Alias      words   `json:"alias"`
	Role       string  `json:"role"`
	PhotoURL   string  `json:"remote_photo_url"`
	Suspended  *bool   `json:"suspended"`
	Verified   bool    `json:"verified"`
	SkipVerify bool    `json:"skip_verify_email"` // Nowhere else does it count.
}

// save checks fields and writes them to a user, who is new if nil: all of it or nothing.
func (d *Desk) save(u *User, f userFields) (*User, *apiError) {
	if refused := d.check(u, f); refused != nil {
		return nil, refused
	}
	if u == nil {
		u = &User{ID: d.nextID(), Role: "end-user"}
		d.users = append(d.users, u)
	}
	if f.Name != nil {
		u.Name = *f.Name
	}
	if f.ExternalID.given {
		u.ExternalID = f.ExternalID.text
	}
	if f.Alias.given {
		u.Alias = f.Alias.text
	}
	if f.Role != "" {
		u.Role = f.Role
	}
	if f.PhotoURL != "" {
		u.Photo = &Photo{URL: f.PhotoURL}
	}
	if f.Suspended != nil {
		u.Suspended = *f.Suspended
	}
	if f.Email.text != "" && d.owner(f.Email.text) == nil {
		d.addAddress(u, f.Email.text, f.Verified, f.SkipVerify)
	}
	d.touch(u)
	return u, nil
}

func (d *Desk) check(u *User, f userFields) *apiError {
	taken := func(is func(*User) bool) bool {
		return slices.ContainsFunc(d.users, func(other *User) bool { return other != u && is(other) })
	}
	switch {
	case u == nil && f.Name == nil, f.Name != nil && utf8.RuneCountInString(*f.Name) < 1:
		return invalid("name", saysShortName)
	case f.Name != nil && utf8.RuneCountInString(*f.Name) > 255:
		return invalid("name", saysLongName)
	case len(f.PhotoURL) > 255:
		return invalid("remote_photo_url", saysLongPhoto)
	case f.Email.text != "" && !strings.Contains(f.Email.text, "@"):
		return invalid("email", saysAddress, f.Email.text)
	case f.Email.text != "" && taken(func(other *User) bool { return other == d.owner(f.Email.text) }):
		return duplicate("email", saysTakenAddress, f.Email.text)
	case f.ExternalID.text != "" && taken(func(other *User) bool { return strings.EqualFold(other.ExternalID, f.ExternalID.text) }):
		return duplicate("external_id", saysTakenExternal)
	case f.Role != "" && !slices.Contains([]string{"end-user", "agent", "admin"}, f.Role):
		return invalid("role", saysRole, f.Role)
	}
	return nil
}

func (r *request) user() (f userFields, refused *apiError) {
	var in struct{ User userFields }
	refused = r.decode(&in)
	return in.User, refused
}

func (d *Desk) createUser(r *request) (any, *apiError) {
	f, refused := r.user()
	if refused != nil {
		return nil, refused
	}
	u, refused := d.save(nil, f)
	if refused != nil {
		return nil, refused
	}
	return wire{"user": d.userAnswer(u)}, nil
}

func (d *Desk) updateUser(r *request) (any, *apiError) {
	u := d.user(r.pathID())
	if u.Role == "" {
		return nil, notFound()
	}
	f, refused := r.user()
	if refused == nil {
		refused = d.limitUser(u)
	}
	if refused == nil {
		_, refused = d.save(u, f)
	}
	if refused != nil {
		return nil, refused
	}
	return wire{"user": d.userAnswer(u)}, nil
}

// createOrUpdateUser finds a user by external id, in any case of letters, else by any of their addresses, and changes whom
// it finds.
func (d *Desk) createOrUpdateUser(r *request) (any, *apiError) {
	f, refused := r.user()
	if refused != nil {
		return nil, refused
	}
	var u *User
	if i := slices.IndexFunc(d.users, func(u *User) bool {
		return f.ExternalID.text != "" && strings.EqualFold(u.ExternalID, f.ExternalID.text)
	}); i >= 0 {
		u = d.users[i]
	} else if f.Email.text != "" {
		u = d.owner(f.Email.text)
	}
	if u != nil {
		r.status = http.StatusOK
		if refused := d.limitUser(u); refused != nil {
			return nil, refused
		}
	}
	u, refused = d.save(u, f)
	if refused != nil {
		return nil, refused
	}
	if r.status == 0 {
		_ = d.limitUser(u) // The first of a new user is never too many.
	}
	return wire{"user": d.userAnswer(u)}, nil
}

func (d *Desk) limitUser(u *User) *apiError {
	return d.limit("user "+strconv.FormatInt(u.ID, 10), time.Minute, d.Limits.UpdatesOfUser)
}

func (d *Desk) showMe(r *request) (any, *apiError) { return wire{"user": d.userAnswer(r.by)}, nil }

func (d *Desk) showUser(r *request) (any, *apiError) {
	if u := d.user(r.pathID()); u.Role != "" {
		return wire{"user": d.userAnswer(u)}, nil
	}
	return nil, notFound()
}

func (d *Desk) showManyUsers(r *request) (any, *apiError) {
	return d.pageOf(r, "users", d.userAnswers(d.usersOf(r.ids()...))), nil
}

func (d *Desk) listUsers(r *request) (any, *apiError) {
	return d.pageOf(r, "users", d.userAnswers(d.usersWith(r.URL.Query()["role"], r.URL.Query()["role[]"]))), nil
}

func (d *Desk) countUsers(r *request) (any, *apiError) {
	return countOf(len(d.usersWith(r.URL.Query()["role"], r.URL.Query()["role[]"]))), nil
}

// usersWith returns the users who have one of these roles, or all if there are none.
func (d *Desk) usersWith(roles ...[]string) (found []*User) {
	wanted := slices.Concat(roles...)
	for _, u := range d.users {
		if len(wanted) == 0 || slices.Contains(wanted, u.Role) {
			found = append(found, u)
		}
	}
	return found
}

// usersOf returns each user once, as side-loads do.
func (d *Desk) usersOf(ids ...int64) (list []*User) {
	for _, id := range ids {
		u := d.user(id)
		if u.Role != "" && !slices.Contains(list, u) {
			list = append(list, u)
		}
	}
	return list
}
