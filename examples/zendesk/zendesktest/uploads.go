package zendesktest

import (
	"cmp"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
)

// upload is what waits for a comment to be attached to.
type upload struct {
	files   []Attachment
	expires time.Time
}

const uploadLife = 3 * 24 * time.Hour

// contentTypes are Zendesk's own, by the ending of a name. What the request says of the content does not count.
var contentTypes = map[string]string{
	".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".gif": "image/gif", ".webp": "image/webp", ".pdf": "application/pdf",
	".txt": "text/plain", ".csv": "text/csv", ".json": "application/json", ".zip": "application/zip",
	".mp3": "audio/mpeg", ".ogg": "audio/ogg", ".wav": "audio/wav", ".mp4": "video/mp4", ".mov": "video/quicktime", ".webm": "video/webm",
}

func (a *Attachment) answer() wire {
	return wire{
		"id": a.ID, "url": nil, "file_name": a.Name, "content_url": a.URL, "mapped_content_url": a.URL, "content_type": a.ContentType,
		"size": a.Size, "width": nil, "height": nil, "inline": false, "deleted": false, "malware_access_override": false,
		"malware_scan_result": "not_scanned", "thumbnails": []wire{},
	}
}

// upload stores one more file, under a token of its own or one that is there already.
func (d *Desk) upload(r *request) (any, *apiError) {
	name := r.query("filename")
	if name == "" {
		return nil, invalid("filename", saysFilename)
	}
	token := cmp.Or(r.query("token"), strings.ToLower(rand.Text()))
	u := d.uploads[token]
	switch {
	case u == nil && r.query("token") != "":
		return nil, invalid("base", saysAttachment)
	case u == nil:
		u = &upload{expires: time.Now().Add(uploadLife)}
		d.uploads[token] = u
	}
	kind := cmp.Or(contentTypes[strings.ToLower(path.Ext(name))], "application/octet-stream")
	u.files = append(u.files, d.attach(File{Name: name, ContentType: kind, Data: slices.Clone(r.body)}))
	all := []wire{}
	for _, a := range u.files {
		all = append(all, a.answer())
	}
	return wire{"upload": wire{
		"token": token, "expires_at": u.expires.UTC().Truncate(time.Second), "attachments": all, "attachment": all[len(all)-1],
	}}, nil
}

func (d *Desk) deleteUpload(r *request) (any, *apiError) {
	if d.uploads[r.PathValue("id")] == nil {
		return nil, notFound()
	}
	delete(d.uploads, r.PathValue("id"))
	return nil, nil
}

// uploaded are the files of tokens.
func (d *Desk) uploaded(tokens []string) (files []Attachment, refused *apiError) {
	for _, token := range tokens {
		u := d.uploads[token]
		if u == nil || !time.Now().Before(u.expires) {
			return nil, invalid("base", saysAttachment)
		}
		files = append(files, u.files...)
	}
	return files, nil
}

// spend ends the tokens of a comment: each is good for one.
func (d *Desk) spend(c *commentFields) {
	if c == nil {
		return
	}
	for _, token := range c.Uploads {
		delete(d.uploads, token)
	}
}

func (d *Desk) showAttachment(r *request) (any, *apiError) {
	for _, t := range d.tickets {
		for _, c := range t.Comments {
			for _, a := range c.Attachments {
				if a.ID == r.pathID() {
					return wire{"attachment": a.answer()}, nil
				}
			}
		}
	}
	return nil, notFound()
}

// serveAttachment serves a file. Where downloads are secure, it sends those who are signed in to an address that works for some
// minutes, and everybody else to the sign-in page.
func (d *Desk) serveAttachment(w http.ResponseWriter, r *http.Request) {
	token := r.PathValue("token")
	d.mu.Lock()
	f, ok := d.contents[token]
	_, refused := d.authenticate(r)
	secure := d.SecureDownloads
	d.mu.Unlock()
	switch {
	case !ok:
		http.NotFound(w, r)
	case !secure:
		serveFile(w, f)
	case refused != nil:
		http.Redirect(w, r, "/auth/v2/login?return_to="+url.QueryEscape(r.URL.String()), http.StatusFound)
	default:
		expires := strconv.FormatInt(time.Now().Add(signedLife).Unix(), 10)
		http.Redirect(w, r, d.URL+"/system/attachments/"+token+"?expires="+expires+"&signature="+d.signature(token, expires), http.StatusFound) //nolint:gosec // It is our own address.
	}
}

const signedLife = 10 * time.Minute

func (d *Desk) signature(token, expires string) string {
	mac := hmac.New(sha256.New, d.signed)
	mac.Write([]byte(token + " " + expires))
	return hex.EncodeToString(mac.Sum(nil))
}

// serveSigned serves a file to whoever has its temporary address.
func (d *Desk) serveSigned(w http.ResponseWriter, r *http.Request) {
	token, q := r.PathValue("token"), r.URL.Query()
	expires, err := strconv.ParseInt(q.Get("expires"), 10, 64)
	d.mu.Lock()
	f, ok := d.contents[token]
	d.mu.Unlock()
	if !ok || err != nil || time.Now().Unix() >= expires || !same(q.Get("signature"), d.signature(token, q.Get("expires"))) {
		http.Error(w, "the address is not signed, or has expired", http.StatusForbidden)
		return
	}
	serveFile(w, f)
}

func serveFile(w http.ResponseWriter, f File) {
	w.Header().Set("Content-Type", f.ContentType)
	w.Header().Set("Content-Disposition", "inline; filename="+url.PathEscape(f.Name))
	_, _ = w.Write(f.Data)
}

// signIn is where people would sign in.
func signIn(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write([]byte("<!DOCTYPE html><title>Sign in to Zendesk</title><h1>Sign in to Zendesk</h1>"))
}
