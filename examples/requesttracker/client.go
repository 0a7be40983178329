package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
)

// client speaks RT's REST 2.0 as one account. RT's own names are used as they are.
type client struct {
	url  string // of RT, without a slash at its end
	auth string // the Authorization header
	http *http.Client
}

// as is the same client for another account.
func (c client) as(user, password string) client {
	return client{c.url, "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password)), c.http}
}

// fields are what is set when something is created or changed.
type fields map[string]any

// The custom fields that botpress.initialdata makes.
const (
	conversationField = "Botpress Conversation" // of a ticket
	messageField      = "Botpress Message"      // of a transaction
	webhookField      = "Botpress Webhook"      // of a queue
)

type customFields []struct {
	Name   string   `json:"name"`
	Values []string `json:"values"`
}

func (f customFields) get(name string) string {
	for _, field := range f {
		if field.Name == name && len(field.Values) > 0 {
			return field.Values[0]
		}
	}
	return ""
}

type user struct {
	Name, RealName string
	Privileged     int // 1 for those who work in RT
}

type ticket struct {
	ID           json.Number
	Queue        struct{ ID, Name string } // the name only if it is asked for
	Status       string
	Owner        struct{ ID string } // their name
	CustomFields customFields
}

// closed reports whether nobody works on tickets of this status.
func closed(status string) bool {
	return slices.Contains([]string{"resolved", "rejected", "deleted"}, status)
}

// transaction is an entry in the history of a ticket.
type transaction struct {
	ID       int    `json:"id,string"`
	Ticket   string `json:"ObjectId"`
	Type     string `json:"Type"`
	Kind     string `json:"type"` // always "transaction"; without it, its value would end in Type at times
	NewValue string
	Creator  struct{ ID string } // their name
}

type attachment struct {
	ID, ContentType, Filename string
	ContentLength             json.Number // in bytes
	parent                    string      // the id of what holds it together with others; empty at the top
}

func (c client) get(ctx context.Context, where string, into any) error {
	_, err := c.do(ctx, http.MethodGet, where, nil, into)
	return err
}

// put changes something. RT answers 200 to most of what it refuses, so whatever matters must be read again.
func (c client) put(ctx context.Context, where string, body fields) error {
	_, err := c.do(ctx, http.MethodPut, where, body, nil)
	return err
}

// post creates something, whose id it returns.
func (c client) post(ctx context.Context, where string, body fields) (id string, err error) {
	header, err := c.do(ctx, http.MethodPost, where, body, nil)
	return path.Base(header.Get("Location")), err
}

// pageSize is the most that RT lists at once.
const pageSize = 100

// list reads the first page of a list.
func list[T any](ctx context.Context, c client, where string, query url.Values) ([]T, error) {
	query.Set("per_page", strconv.Itoa(pageSize))
	var page struct{ Items []T }
	err := c.get(ctx, where+"?"+query.Encode(), &page)
	return page.Items, err
}

// find returns the id of what a query finds first, or "".
func (c client) find(ctx context.Context, where, query string) (string, error) {
	found, err := list[struct{ ID string }](ctx, c, where, url.Values{"query": {query}})
	if err != nil || len(found) == 0 {
		return "", err
	}
	return found[0].ID, nil
}

// quote makes a string of RT's query languages.
func quote(s string) string { return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s) + "'" }

// refusal is an answer that is no success.
type refusal struct {
	status  int
	own     bool // It is RT's, not one of a web server before it.
	message string
	moved   string // the address to which a web server leads, if it seems to be RT's
}

func (e *refusal) Error() string {
	if !e.own {
		return "the web server before RT answers " + e.message
	}
	return fmt.Sprintf("RT answers %d: %s", e.status, e.message)
}

// refused reports whether RT itself refused a request with one of these statuses.
func refused(err error, statuses ...int) bool {
	var r *refusal
	return errors.As(err, &r) && r.own && slices.Contains(statuses, r.status)
}

// lasting returns the refusal in an error, or nil if there is none, or one that passes by itself.
func lasting(err error) *refusal {
	var r *refusal
	passing := []int{http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests}
	if !errors.As(err, &r) || r.status >= http.StatusInternalServerError || slices.Contains(passing, r.status) {
		return nil
	}
	return r
}

// apiPath is where RT's REST 2.0 begins.
const apiPath = "/REST/2.0"

// maxFile is how many bytes of an attachment are passed on, maxAnswer how many of an answer are read.
const maxFile, maxAnswer = 20 << 20, maxFile*4/3 + 1<<20

func (c client) do(ctx context.Context, method, where string, body fields, into any) (http.Header, error) {
	content, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, method, c.url+apiPath+where, bytes.NewReader(content))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Authorization", c.auth)
	r.Header.Set("Content-Type", "application/json")
	direct := *c.http
	direct.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse } // It would make a GET of what changes something.
	res, err := direct.Do(r)
	if err != nil {
		return nil, fmt.Errorf("RT cannot be reached: %w", err)
	}
	defer res.Body.Close()
	answer := json.NewDecoder(io.LimitReader(res.Body, maxAnswer))
	if res.StatusCode >= http.StatusMultipleChoices {
		return nil, refusalOf(res, answer)
	}
	if into != nil {
		err = answer.Decode(into)
	}
	if err != nil {
		return nil, fmt.Errorf("RT's answer to %s %s is not what was expected: %w", method, r.URL.Path, err)
	}
	return res.Header, nil
}

// refusalOf reads a refusal. RT says in JSON what it refuses, web servers in HTML.
func refusalOf(res *http.Response, answer *json.Decoder) *refusal {
	var said struct {
		Message string `json:"message"`
	}
	_ = answer.Decode(&said)
	refused := refusal{status: res.StatusCode, own: said.Message != "", message: cmp.Or(said.Message, res.Status)}
	if refused.own && refused.status == http.StatusBadRequest && refused.message == "Permission Denied" {
		refused.status = http.StatusForbidden // RT does not say so of comments and correspondence.
	}
	if to, err := res.Location(); err == nil && res.StatusCode < http.StatusBadRequest {
		to.User, to.RawQuery, to.Fragment = nil, "", ""
		base, _, found := strings.Cut(to.String(), apiPath+"/")
		if from, _, _ := strings.Cut(res.Request.URL.String(), apiPath+"/"); found && base != from {
			refused.moved = base
		}
	}
	return &refused
}
