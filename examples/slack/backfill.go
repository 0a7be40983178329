package main

import (
	"cmp"
	"context"
	"fmt"
	"path"
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
		switch what := d.markOf(m); {
		case err != nil:
			return nil, explain(err)
		case m.SubType == "tombstone" && m.Timestamp == t.ts: // Another one is a hidden reply.
			return nil, &hitl.Error{Message: "The card in Slack has been deleted.", Gone: true}
		case strings.HasPrefix(what, taken):
			events = append(events, hitl.Assigned{SessionID: t.String(), Agent: hitl.Agent{ID: path.Base(what)}, ID: what})
		case what == closed:
			events = append(events, hitl.Stopped{SessionID: t.String()})
		case isReply(&m):
			events = append(events, hitl.Replied{
				SessionID: t.String(), ID: thread{t.channel, m.Timestamp}.String(), Author: hitl.Agent{ID: m.User},
				Load: func(ctx context.Context) (message.Message, error) { return d.content(ctx, &m) },
			})
		}
	}
	return events, nil
}

// isReply reports whether somebody has written a message to the end user. Slack tells of other things in messages, too.
func isReply(m *slack.Msg) bool {
	kinds := []string{"", slack.MsgSubTypeFileShare, slack.MsgSubTypeThreadBroadcast, slack.MsgSubTypeMeMessage}
	return m.BotID == "" && m.User != "" && m.User != "USLACKBOT" && m.ThreadTimestamp != m.Timestamp && slices.Contains(kinds, m.SubType) && !note.MatchString(m.Text)
}

// note is how a message begins that is for the members alone, perhaps in bold type, a quote or a list. Slack takes a slash for a
// command, unless a blank stands before it.
var note = regexp.MustCompile("(?i)^(?:[\\s*_~`•]|&gt;)*(?::lock:|🔒|/note\\b)")

// ReadAgent reads a human in the workspace. A bot is no agent: its files come without the ID of the bot.
func (d *desk) ReadAgent(ctx context.Context, id string) (hitl.Agent, error) {
	u, err := d.api.GetUserInfoContext(ctx, id)
	if err != nil { // Those of other workspaces are unknown here, for instance.
		return hitl.Agent{}, explain(err)
	}
	name := cmp.Or(u.Profile.DisplayName, u.Profile.RealName, u.Name)
	return hitl.Agent{ID: map[bool]string{false: u.ID}[u.IsBot], Name: name, PictureURL: u.Profile.Image192}, nil
}

// content makes a message of what a member has written: of the words or a file, or a bloc of all of them.
func (d *desk) content(ctx context.Context, m *slack.Msg) (message.Message, error) {
	items := []message.BlocItem{message.Text{Text: d.text(ctx, m)}}
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
		if err != nil && refusal(err).Temporary {
			return nil, explain(err)
		}
		f = *cmp.Or(known, &f)
	}
	name, opts := cmp.Or(f.Title, f.Name, "A file"), d.files
	opts.Authorization = "Bearer " + string(d.BotToken)
	file, err := media.File{}, error(hitl.Errorf("Slack has only the address of a remote file."))
	if !f.IsExternal { // Then the address is one that some app has given, and the token must not go there.
		file, err = media.Fetch(ctx, cmp.Or(f.URLPrivateDownload, f.URLPrivate), f.Name, &opts)
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
