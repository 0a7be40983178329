package hitl

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/hitl-go/sdk/internal/wire"
)

// createUser links an end user with the desk. The Botpress user comes first, so that the desk can store its id.
func (d *toDesk) createUser(ctx context.Context, input json.RawMessage) (wire.UserRef, error) {
	var in wire.CreateUserInput
	if err := decode(input, &in); err != nil {
		return wire.UserRef{}, err
	}
	email := strings.TrimSpace(in.Email)
	unlock, err := d.identities.lockEndUser(ctx, email)
	if err != nil {
		return wire.UserRef{}, err
	}
	defer unlock()

	user, err := d.identities.endUser(ctx, in.Name, email, in.PictureURL)
	if err != nil {
		return wire.UserRef{}, err
	}
	request := CreateUserRequest{
		UserID: user.ID, User: d.def.userRef(user.Tags),
		Name: in.Name, Email: email, PictureURL: in.PictureURL,
	}
	if isSyntheticEmail(email) {
		request.Email = ""
	}
	ref, err := d.adapter.CreateUser(ctx, request)
	if err != nil {
		return wire.UserRef{}, err
	}
	if err := d.identities.link(ctx, user.ID, ref, in.Name, in.PictureURL); err != nil {
		return wire.UserRef{}, err
	}
	return wire.UserRef{UserID: user.ID}, nil
}
