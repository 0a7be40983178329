package hitl_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hitl-go/sdk/hitl"
)

// closingDesk records when it is connected, used and closed, under the limit of its configuration.
type closingDesk struct {
	fakeDesk

	name  string
	log   *journal
	close func() error
}

func (d *closingDesk) Close() error {
	d.log.add("close " + d.name)
	if d.close != nil {
		return d.close()
	}
	return nil
}

type journal struct {
	mu    sync.Mutex
	lines []string
}

func (j *journal) add(line string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, line)
}

func (j *journal) all() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.lines)
}

// closingServer serves desks that close. The function handle stands for all that an adapter does.
func closingServer(t *testing.T, log *journal, opts hitl.Options, handle func(name string), closeDesk func() error) *hitl.Server {
	t.Helper()
	opts.Insecure = true
	opts.Botpress.Token = apiToken
	opts.Botpress.HTTPClient = &http.Client{Transport: botpressAPI{}}
	connect := func(_ context.Context, in hitl.Installation, c fakeConfig) (*closingDesk, error) {
		name := fmt.Sprintf("%s/%d", in.Alias, c.Limit)
		log.add("connect " + name)
		d := &closingDesk{name: name, log: log, close: closeDesk}
		d.handleWebhook = func(context.Context, *http.Request) (hitl.Webhook, error) {
			if handle != nil {
				handle(name)
			}
			log.add("use " + name)
			return hitl.Webhook{}, nil
		}
		return d, nil
	}
	server, err := hitl.NewServer(hitl.Definition{Name: "fake", Version: "1.0.0"}, connect, &opts)
	if err != nil {
		t.Fatal(err)
	}
	return server
}

func under(operation [2]string, limit int) *http.Request {
	return configured(request(operation), fmt.Sprintf(`{"limit":%d}`, limit))
}

func (j *journal) want(t *testing.T, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, j.all()); diff != "" {
		t.Errorf("what happened to adapters (-want +got):\n%s", diff)
	}
}

func TestAdapterIsClosedWhenItIsReconfigured(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log journal
		release := make(chan struct{})
		s := closingServer(t, &log, hitl.Options{}, func(name string) {
			if name == "fake/1" {
				<-release
			}
		}, nil)
		var old sync.WaitGroup
		for range 2 {
			old.Go(func() { ask(s, under(webhook, 1)) })
		}
		synctest.Wait()
		ask(s, under(webhook, 2)) // the configuration has been saved, and earlier operations are in flight
		synctest.Wait()
		log.want(t, "connect fake/1", "connect fake/2", "use fake/2")
		close(release)
		old.Wait()
		synctest.Wait()
		log.want(t, "connect fake/1", "connect fake/2", "use fake/2", "use fake/1", "use fake/1", "close fake/1")

		ask(s, under(webhook, 1)) // an earlier configuration comes back
		synctest.Wait()
		after := log.all()[6:]
		slices.Sort(after) // the old one is closed beside the operation
		if diff := cmp.Diff([]string{"close fake/2", "connect fake/1", "use fake/1"}, after); diff != "" {
			t.Errorf("what happened to adapters then (-want +got):\n%s", diff)
		}
		if err := s.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
}

// One of two operations that arrive together can look for the adapter before the other has connected it, and ask for it afterwards.
func TestOperationsThatArriveTogetherConnectOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log journal
		s := closingServer(t, &log, hitl.Options{}, nil, nil)
		const installations, callers = 3000, 16
		for n := range installations {
			var together sync.WaitGroup
			for range callers {
				r := under(webhook, 1)
				r.Header.Set("X-Integration-Alias", fmt.Sprintf("fake-%d", n))
				together.Go(func() { ask(s, r) })
			}
			together.Wait()
		}
		if err := s.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
		connects := 0
		for _, line := range log.all() {
			if strings.HasPrefix(line, "connect ") {
				connects++
			}
		}
		if connects != installations {
			t.Errorf("%d adapters were connected, want one for each of %d installations", connects, installations)
		}
	})
}

