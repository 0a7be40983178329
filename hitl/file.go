package hitl

import (
	"context"

	"github.com/hitl-go/sdk/botpress"
)

// PublishFile stores a file in Botpress and returns an address at which everybody who knows it can read it: for what agents
// send, if the desk shows files only to its own users. The key is the file's own in this installation, such as its id in the desk
// with its name: a file with the same key is replaced. An empty file is an error.
func (in Installation) PublishFile(ctx context.Context, key, contentType string, data []byte) (url string, err error) {
	f, err := in.Client.UploadFile(ctx, botpress.UpsertFileParams{
		Key: "hitl/" + in.WebhookID + "/" + key, ContentType: contentType,
		AccessPolicies: []botpress.AccessPolicy{botpress.PublicContent}, PublicContentImmediatelyAccessible: true,
	}, data)
	return f.URL, err
}
