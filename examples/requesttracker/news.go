package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hitl-go/sdk/hitl"
	"github.com/hitl-go/sdk/hitl/verify"
	"github.com/hitl-go/sdk/message"
)

// RT calls the webhook a few times within seconds and never again. A lost call is made up for by the next one: all transactions since
// the last one that was seen are read.

// place is one in RT's history: how far we have read.
type place struct {
	Transaction int `json:"transaction"`
}

const stateSeen = "seen"

// notification is what RT sends: the first transaction that is news. Left is a ticket that has been moved to another queue or merged
// into another ticket: what happens there, we may not be able to read.
type notification struct {
	Transaction int `json:"transaction"`
	Left        int `json:"left"`
}

// Register makes RT call the webhook. What happened before the first time is no news.
func (d *desk) Register(ctx context.Context, webhookURL string) error {
	if err := d.setWebhook(ctx, webhookURL); err != nil {
		return err
	}
	var seen place
	if found, err := d.in.State.Get(ctx, stateSeen, &seen); found || err != nil {
		return err
	}
	newest, err := d.transactions(ctx, "id > 0", "DESC")
	if err != nil {
		return forOwner(err)
	}
	if len(newest) > 0 {
		seen.Transaction = newest[0].ID
	}
	return d.in.State.Set(ctx, stateSeen, seen)
}

// setWebhook writes the webhook's address, unless it is there: Register runs every hour.
func (d *desk) setWebhook(ctx context.Context, webhookURL string) error {
	if set, err := d.webhook(ctx); err != nil || set == webhookURL {
		return forOwner(err)
	}
	if err := d.rt.put(ctx, d.queue(), fields{"CustomFields": fields{webhookField: webhookURL}}); err != nil {
		return forOwner(err)
	}
	if set, err := d.webhook(ctx); err != nil || set != webhookURL {
		return cmp.Or(forOwner(err), error(hitl.Errorf("The queue %s of Request Tracker is not prepared: the README says how", d.Queue)))
	}
	return nil
}

// Unregister makes RT call the webhook no more, unless it calls another one by now.
func (d *desk) Unregister(ctx context.Context, webhookURL string) error {
	set, err := d.webhook(ctx)
	if err == nil && set == webhookURL {
		err = d.rt.put(ctx, d.queue(), fields{"CustomFields": fields{webhookField: nil}})
	}
	return forOwner(err)
}

func (d *desk) queue() string { return "/queue/" + url.PathEscape(d.Queue) }

// webhook is the address that RT calls.
func (d *desk) webhook(ctx context.Context) (string, error) {
	var queue struct{ CustomFields customFields }
	err := d.rt.get(ctx, d.queue(), &queue)
	return queue.CustomFields.get(webhookField), err
}

// HandleWebhook reads the news. To read some of it twice does no harm: messages have ids.
func (d *desk) HandleWebhook(ctx context.Context, r *http.Request) (hitl.Webhook, error) {
	if err := d.genuine(r); err != nil {
		return hitl.Webhook{}, err
	}
	var n notification
	if err := verify.JSON(r, &n); err != nil {
		return hitl.Webhook{}, hitl.Errorf("The webhook's body is not what the scrip in RT sends: %w", err)
	}
	if err := d.reading.Acquire(ctx, 1); err != nil {
		return hitl.Webhook{}, err
	}
	defer d.reading.Release(1)
	var seen place
	if _, err := d.in.State.Get(ctx, stateSeen, &seen); err != nil {
		return hitl.Webhook{}, err
	}
	news, reached, err := d.news(ctx, seen.Transaction, n.Transaction)
	if err != nil {
		return hitl.Webhook{}, forOwner(err)
	}
	var last []hitl.Event
	if n.Left != 0 {
		left := strconv.Itoa(n.Left)
		if reached, err = d.hasLeft(ctx, left); err != nil {
			return hitl.Webhook{}, err
		}
		if reached {
			last = []hitl.Event{hitl.Stopped{SessionID: left}}
		}
	}
	status := http.StatusOK
	switch {
	case !reached && len(news) < backlog:
		return hitl.Webhook{}, hitl.Retryable(time.Second, fmt.Errorf("RT has not committed transaction %d yet", n.Transaction))
	case !reached:
		status = http.StatusServiceUnavailable // RT calls again, and the rest is read.
	}
	events, err := d.events(ctx, news)
	if err != nil {
		return hitl.Webhook{}, forOwner(err)
	}
	events = append(events, last...)
	if len(news) > 0 {
		seen.Transaction = max(seen.Transaction, news[len(news)-1].ID)
	}
	return hitl.Webhook{
		Events: events,
		Done:   func(ctx context.Context) error { return d.in.State.Set(ctx, stateSeen, seen) },
		Status: status,
	}, nil
}

// hasLeft reports whether a ticket has left the queue, of which the scrip says so. Then we may not be allowed to read it.
func (d *desk) hasLeft(ctx context.Context, id string) (bool, error) {
	_, err := d.ticket(ctx, id)
	own, told := errors.AsType[*hitl.Error](err)
	if told && own.Gone || refused(err, http.StatusForbidden) {
		return true, nil
	}
	return false, err
}

// backlog is about how many transactions are read for one webhook at most.
const backlog = 5 * pageSize

