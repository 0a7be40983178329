package zendesktest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// Desk is one Zendesk account. Create it with [NewDesk]; it is safe for concurrent use.
type Desk struct {
	URL         string // Where the API is served, without a trailing slash.
	Email       string // The API user's address: basic authentication is "Email/token:Token".
	Token       string // The API user's token.
	AccessToken string // A bearer token of the old kind: it never expires.

	// What is different in this account. Set it before the account is used.
	Limits          Limits        // [DefaultLimits] at first.
	SearchLag       time.Duration // How long searches do not know of what is new or has changed.
	Language        string        // Of descriptions: "de", or English.
	SecureDownloads bool          // Attachments are for those who are signed in.

	// RetryAtOnce makes webhooks that are asked to wait not wait, so that tests need not either. Set it before there are any.
	RetryAtOnce bool

	http   *http.Server
	client *http.Client    // Delivers the webhooks.
	ctx    context.Context //nolint:containedctx // The life of the desk, not of a call.
	cancel context.CancelFunc
	wg     sync.WaitGroup // The listener and the deliveries.

	mu          sync.Mutex // Guards everything below.
	closed      bool
	lastID      int64 // Of everything but tickets.
	lastTicket  int64
	users       []*User
	tickets     []*Ticket
	identities  []*Identity
	versions    map[int64][]version // What searches know of users, by id, oldest first.
	mails       []Mail
	uploads     map[string]*upload // By token.
	contents    map[string]File    // By the token in an attachment's URL.
	signed      []byte             // The key of temporary addresses.
	idempotent  map[string]created // By idempotency key.
	windows     map[string]*window // What limits count, by what it is.
	clients     []OAuthClient
	codes       map[string]*authorization
	access      map[string]*accessToken
	refresh     map[string]*refreshToken
	webhooks    []*webhook
	triggers    []*trigger
	faults      []*Fault
	requests    []string
	deliveries  []*Delivery
	pending     int
	idle        chan struct{} // Closed when pending falls to zero.
	autoAssigns User
	muted       bool
	twice       bool
	down        bool
}

// NewDesk starts an empty account on a free port of the loopback interface. It panics if it cannot listen there.
func NewDesk() *Desk {
	listener, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // Nothing to wait for on loopback.
	if err != nil {
		panic(fmt.Sprintf("zendesktest: cannot listen on the loopback interface: %v", err))
	}
	d := &Desk{
		URL: "http://" + listener.Addr().String(), Email: "admin@example.com", Token: rand.Text(), AccessToken: rand.Text(),
		client:   &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 16}, Timeout: deliveryTimeout},
		Limits:   DefaultLimits,
		lastID:   360_000_100,
		versions: map[int64][]version{}, uploads: map[string]*upload{}, contents: map[string]File{}, signed: []byte(rand.Text()),
		idempotent: map[string]created{}, windows: map[string]*window{},
		codes: map[string]*authorization{}, access: map[string]*accessToken{}, refresh: map[string]*refreshToken{},
	}
	d.ctx, d.cancel = context.WithCancel(context.Background())
	d.hire(&User{ID: d.nextID(), Name: "API User", Email: d.Email, Role: "admin"})
	d.triggers = d.notifying()
	d.http = &http.Server{Handler: d.routes(), ReadHeaderTimeout: time.Minute}
	d.wg.Go(func() { _ = d.http.Serve(listener) }) // Ends with Close.
	return d
}

// Close stops the account: deliveries under way are cancelled. It returns when every goroutine has ended.
func (d *Desk) Close() {
	d.mu.Lock()
	d.closed = true
	d.mu.Unlock()
	d.cancel()
	_ = d.http.Close() // Only a listener that is closed already makes it fail.
	d.wg.Wait()
	d.client.CloseIdleConnections()
}

// ServeHTTP answers a request as the account does on its port.
func (d *Desk) ServeHTTP(w http.ResponseWriter, r *http.Request) { d.http.Handler.ServeHTTP(w, r) }

// Tickets returns all tickets, oldest first.
func (d *Desk) Tickets() []Ticket {
	d.mu.Lock()
	defer d.mu.Unlock()
	var all []Ticket
	for _, t := range d.tickets {
		all = append(all, t.clone())
	}
	return all
}

// Ticket returns a ticket, or false if there is none with this id.
func (d *Desk) Ticket(id int64) (Ticket, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	t, err := d.ticket(id)
	if err != nil {
		return Ticket{}, false
	}
	return t.clone(), true
}

// User returns a user, or one without a name if there is none with this id.
func (d *Desk) User(id int64) User {
	d.mu.Lock()
	defer d.mu.Unlock()
	return *d.user(id)
}

// Users returns all users, oldest first; the API user comes first.
func (d *Desk) Users() []User {
	d.mu.Lock()
	defer d.mu.Unlock()
	var all []User
	for _, u := range d.users {
		all = append(all, *u)
	}
	return all
}

// Content returns the file behind an attachment's URL.
func (d *Desk) Content(a Attachment) []byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.contents[tokenOf(a.URL)].Data
}

// Requests returns the requests to the API so far, such as "PUT /api/v2/tickets/1.json".
func (d *Desk) Requests() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.requests)
}

// Wait returns when every webhook has been delivered, with its retries. It fails only with the context's error.
func (d *Desk) Wait(ctx context.Context) error {
	d.mu.Lock()
	if d.pending == 0 {
		d.mu.Unlock()
		return ctx.Err()
	}
	idle := d.idle
	d.mu.Unlock()
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return errors.Join(errors.New("zendesktest: webhooks are still on their way"), ctx.Err())
	}
}

// The rest needs d.mu.

func (d *Desk) nextID() int64 {
	d.lastID++
	return d.lastID
}

func (d *Desk) ticket(id int64) (*Ticket, error) {
	for _, t := range d.tickets {
		if t.ID == id {
			return t, nil
		}
	}
	return nil, fmt.Errorf("zendesktest: there is no ticket %d", id)
}

func (d *Desk) user(id int64) *User {
	for _, u := range d.users {
		if u.ID == id {
			return u
		}
	}
	return &User{ID: id}
}

// attach stores a file and returns what stands in a comment for it.
func (d *Desk) attach(f File) Attachment {
	token := rand.Text()
	d.contents[token] = f
	return Attachment{
		ID: d.nextID(), Name: f.Name, ContentType: f.ContentType, Size: len(f.Data),
		URL: d.URL + "/attachments/token/" + token + "/?name=" + url.QueryEscape(f.Name),
	}
}

func tokenOf(address string) string {
	_, rest, _ := strings.Cut(address, "/attachments/token/")
	token, _, _ := strings.Cut(rest, "/")
	return token
}
