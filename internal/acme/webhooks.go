package acme

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"github.com/hitl-go/sdk/internal/sleep"
)

// Webhooks is how the desk reports what happens in its tickets: one report of a ticket after the other, each until it is
// taken, unless a field says otherwise.
type Webhooks struct {
	URL    string
	Client *http.Client

	// Once sends each report once, with three seconds' patience.
	Once bool
	// Shuffle sends reports at once instead of one after the other, each up to this much late, at random.
	Shuffle time.Duration
	// Lost is the share of reports that are lost for good.
	Lost float64
	// Seed determines what is random.
	Seed uint64

	// Answered is called with each answer; the status is zero if there was none. Nil does nothing.
	Answered func(ticketID string, status int)
}

// Times of a desk that reports.
const (
	patienceOnce   = 3 * time.Second
	patience       = 90 * time.Second
	firstRepeat    = time.Second
	longestRepeat  = 15 * time.Second
	reportsForgets = 24 * time.Hour
)

// reporter sends reports. The zero value has nothing to send.
type reporter struct {
	mu     sync.Mutex
	ctx    context.Context //nolint:containedctx // It ends with the desk.
	cancel context.CancelFunc
	rng    *rand.Rand
	work   sync.WaitGroup
	lines  map[string][]report // by ticket; one goroutine works on each
}

// add sends a report after a delay. Reports of a ticket keep their order.
func (r *reporter) add(w *Webhooks, rep report, delay time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ctx == nil {
		r.ctx, r.cancel = context.WithCancel(context.Background())
		r.rng = rand.New(rand.NewPCG(w.Seed, 1))
		r.lines = map[string][]report{}
	}
	if r.ctx.Err() != nil || r.rng.Float64() < w.Lost {
		return
	}
	if w.Shuffle > 0 || delay > 0 { // an echo comes later than what the agent says in the meantime
		if w.Shuffle > 0 {
			delay += time.Duration(r.rng.Int64N(int64(w.Shuffle)))
		}
		r.work.Go(func() {
			if sleep.For(r.ctx, delay) == nil {
				w.deliver(r.ctx, rep)
			}
		})
		return
	}
	line, running := r.lines[rep.TicketID]
	r.lines[rep.TicketID] = append(line, rep)
	if !running {
		r.work.Go(func() { r.workOff(w, rep.TicketID) })
	}
}

func (r *reporter) workOff(w *Webhooks, ticketID string) {
	for {
		r.mu.Lock()
		line := r.lines[ticketID]
		if len(line) == 0 || r.ctx.Err() != nil {
			delete(r.lines, ticketID)
			r.mu.Unlock()
			return
		}
		next := line[0]
		r.lines[ticketID] = line[1:]
		r.mu.Unlock()
		w.deliver(r.ctx, next)
	}
}

// deliver sends a report until it is taken, or once.
func (w *Webhooks) deliver(ctx context.Context, rep report) {
	ctx, cancel := context.WithTimeout(ctx, reportsForgets)
	defer cancel()
	for repeat := firstRepeat; ; repeat = min(2*repeat, longestRepeat) {
		status := w.send(ctx, rep)
		if ctx.Err() != nil {
			return
		}
		if w.Answered != nil {
			w.Answered(rep.TicketID, status)
		}
		if status == http.StatusOK || w.Once || sleep.For(ctx, repeat) != nil {
			return
		}
	}
}

func (w *Webhooks) send(ctx context.Context, rep report) (status int) {
	most := patience
	if w.Once {
		most = patienceOnce
	}
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	body, err := json.Marshal(rep)
	if err != nil {
		panic(err) // it is plain data
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, w.URL, bytes.NewReader(body))
	if err != nil {
		return 0
	}
	r.Header.Set("Content-Type", "application/json")
	res, err := w.Client.Do(r)
	if err != nil {
		return 0
	}
	defer func() { _ = res.Body.Close() }()
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		return 0
	}
	return res.StatusCode
}

// StopReporting ends what the desk still has to report, and returns when nothing is on its way.
func (d *Desk) StopReporting() {
	d.reporter.mu.Lock()
	if d.reporter.ctx != nil {
		d.reporter.cancel()
	}
	d.reporter.mu.Unlock()
	d.reporter.work.Wait()
}