// news reads what happened since the last transaction that was seen, until it has reached the one that RT's notification is about. There
// may be more in a page than is shown to us.
func (d *desk) news(ctx context.Context, seen, notified int) (news []transaction, reached bool, err error) {
	// RT may commit a transaction after others with greater numbers, but then it sends a notification of that one.
	which := fmt.Sprintf("(id > %d OR id = %d)", seen, notified)
	for !reached && len(news) < backlog {
		page, err := d.transactions(ctx, which, "ASC")
		if err != nil || len(page) == 0 {
			return news, false, err
		}
		news = append(news, page...)
		reached = slices.ContainsFunc(page, func(t transaction) bool { return t.ID == notified })
		which = fmt.Sprintf("id > %d", page[len(page)-1].ID)
	}
	return news, reached, nil
}

// transactions lists those that can be news.
func (d *desk) transactions(ctx context.Context, which, order string) ([]transaction, error) {
	query := "TicketQueue = %s AND %s AND (Type = 'Correspond' OR Type = 'Status' OR (Type = 'Set' AND Field = 'Owner') OR " +
		"(Type = 'AddLink' AND Field = 'MergedInto'))"
	return list[transaction](ctx, d.rt, "/transactions", url.Values{
		"query": {fmt.Sprintf(query, quote(d.Queue), which)}, "fields": {"ObjectId,Type,NewValue,Creator"},
		"orderby": {"id"}, "order": {order},
	})
}

// conversations are the tickets that may be: a queue may take other tickets, too. RT finds no deleted ones, and no merged ones.
func (d *desk) conversations(ctx context.Context, transactions []transaction) (map[string]bool, error) {
	may := map[string]bool{}
	for page := range slices.Chunk(transactions, pageSize) {
		var ids []string
		for _, t := range page {
			ids = append(ids, "id = "+t.Ticket)
			if t.NewValue == "deleted" || t.Type == "AddLink" {
				may[t.Ticket] = true
			}
		}
		slices.Sort(ids)
		query := fmt.Sprintf("CF.{%s} IS NOT NULL AND (%s)", conversationField, strings.Join(slices.Compact(ids), " OR "))
		found, err := list[ticket](ctx, d.rt, "/tickets", url.Values{"query": {query}})
		if err != nil {
			return nil, err
		}
		for _, t := range found {
			may[t.ID.String()] = true
		}
	}
	return may, nil
}

// events is what transactions mean, where the ticket is a conversation. Of owners and statuses only those that are still
// true are told: the others are no news any more.
func (d *desk) events(ctx context.Context, transactions []transaction) (events []hitl.Event, err error) {
	conversations, err := d.conversations(ctx, transactions)
	if err != nil {
		return nil, err
	}
	tickets := map[string]ticket{}
	for i, t := range transactions {
		if !conversations[t.Ticket] {
			continue
		}
		ticket, known := tickets[t.Ticket]
		if !known {
			// One that has been deleted or taken from us must not hold up the others.
			if err := d.rt.get(ctx, "/ticket/"+t.Ticket, &ticket); err != nil && !refused(err, http.StatusForbidden, http.StatusNotFound) {
				return nil, err
			}
			tickets[t.Ticket] = ticket
		}
		if ticket.ID.String() != t.Ticket { // It has been merged into another one, which is somebody else's.
			if t.Type == "AddLink" {
				events = append(events, hitl.Stopped{SessionID: t.Ticket})
			}
			continue
		}
		conversation := ticket.CustomFields.get(conversationField)
		if conversation == "" {
			continue
		}
		later := func(l transaction) bool { return l.Ticket == t.Ticket && l.Type == t.Type }
		switch {
		case t.Type == "Correspond":
			events = append(events, hitl.Replied{
				SessionID: t.Ticket, ConversationID: conversation, ID: strconv.Itoa(t.ID), Author: hitl.Agent{ID: t.Creator.ID},
				Load: func(ctx context.Context) (message.Message, error) { return d.content(ctx, t) },
			})
		case t.Type == "Set" && !slices.ContainsFunc(transactions[i+1:], later):
			events = append(events, hitl.Assigned{SessionID: t.Ticket, ConversationID: conversation, Agent: hitl.Agent{ID: ticket.Owner.ID}})
		case t.Type == "Status" && closed(t.NewValue) && closed(ticket.Status):
			events = append(events, hitl.Stopped{SessionID: t.Ticket, ConversationID: conversation})
		}
	}
	return events, nil
}

// ReadAgent reads somebody who works in RT. Others are no agents: an end user or we, a customer who answers by e-mail, RT itself.
func (d *desk) ReadAgent(ctx context.Context, name string) (hitl.Agent, error) {
	if name == account || strings.HasPrefix(name, account+"-") || strings.Contains(name, "/") { // With a slash, RT finds nobody.
		return hitl.Agent{}, nil
	}
	var u user
	err := d.rt.get(ctx, "/user/"+url.PathEscape(name), &u)
	switch {
	case refused(err, http.StatusNotFound):
		return hitl.Agent{}, nil
	case err != nil || u.Privileged == 0:
		return hitl.Agent{}, forOwner(err)
	}
	return hitl.Agent{ID: u.Name, Name: u.RealName}, nil
}
