package hitltest

import (
	"maps"
	"slices"
	"unicode/utf8"

	"github.com/hitl-go/sdk/hitl"
	"github.com/hitl-go/sdk/message"
)

func refs(t *trial) {
	const most = 500 // The longest tag value of Botpress, in characters.
	def := t.bot.Server.Describe()
	channel := def.Channels[t.bot.Installation.Names.Channel]
	check := func(method string, ref hitl.Ref, needsID bool, declared []string) {
		t.Helper()
		if ref.ID == "" && needsID {
			t.Errorf("%s returned a Ref without an ID.", method)
		}
		if n := utf8.RuneCountInString(ref.ID); n > most && needsID {
			t.Errorf("%s returned an ID of %d characters.", method, n)
		}
		for _, name := range slices.Sorted(maps.Keys(ref.Tags)) {
			if !slices.Contains(declared, name) {
				t.Errorf("%s returned the tag %q, which the Definition does not declare: it has %q.", method, name, declared)
			}
			if n := utf8.RuneCountInString(ref.Tags[name]); n > most {
				t.Errorf("%s returned %d characters for the tag %q.", method, n, name)
			}
		}
	}
	a := t.replica()
	s := t.mustOpen(a)
	check("CreateUser", s.owner.ref, true, slices.Sorted(maps.Keys(def.User.Tags)))
	check("StartHitl", s.Ref, true, slices.Sorted(maps.Keys(channel.Conversation.Tags)))
	check("SendMessage", t.mustSend(a, newMessage(s, message.Text{Text: "Hello"})), false, slices.Sorted(maps.Keys(channel.Message.Tags)))
}

func userTwice(t *trial) {
	r := t.newUser()
	first := t.mustCreateUser(t.replica(), r)
	for _, again := range []struct {
		when string
		r    hitl.CreateUserRequest
	}{
		{"with the same request, on another replica", r},
		{"for the user's next session", hitl.CreateUserRequest{UserID: r.UserID, User: first, Name: r.Name, Email: r.Email}},
		{"under another name", hitl.CreateUserRequest{UserID: r.UserID, User: first, Name: "Jane Q. Doe", Email: r.Email}},
	} {
		if ref := t.mustCreateUser(t.replica(), again.r); ref.ID != first.ID {
			t.Fatalf("The user was %q in the desk, and then, called %s, %q.", first.ID, again.when, ref.ID)
		}
	}
	t.withFailedRequests(func(a adapter) {
		if ref, err := t.createUser(a, r); err == nil && ref.ID != first.ID {
			t.Fatalf("The user was %q in the desk, and then, after a request that failed, %q.", first.ID, ref.ID)
		}
	})
}

func userApart(t *trial) {
	a := t.replica()
	jane, joan := t.newUser(), t.newUser()
	jane.Email, joan.Email = "", ""
	one, other := t.mustCreateUser(a, jane), t.mustCreateUser(a, joan)
	if one.ID == other.ID {
		t.Errorf("Two end users with the same name and no e-mail address are both %q in the desk.", one.ID)
	}
}
