package zendesktest

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// Identity is an address of a user, or another thing that tells who they are.
type Identity struct {
	ID       int64
	UserID   int64
	Type     string // "email", "phone_number", …
	Value    string
	Primary  bool
	Verified bool
}

// Identities returns the addresses of a user, oldest first.
func (d *Desk) Identities(user int64) (all []Identity) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, i := range d.identities {
		if i.UserID == user {
			all = append(all, *i)
		}
	}
	return all
}

// AddAddress gives a user one more address, which has been verified.
func (d *Desk) AddAddress(user int64, email string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	u := d.user(user)
	d.addAddress(u, email, true, true)
	d.touch(u)
}

// owner is who has an address, or nil. Hold d.mu.
func (d *Desk) owner(email string) *User {
	i := slices.IndexFunc(d.identities, func(i *Identity) bool { return i.Type == "email" && strings.EqualFold(i.Value, email) })
	if i < 0 {
		return nil
	}
	return d.user(d.identities[i].UserID)
}

// addAddress adds an address: the first one is the primary one, and stays it. Hold d.mu.
func (d *Desk) addAddress(u *User, email string, verified, skip bool) *Identity {
	i := &Identity{ID: d.nextID(), UserID: u.ID, Type: "email", Value: email, Primary: u.Email == "", Verified: verified}
	d.identities = append(d.identities, i)
	if i.Primary {
		u.Email = email
	}
	if !verified && !skip {
		d.mails = append(d.mails, Mail{To: email, UserID: u.ID, Why: MailVerification})
	}
	return i
}

func (d *Desk) identityAnswer(i *Identity) wire {
	user := strconv.FormatInt(i.UserID, 10)
	out := wire{
		"id": i.ID, "url": d.URL + "/api/v2/users/" + user + "/identities/" + strconv.FormatInt(i.ID, 10) + ".json", "user_id": i.UserID,
		"type": i.Type, "value": i.Value, "primary": i.Primary, "verified": i.Verified, "created_at": now(), "updated_at": now(),
	}
	if i.Type == "email" {
		out["deliverable_state"], out["undeliverable_count"] = "deliverable", 0
	}
	return out
}

func (d *Desk) listIdentities(r *request) (any, *apiError) {
	if d.user(r.pathID()).Role == "" {
		return nil, notFound()
	}
	all := []wire{}
	for _, i := range d.identities {
		if i.UserID == r.pathID() {
			all = append(all, d.identityAnswer(i))
		}
	}
	return d.pageOf(r, "identities", all), nil
}

func (d *Desk) createIdentity(r *request) (any, *apiError) {
	u := d.user(r.pathID())
	if u.Role == "" {
		return nil, notFound()
	}
	var in struct {
		Identity struct {
			Type       string `json:"type"`
			Value      string `json:"value"`
			Verified   bool   `json:"verified"`
			SkipVerify bool   `json:"skip_verify_email"`
		} `json:"identity"`
	}
	if refused := r.decode(&in); refused != nil {
		return nil, refused
	}
	f := in.Identity
	switch {
	case f.Type != "email":
		return nil, &apiError{status: http.StatusUnprocessableEntity, kind: "RecordInvalid", says: saysOther, args: []any{"only addresses are known here"}}
	case !strings.Contains(f.Value, "@"):
		return nil, invalid("email", saysAddress, f.Value)
	case d.owner(f.Value) != nil:
		return nil, duplicate("email", saysTakenAddress, f.Value)
	}
	i := d.addAddress(u, f.Value, f.Verified, f.SkipVerify)
	d.touch(u)
	return wire{"identity": d.identityAnswer(i)}, nil
}
