package botpresstest

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
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

// choose selects from records those that the caller may see and the query matches.
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
	return chosen
}

// position is where an item stands in a list, also after it was deleted.
type position struct {
	Key    string `json:"key"` // What the list is sorted by.
	Number uint64 `json:"number"`
}

// number counts everything that lists have. Hold s.mu, or be in NewServer.
func (s *Server) number() uint64 {
	s.numbers++
	return s.numbers
}

// chronological is a key that sorts by time.
func chronological(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000000Z") }

// paged returns the page of a list after the position in the query's token. The list is sorted, the last first unless it is ascending.
func paged[T any](q query, list []T, ascending bool, at func(T) position) ([]T, map[string]string, *Error) {
	compare := func(a, b position) int {
		order := cmp.Or(cmp.Compare(a.Key, b.Key), cmp.Compare(a.Number, b.Number))
		if !ascending {
			order = -order
		}
		return order
	}
	slices.SortFunc(list, func(a, b T) int { return compare(at(a), at(b)) })
	if token := q.Get("nextToken"); token != "" {
		var last position
		text, err := base64.RawURLEncoding.DecodeString(token)
		if err != nil || json.Unmarshal(text, &last) != nil {
			return nil, nil, invalidQuery("nextToken is not one that this list has given")
		}
		list = slices.DeleteFunc(list, func(x T) bool { return compare(at(x), last) <= 0 })
	}
	meta := make(map[string]string)
	if len(list) > q.size {
		list = list[:q.size]
		text, _ := json.Marshal(at(list[q.size-1])) // It cannot fail.
		meta["nextToken"] = base64.RawURLEncoding.EncodeToString(text)
	}
	return list, meta, nil
}

// listing returns a page of records in the caller's view, the newest first unless the query says otherwise.
func listing[R record, V any](q query, name string, chosen []R, view func(R) V) (any, *Error) {
	date := func(e *entity) time.Time { return e.createdAt }
	if q.Get("sortField") == "updatedAt" {
		date = func(e *entity) time.Time { return e.updatedAt }
	}
	at := func(x R) position { return position{chronological(date(x.base())), x.base().number} }
	page, meta, err := paged(q, chosen, q.Get("sortDirection") == "asc", at)
	if err != nil {
		return nil, err
	}
	views := make([]V, len(page))
	for i, x := range page {
		views[i] = view(x)
	}
	return map[string]any{name: views, "meta": meta}, nil
}
