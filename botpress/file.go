package botpress

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"time"
)

// AccessPolicy lets others than the file's owner read a file.
type AccessPolicy string

// The access policies of a file.
const (
	PublicContent      AccessPolicy = "public_content" // anyone with the URL
	SharedIntegrations AccessPolicy = "integrations"   // the bot's integrations
)

// FileStatus is how far a file has come.
type FileStatus string

// The statuses of a file.
const (
	UploadPending     FileStatus = "upload_pending"
	UploadFailed      FileStatus = "upload_failed"
	UploadCompleted   FileStatus = "upload_completed"
	IndexingPending   FileStatus = "indexing_pending"
	IndexingFailed    FileStatus = "indexing_failed"
	IndexingCompleted FileStatus = "indexing_completed"
)

// File is a file stored with Botpress. Its content is fetched from URL.
type File struct {
	ID    string `json:"id"`
	BotID string `json:"botId"`
	// Key is the file's name, unique among the files of its owner.
	Key string `json:"key"`
	// URL is permanent for [PublicContent] and else valid for a short time only.
	URL string `json:"url"`
	// Size is in bytes, 0 while nothing is uploaded.
	Size        int64  `json:"size"`
	ContentType string `json:"contentType"`
	Tags        Tags   `json:"tags"`
	// Metadata is a JSON object.
	Metadata       json.RawMessage `json:"metadata"`
	CreatedAt      time.Time       `json:"createdAt"`
	UpdatedAt      time.Time       `json:"updatedAt"`
	AccessPolicies []AccessPolicy  `json:"accessPolicies"`
	// Index says that the file is searchable, or will be.
	Index  bool       `json:"index"`
	Status FileStatus `json:"status"`
	// FailedStatusReason is empty unless something failed.
	FailedStatusReason string `json:"failedStatusReason,omitempty"`
	// ExpiresAt is the zero time if the file does not expire.
	ExpiresAt     time.Time `json:"expiresAt,omitzero"`
	Owner         FileOwner `json:"owner"`
	IndexingStack string    `json:"indexingStack,omitempty"`
	// UploadURL is where the content goes, set in the result of
	// [Client.UpsertFile] only. Whoever has it can write the file.
	UploadURL Secret `json:"uploadUrl,omitempty"`
}

// FileOwner is the bot, the integration or the user that a file belongs to.
type FileOwner struct {
	// Type is bot, integration or user.
	Type string `json:"type"`
	// ID is set for bots and users, Name and Alias for integrations.
	ID    string `json:"id,omitempty"`
	Name  string `json:"name,omitempty"`
	Alias string `json:"alias,omitempty"`
}

// UpsertFileParams describes a file.
type UpsertFileParams struct {
	// Key is required.
	Key string `json:"key"`
	// Size is the content's length in bytes. [Client.UploadFile] sets it.
	Size int64 `json:"size"`
	// ContentType is guessed by the API from the key if empty.
	ContentType string `json:"contentType,omitempty"`
	// Tags have values of at most 1,000 characters.
	Tags Tags `json:"tags,omitzero"`
	// Metadata is a JSON object.
	Metadata       json.RawMessage `json:"metadata,omitempty"`
	AccessPolicies []AccessPolicy  `json:"accessPolicies,omitzero"`
	ExpiresAt      time.Time       `json:"expiresAt,omitzero"`
	// Index makes the file searchable. Indexing, a JSON object with the key
	// configuration, says how.
	Index    bool            `json:"index,omitempty"`
	Indexing json.RawMessage `json:"indexing,omitempty"`
	// PublicContentImmediatelyAccessible spares readers of a [PublicContent]
	// file the moment between its upload and its publication.
	PublicContentImmediatelyAccessible bool `json:"publicContentImmediatelyAccessible,omitempty"`
}

// UpdateFileMetadataParams is what changes in a file.
type UpdateFileMetadataParams struct {
	// Metadata replaces the file's metadata.
	Metadata json.RawMessage `json:"metadata,omitempty"`
	// Tags are merged; an entry with an empty value removes that tag.
	Tags           Removable           `json:"tags,omitzero"`
	AccessPolicies []AccessPolicy      `json:"accessPolicies,omitzero"`
	ExpiresAt      Optional[time.Time] `json:"expiresAt,omitzero"`
}

