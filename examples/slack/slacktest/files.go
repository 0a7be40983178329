package slacktest

import (
	"fmt"
	"html"
	"io"
	"mime"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
)

// File is a file in the workspace.
type File struct {
	ID          string
	Name        string
	Title       string
	ContentType string
	Data        []byte

	// URL is where a file is that Slack does not host, but only links: any host's.
	URL string

	// Connected is a file of another workspace, shared by Slack Connect. A message names only its ID.
	Connected bool
}

type file struct {
	File
	owner    *user
	created  int64
	length   int // What was announced.
	uploaded bool
	complete bool
	deleted  bool
	shared   []string // Messages.
}

// add stores a file. Hold s.mu.
func (s *Slack) add(f File, owner *user) *file {
	f.ID = newID("F")
	added := &file{File: f, owner: owner, created: now(), length: len(f.Data), uploaded: true, complete: true}
	s.files[f.ID] = added
	return added
}

func (s *Slack) permalink(f *file) string {
	return s.URL + "/files/" + f.owner.ID + "/" + f.ID + "/" + url.PathEscape(strings.ToLower(f.Name))
}

// fileWire is a file as the API tells it. Hold s.mu.
func (s *Slack) fileWire(f *file) wire {
	extension := strings.TrimPrefix(path.Ext(f.Name), ".")
	private := s.URL + "/files-pri/" + s.TeamID + "-" + f.ID + "/"
	name := url.PathEscape(f.Name)
	w := wire{
		"id": f.ID, "created": f.created, "timestamp": f.created, "name": f.Name, "title": f.Title, "mimetype": f.ContentType,
		"filetype": extension, "pretty_type": strings.ToUpper(extension), "user": f.owner.ID, "user_team": s.TeamID, "editable": false,
		"size": len(f.Data), "mode": "hosted", "is_external": false, "external_type": "", "is_public": len(f.shared) > 0,
		"public_url_shared": false, "display_as_bot": false, "username": "", "url_private": private + name,
		"url_private_download": private + "download/" + name, "permalink": s.permalink(f), "file_access": "visible",
	}
	if f.URL != "" {
		w["mode"], w["is_external"], w["external_type"], w["url_private"] = "external", true, "app", f.URL
		delete(w, "url_private_download")
	}
	return w
}

// mentioned is a file as a message tells it. Hold s.mu.
func (s *Slack) mentioned(f *file) wire {
	switch {
	case f.deleted:
		return wire{"id": f.ID, "mode": "tombstone"}
	case f.Connected:
		return wire{"id": f.ID, "created": 0, "timestamp": 0, "user": "", "file_access": "check_file_info"}
	default:
		return s.fileWire(f)
	}
}

func (s *Slack) filesInfo(c *call) (wire, error) {
	f := s.files[c.arg("file")]
	if f == nil || f.deleted || !f.complete || f.owner.ID != s.BotUserID && len(f.shared) == 0 {
		return nil, refusal("file_not_found")
	}
	w := s.fileWire(f)
	var shares []any
	for _, ts := range f.shared {
		if m := s.find(ts); m != nil {
			share := wire{"ts": ts, "channel_name": channelName, "team_id": s.TeamID, "share_user_id": f.owner.ID}
			if m.threadTS != "" {
				share["thread_ts"] = m.threadTS
			}
			shares = append(shares, share)
		}
	}
	w["channels"], w["shares"] = []string{}, wire{}
	if len(shares) > 0 {
		w["channels"], w["shares"] = []string{s.Channel}, wire{"public": wire{s.Channel: shares}}
	}
	return wire{"file": w, "comments": []any{}}, nil
}

func (s *Slack) getUploadURL(c *call) (wire, error) {
	length, err := strconv.Atoi(c.arg("length"))
	if err != nil || length <= 0 || c.arg("filename") == "" {
		return nil, refusal("missing_argument")
	}
	f := s.add(File{Name: c.arg("filename"), Title: c.arg("filename")}, s.users[s.BotUserID])
	f.length, f.uploaded, f.complete = length, false, false
	return wire{"upload_url": s.URL + "/upload/v1/" + f.ID, "file_id": f.ID}, nil
}

// serveUpload takes the content of a file, as a form or as it is.
func (s *Slack) serveUpload(w http.ResponseWriter, r *http.Request) {
	data, kind, err := uploaded(r)
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.files[r.PathValue("id")]
	switch {
	case s.down:
		http.Error(w, "Slack is down", http.StatusServiceUnavailable)
		return
	case f == nil || f.uploaded:
		http.Error(w, "no such upload", http.StatusNotFound)
		return
	case err != nil || len(data) != f.length:
		http.Error(w, "not the file that was announced", http.StatusBadRequest)
		return
	}
	f.Data, f.uploaded, f.ContentType = data, true, kind
	if byName := mime.TypeByExtension(path.Ext(f.Name)); byName != "" {
		f.ContentType, _, _ = strings.Cut(byName, ";")
	}
	_, _ = io.WriteString(w, "OK - "+strconv.Itoa(len(data)))
}

