package zendesktest

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"io"
	"net/http"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/hitl-go/sdk/internal/sleep"
)

type webhook struct {
	ID       string
	Name     string
	About    string
	Endpoint string
	Method   string
	Format   string
	Status   string
	Events   []string
	Created  time.Time

	secret  string
	breaker breaker
}

// Delivery is a webhook's request and how it fared.
type Delivery struct {
	WebhookID string
	Endpoint  string
	Header    http.Header
	Body      []byte
	Attempts  int // Zero if the webhook was paused.
	Status    int // Of the last answer; zero if there was none.
}

// How deliveries are tried again: five times after a timeout, three times after 409, and after 429 or 503 if the answer
// asks for it with a Retry-After below a minute. Any other failure is final.
const (
	deliveryTimeout   = 12 * time.Second
	retriesOfTimeouts = 5
	retriesOfConflict = 3
	retriesWhenAsked  = 5
	longestRetryAfter = 60 * time.Second
)

// Deliveries returns the webhook requests so far, in the order in which they were triggered.
func (d *Desk) Deliveries() []Delivery {
	d.mu.Lock()
	defer d.mu.Unlock()
	var all []Delivery
	for _, sent := range d.deliveries {
		all = append(all, *sent)
	}
	return all
}

// Webhooks returns the endpoints of the webhooks.
func (d *Desk) Webhooks() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	var all []string
	for _, w := range d.webhooks {
		all = append(all, w.Endpoint)
	}
	return all
}

// Triggers returns the titles of the triggers that somebody has made. Those that every account has at first are not among them.
func (d *Desk) Triggers() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	var all []string
	for _, t := range d.triggers {
		if !t.ours {
			all = append(all, t.Title)
		}
	}
	return all
}

func (d *Desk) webhook(id string) *webhook {
	if i := slices.IndexFunc(d.webhooks, func(w *webhook) bool { return w.ID == id }); i >= 0 {
		return d.webhooks[i]
	}
	return nil
}

// deliver sends a webhook's request, apart from whoever triggered it. Hold d.mu.
func (d *Desk) deliver(w *webhook, body string) {
	if d.closed || d.muted || w.Status != "active" {
		return
	}
	sent := &Delivery{WebhookID: w.ID, Endpoint: w.Endpoint, Body: []byte(body), Header: w.headers([]byte(body))}
	d.deliveries = append(d.deliveries, sent)
	if w.breaker.paused() {
		return
	}
	times := 1
	if d.twice {
		times = 2
	}
	if d.pending++; d.pending == 1 {
		d.idle = make(chan struct{})
	}
	d.wg.Go(func() {
		for range times {
			d.try(w, sent)
		}
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.pending--; d.pending == 0 {
			close(d.idle)
		}
	})
}

// Twice makes every webhook call two times with one and the same request, which now and then happens.
func (d *Desk) Twice(on bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.twice = on
}

// Send lets every webhook send a body of the caller's choice, signed like any other.
func (d *Desk) Send(body string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, w := range d.webhooks {
		d.deliver(w, body)
	}
}

const (
	headerSignature = "X-Zendesk-Webhook-Signature"
	headerTimestamp = "X-Zendesk-Webhook-Signature-Timestamp"
)

// SignRequest adds the signature of the webhook whose endpoint is the request's address. It does nothing if there is none.
func (d *Desk) SignRequest(r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, w := range d.webhooks {
		if w.Endpoint == r.URL.String() {
			for _, name := range []string{headerSignature, headerTimestamp} {
				r.Header[name] = w.headers(body)[name]
			}
		}
	}
}

// headers are what a request has besides its body.
func (w *webhook) headers(body []byte) http.Header {
	stamp := now().Format(time.RFC3339)
	return http.Header{
		"Content-Type":                    {"application/json; charset=utf-8"},
		"User-Agent":                      {"Zendesk Webhook"},
		"X-Zendesk-Account-Id":            {"1"},
		"X-Zendesk-Webhook-Id":            {w.ID},
		"X-Zendesk-Webhook-Invocation-Id": {rand.Text()},
		headerTimestamp:                   {stamp},
		headerSignature:                   {Sign(w.secret, stamp, body)},
	}
}

// Sign returns the signature of a webhook's request.
func Sign(secret, timestamp string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(timestamp))
	mac.Write(body)
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// try sends a request until it is answered or given up.
func (d *Desk) try(w *webhook, sent *Delivery) {
	for attempt := 1; ; attempt++ {
		status, header, err := d.post(sent)
		d.mu.Lock()
		sent.Attempts, sent.Status = attempt, status
		w.breaker.count(err == nil && status < 300)
		d.mu.Unlock()
		var wait time.Duration
		switch {
		case os.IsTimeout(err) && attempt <= retriesOfTimeouts:
		case status == http.StatusConflict && attempt <= retriesOfConflict:
		case (status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable) && attempt <= retriesWhenAsked:
			seconds, err := strconv.Atoi(header.Get("Retry-After"))
			if wait = time.Duration(seconds) * time.Second; err != nil || wait >= longestRetryAfter {
				return
			}
		default:
			return
		}
		if d.RetryAtOnce {
			wait = 0
		}
		if sleep.For(d.ctx, wait) != nil {
			return
		}
	}
}

func (d *Desk) post(sent *Delivery) (status int, header http.Header, err error) {
	r, err := http.NewRequestWithContext(d.ctx, http.MethodPost, sent.Endpoint, bytes.NewReader(sent.Body))
	if err != nil {
		return 0, nil, err
	}
	r.Header = sent.Header.Clone()
	res, err := d.client.Do(r)
	if err != nil {
		return 0, nil, err
	}
	defer res.Body.Close()
	_, err = io.Copy(io.Discard, io.LimitReader(res.Body, 1<<20))
	return res.StatusCode, res.Header, err
}
