package botpresstest

import (
	"time"
	"unicode/utf8"
)

// User is a user of Botpress: an end user, an agent, a copy of one of them in the desk or in the webchat, or the bot.
type User struct {
	ID         string            `json:"id"`
	CreatedAt  time.Time         `json:"createdAt"`
	UpdatedAt  time.Time         `json:"updatedAt"`
	Tags       map[string]string `json:"tags"`
	Properties map[string]string `json:"properties,omitempty"`
	Name       string            `json:"name,omitempty"`
	PictureURL string            `json:"pictureUrl,omitempty"`
}

type user struct {
	entity
	name    string
	picture string
}

func (u *user) view(in *Installation) User {
	return User{
		ID: u.id, CreatedAt: u.createdAt, UpdatedAt: u.updatedAt, Tags: ownTags(in, u.tags),
		Properties: u.properties, Name: u.name, PictureURL: u.picture,
	}
}

// Users returns all users, oldest first, as the bot sees them: an integration's tags have names like "zendesk:id", the
// plugin's like "hitl#downstream".
func (s *Server) Users() []User {
	s.mu.Lock()
	defer s.mu.Unlock()
	views := make([]User, len(s.users.order))
	for i, u := range s.users.order {
		views[i] = u.view(nil)
	}
	return views
}

// userBody is the body of a call that creates, finds or changes a user.
type userBody struct {
	Tags               map[string]string `json:"tags"`
	Properties         map[string]string `json:"properties"`
	Name               *string           `json:"name"`
	PictureURL         *string           `json:"pictureUrl"`
	IntegrationName    string            `json:"integrationName"`
	DiscriminateByTags []string          `json:"discriminateByTags"`
}

// parsed is a checked body: carrying it out cannot fail half-way.
type parsedUser struct {
	userBody

	tags map[string]string
	by   map[string]string // Set by get-or-create only.
}

func (r *request) parseUser(raw []byte, shape string, getOrCreate bool) (p parsedUser, err *Error) {
	if p.userBody, err = decode[userBody](raw, shape); err != nil {
		return p, err
	}
	if p.tags, err = r.tagNames(onUser, p.Tags); err != nil {
		return p, err
	}
	if p.Name != nil && utf8.RuneCountInString(*p.Name) > maxName {
		return p, invalidPayload("name has more than %d characters", maxName)
	}
	if err := checkIntegrationName(p.IntegrationName); err != nil {
		return p, err
	}
	if p.PictureURL != nil && utf8.RuneCountInString(*p.PictureURL) > maxPicture {
		return p, invalidPayload("pictureUrl has more than %d characters", maxPicture)
	}
	if getOrCreate {
		p.by, err = r.discriminators(onUser, p.tags, p.DiscriminateByTags)
	}
	return p, err
}

// checkIntegrationName checks a field that does nothing any more.
func checkIntegrationName(name string) *Error {
	if utf8.RuneCountInString(name) > maxName {
		return invalidPayload("integrationName has more than %d characters", maxName)
	}
	return nil
}

// user finds a user that the caller may see.
func (r *request) user(id string) (*user, *Error) {
	if u := r.users.byID[id]; u != nil && r.maySee(&u.entity) {
		return u, nil
	}
	return nil, notFound("user", id)
}

func (r *request) newUser(p parsedUser) *user {
	u := &user{entity: r.newEntity("user", r.in, p.tags)}
	u.name, u.picture = value(p.Name), value(p.PictureURL)
	u.setProperties(p.Properties)
	r.users.add(u)
	return u
}

// getOrCreateUser merges the tags of an existing user, but not the name and the picture, as the real API does.
func (r *request) getOrCreateUser(p parsedUser) (u *user, created bool) {
	for _, u := range r.users.find(p.by) {
		if r.in == nil || u.owner == r.in {
			r.retagUser(u, p.tags)
			return u, false
		}
	}
	return r.newUser(p), true
}

func (s *Server) retagUser(u *user, tags map[string]string) {
	if s.users.retag(u, tags) {
		u.updatedAt = s.clock.stamp()
	}
}

func createUser(r *request) (any, *Error) {
	p, err := r.parseUser(r.body, "tags! properties integrationName name pictureUrl", false)
	if err != nil {
		return nil, err
	}
	return map[string]any{"user": r.newUser(p).view(r.in)}, nil
}

func getOrCreateUser(r *request) (any, *Error) {
	p, err := r.parseUser(r.body, "tags! properties integrationName name pictureUrl discriminateByTags", true)
	if err != nil {
		return nil, err
	}
	u, created := r.getOrCreateUser(p)
	return map[string]any{"user": u.view(r.in), "meta": map[string]bool{"created": created}}, nil
}

func getUser(r *request) (any, *Error) {
	u, err := r.user(r.http.PathValue("id"))
	if err != nil {
		return nil, err
	}
	return map[string]any{"user": u.view(r.in)}, nil
}

func updateUser(r *request) (any, *Error) {
	u, err := r.user(r.http.PathValue("id"))
	if err != nil {
		return nil, err
	}
	const shape = "tags properties name? pictureUrl?"
	p, err := r.parseUser(r.body, shape, false)
	if err != nil {
		return nil, err
	}
	given, _ := decode[map[string]any](r.body, shape) // A null is not the same as nothing.
	if _, ok := given["name"]; ok {
		u.name = value(p.Name)
	}
	if _, ok := given["pictureUrl"]; ok {
		u.picture = value(p.PictureURL)
	}
	u.setProperties(p.Properties)
	r.users.retag(u, p.tags)
	u.updatedAt = r.clock.stamp()
	return map[string]any{"user": u.view(r.in)}, nil
}

func deleteUser(r *request) (any, *Error) {
	u, err := r.user(r.http.PathValue("id"))
	if err != nil {
		return nil, err
	}
	if u.id == r.BotID {
		return nil, forbidden("the bot's user cannot be deleted")
	}
	r.users.remove(u)
	return struct{}{}, nil
}

func listUsers(r *request) (any, *Error) {
	q, err := r.query("conversationId", "tags", "afterDate", "beforeDate", rangeField, sortField, sortDirection)
	if err != nil {
		return nil, err
	}
	tags, err := r.tagNames(onUser, q.tags)
	if err != nil {
		return nil, err
	}
	var in *conversation
	if id := q.Get("conversationId"); id != "" {
		if in, err = r.conversation(id); err != nil {
			return nil, err
		}
	}
	chosen := choose(r, q, r.users.find(tags), func(u *user) bool { return in == nil || in.has(u.id) })
	return listing(q, "users", chosen, func(u *user) User { return u.view(r.in) })
}

// value is what a pointer points to, or the zero value.
func value[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}
