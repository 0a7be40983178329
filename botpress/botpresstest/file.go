package botpresstest

import (
	"bytes"
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"path"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"
)

// Bounds of stored files. The real cloud's are not public.
const (
	maxFile     = 10 << 20  // Bytes of one file.
	maxFiles    = 1000      // Files of the bot, those of integrations included.
	maxStored   = 256 << 20 // Bytes of all files.
	maxFileKey  = 1000      // Characters of a key.
	maxFileTag  = 1000      // Characters of a tag's value, as the OpenAPI says.
	maxFileIDs  = 50        // Ids in one call of listFiles, as the OpenAPI says.
	urlValidity = 15 * time.Minute
)

// processing is how long Botpress takes to notice an upload, and then to index it.
const processing = time.Second

type file struct {
	id          string
	number      uint64
	owner       *Installation // Nil is the bot.
	createdAt   time.Time
	updatedAt   time.Time
	key         string
	contentType string
	tags        map[string]string // By the names that the caller gave.
	metadata    json.RawMessage
	policies    []string
	index       bool
	immediately bool      // Its public content does not wait for the processing.
	expiresAt   time.Time // Zero: never.

	size       int       // As announced. The content has this size.
	uploadID   string    // In the upload URL.
	uploadEnds time.Time // When the upload URL expires.
	content    []byte
	uploadedAt time.Time // Zero: not yet.
}

// processed reports whether Botpress has noticed the upload.
func (f *file) processed(now time.Time) bool {
	return !f.uploadedAt.IsZero() && !now.Before(f.uploadedAt.Add(processing))
}

func (f *file) status(now time.Time) string {
	switch {
	case !f.processed(now):
		return "upload_pending"
	case !f.index:
		return "upload_completed"
	case now.Before(f.uploadedAt.Add(2 * processing)):
		return "indexing_pending"
	default:
		return "indexing_completed"
	}
}

func (f *file) shared(policy string) bool { return slices.Contains(f.policies, policy) }

// viewFile is the file as the API returns it. Its URL is permanent if the content is public, and else valid for some minutes.
func (r *request) viewFile(f *file) map[string]any {
	now := r.clock.now()
	size := any(nil)
	if f.processed(now) {
		size = f.size
	}
	owner := map[string]any{"type": "bot", "id": r.BotID}
	if f.owner != nil {
		owner = map[string]any{"type": "integration", "name": f.owner.Name, "alias": f.owner.Alias}
	}
	url := r.URL + "/storage/files/" + f.id
	if !f.shared("public_content") {
		ends := strconv.FormatInt(now.Add(urlValidity).UnixMilli(), 10)
		url += "?expires=" + ends + "&signature=" + r.fileSignature(f.id, ends)
	}
	view := map[string]any{
		"id": f.id, "botId": r.BotID, "key": f.key, "url": url, "size": size, "contentType": f.contentType, "tags": maps.Clone(f.tags),
		"metadata": f.metadata, "createdAt": f.createdAt, "updatedAt": f.updatedAt, "accessPolicies": f.policies, "index": f.index,
		"status": f.status(now), "owner": owner,
	}
	if !f.expiresAt.IsZero() {
		view["expiresAt"] = f.expiresAt
	}
	return view
}

func (s *Server) fileSignature(id, ends string) string {
	mac := hmac.New(sha256.New, []byte(s.Token))
	mac.Write([]byte(id + " " + ends))
	return hex.EncodeToString(mac.Sum(nil))
}

// fileWhere finds a file that has not expired. Hold s.mu.
func (s *Server) fileWhere(is func(*file) bool) *file {
	now := s.clock.now()
	s.files = slices.DeleteFunc(s.files, func(f *file) bool { return !f.expiresAt.IsZero() && !now.Before(f.expiresAt) })
	if i := slices.IndexFunc(s.files, is); i >= 0 {
		return s.files[i]
	}
	return nil
}

// seesFile reports whether the caller may read a file: its own, the bot any, integrations those that are shared with them.
func (r *request) seesFile(f *file) bool {
	return r.in == nil || f.owner == r.in || f.shared("integrations")
}

func (r *request) file() (*file, *Error) {
	id := r.http.PathValue("id")
	if f := r.fileWhere(func(f *file) bool { return f.id == id && r.seesFile(f) }); f != nil {
		return f, nil
	}
	return nil, notFound("file", id)
}

// ownFile finds a file that the caller may change.
func (r *request) ownFile() (*file, *Error) {
	f, err := r.file()
	if err == nil && r.in != nil && f.owner != r.in {
		err = forbidden("file %q belongs to somebody else", f.id)
	}
	return f, err
}

