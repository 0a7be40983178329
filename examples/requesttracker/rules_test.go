package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hitl-go/sdk/examples/requesttracker/rttest"
	"github.com/hitl-go/sdk/hitl"
	"github.com/hitl-go/sdk/hitl/hitltest"
	"github.com/hitl-go/sdk/message/media"
)

// TestRules checks the adapter against the rules of all adapters, with a real RT.
func TestRules(t *testing.T) {
	w := &world{t: t}
	w.startRT(slices.Concat(initialdata, []byte("\n@Scrips = (); 1;\n"))) // the suite sends the webhooks, so that it knows when
	rt, err := url.Parse(w.rt.URL)
	if err != nil {
		t.Fatal(err)
	}
	wire := &hitltest.Wire{}
	front := httptest.NewServer(wire.Handler(httputil.NewSingleHostReverseProxy(rt)))
	t.Cleanup(front.Close)

	c := w.config
	c.URL = front.URL
	d := w.desk(t, c)
	hitltest.Run(t, connector(&media.Options{AllowPrivate: true}), hitltest.Case[Config, Session]{
		Definition: definition,
		Config:     c,
		Waive:      map[string]string{"register-apart": "a queue has one webhook"},
		Desk: hitltest.Desk{
			Agent: hitl.Agent{ID: rttest.Alice, Name: "Alice Agent"},
			Wire:  wire,
			Assigned: func(s hitltest.Session) *http.Request {
				w.agent(rttest.Alice, http.MethodPut, "/ticket/"+s.ID+"/take", fields{})
				return w.notificationFor(s)
			},
			Replied: func(s hitltest.Session, text string) *http.Request {
				w.agent(rttest.Alice, http.MethodPost, "/ticket/"+s.ID+"/correspond", plain(text))
				return w.notificationFor(s)
			},
			Stopped: func(s hitltest.Session) *http.Request {
				w.agent(rttest.Alice, http.MethodPut, "/ticket/"+s.ID, fields{"Status": "resolved"})
				return w.notificationFor(s)
			},
			Note: func(s hitltest.Session, text string) *http.Request {
				w.agent(rttest.Alice, http.MethodPut, "/ticket/"+s.ID+"/take", fields{}) // for a note alone, RT sends none
				w.agent(rttest.Alice, http.MethodPost, "/ticket/"+s.ID+"/comment", plain(text))
				return w.notificationFor(s)
			},
			Customer: func(s hitltest.Session, text string) *http.Request {
				requestor := w.requestor(s.ID)
				if _, err := d.rt.as(requestor, d.password(requestor)).post(t.Context(), "/ticket/"+s.ID+"/correspond", plain(text)); err != nil {
					t.Fatal(err)
				}
				return w.notificationFor(s)
			},
			Echo:  func(s hitltest.Session, _ hitl.Ref, _ string) *http.Request { return w.notificationFor(s) },
			Heard: func(s hitltest.Session) []string { return w.writtenOn(s, false) },
			Noted: func(s hitltest.Session) []string { return w.writtenOn(s, true) },
			Open:  func(s hitltest.Session) bool { return !closed(w.read("/ticket/"+s.ID, nil)["Status"].(string)) },
			Vanish: func(s hitltest.Session) {
				w.agent("root", http.MethodPut, "/ticket/"+s.ID, fields{"Status": "deleted"})
			},
			Sign: func(r *http.Request) {
				body, err := io.ReadAll(r.Body)
				if err != nil {
					t.Fatal(err)
				}
				now := strconv.FormatInt(time.Now().Unix(), 10)
				mac := hmac.New(sha256.New, []byte(c.Secret))
				_, _ = fmt.Fprintf(mac, "%s%s", now, body)
				r.Header.Set("X-RT-Timestamp", now)
				r.Header.Set("X-RT-Signature", hex.EncodeToString(mac.Sum(nil)))
			},
		},
	})
}

func plain(text string) fields { return fields{"Content": text, "ContentType": "text/plain"} }

// notificationFor is what RT would send for the last news of a session.
func (w *world) notificationFor(s hitltest.Session) *http.Request {
	w.t.Helper()
	last := "0"
	for _, t := range w.history(s.ID) {
		if t["Type"] == "Correspond" || t["Type"] == "Set" || t["Type"] == "Status" && closed(t["NewValue"].(string)) {
			last = t["id"].(string)
		}
	}
	return httptest.NewRequest(http.MethodPost, "/", strings.NewReader(`{"transaction":`+last+`}`))
}

// writtenOn is what end user and bot have said on a ticket, or the notices there.
func (w *world) writtenOn(s hitltest.Session, notices bool) []string {
	w.t.Helper()
	var written []string
	for _, t := range w.history(s.ID) {
		who := t["Creator"].(map[string]any)["id"].(string)
		if !strings.HasPrefix(who, account) || t["Type"] != "Correspond" && t["Type"] != "Comment" {
			continue
		}
		if t["Type"] == "Comment" && strings.HasPrefix(w.key(t["id"].(string)), "notice/") != notices || t["Type"] == "Correspond" && notices {
			continue
		}
		for _, a := range w.attachments(t["id"].(string)) {
			written = append(written, string(a.content))
		}
	}
	return written
}

// key is the message in Botpress that a transaction is of.
func (w *world) key(transaction string) string {
	w.t.Helper()
	fields, _ := w.read("/transaction/"+transaction, nil)["CustomFields"].([]any)
	for _, f := range fields {
		if values := f.(map[string]any)["values"].([]any); len(values) > 0 {
			return values[0].(string)
		}
	}
	return ""
}
