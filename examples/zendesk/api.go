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
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hitl-go/sdk/hitl"
)

// api calls the Support API of one Zendesk account.
type api struct {
	base  string       // https://acme.zendesk.com
	http  *http.Client // Signs in, unless basic does.
	basic string       // The value of the Authorization header of the legacy configuration.
}

// object is what we send.
type object = map[string]any

// filled leaves out what is empty: to Zendesk, no priority and an empty one are not the same.
func filled(o object) object {
	maps.DeleteFunc(o, func(_ string, v any) bool { return v == nil || reflect.ValueOf(v).IsZero() })
	return o
}

const (
	maxAnswer = 10 << 20        // bytes
	pause     = 5 * time.Second // Before a second attempt, if Zendesk does not say. Webhooks are not sent again unless we do.
)

// call makes a request. Bytes are sent as they are, anything else as JSON; headers are names and values in turn.
func call[T any](ctx context.Context, z api, method, path string, in any, headers ...string) (out T, err error) {
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
	r.Header = http.Header{"Content-Type": {"application/json"}}
	if z.basic != "" {
		r.Header.Set("Authorization", z.basic)
	}
	for pair := range slices.Chunk(headers, 2) {
		r.Header.Set(pair[0], pair[len(pair)-1])
	}
	res, err := withoutRedirects(z.http).Do(r)
	if err != nil {
		return out, failed(err)
	}
	defer res.Body.Close()
	data, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	switch {
	case res.StatusCode >= 300:
		return out, refusalOf(z, method+" "+path, res, data)
	case err == nil && len(data) > 0:
		err = json.Unmarshal(data, &out)
	}
	return out, err
}

// failed is a request without an answer. What the bot's owner must know of it is final.
func failed(err error) error {
	var owner *hitl.Error
	if errors.As(err, &owner) {
		return err
	}
	return hitl.Retryable(pause, fmt.Errorf("zendesk: %w", err))
}

// refusal is an answer that is not 2xx.
type refusal struct {
	status  int
	Kind    json.RawMessage `json:"error"` // A text, or an object with one.
	Text    string          `json:"description"`
	Details map[string][]struct{ Description string }
	Errors  []struct{ Title, Detail string } // Those of webhooks.
}

func (r *refusal) Error() string {
	words := []string{"zendesk: " + http.StatusText(r.status), r.Text}
	for _, field := range slices.Sorted(maps.Keys(r.Details)) {
		for _, d := range r.Details[field] {
			words = append(words, d.Description)
		}
	}
	for _, e := range r.Errors {
		words = append(words, cmp.Or(e.Detail, e.Title))
	}
	isEmpty := func(w string) bool { return w == "" }
	if words = slices.DeleteFunc(words, isEmpty); len(words) == 1 {
		words = slices.DeleteFunc(append(words, r.kind()), isEmpty)
	}
	return strings.Join(words, ", ")
}

// kind is what Zendesk calls the failure, which is all that it says at times.
func (r *refusal) kind() string {
	var text string
	var o struct{ Title, Message string }
	_ = errors.Join(json.Unmarshal(r.Kind, &text), json.Unmarshal(r.Kind, &o)) // It is one of them.
	return cmp.Or(text, o.Message, o.Title)
}

// refusalOf is a temporary failure as an error that says when it will have passed, or else what the bot's owner can do about it.
func refusalOf(z api, request string, res *http.Response, body []byte) error {
	r := &refusal{}
	_ = json.Unmarshal(body, r) // What comes from a proxy is not JSON.
	r.status = res.StatusCode
	switch {
	case r.status >= 500, r.status == http.StatusTooManyRequests, r.status == http.StatusConflict:
		seconds, _ := strconv.Atoi(res.Header.Get("Retry-After"))
		return hitl.Retryable(cmp.Or(time.Duration(seconds)*time.Second, pause), fmt.Errorf("%s: %w", request, r))
	case r.status == http.StatusUnauthorized && z.basic != "":
		return &hitl.Error{Message: "Zendesk does not accept the credentials: check the subdomain and the e-mail address with the API token.", Temporary: true, Err: r}
	case r.status == http.StatusUnauthorized:
		return &hitl.Error{Message: "Zendesk does not accept the sign-in: check the subdomain and the OAuth client.", Temporary: true, Err: r}
	case r.status == http.StatusForbidden:
		return &hitl.Error{Message: "Zendesk does not let the API user do what is needed (" + request + "): use the credentials of an administrator, with the scopes read and write.", Temporary: true, Err: r}
	case r.status == http.StatusNotFound && !r.deleted():
		return &hitl.Error{Message: "Zendesk has no such account or address: check the subdomain.", Temporary: true, Err: r}
	}
	return &hitl.Error{Message: "Zendesk has refused " + request + ": " + strings.TrimPrefix(r.Error(), "zendesk: "), Gone: r.deleted(), Err: r}
}

// refused reports whether Zendesk has answered with this status.
func refused(err error, status int) bool {
	var r *refusal
	return errors.As(err, &r) && r.status == status
}

// deleted reports whether there is no such record. Other answers with 404 are no word about a ticket: there is no such account, for instance.
func (r *refusal) deleted() bool {
	return r.status == http.StatusNotFound && string(r.Kind) == `"RecordNotFound"`
}

// deleted reports whether a request named a record that does not exist.
func deleted(err error) bool {
	var r *refusal
	return errors.As(err, &r) && r.deleted()
}

// gone reports whether a ticket has been deleted, or closed, after which it never changes. The words are in the account's language.
func gone(err error) bool {
	var r *refusal
	return errors.As(err, &r) && (r.deleted() || r.status == http.StatusUnprocessableEntity && r.Details["status"] != nil)
}

// download reads a file of the account, which has a size. Where it leads, it leads without our credentials; who may not read the file is
// led to a page.
func (z api) download(ctx context.Context, url string, size int64) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	if z.basic != "" && strings.HasPrefix(url, z.base+"/") {
		r.Header.Set("Authorization", z.basic)
	}
	res, err := z.http.Do(r)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	data, err := io.ReadAll(io.LimitReader(res.Body, size+1))
	switch {
	case err != nil:
		return nil, err
	case res.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("zendesk: %s", res.Status)
	case int64(len(data)) != size:
		return nil, errors.New("zendesk: it is not the file")
	}
	return data, nil
}
