package botpresstest

import (
	"encoding/base64"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// query is the checked query of a list. Unknown parameters are refused.
type query struct {
	url.Values

	tags   map[string]string // By short name, from tags.name=value and from tags[name]=value.
	after  time.Time
	before time.Time
	size   int
}

// query reads the query of a list that knows the given parameters, besides nextToken and pageSize. "name=a,b" takes only the
// values a and b.
func (r *request) query(known ...string) (query, *Error) {
	q := query{Values: r.http.URL.Query(), size: r.opts.PageSize}
	allowed := make(map[string]string, len(known)) // The values of a parameter; empty: all.
	for _, parameter := range known {
		name, values, _ := strings.Cut(parameter, "=")
		allowed[name] = values
	}
	for key, values := range q.Values {
		name, isTag := strings.CutPrefix(key, "tags.")
		if inner, deep := strings.CutPrefix(key, "tags["); deep && strings.HasSuffix(inner, "]") {
			name, isTag = strings.TrimSuffix(inner, "]"), true
		}
		enum, isKnown := allowed[key]
		_, hasTags := allowed["tags"]
		switch {
		case isTag && hasTags:
			if q.tags == nil {
				q.tags = make(map[string]string)
			}
			q.tags[name] = values[0]
		case key == "nextToken" || key == "pageSize":
		case !isKnown || key == "tags":
			return q, invalidQuery("the parameter %q is not known here", key)
		case enum != "" && !slices.Contains(strings.Split(enum, ","), values[0]):
			return q, invalidQuery("%s must be one of %s", key, strings.ReplaceAll(enum, ",", ", "))
		}
	}
	for name, into := range map[string]*time.Time{"afterDate": &q.after, "beforeDate": &q.before} {
		if value := q.Get(name); value != "" {
			var err error
			if *into, err = time.Parse(time.RFC3339, value); err != nil {
				return q, invalidQuery("%s is no ISO date and time", name)
			}
		}
	}
	if value := q.Get("pageSize"); value != "" {
		size, err := strconv.Atoi(value)
		if err != nil || size < 1 || size > 1000 {
			return q, invalidQuery("pageSize must be a number from 1 to 1000")
		}
		q.size = size
	}
	return q, nil
}

// Parameters of lists, for [request.query].
const (
	sortField     = "sortField=createdAt,updatedAt"
	sortDirection = "sortDirection=asc,desc"
	rangeField    = "rangeField=createdAt,updatedAt"
)

// choose selects from records, oldest first, those that the caller may see and the query matches, and sorts them newest
// first unless the query says otherwise.
func choose[R record](r *request, q query, records []R, keep func(R) bool) []R {
	date := func(x R) time.Time { return x.base().createdAt }
	if q.Get("rangeField") == "updatedAt" {
		date = func(x R) time.Time { return x.base().updatedAt }
	}
	var chosen []R
	for _, x := range records {
		e := x.base()
		if r.maySee(e) && (q.after.IsZero() || date(x).After(q.after)) && (q.before.IsZero() || date(x).Before(q.before)) && (keep == nil || keep(x)) {
			chosen = append(chosen, x)
		}
	}
	if q.Get("sortField") == "updatedAt" {
		slices.SortStableFunc(chosen, func(a, b R) int { return a.base().updatedAt.Compare(b.base().updatedAt) })
	}
	if q.Get("sortDirection") != "asc" {
		slices.Reverse(chosen)
	}
	return chosen
}

// paged returns the page of a list after the item that the query's token names.
func paged[T any](q query, list []T, id func(T) string) ([]T, map[string]string, *Error) {
	if token := q.Get("nextToken"); token != "" {
		last, err := base64.RawURLEncoding.DecodeString(token)
		i := slices.IndexFunc(list, func(x T) bool { return id(x) == string(last) })
		if err != nil || i < 0 {
			return nil, nil, invalidQuery("nextToken is not one that this list has given")
		}
		list = list[i+1:]
	}
	meta := make(map[string]string)
	if len(list) > q.size {
		list = list[:q.size]
		meta["nextToken"] = base64.RawURLEncoding.EncodeToString([]byte(id(list[q.size-1])))
	}
	return list, meta, nil
}

// listing returns a page of records in the caller's view.
func listing[R record, V any](q query, name string, chosen []R, view func(R) V) (any, *Error) {
	page, meta, err := paged(q, chosen, func(x R) string { return x.base().id })
	if err != nil {
		return nil, err
	}
	views := make([]V, len(page))
	for i, x := range page {
		views[i] = view(x)
	}
	return map[string]any{name: views, "meta": meta}, nil
}