func TestAdapterIsClosedWhenItIsUnregistered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log journal
		s := closingServer(t, &log, hitl.Options{}, nil, nil)
		unregister := [2]string{"unregister", `{"webhookUrl":"https://example.com"}`}
		ask(s, under(webhook, 1))
		ask(s, under(unregister, 1))
		synctest.Wait()
		log.want(t, "connect fake/1", "use fake/1", "close fake/1")
		if err := s.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
		log.want(t, "connect fake/1", "use fake/1", "close fake/1")
	})
}

func TestAdapterIsClosedWhenTooManyAreInUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log journal
		s := closingServer(t, &log, hitl.Options{}, nil, nil)
		for n := range 1001 {
			r := under(webhook, 1)
			r.Header.Set("X-Integration-Alias", fmt.Sprintf("fake-%d", n))
			ask(s, r)
		}
		synctest.Wait()
		if got := slices.Index(log.all(), "close fake-0/1"); got < 0 {
			t.Error("the adapter that was used least recently is not closed")
		}
		if err := s.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
		closed := 0
		for _, line := range log.all() {
			if line[:5] == "close" {
				closed++
			}
		}
		if closed != 1001 {
			t.Errorf("%d adapters were closed, want each of 1001 once", closed)
		}
	})
}

func TestShutdownClosesAdapters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log journal
		var hang atomic.Bool
		hang.Store(true)
		s := closingServer(t, &log, hitl.Options{}, nil, func() error {
			for hang.Load() {
				<-time.After(time.Second)
			}
			return errors.New("the socket is stuck")
		})
		ask(s, under(webhook, 1))
		impatient, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if err := s.Shutdown(impatient); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("while Close hangs: got %v, want that the time is up", err)
		}
		hang.Store(false)
		if err := s.Shutdown(t.Context()); err != nil {
			t.Errorf("once Close has returned: %v", err)
		}
		log.want(t, "connect fake/1", "use fake/1", "close fake/1")
	})
}

// A close that panics is logged, and breaks nothing.
func TestCloseThatPanics(t *testing.T) {
	var log journal
	s := closingServer(t, &log, hitl.Options{}, nil, func() error { panic("oh") })
	ask(s, under(webhook, 1))
	if err := s.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// Two configurations of one installation, in turns from all sides: each operation runs on an adapter that is open.
func TestNoOperationOnAClosedAdapter(t *testing.T) {
	var log journal
	var mu sync.Mutex
	open := map[*closingDesk]bool{}
	opts := &hitl.Options{Insecure: true}
	opts.Botpress.Token = apiToken
	opts.Botpress.HTTPClient = &http.Client{Transport: botpressAPI{}}
	connect := func(context.Context, hitl.Installation, fakeConfig) (*closingDesk, error) {
		d := &closingDesk{log: &log}
		check := func() {
			mu.Lock()
			defer mu.Unlock()
			if !open[d] {
				t.Error("an operation runs on an adapter that is closed")
			}
		}
		d.close = func() error {
			check() // and closed once
			mu.Lock()
			defer mu.Unlock()
			open[d] = false
			return nil
		}
		d.handleWebhook = func(context.Context, *http.Request) (hitl.Webhook, error) {
			check()
			<-time.After(time.Microsecond)
			check()
			return hitl.Webhook{}, nil
		}
		mu.Lock()
		defer mu.Unlock()
		open[d] = true
		return d, nil
	}
	s, err := hitl.NewServer(hitl.Definition{Name: "fake", Version: "1.0.0"}, connect, opts)
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for n := range 8 {
		all.Go(func() {
			for i := range 50 {
				if a := ask(s, under(webhook, 1+(n+i)%2)); a.status != http.StatusOK {
					t.Errorf("answered %d %s", a.status, a.body)
				}
			}
		})
	}
	all.Wait()
	if err := s.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, isOpen := range open {
		if isOpen {
			t.Error("an adapter is left open")
		}
	}
}
