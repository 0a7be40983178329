package hitl

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/internal/wire"
)

// createUser links an end user with the desk. The Botpress user comes first, so that the desk can store its id.
func (d *toDesk) createUser(ctx context.Context, input json.RawMessage) (wire.UserRef, error) {
	var in wire.CreateUserInput
	if err := decode(input, &in); err != nil {
		return wire.UserRef{}, err
	}
	email := emailAddress(in.Email)
	unlock, err := d.identities.lockEndUser(ctx, email)
	if err != nil {
		return wire.UserRef{}, err
	}
	defer unlock()

	user, err := d.identities.endUser(ctx, in.Name, email, in.PictureURL)
	if err != nil {
		return wire.UserRef{}, err
	}
	linked := d.def.userRef(user.Tags)
	if linked.ID == "" && d.def.SendOnce {
		release, ref, err := d.leaseUser(ctx, user.ID)
		if err != nil {
			return wire.UserRef{}, err
		}
		defer release()
		linked = ref
	}
	request := CreateUserRequest{
		UserID: user.ID, User: linked,
		Name: in.Name, Email: realEmail(email), PictureURL: in.PictureURL,
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

// leaseUser keeps other replicas from creating the same end user in a desk that would have two of them then. It returns who the
// user is in the desk, if a replica has created them meanwhile.
func (d *toDesk) leaseUser(ctx context.Context, userID string) (release func(), linked Ref, err error) {
	key := botpress.StateKey{Type: botpress.StateOfUser, ID: userID, Name: stateUser}
	held, err := d.leases.acquireKey(ctx, key, nil)
	if err != nil {
		return nil, Ref{}, err
	}
	release = func() { d.leases.release(ctx, held) }
	user, err := d.in.Client.GetUser(ctx, userID)
	if err != nil {
		release()
		return nil, Ref{}, fmt.Errorf("hitl: read user %s: %w", userID, err)
	}
	return release, d.def.userRef(user.Tags), nil
}
