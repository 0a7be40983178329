package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/slack-go/slack"

	"github.com/hitl-go/sdk/hitl"
	"github.com/hitl-go/sdk/message"
	"github.com/hitl-go/sdk/message/media"
)

// Backfill reads what members have written in a thread, and what has become of the session.
func (d *desk) Backfill(ctx context.Context, r hitl.BackfillRequest) (events []hitl.Event, err error) {
	t := threadOf(r.Session.ID)
	for m, err := range d.read(ctx, t, fmt.Sprintf("%d.%06d", r.Since.Unix(), r.Since.Nanosecond()/1000)) {
		what, by := d.markOf(m)
		var author hitl.Author
		switch {
		case err != nil:
		case m.Timestamp == t.ts && m.Metadata.EventType != eventCard:
			err = errNoCard
		case strings.HasPrefix(what, taken):
			author, err = d.author(ctx, by)
			agent, _ := author.(hitl.Agent)
			events = append(events, hitl.Assigned{SessionID: t.String(), Agent: agent, ID: what})
		case what == closed:
			events = append(events, hitl.Stopped{SessionID: t.String()})
		case isReply(&m):
			author, err = d.author(ctx, m.User)
			events = append(events, hitl.Replied{
				SessionID: t.String(), ID: thread{t.channel, m.Timestamp}.String(), Author: author,
				Load: func(ctx context.Context) (message.Message, error) { return d.content(ctx, &m) },
			})
		}
		if err != nil {
			return nil, explain(err)
		}
	}
	return events, nil
}

// isReply tells that somebody has written a message to the end user. Slack tells of other things in messages, too.
func isReply(m *slack.Msg) bool {
	const slackbot = "USLACKBOT" // It is no bot, says Slack.
	kinds := []string{"", slack.MsgSubTypeFileShare, slack.MsgSubTypeThreadBroadcast, slack.MsgSubTypeMeMessage}
	return m.BotID == "" && m.User != "" && m.User != slackbot && m.ThreadTimestamp != m.Timestamp && slices.Contains(kinds, m.SubType) && !isNote(m)
}

// note is how a message begins that is for the members alone, perhaps in bold type, a quote or a list. Slack takes a slash for a
// command, unless a blank stands before it.
var note = regexp.MustCompile("(?i)^(?:[\\s*_~`•]|&gt;)*(?::lock:|🔒|/note\\b)")

func isNote(m *slack.Msg) bool { return note.MatchString(m.Text) }

// author is a human in the workspace, or nil.
func (d *desk) author(ctx context.Context, id string) (hitl.Author, error) {
	u, err := d.member(ctx, id)
	if err != nil || u.IsBot {
		return nil, err
	}
	return hitl.Agent{ID: u.ID, Name: nameOf(u), PictureURL: u.Profile.Image192}, nil
}

func nameOf(u *slack.User) string { return cmp.Or(u.Profile.DisplayName, u.Profile.RealName, u.Name) }

// member is somebody in the workspace, as they were when they were asked for.
func (d *desk) member(ctx context.Context, id string) (*slack.User, error) {
	if u, ok := d.members.Get(id); ok {
		return u, nil
	}
	u, err := d.api.GetUserInfoContext(ctx, id)
	if isRefusal(err, "user_not_found", "user_not_visible") { // They are of another workspace, for instance.
		u, err = &slack.User{ID: id}, nil
	}
	if err == nil {
		d.members.Add(id, u)
	}
	return u, err
}

// content makes a message of what a member has written: of the words or a file, or a bloc of all of them.
func (d *desk) content(ctx context.Context, m *slack.Msg) (message.Message, error) {
	words, err := d.text(ctx, m)
	if err != nil {
		return nil, explain(err)
	}
	items := []message.BlocItem{message.Text{Text: words}}
	for _, f := range m.Files {
		if f.Mode == "tombstone" { // It was deleted.
			continue
		}
		item, err := d.passOn(ctx, f)
		if err != nil {
			return nil, err
		}
		items = append(items, item)
	}
	return message.Bloc{Items: items}, nil
}

// passOn stores a member's file in Botpress, since Slack shows it to members only.
func (d *desk) passOn(ctx context.Context, f slack.File) (message.BlocItem, error) {
	if f.Name == "" { // It comes from another workspace by Slack Connect, and is told when asked for.
		known, _, _, err := d.api.GetFileInfoContext(ctx, f.ID, 0, 0)
		if err != nil && !isFinal(err) {
			return nil, explain(err)
		}
		f = *cmp.Or(known, &f)
	}
	name, opts := cmp.Or(f.Title, f.Name, "A file"), d.files
	opts.Authorization = "Bearer " + string(d.BotToken)
	file, err := media.File{}, errRemote
	if address := cmp.Or(f.URLPrivateDownload, f.URLPrivate); d.hosts(address) {
		file, err = media.Fetch(ctx, address, f.Name, &opts)
	}
	if media.IsTemporary(err) {
		return nil, err
	}
	if err != nil || len(file.Data) != f.Size || f.Size == 0 { // Who may not read it gets a page instead.
		d.in.Logger.WarnContext(ctx, "a member's file does not reach the end user; does the app have the scope files:read?", "file", f.ID, "error", err)
		return message.Text{Text: name + " (a file that cannot be passed on)"}, nil
	}
	address, err := d.in.PublishFile(ctx, f.ID+"/"+file.Name, file.ContentType, file.Data)
	return message.Attachment(file.ContentType, address, name), err
}

var errRemote = errors.New("slack: the file is not on a host of Slack's")

// hosts tells that an address is one of Slack's own: it is the API's or below. A remote file has the address that some app gave it,
// and the token must not go there.
func (d *desk) hosts(address string) bool {
	u, err := url.Parse(address)
	api, err2 := url.Parse(d.url)
	return err == nil && err2 == nil && u.Scheme == api.Scheme && strings.HasSuffix("."+u.Host, "."+api.Host)
}
