package main

import (
	"bytes"
	"cmp"
	"context"

	"github.com/slack-go/slack"
	"github.com/slack-go/slack/slackutilsx"

	"github.com/hitl-go/sdk/hitl"
	"github.com/hitl-go/sdk/message"
	"github.com/hitl-go/sdk/message/media"
)

// CreateUser makes nobody in Slack: messages are signed with the end user's name and picture.
func (*desk) CreateUser(_ context.Context, r hitl.CreateUserRequest) (hitl.Ref, error) {
	return hitl.Ref{ID: r.UserID}, nil
}

// StartHitl begins a thread. Its first reply is what was said before.
func (d *desk) StartHitl(ctx context.Context, r hitl.StartHitlRequest[Session]) (hitl.Ref, error) {
	channel := thread{channel: channelID.FindString(cmp.Or(r.Session.Channel, d.Channel))}
	ref, err := d.write(ctx, channel, begun+r.ConversationID, card(r)...)
	if said := r.Transcript(ctx, nil); said != "" && err == nil {
		_, err = d.once(ctx, threadOf(ref.ID), "transcript", func() ([]slack.MsgOption, error) {
			if !fits(said) {
				shared, err := d.share(ctx, media.File{Name: "transcript.txt", Data: []byte(said)}, "What was said before")
				if refusal(err).Temporary {
					return shared, err
				}
				for limit := definition.MaxText; !fits(said); limit /= 2 {
					said = r.Transcript(ctx, &message.TranscriptOptions{Limit: limit, Unit: definition.TextUnit})
				}
			}
			return words(said), nil
		})
	}
	return ref, explain(err)
}

// StopHitl says in the thread that it is over, and takes its buttons away.
func (d *desk) StopHitl(ctx context.Context, r hitl.StopHitlRequest) error {
	t := threadOf(r.Session.ID)
	_, err := d.write(ctx, t, closed, over("the end user or the bot"))
	if err == nil {
		err = d.draw(ctx, t)
	}
	return explain(err)
}

// SendMessage writes in the thread, in the name of who speaks.
func (d *desk) SendMessage(ctx context.Context, r hitl.SendMessageRequest) (hitl.Ref, error) {
	ref, err := d.once(ctx, threadOf(r.Session.ID), r.Key(), func() ([]slack.MsgOption, error) {
		return d.said(ctx, r)
	})
	return ref, explain(err)
}

// Notify tells the members what they would not know.
func (d *desk) Notify(ctx context.Context, n hitl.Notice) error {
	_, err := d.write(ctx, threadOf(n.Session.ID), "notice/"+n.MessageID, words("⚠️ "+n.Text)...)
	return explain(err)
}

// said makes of a message what Slack shows. Files are copied, if they can be fetched: their addresses may not last.
func (d *desk) said(ctx context.Context, r hitl.SendMessageRequest) ([]slack.MsgOption, error) {
	name, icon := cmp.Or(message.Title(r.Name, 80, message.UTF16), "Bot"), slack.MsgOptionIconURL(r.PictureURL)
	if r.PictureURL == "" {
		icon = slack.MsgOptionIconEmoji(map[bool]string{true: ":robot_face:", false: ":bust_in_silhouette:"}[r.UserID == ""])
	}
	if source, title, ok := message.Media(r.Message); ok {
		file, err := media.Fetch(ctx, source, title, &d.files)
		if err == nil && len(file.Data) > 0 { // Slack refuses empty ones, and what the administrators do not want.
			var shared []slack.MsgOption
			if shared, err = d.share(ctx, file, cmp.Or(title, file.Name)+" from "+name); refusal(err).Temporary {
				return shared, err
			}
		}
		d.in.Logger.WarnContext(ctx, "a file cannot be copied, so Slack gets its address", "error", err)
	}
	text := message.PlainText(r.Message)
	if !fits(text) {
		shared, err := d.share(ctx, media.File{Name: "message.txt", Data: []byte(text)}, "A message from "+name)
		if refusal(err).Temporary {
			return shared, err
		}
		d.in.Logger.WarnContext(ctx, "a long message cannot be a file, so Slack makes several messages of it", "error", err)
	}
	return append(words(text), slack.MsgOptionUsername(name), icon), nil
}

// fits reports whether Slack shows a text as one message. It counts characters as they are written, such as "&amp;".
func fits(text string) bool {
	const longest = 4_000
	return message.UTF16.Len(slackutilsx.EscapeMessage(text)) <= longest
}

// words is a text as it is: nothing in it is formatted, or calls people.
func words(text string) []slack.MsgOption {
	return []slack.MsgOption{slack.MsgOptionText(text, true), slack.MsgOptionDisableMarkdown()}
}

// share uploads a file. A message with its permalink shows it and, other than the one that Slack would make of the upload, has
// metadata. It cannot be signed: that would hide the file.
func (d *desk) share(ctx context.Context, f media.File, title string) ([]slack.MsgOption, error) {
	const longestTitle = 150
	title = message.Title(title, longestTitle, message.UTF16)
	up, err := d.api.UploadFileContext(ctx, slack.UploadFileParameters{
		Reader: bytes.NewReader(f.Data), FileSize: len(f.Data), Filename: f.Name, Title: title,
	})
	if err != nil {
		return nil, err
	}
	file, _, _, err := d.api.GetFileInfoContext(ctx, up.ID, 0, 0)
	if err != nil {
		return nil, err
	}
	return []slack.MsgOption{slack.MsgOptionText("<"+file.Permalink+"|"+slackutilsx.EscapeMessage(title)+">", false)}, nil
}