// FileSort is what a list of files is sorted by.
type FileSort string

// The orders of a list of files.
const (
	SortFilesByKey       FileSort = "key"
	SortFilesBySize      FileSort = "size"
	SortFilesByCreatedAt FileSort = "createdAt"
	SortFilesByUpdatedAt FileSort = "updatedAt"
	SortFilesByStatus    FileSort = "status"
)

// ListFilesParams selects files. The zero value selects all.
type ListFilesParams struct {
	// Tags must all be present with these values.
	Tags Tags
	// IDs are at most 50.
	IDs []string
	// Indexed selects files that are searchable (true) or not (false).
	Indexed       Optional[bool]
	SortField     FileSort
	SortDirection SortDirection
	// PageSize is how many items are fetched at once. 0 leaves it to the API.
	PageSize int
	// NextToken is where the list starts, a token from Next. Empty means the
	// first page.
	NextToken string
	// Next, if set, ends the list after one page and receives the token of the
	// next page, "" after the last.
	Next *string
}

type fileReply struct {
	File File `json:"file"`
}

type filePage struct {
	page
	Files []File `json:"files"`
}

// UpsertFile creates or replaces the file with the given key. The content goes
// to the UploadURL of the result; [Client.UploadFile] does both.
func (c *Client) UpsertFile(ctx context.Context, p UpsertFileParams) (File, error) {
	reply, err := do[fileReply](ctx, c, put(p, "/v1/files"))
	return reply.File, err
}

// UploadFile creates or replaces the file with the given key and uploads its
// content. If the upload fails, the file exists and waits for its content.
func (c *Client) UploadFile(ctx context.Context, p UpsertFileParams, content []byte) (File, error) {
	if len(content) == 0 {
		return File{}, errors.New("botpress: upload " + p.Key + ": there is no content")
	}
	p.Size = int64(len(content))
	f, err := c.UpsertFile(ctx, p)
	if err != nil {
		return File{}, err
	}
	if f.UploadURL == "" {
		return f, fmt.Errorf("botpress: upload %s: the file was created, but the API gave no address to upload its content to", p.Key)
	}
	// The storage is not Botpress: it gets no token and no ids.
	header := http.Header{"Content-Type": {f.ContentType}}
	if p.PublicContentImmediatelyAccessible {
		header["X-Amz-Tagging"] = []string{"public=true"}
	}
	if err := c.upload(ctx, string(f.UploadURL), header, content); err != nil {
		return f, fmt.Errorf("botpress: upload %s: the file was created, but its content did not arrive: %w", p.Key, err)
	}
	f.Size = p.Size
	return f, nil
}

// GetFile returns a file, or [ErrNotFound].
func (c *Client) GetFile(ctx context.Context, id string) (File, error) {
	reply, err := do[fileReply](ctx, c, get("/v1/files/{id}", id))
	return reply.File, err
}

// UpdateFileMetadata changes what is known about a file, not its content, and
// returns it as it is now.
func (c *Client) UpdateFileMetadata(ctx context.Context, id string, p UpdateFileMetadataParams) (File, error) {
	reply, err := do[fileReply](ctx, c, put(p, "/v1/files/{id}", id))
	return reply.File, err
}

// DeleteFile deletes a file.
func (c *Client) DeleteFile(ctx context.Context, id string) error {
	_, err := do[struct{}](ctx, c, del("/v1/files/{id}", id))
	return err
}

// ListFiles ranges over the files that p selects.
func (c *Client) ListFiles(ctx context.Context, p ListFilesParams) iter.Seq2[File, error] {
	r := get("/v1/files")
	r.query = url.Values(query{}.
		tags(p.Tags).
		texts("ids", p.IDs).
		flag("indexed", p.Indexed).
		text("sortField", string(p.SortField)).
		text("sortDirection", string(p.SortDirection)).
		number("pageSize", p.PageSize).
		text("nextToken", p.NextToken))
	return pages(ctx, c, r, p.Next, func(p filePage) ([]File, string) { return p.Files, p.Meta.NextToken })
}
