package playground

import (
	"bytes"
	"net/http"
	"strings"
	"time"

	protocol "github.com/hitl-go/sdk/internal/wire"
)

// row is what the list shows of a request.
type row struct {
	Seq       uint64  `json:"seq"` // Counts all requests from 1, in order of their beginnings.
	At        int64   `json:"at"`  // Unix milliseconds.
	From      string  `json:"from"`
	To        string  `json:"to"`
	Operation string  `json:"operation"`
	Detail    string  `json:"detail"`
	Trace     string  `json:"trace,omitempty"` // Requests that are made for one another have the same.
	Done      bool    `json:"done"`
	Status    int     `json:"status"` // Zero once it is done: no answer.
	Took      float64 `json:"took"`   // Milliseconds.
	Again     bool    `json:"again,omitempty"`
	Fault     string  `json:"fault,omitempty"`
}

// exchange is a request and its answer.
type exchange struct {
	row

	start        time.Time
	method       string
	url          string
	header       http.Header
	body         []byte // At most one byte more than maxBody: then it is not shown.
	answerHeader http.Header
	answer       []byte // Likewise.
	webhookPath  string // Of a webhook's request, below its URL.
	gone         bool   // The bodies are no longer kept.
}

// kept is what is kept of a body: of a long one just enough to see that it is too long.
func kept(body []byte) []byte {
	if len(body) <= maxBody+1 {
		return body
	}
	return bytes.Clone(body[:maxBody+1])
}

// outcome is how a request ends.
type outcome struct {
	status int
	header http.Header
	body   []byte
	again  bool // It has been sent before.
	fault  string
}

// ring holds the latest exchanges.
type ring struct {
	all    []*exchange // The one with the sequence number n is at (n-1) % limit.
	limit  uint64
	seq    uint64
	kept   int    // Bytes of bodies.
	oldest uint64 // Exchanges up to this one have lost their bodies.
}

func newRing(limit int) ring { return ring{limit: uint64(limit)} }

func (r *ring) get(seq uint64) *exchange {
	if seq == 0 || seq > r.seq || r.seq-seq >= r.limit {
		return nil
	}
	return r.all[(seq-1)%r.limit]
}

func (r *ring) add(x *exchange) {
	r.seq++
	x.Seq = r.seq
	if uint64(len(r.all)) < r.limit {
		r.all = append(r.all, x)
	} else {
		place := &r.all[(x.Seq-1)%r.limit]
		r.kept -= (*place).size()
		*place = x
	}
	r.keep(x.size())
}

// keep counts bytes, and lets the oldest go if there are too many.
func (r *ring) keep(size int) {
	r.kept += size
	for r.kept > maxKept && r.oldest < r.seq {
		r.oldest++
		if x := r.get(r.oldest); x != nil {
			r.kept -= x.size()
			x.body, x.answer, x.gone = nil, nil, true
		}
	}
}

func (x *exchange) size() int { return len(x.body) + len(x.answer) }

func (r *ring) rows() []row {
	rows := make([]row, 0, len(r.all))
	for seq := r.seq - uint64(len(r.all)) + 1; seq <= r.seq; seq++ {
		rows = append(rows, r.get(seq).row)
	}
	return rows
}

// begin shows that a request is under way.
func (v *view) begin(x exchange) (seq uint64) {
	x.start = time.Now()
	x.At, x.body = x.start.UnixMilli(), kept(x.body)
	if parts := strings.Split(x.header.Get(protocol.HeaderTraceParent), "-"); len(parts) == 4 {
		x.Trace = parts[1]
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.rows.add(&x)
	v.publish("row", x.row)
	return x.Seq
}

// end shows how it has ended.
func (v *view) end(seq uint64, o outcome) {
	v.mu.Lock()
	if x := v.rows.get(seq); x != nil {
		x.Done, x.Status, x.Again, x.Fault, x.Took = true, o.status, o.again, o.fault, since(x.start, time.Now())
		x.answerHeader = o.header
		if !x.gone {
			x.answer = kept(o.body)
			v.rows.keep(len(x.answer))
		}
		v.publish("row", x.row)
	}
	v.mu.Unlock()
	v.touch()
}

// exchange returns a copy, as it stands now.
func (v *view) exchange(seq uint64) (exchange, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if x := v.rows.get(seq); x != nil {
		return *x, true
	}
	return exchange{}, false
}
