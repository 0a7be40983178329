package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"strings"

	"github.com/hitl-go/sdk/hitl"
	"github.com/hitl-go/sdk/message"
)

// Characters that Zendesk takes.
const (
	maxPhoto = 255 // Of a picture's address.
	maxName  = 255
)

// CreateUser makes the end user a user of Zendesk, with the Botpress user as its external id.
func (a *adapter) CreateUser(ctx context.Context, r hitl.CreateUserRequest) (hitl.Ref, error) {
	id, err := a.endUser(ctx, r.UserID, r.Name, r.Email, r.PictureURL)
	return hitl.Ref{ID: string(id)}, err
}

// endUser finds or creates an end user. Anyone can type any address into a chat: so an address finds a customer but changes
// nothing, and it finds neither agents nor who is suspended. It is not sent with the user either: Zendesk would rename whoever has it.
func (a *adapter) endUser(ctx context.Context, externalID, name, email, photo string) (id, error) {
	if len((&url.URL{Path: photo}).EscapedPath()) > maxPhoto {
		photo = "" // Half an address is of no use.
	}
	name = cmp.Or(message.Title(name, maxName, message.UTF16), "Unknown User")
	if email != "" {
		found, err := call[usersAnswer](ctx, a.api, http.MethodGet, "users/search.json?query="+url.QueryEscape("email:"+email), nil)
		if err != nil {
			return "", err
		}
		for _, f := range found.Users {
			if f.Role == "end-user" && !f.Suspended && strings.EqualFold(f.Email, email) && !strings.EqualFold(f.ExternalID, externalID) {
				return f.ID, nil
			}
		}
	}
	out, err := call[userAnswer](ctx, a.api, http.MethodPost, "users/create_or_update.json", object{
		"user": filled(object{"external_id": externalID, "name": name, "remote_photo_url": photo, "skip_verify_email": true}),
	})
	if err != nil || email == "" || strings.EqualFold(out.User.Email, email) {
		return out.User.ID, err
	}
	_, err = call[struct{}](ctx, a.api, http.MethodPost, "users/"+string(out.User.ID)+"/identities.json", object{
		"identity": object{"type": "email", "value": email, "skip_verify_email": true},
	})
	if refused(err, http.StatusUnprocessableEntity) {
		err = nil // It is somebody else's, or none.
	}
	return out.User.ID, err
}

// bot returns the end user as whom the bot writes. Each name and picture is a user of its own, so that sessions that run
// at the same time do not rename each other's bot. It is looked up first: Zendesk takes five updates of a user a minute.
func (a *adapter) bot(ctx context.Context, name, photo string) (id, error) {
	sum := sha256.Sum256([]byte(name + "\n" + photo))
	externalID := a.in.BotUserID + "-" + hex.EncodeToString(sum[:8])
	found, err := call[usersAnswer](ctx, a.api, http.MethodGet, "users/search.json?external_id="+url.QueryEscape(externalID), nil)
	if err != nil || len(found.Users) == 0 {
		return a.endUser(ctx, externalID, cmp.Or(name, "Botpress"), "", photo)
	}
	return found.Users[0].ID, nil
}
