package acme

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/hitl-go/sdk/hitl"
	"github.com/hitl-go/sdk/internal/sleep"
)

// optionally adds the optional interfaces that the desk is to have to its adapter. Each is found by a type assertion, so
// there is a type for each combination.
func optionally(a *adapter) hitl.Integration[Session] {
	p, r, n := polling{a}, readingBack{a}, noting{a}
	switch d := a.desk; {
	case d.Polled && d.ReadBack && d.TakesNotes:
		return struct {
			*adapter
			polling
			readingBack
			noting
		}{a, p, r, n}
	case d.Polled && d.ReadBack:
		return struct {
			*adapter
			polling
			readingBack
		}{a, p, r}
	case d.Polled && d.TakesNotes:
		return struct {
			*adapter
			polling
			noting
		}{a, p, n}
	case d.ReadBack && d.TakesNotes:
		return struct {
			*adapter
			readingBack
			noting
		}{a, r, n}
	case d.Polled:
		return struct {
			*adapter
			polling
		}{a, p}
	case d.ReadBack:
		return struct {
			*adapter
			readingBack
		}{a, r}
	case d.TakesNotes:
		return struct {
			*adapter
			noting
		}{a, n}
	}
	return a
}

// polling is a [hitl.Receiver].
type polling struct{ of *adapter }

const (
	pollEvery  = 2 * time.Second
	pollAtOnce = 8 // tickets
)

func (p polling) Receive(ctx context.Context, deliver func(context.Context, ...hitl.Event) error) error {
	for {
		if err := p.poll(ctx, deliver); err != nil {
			return err
		}
		if err := sleep.For(ctx, pollEvery); err != nil {
			return err
		}
	}
}

// poll passes on what is new in each ticket. A ticket whose events are not taken is left for the next poll.
func (p polling) poll(ctx context.Context, deliver func(context.Context, ...hitl.Event) error) error {
	var news map[string]unreceived
	if err := p.of.around(ctx, "Receive", func() error { news = p.of.desk.unreceived(); return nil }); err != nil {
		return err
	}
	var group errgroup.Group
	group.SetLimit(pollAtOnce)
	for id, n := range news {
		group.Go(func() error {
			if deliver(ctx, n.events...) == nil {
				p.of.desk.receivedUpTo(id, n.end)
			}
			return nil
		})
	}
	return group.Wait()
}

// unreceived is what is new in a ticket, and where in the record it ends.
type unreceived struct {
	events []hitl.Event
	end    int
}

func (d *Desk) unreceived() map[string]unreceived {
	d.mu.Lock()
	from := map[string]int{}
	for _, t := range d.tickets {
		if t.received < len(t.record) {
			from[t.ID] = t.received
		}
	}
	d.mu.Unlock()
	news := map[string]unreceived{}
	for id, from := range from {
		events := d.events(id, time.Time{}, from)
		news[id] = unreceived{events, from + len(events)}
	}
	return news
}

func (d *Desk) receivedUpTo(ticketID string, end int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	t := d.ticketByID[ticketID]
	t.received = max(t.received, end)
}

// readingBack is a [hitl.Backfiller].
type readingBack struct{ of *adapter }

func (b readingBack) Backfill(ctx context.Context, r hitl.BackfillRequest) (events []hitl.Event, err error) {
	err = b.of.around(ctx, "Backfill", func() error {
		events = b.of.desk.events(r.Session.ID, r.Since, 0)
		return nil
	})
	return events, err
}

// noting is a [hitl.Notifier].
type noting struct{ of *adapter }

func (n noting) Notify(ctx context.Context, notice hitl.Notice) error {
	return n.of.around(ctx, "Notify", func() error {
		return n.of.desk.note(notice.Session.ID, Note{About: notice.MessageID, Text: notice.Text})
	})
}
