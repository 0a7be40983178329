package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/botpress/botpresstest"
	"github.com/hitl-go/sdk/examples/slack/slacktest"
	"github.com/hitl-go/sdk/hitl/hitltest"
	"github.com/hitl-go/sdk/message"
	"github.com/hitl-go/sdk/message/media"
)

// Files go both ways. They are fetched over real sockets.
func TestFiles(t *testing.T) {
	s := slacktest.New(slacktest.Options{})
	t.Cleanup(s.Close)
	rosa := s.NewMember("Rosa Diaz")
	picture := append([]byte("\x89PNG\r\n\x1a\n"), bytes.Repeat([]byte{0}, 100)...)
	outside := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			t.Error("the end user's server was sent a token")
		}
		_, _ = w.Write(picture)
	}))
	t.Cleanup(outside.Close)

	bot := hitltest.NewBot(t, definition, workspace{url: s.URL + "/api/", files: media.Options{AllowPrivate: true}}.connect, configOf(s))
	jane := bot.EndUser("Jane Doe")
	jane.Say("Hello")
	jane.Escalate("Help")
	thread := threadOf(jane.Session().ID).ts

	jane.Send(message.Image{ImageURL: outside.URL + "/a.png", Title: "A <dent>"})
	jane.Send(message.Image{ImageURL: "http://127.0.0.1:1/gone.png"})
	var got []string
	for _, m := range s.Thread(thread)[2:] {
		got = append(got, fmt.Sprintf("%s: %s %d", m.Author, m.Text, len(m.Files)))
		for _, f := range m.Files {
			if !bytes.Equal(f.Data, picture) || f.Name != "A _dent_.png" {
				t.Errorf("Slack has %s of %d bytes", f.Name, len(f.Data))
			}
		}
	}
	if len(got) != 2 || !strings.HasSuffix(got[0], "A <dent> from Jane Doe 1") || !strings.Contains(got[1], "127.0.0.1:1/gone.png 0") {
		t.Errorf("the thread has %q", got)
	}

	if _, err := s.ReplyWithFile(thread, rosa, "Like this?", "a.png", "image/png", picture); err != nil {
		t.Fatal(err)
	}
	var shown message.Bloc
	for len(shown.Items) == 0 {
		m, err := jane.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		shown, _ = m.Message.(message.Bloc)
	}
	image, _ := shown.Items[1].(message.Image)
	resp, err := http.Get(image.ImageURL)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if data, err := io.ReadAll(resp.Body); err != nil || !bytes.Equal(data, picture) || image.Title != "a.png" || message.PlainText(shown.Items[0]) != "Like this?" {
		t.Errorf("the end user gets %+v and %d bytes, %v", shown, len(data), err)
	}

	s.Refuse("files.getUploadURLExternal", "file_uploads_disabled")
	jane.Send(message.Image{ImageURL: outside.URL + "/b.png"})
	thread2 := s.Thread(thread)
	if last := thread2[len(thread2)-1]; !strings.Contains(last.Text, outside.URL+"/b.png") || last.Author != "Jane Doe" {
		t.Errorf("where no files are allowed, Slack has %+v", last)
	}

	// What the app may not read is named.
	s.DropScope("files:read")
	if _, err := s.ReplyWithFile(thread, rosa, "", "b.pdf", "application/pdf", []byte("%PDF-1.7 secret")); err != nil {
		t.Fatal(err)
	}
	jane.Sees("Rosa Diaz: b.pdf (a file that cannot be passed on)")
	for _, c := range bot.Cloud.Calls() {
		if c.Kind == botpresstest.APICall && strings.Contains(string(c.Request), s.BotToken) {
			t.Error("Botpress was sent the bot's token")
		}
	}
}

// A file of another workspace is told when it is asked for, and a deleted one is none.
func TestFilesThatMessagesDoNotTell(t *testing.T) {
	s := slacktest.New(slacktest.Options{})
	t.Cleanup(s.Close)
	rosa := s.NewMember("Rosa Diaz")
	bot := hitltest.NewBot(t, definition, workspace{url: s.URL + "/api/", files: media.Options{AllowPrivate: true}}.connect, configOf(s))
	jane := bot.EndUser("Jane Doe")
	jane.Say("Hello")
	jane.Escalate("Help")
	thread := threadOf(jane.Session().ID).ts
	s.FailDownloads(1) // It is not given up.
	if _, err := s.ReplyWithConnectedFile(thread, rosa, "From us", "plan.txt", "text/plain", []byte("The plan")); err != nil {
		t.Fatal(err)
	}
	m, err := jane.Next(t.Context())
	for err == nil && m.From != botpresstest.FromAgent {
		m, err = jane.Next(t.Context())
	}
	bloc, _ := m.Message.(message.Bloc)
	if err != nil || len(bloc.Items) != 2 {
		t.Fatalf("the end user gets %+v, %v", m.Message, err)
	}
	if file, ok := bloc.Items[1].(message.File); !ok || file.Title != "plan.txt" {
		t.Errorf("the end user gets %+v", bloc.Items[1])
	}

	s.Down(true) // Nobody reads the message before its file is gone.
	ts, err := s.ReplyWithFile(thread, rosa, "Never mind", "old.txt", "text/plain", []byte("Old"))
	if err != nil {
		t.Fatal(err)
	}
	s.DeleteFiles(ts)
	s.Down(false)
	jane.Sees("Rosa Diaz: Never mind")
}

// A remote file is at any host, which must not get the bot's token: https://docs.slack.dev/reference/methods/files.remote.info
func TestRemoteFile(t *testing.T) {
	s := slacktest.New(slacktest.Options{})
	t.Cleanup(s.Close)
	rosa := s.NewMember("Rosa Diaz")
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("the file's host was asked, with the authorization %q", r.Header.Get("Authorization"))
	}))
	t.Cleanup(elsewhere.Close)
	bot := hitltest.NewBot(t, definition, workspace{url: s.URL + "/api/", files: media.Options{AllowPrivate: true}}.connect, configOf(s))
	jane := bot.EndUser("Jane Doe")
	jane.Say("Hello")
	jane.Escalate("Help")
	if _, err := s.ReplyWithRemoteFile(threadOf(jane.Session().ID).ts, rosa, "", "Manual", elsewhere.URL+"/manual"); err != nil {
		t.Fatal(err)
	}
	jane.Sees("Rosa Diaz: Manual (a file that cannot be passed on)")
}

func configOf(s *slacktest.Slack) Config {
	return Config{
		Channel: s.Channel, BotToken: botpress.Secret(s.BotToken), AppToken: botpress.Secret(s.AppToken), SigningSecret: botpress.Secret(s.SigningSecret),
	}
}
