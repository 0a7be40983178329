package botpress

import (
	"context"
	"errors"
	"iter"
	"maps"
	"net/url"
	"strconv"
	"time"
)

// SortDirection is the order of a list.
type SortDirection string

// The orders of a list.
const (
	Ascending  SortDirection = "asc"
	Descending SortDirection = "desc"
)

// page is what every list operation returns besides its items.
type page struct {
	Meta struct {
		NextToken string `json:"nextToken"`
	} `json:"meta"`
}

// pages ranges over a list operation. If one is not nil, it ends after one page
// and stores the token of the next page there. The function open returns the
// items of a response and the token of the next page. The cursor lives inside
// the loop, so that ranging again starts again. After an error the iteration
// ends.
func pages[T, Reply any](ctx context.Context, c *Client, r request, one *string, open func(Reply) ([]T, string)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var zero T
		r := r
		r.query = maps.Clone(r.query)
		for {
			reply, err := do[Reply](ctx, c, r)
			if err != nil {
				yield(zero, err)
				return
			}
			items, next := open(reply)
			if one != nil {
				*one = next
			}
			for _, item := range items {
				if !yield(item, nil) {
					return
				}
			}
			if next == "" || one != nil {
				return
			}
			if next == r.query.Get("nextToken") {
				yield(zero, errors.New("botpress: "+r.method+" "+r.route+": the list gives the same page again and again"))
				return
			}
			if r.query == nil {
				r.query = url.Values{}
			}
			r.query.Set("nextToken", next)
		}
	}
}

// query collects the parameters that are set, in the form that Botpress' own
// client sends.
type query url.Values

func (q query) text(name, value string) query {
	if value != "" {
		q[name] = []string{value}
	}
	return q
}

func (q query) texts(name string, values []string) query {
	if len(values) > 0 {
		q[name] = values
	}
	return q
}

func (q query) number(name string, n int) query {
	if n != 0 {
		q[name] = []string{strconv.Itoa(n)}
	}
	return q
}

func (q query) flag(name string, o Optional[bool]) query {
	if set, ok := o.Get(); ok {
		q[name] = []string{strconv.FormatBool(set)}
	}
	return q
}

func (q query) time(name string, t time.Time) query {
	if !t.IsZero() {
		q[name] = []string{stamp(t)}
	}
	return q
}

func (q query) tags(tags Tags) query {
	for name, value := range tags {
		q["tags."+name] = []string{value}
	}
	return q
}

// stamp formats a time as the API does: UTC, with milliseconds.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }
