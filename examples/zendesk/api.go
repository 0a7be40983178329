package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hitl-go/sdk/hitl"
)

// api calls the Support API of one Zendesk account.
type api struct {
	base string // https://acme.zendesk.com
	auth string // The value of the Authorization header.
	http *http.Client
}

// object is what we send.
type object = map[string]any

// filled leaves out what is empty: to Zendesk, no priority and an empty one are not the same.
func filled(o object) object {
	maps.DeleteFunc(o, func(_ string, v any) bool { return v == "" })
	return o
}

// answer is what we receive, whatever we have called: each answer has one or two of these fields.
type answer struct {
	User               user
	Users              []user
	Ticket             thing
	Tickets            []thing
	Comments           []comment
	Webhook, Trigger   thing
	Webhooks, Triggers []thing
	Audit              struct{ Events []thing }
	Signing            struct{ Secret string } `json:"signing_secret"`
	Upload             struct{ Token string }
	Meta               struct {
		More  bool   `json:"has_more"`
		After string `json:"after_cursor"`
	}
}

type thing struct {
	ID                        id
	Name, Title, Status, Type string
	Description, Endpoint     string
	AssigneeID                id `json:"assignee_id"`
	Active                    bool
}

type user struct {
	ID                       id
	Name, Alias, Email, Role string
	ExternalID               string `json:"external_id"`
	Photo                    struct {
		URL string `json:"content_url"`
	}
}

type comment struct {
	ID          id
	CreatedAt   time.Time `json:"created_at"`
	AuthorID    id        `json:"author_id"`
	HTML        string    `json:"html_body"`
	Public      bool
	Metadata    struct{ Custom object }
	Attachments []struct {
		Name    string `json:"file_name"`
		Type    string `json:"content_type"`
		URL     string `json:"content_url"`
		Malware string `json:"malware_scan_result"`
	}
}

// id is a number or a text in JSON, or null, which is the empty id.
type id string

func (i *id) UnmarshalJSON(data []byte) error { //nolint:unparam // The interface has the error.
	*i = id(strings.Trim(strings.TrimPrefix(string(data), "null"), `"`))
	return nil
}

const (
	maxAnswer = 10 << 20        // bytes
	pause     = 5 * time.Second // Before a second attempt, if Zendesk does not say. Webhooks are not sent again unless we do.
)

// call makes a request. Bytes are sent as they are, anything else as JSON; headers are names and values in turn.
func (z *api) call(ctx context.Context, method, path string, in any, headers ...string) (out answer, err error) {
	body, ok := in.([]byte)
	if !ok && in != nil {
		if body, err = json.Marshal(in); err != nil {
			return out, fmt.Errorf("zendesk: %s %s: %w", method, path, err)
		}
	}
	r, err := http.NewRequestWithContext(ctx, method, z.base+"/api/v2/"+path, bytes.NewReader(body))
	if err != nil {
		return out, fmt.Errorf("zendesk: %w", err)
	}
	r.Header = http.Header{"Authorization": {z.auth}, "Content-Type": {"application/json"}}
	for pair := range slices.Chunk(headers, 2) {
		r.Header.Set(pair[0], pair[len(pair)-1])
	}
	res, err := z.http.Do(r)
	if err != nil {
		return out, hitl.Retryable(pause, fmt.Errorf("zendesk: %w", err))
	}
	defer res.Body.Close()
	data, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	switch {
	case res.StatusCode >= 300:
		return out, refusalOf(method+" "+path, res, data)
	case err == nil && len(data) > 0:
		err = json.Unmarshal(data, &out)
	}
	return out, err
}

// refusal is an answer that is not 2xx.
type refusal struct {
	status int
	words  string
}

func (r *refusal) Error() string { return fmt.Sprintf("zendesk: %d %s", r.status, r.words) }

var described = regexp.MustCompile(`"(?:description|detail)":\s*"([^"]+)"`)

// refusalOf makes an error that says when it will have passed, or else what the bot's owner can do about it.
func refusalOf(request string, res *http.Response, body []byte) error {
	r := &refusal{res.StatusCode, http.StatusText(res.StatusCode)}
	for _, found := range described.FindAllSubmatch(body, -1) {
		r.words += ", " + string(found[1])
	}
	switch {
	case r.status >= 500, r.status == http.StatusTooManyRequests, r.status == http.StatusConflict:
		seconds, _ := strconv.Atoi(res.Header.Get("Retry-After"))
		return hitl.Retryable(cmp.Or(time.Duration(seconds)*time.Second, pause), fmt.Errorf("%s: %w", request, r))
	case r.status == http.StatusUnauthorized:
		return &hitl.Error{Message: "Zendesk does not accept the credentials: check the subdomain and the e-mail address with the API token, or the access token.", Err: r}
	case r.status == http.StatusForbidden:
		return &hitl.Error{Message: "Zendesk does not let the API user do what is needed (" + request + "): use the credentials of an administrator.", Err: r}
	}
	return &hitl.Error{Message: "Zendesk has refused " + request + ": " + r.words, Err: r}
}

// refused tells that Zendesk has answered with this status.
func refused(err error, status int) bool {
	var r *refusal
	return errors.As(err, &r) && r.status == status
}

// gone tells that a ticket has been deleted, or closed, after which it never changes.
func gone(err error) bool {
	var r *refusal
	return errors.As(err, &r) && (r.status == http.StatusNotFound || strings.Contains(r.words, "closed prevents ticket update"))
}