type fileBody struct {
	Key            string             `json:"key"`
	Size           float64            `json:"size"`
	ContentType    string             `json:"contentType"`
	Tags           map[string]*string `json:"tags"` // Nil removes a tag.
	Metadata       json.RawMessage    `json:"metadata"`
	AccessPolicies []string           `json:"accessPolicies"`
	ExpiresAt      *time.Time         `json:"expiresAt"`
	Index          bool               `json:"index"`
	Indexing       json.RawMessage    `json:"indexing"`
	Immediately    bool               `json:"publicContentImmediatelyAccessible"`
}

// fileBody reads the body of a call that makes or changes a file, and the keys that it has.
func (r *request) fileBody(shape string) (body fileBody, given map[string]json.RawMessage, err *Error) {
	if body, err = decode[fileBody](r.body, shape); err != nil {
		return body, nil, err
	}
	for name, value := range body.Tags {
		if value != nil && utf8.RuneCountInString(*value) > maxFileTag {
			return body, nil, invalidPayload("the value of tag %q has more than %d characters", name, maxFileTag)
		}
	}
	for _, policy := range body.AccessPolicies {
		if policy != "public_content" && policy != "integrations" {
			return body, nil, invalidPayload("the access policy %q is not public_content or integrations", policy)
		}
	}
	if body.Metadata != nil {
		err = object("metadata", body.Metadata)
	}
	_ = json.Unmarshal(r.body, &given) // It is an object.
	return body, given, err
}

// upsertFile makes a file, or replaces the caller's file with the same key, whose content is gone at once. The content goes
// to the upload URL.
func upsertFile(r *request) (any, *Error) {
	body, _, err := r.fileBody("key! size! tags index indexing accessPolicies contentType expiresAt publicContentImmediatelyAccessible metadata")
	if err != nil {
		return nil, err
	}
	switch {
	case body.Key == "" || utf8.RuneCountInString(body.Key) > maxFileKey:
		return nil, invalidPayload("key must have 1 to %d characters", maxFileKey)
	case body.Size > maxFile:
		return nil, &Error{Status: http.StatusRequestEntityTooLarge, Type: "PayloadTooLarge", Message: "the file is too large"}
	case body.Size < 0 || body.Size != float64(int(body.Size)):
		return nil, invalidPayload("size must be a number of bytes")
	}
	if body.Indexing != nil {
		if _, err := decode[map[string]any](body.Indexing, "configuration!"); err != nil {
			return nil, err
		}
	}
	tags := make(map[string]string)
	for name, value := range body.Tags {
		if value == nil {
			return nil, invalidPayload("the value of tag %q must not be null", name)
		}
		tags[name] = *value
	}

	f := r.fileWhere(func(f *file) bool { return f.key == body.Key && f.owner == r.in })
	stored := int(body.Size)
	for _, other := range r.files {
		if other != f {
			stored += other.size
		}
	}
	if stored > maxStored || f == nil && len(r.files) >= maxFiles {
		return nil, &Error{Status: http.StatusForbidden, Type: "QuotaExceeded", Message: "the bot has too many files"}
	}
	if f == nil {
		f = &file{id: r.newID("file"), number: r.number(), owner: r.in, createdAt: r.clock.stamp()}
		r.files = append(r.files, f)
	}
	*f = file{
		id: f.id, number: f.number, owner: f.owner, createdAt: f.createdAt, updatedAt: r.clock.stamp(), key: body.Key,
		contentType: cmp.Or(body.ContentType, mime.TypeByExtension(path.Ext(body.Key)), "application/octet-stream"),
		tags:        tags, metadata: body.Metadata, policies: body.AccessPolicies, index: body.Index, immediately: body.Immediately,
		expiresAt: value(body.ExpiresAt), size: int(body.Size), uploadID: r.newID("upload"), uploadEnds: r.clock.now().Add(urlValidity),
	}
	if f.metadata == nil {
		f.metadata = json.RawMessage("{}")
	}
	if f.policies == nil {
		f.policies = []string{}
	}
	view := r.viewFile(f)
	view["uploadUrl"] = r.URL + "/storage/uploads/" + f.uploadID
	return map[string]any{"file": view}, nil
}

func getFile(r *request) (any, *Error) {
	f, err := r.file()
	if err != nil {
		return nil, err
	}
	return map[string]any{"file": r.viewFile(f)}, nil
}

