package hitltest

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestWire(t *testing.T) {
	for _, side := range []string{"Handler", "RoundTripper"} {
		t.Run(side, func(t *testing.T) {
			wire := &Wire{}
			worked := 0
			var desk http.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				worked++
				body, _ := io.ReadAll(r.Body)
				w.WriteHeader(http.StatusCreated)
				_, _ = w.Write(body)
			})
			transport := &http.Transport{DisableKeepAlives: true}
			client := &http.Client{Transport: transport}
			if side == "Handler" {
				desk = wire.Handler(desk)
			} else {
				client.Transport = wire.RoundTripper(transport)
			}
			srv := httptest.NewServer(desk)
			defer srv.Close()

			call := func(method string) (status int, body string, err error) {
				ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
				defer cancel()
				r, err := http.NewRequestWithContext(ctx, method, srv.URL+"/a?b=c", strings.NewReader("hello"))
				if err != nil {
					t.Fatal(err)
				}
				res, err := client.Do(r)
				if err != nil {
					return 0, "", err
				}
				defer func() { _ = res.Body.Close() }()
				raw, err := io.ReadAll(res.Body)
				return res.StatusCode, string(raw), err
			}
			for _, step := range []struct {
				fault  fault
				method string
				status int  // Zero is an error.
				works  bool // The desk does what it is asked.
			}{
				{fault{}, http.MethodPost, 201, true},
				{fault{kind: refuse, status: 503}, http.MethodPost, 503, false},
				{fault{kind: reset}, http.MethodPost, 0, false},
				{fault{kind: hang}, http.MethodPost, 0, false},
				{fault{kind: lose}, http.MethodPost, 0, true},
				{fault{kind: lose}, http.MethodGet, 201, true},
				{fault{}, http.MethodPost, 201, true},
			} {
				before := worked
				repair := wire.set(step.fault)
				status, body, err := call(step.method)
				repair()
				if status != step.status || (err == nil) != (step.status != 0) || (worked > before) != step.works {
					t.Errorf("%s while %s: %d, %v, and the desk did it %d times", step.method, step.fault, status, err, worked-before)
				}
				if status == http.StatusCreated && body != "hello" {
					t.Errorf("the body became %q", body)
				}
				if hung := errors.Is(err, context.DeadlineExceeded); hung != (step.fault.kind == hang) {
					t.Errorf("%s while %s: %v", step.method, step.fault, err)
				}
			}
			var noted []string
			for _, e := range wire.since(1) {
				noted = append(noted, e.String())
			}
			want := []string{
				"POST /a?b=c hello → 503 refused by the suite",
				"POST /a?b=c hello → reset by the suite",
				"POST /a?b=c hello → left unanswered by the suite",
				"POST /a?b=c hello → 201 answer dropped by the suite",
				"GET /a?b=c hello → 201 Created",
				"POST /a?b=c hello → 201 Created",
			}
			if diff := cmp.Diff(want, noted); diff != "" {
				t.Errorf("noted (-want +got):\n%s", diff)
			}
		})
	}
}

// TestWireRepair: repairing an old fault does not end the current one.
func TestWireRepair(t *testing.T) {
	wire := &Wire{}
	first := wire.set(fault{kind: reset})
	second := wire.set(fault{kind: hang})
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	first()
	if f, _ := wire.next(r); f.kind != hang {
		t.Errorf("after the first fault was repaired, %s", f)
	}
	select {
	case <-wire.strikes():
	default:
		t.Error("nothing hangs")
	}
	second()
	second()
	if f, _ := wire.next(r); f.kind != none {
		t.Errorf("after both faults were repaired, %s", f)
	}
}

func TestWireHistory(t *testing.T) {
	wire := &Wire{}
	srv := httptest.NewServer(wire.Handler(http.NotFoundHandler()))
	defer srv.Close()
	mark := 0
	for range maxExchanges + 10 {
		mark = wire.mark()
		res, err := srv.Client().Get(srv.URL)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
	}
	if n := len(wire.since(0)); n != maxExchanges {
		t.Errorf("%d requests are kept, want %d", n, maxExchanges)
	}
	if n := len(wire.since(mark)); n != 1 {
		t.Errorf("%d requests since the last mark, want 1", n)
	}
}