// largestUpload is what Slack takes of a file: a gigabyte, of which nobody needs to test more than this.
const largestUpload = 64 << 20

func uploaded(r *http.Request) (data []byte, contentType string, err error) {
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	body := io.Reader(r.Body)
	if kind == "multipart/form-data" {
		form, err := r.MultipartReader()
		if err != nil {
			return nil, "", err
		}
		for {
			part, err := form.NextPart()
			if err != nil {
				return nil, "", err
			}
			if part.FileName() != "" {
				body = part
				break
			}
		}
	}
	data, err = io.ReadAll(io.LimitReader(body, largestUpload))
	return data, http.DetectContentType(data), err
}

func (s *Slack) completeUpload(c *call) (wire, error) {
	var wanted []struct {
		ID    string `json:"id"`
		Title string `json:"title"`
	}
	if object(c, "files", &wanted) != nil || len(wanted) == 0 {
		return nil, refusal("invalid_arguments")
	}
	channel := c.arg("channel_id")
	switch {
	case channel == "":
	case channel != s.Channel:
		return nil, refusal("channel_not_found")
	case !s.in[s.BotUserID]:
		return nil, refusal("not_in_channel")
	case s.archived:
		return nil, refusal("is_archived")
	}
	username, icons, err := s.identity(c)
	if err != nil {
		return nil, err
	}
	var all []*file
	for _, v := range wanted {
		f := s.files[v.ID]
		if f == nil || !f.uploaded || f.complete || slices.Contains(all, f) {
			return nil, refusal("file_not_found")
		}
		all = append(all, f)
	}
	answers := []any{}
	for i, f := range all {
		f.complete = true
		if wanted[i].Title != "" {
			f.Title = wanted[i].Title
		}
		answers = append(answers, wire{"id": f.ID, "title": f.Title})
	}
	if channel != "" { // The answer tells nothing of the message.
		m := &message{
			ts: s.newTS(), threadTS: s.rootOf(c.arg("thread_ts")), author: s.users[s.BotUserID], username: username, icons: icons,
			text: c.arg("initial_comment"), files: all,
		}
		for _, f := range all {
			f.shared = append(f.shared, m.ts)
		}
		s.tell(m)
	}
	return wire{"files": answers}, nil
}

// shareLinked shares the files of the app whose permalinks a message has, a moment after it was posted. It does not work if
// the message is in somebody else's name. Hold s.mu.
func (s *Slack) shareLinked(m *message) {
	if m.username != "" || m.icons != nil {
		return
	}
	var linked []*file
	for _, f := range s.files {
		if f.complete && f.owner == m.author && strings.Contains(m.text, s.permalink(f)) {
			linked = append(linked, f)
		}
	}
	if len(linked) == 0 {
		return
	}
	slices.SortFunc(linked, func(a, b *file) int {
		return strings.Index(m.text, s.permalink(a)) - strings.Index(m.text, s.permalink(b))
	})
	s.change(m, func() {
		m.files = linked
		for _, f := range linked {
			f.shared = append(f.shared, m.ts)
		}
	})
}

// serveDownload serves a private file, and sends everybody to sign in who may not have it.
func (s *Slack) serveDownload(w http.ResponseWriter, r *http.Request) {
	f, down := s.download(r)
	switch {
	case down:
		http.Error(w, "Slack is down", http.StatusServiceUnavailable)
	case f == nil:
		http.Redirect(w, r, "/?redir="+url.QueryEscape(r.URL.Path), http.StatusFound)
	default:
		w.Header().Set("Content-Type", f.ContentType)
		w.Header().Set("Content-Length", strconv.Itoa(len(f.Data)))
		_, _ = w.Write(f.Data) // The caller may have gone.
	}
}

// download is the file that a request asks for, or nil if it may not have it.
func (s *Slack) download(r *http.Request) (f *File, down bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failDownloads > 0 {
		s.failDownloads--
		return nil, true
	}
	_, id, _ := strings.Cut(r.PathValue("id"), "-")
	found := s.files[id]
	allowed := r.Header.Get("Authorization") == "Bearer "+s.BotToken && !s.revoked && s.granted("files:read")
	if found == nil || !found.complete || !allowed || found.owner.ID != s.BotUserID && (len(found.shared) == 0 || !s.in[s.BotUserID]) {
		return nil, s.down
	}
	f = &File{ContentType: found.ContentType, Data: found.Data}
	return f, s.down
}

// serveSignIn is the page to which strangers come, with status 200.
func serveSignIn(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = fmt.Fprintf(w, "<!DOCTYPE html><html><head><title>Sign in</title></head><body>Sign in to see %s</body></html>",
		html.EscapeString(r.URL.Query().Get("redir")))
}