func updateFileMetadata(r *request) (any, *Error) {
	f, err := r.ownFile()
	if err != nil {
		return nil, err
	}
	body, given, err := r.fileBody("metadata tags accessPolicies expiresAt?")
	if err != nil {
		return nil, err
	}
	for name, value := range body.Tags {
		if value == nil {
			delete(f.tags, name)
		} else {
			f.tags[name] = *value
		}
	}
	if body.Metadata != nil {
		f.metadata = body.Metadata
	}
	if body.AccessPolicies != nil {
		f.policies = body.AccessPolicies
	}
	if _, ok := given["expiresAt"]; ok {
		f.expiresAt = value(body.ExpiresAt)
	}
	f.updatedAt = r.clock.stamp()
	return map[string]any{"file": r.viewFile(f)}, nil
}

func deleteFile(r *request) (any, *Error) {
	f, err := r.ownFile()
	if err != nil {
		return nil, err
	}
	r.files = without(r.files, f)
	return struct{}{}, nil
}

// listFiles returns the newest file first, unless the query says otherwise.
func listFiles(r *request) (any, *Error) {
	q, err := r.query("tags", "ids", "indexed=true,false", "sortField=key,size,createdAt,updatedAt,status", sortDirection)
	if err != nil {
		return nil, err
	}
	now := r.clock.now()
	key := map[string]func(f *file) string{
		"key":       func(f *file) string { return f.key },
		"size":      func(f *file) string { return fmt.Sprintf("%020d", f.size) },
		"createdAt": func(f *file) string { return chronological(f.createdAt) },
		"updatedAt": func(f *file) string { return chronological(f.updatedAt) },
		"status":    func(f *file) string { return f.status(now) },
	}[cmp.Or(q.Get("sortField"), "createdAt")]
	indexed := q.Get("indexed")
	if len(q.Values["ids"]) > maxFileIDs {
		return nil, invalidQuery("ids has more than %d entries", maxFileIDs)
	}
	var chosen []*file
	r.fileWhere(func(f *file) bool {
		ids := q.Values["ids"]
		if r.seesFile(f) && hasTags(f.tags, q.tags) && (ids == nil || slices.Contains(ids, f.id)) &&
			(indexed == "" || strconv.FormatBool(f.index) == indexed) {
			chosen = append(chosen, f)
		}
		return false
	})
	page, meta, err := paged(q, chosen, q.Get("sortDirection") == "asc", func(f *file) position { return position{key(f), f.number} })
	if err != nil {
		return nil, err
	}
	views := make([]any, len(page))
	for i, f := range page {
		views[i] = r.viewFile(f)
	}
	return map[string]any{"files": views, "meta": meta}, nil
}

// The storage is not the API. Like the real one it takes no bearer token: a URL is the permission.

// serveUpload takes the content of a file. It must be what was announced.
func (s *Server) serveUpload(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Authorization") != "" {
		http.Error(w, "the URL is the only permission: send no Authorization header", http.StatusBadRequest)
		return
	}
	content, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxFile))
	if err != nil {
		http.Error(w, "the content cannot be read", http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.clock.now()
	f := s.fileWhere(func(f *file) bool { return f.uploadID == r.PathValue("id") && now.Before(f.uploadEnds) })
	wanted := ""
	if f != nil && f.immediately {
		wanted = "public=true"
	}
	switch {
	case f == nil:
		http.Error(w, "the URL has expired", http.StatusForbidden)
	case len(content) != f.size:
		http.Error(w, "the content has another length than announced", http.StatusForbidden)
	case r.Header.Get("Content-Type") != f.contentType:
		http.Error(w, "the Content-Type is not the file's", http.StatusForbidden)
	case r.Header.Get("x-amz-tagging") != wanted:
		http.Error(w, "the header x-amz-tagging is not what was announced", http.StatusForbidden)
	default:
		f.content, f.uploadedAt = content, now
		w.WriteHeader(http.StatusOK)
	}
}

// serveFile serves the content of a file. A public one has to be processed first, unless it was announced otherwise.
func (s *Server) serveFile(w http.ResponseWriter, r *http.Request) {
	id, ends := r.PathValue("id"), r.URL.Query().Get("expires")
	millis, _ := strconv.ParseInt(ends, 10, 64) // Zero has passed.
	s.mu.Lock()
	now := s.clock.now()
	signed := now.UnixMilli() < millis && same(r.URL.Query().Get("signature"), s.fileSignature(id, ends))
	f := s.fileWhere(func(f *file) bool { return f.id == id })
	var served file
	if f != nil && (signed || f.shared("public_content") && (f.immediately || f.processed(now))) {
		served = *f
	}
	s.mu.Unlock()
	switch {
	case served.id == "":
		http.Error(w, "access denied", http.StatusForbidden)
	case served.uploadedAt.IsZero():
		http.Error(w, "there is no content", http.StatusNotFound)
	default:
		w.Header().Set("Content-Type", served.contentType)
		http.ServeContent(w, r, "", served.uploadedAt, bytes.NewReader(served.content))
	}
}
