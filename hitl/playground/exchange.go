package playground

import (
	"bytes"
	"net/http"
	"strings"
	"time"

	protocol "github.com/hitl-go/sdk/internal/wire"
)

// row is a request in the list.
type row struct {
	Seq       uint64  `json:"seq"` // The number of the request, from 1.
	At        int64   `json:"at"`  // Unix milliseconds.
	From      string  `json:"from"`
	To        string  `json:"to"`
	Operation string  `json:"operation"`
	Detail    string  `json:"detail"`
	Trace     string  `json:"trace,omitempty"` // The trace id: an operation and the calls it causes share it.
	Done      bool    `json:"done"`
	Status    int     `json:"status"`          // Zero in a row that is done: no answer.
	Took      float64 `json:"took"`            // Milliseconds.
	Again     bool    `json:"again,omitempty"` // A retry or redelivery.
	Fault     string  `json:"fault,omitempty"`
}

// exchange is a request and its answer.
type exchange struct {
	row

	start        time.Time
	method       string
	url          string
	header       http.Header
	body         []byte // At most maxBody+1 bytes. The page does not show a body of more than maxBody.
	answerHeader http.Header
	answer       []byte // The same.
	webhookPath  string // The path below the URL of the webhook, if it is one.
	gone         bool   // The bodies were dropped.
}

// truncate keeps just enough of a long body to show that it is too long.
func truncate(body []byte) []byte {
	if len(body) <= maxBody+1 {
		return body
	}
	return bytes.Clone(body[:maxBody+1])
}

// outcome is the result of a request.
type outcome struct {
	status int
	header http.Header
	body   []byte
	again  bool // A retry or redelivery.
	fault  string
}

// ring holds the latest exchanges.
type ring struct {
	all    []*exchange // The one with the sequence number n is at (n-1) % limit.
	limit  uint64
	seq    uint64
	kept   int    // The size of all bodies, in bytes.
	oldest uint64 // Exchanges up to this one have no bodies any more.
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

// keep adds to the size of all bodies, and drops the oldest bodies above the limit.
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

// begin adds a request in flight.
func (v *view) begin(x exchange) (seq uint64) {
	x.start = time.Now()
	x.At, x.body = x.start.UnixMilli(), truncate(x.body)
	if parts := strings.Split(x.header.Get(protocol.HeaderTraceParent), "-"); len(parts) == 4 {
		x.Trace = parts[1]
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.rows.add(&x)
	v.publish("row", x.row)
	return x.Seq
}

// end adds its result.
func (v *view) end(seq uint64, o outcome) {
	v.mu.Lock()
	if x := v.rows.get(seq); x != nil {
		x.Done, x.Status, x.Again, x.Fault, x.Took = true, o.status, o.again, o.fault, milliseconds(x.start, time.Now())
		x.answerHeader = o.header
		if !x.gone {
			x.answer = truncate(o.body)
			v.rows.keep(len(x.answer))
		}
		v.publish("row", x.row)
	}
	v.mu.Unlock()
	v.touch()
}

// exchange returns a snapshot.
func (v *view) exchange(seq uint64) (exchange, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if x := v.rows.get(seq); x != nil {
		return *x, true
	}
	return exchange{}, false
}
