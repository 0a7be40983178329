package main

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/hitl-go/sdk/hitl/playground"
)

const deskToken, deskSecret = "token", "secret" // of the desk in memory

// desk is an Acme Desk in memory, for tests and the playground. ServeHTTP is its API, and with act its agents work. Make it do what
// the real one does, bad habits included.
type desk struct {
	http.Handler
	client *http.Client // sends the webhooks; nil sends none

	mu       sync.Mutex
	serial   int
	ids      map[string]string // of what was created, by path and external id
	names    map[string]string // of users, by id
	tickets  []*ticket
	webhooks []string
}

type ticket struct {
	playground.Ticket

	history []entry
}

func newDesk() *desk {
	d, mux := &desk{ids: map[string]string{}, names: map[string]string{}}, http.NewServeMux()
	handle := func(pattern string, answer func(r *http.Request, in fields, t *ticket) any) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			d.mu.Lock()
			defer d.mu.Unlock()
			t, in := d.ticket(r.PathValue("ticket")), fields{}
			switch err := json.NewDecoder(r.Body).Decode(&in); {
			case r.Header.Get("Authorization") != "Bearer "+deskToken:
				w.WriteHeader(http.StatusUnauthorized)
			case err != nil:
				w.WriteHeader(http.StatusBadRequest)
			case utf8.RuneCountInString(in["text"]) > longestText:
				w.WriteHeader(http.StatusUnprocessableEntity)
			case t == nil && r.PathValue("ticket") != "":
				w.WriteHeader(http.StatusNotFound)
				_ = json.NewEncoder(w).Encode(fields{"error": noSuchTicket})
			default:
				_ = json.NewEncoder(w).Encode(answer(r, in, t))
			}
		})
	}
	create := func(pattern string, add func(ctx context.Context, id string, in fields, t *ticket)) {
		handle(pattern, func(r *http.Request, in fields, t *ticket) any {
			key := r.URL.Path + " " + in["externalId"]
			if d.ids[key] == "" {
				d.ids[key] = d.newID()
				add(r.Context(), d.ids[key], in, t)
			}
			return fields{"id": d.ids[key]}
		})
	}
	create("POST /users", func(_ context.Context, id string, in fields, _ *ticket) { d.names[id] = in["name"] })
	create("POST /tickets", func(ctx context.Context, id string, in fields, _ *ticket) {
		t := &ticket{Ticket: playground.Ticket{
			ID: id, Subject: in["subject"], Status: "open", From: d.names[in["requester"]], Priority: in["priority"],
		}}
		d.tickets = append(d.tickets, t)
		d.add(ctx, t, entry{ID: d.newID(), Kind: "note", Text: in["text"], Author: bot})
	})
	create("POST /tickets/{ticket}/messages", func(ctx context.Context, id string, in fields, t *ticket) {
		author := bot
		if user := in["author"]; user != "" {
			author = person{user, d.names[user], string(playground.EndUser)}
		}
		d.add(ctx, t, entry{ID: id, Kind: "message", Text: in["text"], Author: author})
	})
	handle("POST /tickets/{ticket}/close", func(r *http.Request, _ fields, t *ticket) any {
		d.add(r.Context(), t, entry{ID: d.newID(), Kind: "closed", Author: bot})
		return nil
	})
	handle("GET /tickets/{ticket}/history", func(r *http.Request, _ fields, t *ticket) any {
		since, _ := time.Parse(time.RFC3339, r.FormValue("since"))
		return slices.DeleteFunc(slices.Clone(t.history), func(e entry) bool { return e.At.Before(since) })
	})
	handle("GET /webhooks", func(*http.Request, fields, *ticket) any { return d.webhooks })
	handle("POST /webhooks", func(_ *http.Request, in fields, _ *ticket) any {
		d.webhooks = append(d.webhooks, in["url"])
		return nil
	})
	handle("DELETE /webhooks", func(r *http.Request, _ fields, _ *ticket) any {
		d.webhooks = slices.DeleteFunc(d.webhooks, func(url string) bool { return url == r.FormValue("url") })
		return nil
	})
	d.Handler = mux
	return d
}

var bot = person{"api", "Bot", string(playground.Bot)} // the account of the API

func (d *desk) newID() string {
	d.serial++
	return strconv.Itoa(d.serial)
}

func (d *desk) ticket(id string) *ticket {
	i := slices.IndexFunc(d.tickets, func(t *ticket) bool { return t.ID == id })
	if i < 0 {
		return nil
	}
	return d.tickets[i]
}

// add adds to the history of a ticket, and sends a webhook about it.
func (d *desk) add(ctx context.Context, t *ticket, e entry) {
	e.At = time.Now()
	t.history = append(t.history, e)
	t.Entries++
	switch e.Kind {
	case "assigned":
		t.Assignee = e.Author.Name
	case "closed":
		t.Status, t.Over = "closed", true
	}
	for _, url := range d.webhooks {
		if d.client != nil {
			go d.send(context.WithoutCancel(ctx), url, t.ID)
		}
	}
}

// send sends a webhook, once. Many a real desk does no better.
func (d *desk) send(ctx context.Context, url, ticket string) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, webhook(ticket))
	if err != nil {
		return
	}
	sign(r)
	if res, err := d.client.Do(r); err == nil {
		_ = res.Body.Close()
	}
}

func webhook(ticket string) io.Reader { return strings.NewReader(fmt.Sprintf(`{"ticket":%q}`, ticket)) }

func sign(r *http.Request) {
	body, _ := io.ReadAll(r.Body) // it is in memory
	r.Body = io.NopCloser(bytes.NewReader(body))
	now := strconv.FormatInt(time.Now().Unix(), 10)
	mac := hmac.New(sha256.New, []byte(deskSecret))
	_, _ = fmt.Fprintf(mac, "%s%s", now, body)
	r.Header.Set("Acme-Timestamp", now)
	r.Header.Set("Acme-Signature", hex.EncodeToString(mac.Sum(nil)))
}

func agentOf(name string) person { return person{name, name, string(playground.Agent)} }

var errNoTicket = errors.New("there is no such ticket")

func (d *desk) act(ctx context.Context, ticket string, who person, kind, text string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	t := d.ticket(ticket)
	if t == nil {
		return errNoTicket
	}
	d.add(ctx, t, entry{ID: d.newID(), Kind: kind, Text: text, Author: who})
	return nil
}
