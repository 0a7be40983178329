package oauth_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hitl-go/sdk/botpress/botpresstest"
	"github.com/hitl-go/sdk/hitl"
	"github.com/hitl-go/sdk/hitl/oauth"
)

var seed = flag.Uint64("oauth.seed", 1, "the first seed of the randomised test")

// Replicas that share a token renew it once, in the middle of many requests, also while the desk is slow or fails.
func TestRenewal(t *testing.T) {
	for n := range uint64(10) {
		for _, byCode := range []bool{false, true} {
			name := fmt.Sprintf("%d, by code: %t", *seed+n, byCode)
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					random := rand.New(rand.NewPCG(*seed+n, 0))
					w := newWorld(t, 3, setup{byCode: byCode})
					w.desk.life = time.Duration(2+random.IntN(60)) * time.Minute
					w.desk.slow(time.Duration(random.IntN(4000)) * time.Millisecond)
					if byCode {
						w.connect()
					}
					w.all(3)
					for range 2 {
						w.desk.mu.Lock()
						for range random.IntN(4) {
							w.desk.faults = append(w.desk.faults, []int{500, 503, 429}[random.IntN(3)])
						}
						w.desk.mu.Unlock()
						wait(time.Minute)
						ends := "it is due"
						switch random.IntN(3) {
						case 0:
							ends = "it has expired"
							wait(w.desk.life + time.Second)
						case 1:
							ends = "it is revoked"
							w.desk.endAll()
						default:
							wait(w.desk.life - min(5*time.Minute, w.desk.life/4)/2 + time.Second) // For any jitter.
						}
						if issued := w.desk.count(func() { w.all(200) }); issued != 1 {
							t.Errorf("%s: %d tokens were issued", ends, issued)
						}
						if again := w.desk.count(func() { w.all(30) }); again != 0 {
							t.Errorf("%s: then %d more were issued", ends, again)
						}
					}
					if w.desk.reused != 0 {
						t.Errorf("a refresh token was used %d times too often", w.desk.reused)
					}
					if access, refresh := w.desk.live(); byCode && (access != 1 || refresh != 1) {
						t.Errorf("%d access tokens and %d refresh tokens are good", access, refresh)
					}
				})
			})
		}
	}
}

// ownerReads is what the bot's owner reads of an error.
func ownerReads(err error) string {
	var owner *hitl.Error
	if errors.As(err, &owner) {
		return owner.Message
	}
	return ""
}

// Answers that are lost, and a process that dies before it has stored one: no refresh token is used twice. The owner reads at once
// that a person is needed.
func TestLostAnswer(t *testing.T) {
	for name, lose := range map[string]func(*world){
		"after the work":           func(w *world) { w.desk.faults = []int{0} },
		"before the work":          func(w *world) { w.desk.faults = []int{-1} },
		"in a proxy":               func(w *world) { w.desk.faults = []int{502} },
		"after the proxy's time":   func(w *world) { w.desk.faults = []int{504} },
		"because nothing comes":    func(w *world) { w.desk.slow(time.Minute) },
		"as an answer of no sense": func(w *world) { w.desk.faults = []int{nonsense} },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, 3, setup{byCode: true})
				callback := w.connect()
				w.all(3)
				wait(w.desk.life + time.Second)
				lose(w)
				for i, a := range w.adapters {
					ctx, cancel := context.WithTimeout(t.Context(), 50*time.Second)
					if said := ownerReads(a.call(ctx, "/tickets", "")); !strings.Contains(said, "Connect Acme again") {
						t.Errorf("at replica %d the owner reads %q", i, said)
					}
					cancel()
				}
				w.desk.slow(0)
				wait(time.Minute) // For what is still on its way.
				if w.desk.reused != 0 {
					t.Error("a refresh token was used twice")
				}
				if id := w.in.Identifier(); id != "" {
					t.Errorf("Botpress shows the account as connected: %s", id)
				}
				if status, _, _ := w.visit(callback); status != http.StatusBadRequest {
					t.Errorf("the old callback is answered %d", status)
				}
				w.connect()
				w.all(9)
			})
		})
	}
}

// A token that is renewed early may still be used if the answer is lost.
func TestLostAnswerWhileTheTokenIsValid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2, setup{byCode: true})
		w.connect()
		w.all(2)
		wait(w.desk.life - 2*time.Minute)
		w.desk.faults = []int{-1}
		w.all(20)
		wait(2 * time.Minute)
		if said := ownerReads(w.adapters[1].get("/tickets")); !strings.Contains(said, "Connect Acme again") {
			t.Errorf("the owner reads %q", said)
		}
		if w.desk.reused != 0 {
			t.Error("a refresh token was used twice")
		}
	})
}

// A process that dies between the renewal and its note.
func TestDeathBeforeTheTokenIsStored(t *testing.T) {
	for _, byCode := range []bool{true, false} {
		t.Run(fmt.Sprintf("by code: %t", byCode), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, 2, setup{byCode: byCode})
				if byCode {
					w.connect()
				}
				w.all(2)
				wait(w.desk.life + time.Second)
				w.desk.slow(10 * time.Second)
				dead := make(chan error, 1)
				go func() { dead <- w.adapters[0].get("/tickets") }()
				wait(5 * time.Second) // The claim is stored, and the desk is at work.
				w.isolated.Store(1)   // From now on Botpress hears nothing of it.
				w.clients[0].CloseIdleConnections()
				if err := <-dead; err != nil {
					t.Errorf("who has renewed the token cannot use it: %v", err)
				}
				w.desk.slow(0)
				ctx, cancel := context.WithTimeout(t.Context(), 50*time.Second)
				defer cancel()
				err := w.adapters[1].call(ctx, "/tickets", "") // The first one is never heard of again.
				switch said := ownerReads(err); {
				case byCode && !strings.Contains(said, "Connect Acme again"):
					t.Errorf("the owner reads %q, of %v", said, err)
				case !byCode && err != nil:
					t.Errorf("client credentials do not recover: %v", err)
				}
				if w.desk.reused != 0 {
					t.Error("a refresh token was used twice")
				}
			})
		})
	}
}

// Who could not store a token uses it, and stores it later.
func TestTokenIsStoredLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2, setup{byCode: true})
		w.connect()
		w.all(2)
		wait(w.desk.life + time.Second)
		w.desk.slow(10 * time.Second)
		first := make(chan error, 1)
		go func() { first <- w.adapters[0].get("/tickets") }()
		wait(5 * time.Second)
		lift := w.cloud.Fault(botpresstest.Fault{Operation: botpresstest.AnyAPICall, Kind: botpresstest.Unavailable})
		if err := <-first; err != nil {
			t.Fatal(err)
		}
		lift()
		w.desk.slow(0)
		if issued := w.desk.count(func() {
			if err := w.adapters[0].get("/tickets"); err != nil {
				t.Error(err)
			}
			if err := w.adapters[1].get("/tickets"); err != nil {
				t.Errorf("the other replica: %v", err)
			}
		}); issued != 0 {
			t.Errorf("%d tokens were issued", issued)
		}
	})
}

// What the desk refuses is told to the owner, in words that help, without what the desk says.
func TestRefusals(t *testing.T) {
	for name, tc := range map[string]struct {
		setup  setup
		before func(*world)
		want   string
	}{
		"a wrong secret":            {setup{secret: "secret-wrong"}, nil, "Acme does not accept the client (invalid_client). Check its ID and secret in the configuration of the integration."},
		"not connected":             {setup{byCode: true}, nil, "Acme is not connected. Connect Acme in the configuration of the integration."},
		"a grant that a 200 denies": {setup{byCode: true}, func(w *world) { w.connect(); wait(2 * time.Hour); w.desk.faults = []int{saysNo} }, "Acme has ended the sign-in (invalid_grant). Connect Acme again, in the configuration of the integration."},
		"a code of no form":         {setup{byCode: true}, func(w *world) { w.connect(); wait(2 * time.Hour); w.desk.faults = []int{422, 422} }, "Acme does not accept the client (422). Check its ID and secret in the configuration of the integration. If they are right, connect Acme again."},
		"a grant revoked":           {setup{byCode: true}, func(w *world) { w.connect(); w.desk.refresh, w.desk.access = map[string]int{}, map[string]grant{} }, "Acme has ended the sign-in (invalid_grant). Connect Acme again, in the configuration of the integration."},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, 2, tc.setup)
				if tc.before != nil {
					tc.before(w)
				}
				for _, a := range w.adapters {
					err := a.get("/tickets")
					if got := ownerReads(err); got != tc.want {
						t.Errorf("the owner reads %q, want %q (%v)", got, tc.want, err)
					}
					if err != nil && strings.Contains(err.Error(), "secret-") {
						t.Errorf("a secret is in the error: %v", err)
					}
				}
			})
		})
	}
}

// A desk that is down for a while gets no request twice that it may have served, and the operation fails so that it is repeated.
func TestDeskIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2, setup{byCode: true})
		w.connect()
		w.all(2)
		wait(w.desk.life + time.Second)
		for range 50 {
			w.desk.faults = append(w.desk.faults, 503)
		}
		err := w.adapters[0].get("/tickets")
		if err == nil || ownerReads(err) != "" {
			t.Errorf("while the desk is down: %v", err)
		}
		w.desk.faults = nil
		w.all(10)
		if w.desk.reused != 0 {
			t.Error("a refresh token was used twice")
		}
	})
}

// A refresh token that may be used more than once is.
func TestReusable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2, setup{byCode: true, config: func(c *oauth.Config) { c.Reusable = true }})
		w.connect()
		w.all(2)
		wait(w.desk.life + time.Second)
		w.desk.faults = []int{-1, -1}
		w.all(10)
	})
}

// Another client, or other scopes, have a token of their own.
func TestOtherClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, setup{})
		w.all(1)
		if err := w.in.Configure(t.Context(), settings{Secret: "x"}); err != nil {
			t.Fatal(err)
		}
		if said := ownerReads(w.replica(setup{secret: "secret-wrong"}).get("/tickets")); !strings.Contains(said, "does not accept the client") {
			t.Errorf("with a wrong secret the owner reads %q", said)
		}
		other := w.replica(setup{config: func(c *oauth.Config) { c.Scopes = []string{"read"} }})
		if issued := w.desk.count(func() {
			if err := other.get("/tickets"); err != nil {
				t.Error(err)
			}
		}); issued != 1 {
			t.Errorf("%d tokens were issued, want one", issued)
		}
	})
}

// The order of scopes means nothing, RFC 6749, section 3.3: a new version that writes them in another one disconnects nobody.
func TestOrderOfScopes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, setup{byCode: true})
		w.connect()
		scopes := []string{"write", "read"}
		other := w.replica(setup{byCode: true, config: func(c *oauth.Config) { c.Scopes = scopes }})
		if err := other.get("/tickets"); err != nil || scopes[0] != "write" {
			t.Errorf("%v, and the scopes are %q", err, scopes)
		}
	})
}

// A desk that has refused the client is not asked at each call: some lock out who asks too often. It is asked again soon.
func TestRefusedClientIsNotAskedForever(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, setup{secret: "secret-wrong"})
		before := w.desk.asked
		for range 20 {
			if said := ownerReads(w.adapters[0].get("/tickets")); !strings.Contains(said, "does not accept the client") {
				t.Errorf("the owner reads %q", said)
			}
		}
		if n := w.desk.asked - before; n != 1 {
			t.Errorf("20 calls have asked %d times", n)
		}
		wait(31 * time.Second)
		_ = w.adapters[0].get("/tickets")
		if n := w.desk.asked - before; n != 2 {
			t.Errorf("half a minute later, it was asked %d times in all, want twice", n)
		}
	})
}

// The token goes to the desk's API and nowhere else. A body is sent again as it was.
func TestClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, setup{})
		var seen []string
		w.serve("files.test:80", http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			seen = append(seen, r.Header.Get("Authorization"))
		}))
		a := w.adapters[0]
		if err := a.call(t.Context(), "/elsewhere", "body"); err != nil || fmt.Sprint(seen) != "[]" {
			t.Errorf("after a redirect: %q, %v", seen, err)
		}
		w.desk.endAll()
		if err := a.call(t.Context(), "/tickets", "body"); err != nil {
			t.Error(err)
		}
		calls := w.desk.served()
		wait(time.Minute)
		w.desk.endAll()
		if issued := w.desk.count(func() { _ = a.call(t.Context(), "/tickets", "body") }); issued != 1 || w.desk.served()-calls != 2 {
			t.Errorf("%d tokens for %d calls", issued, w.desk.served()-calls)
		}
	})
}

// An operation that ends while the token is renewed does not lose the answer.
func TestOperationEndsDuringRenewal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2, setup{byCode: true})
		w.connect()
		w.all(2)
		wait(w.desk.life + time.Second)
		w.desk.slow(10 * time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		if err := w.adapters[0].call(ctx, "/tickets", ""); err == nil {
			t.Error("a call came after the end of its operation")
		}
		w.desk.slow(0)
		if issued := w.desk.count(func() { w.all(10) }); issued != 0 {
			t.Errorf("%d more tokens were issued", issued)
		}
	})
}

// A desk that cannot be reached has not been asked.
func TestDeskThatCannotBeReached(t *testing.T) {
	for name, dial := range map[string]func(context.Context) (net.Conn, error){
		"nobody listens":     func(context.Context) (net.Conn, error) { return nil, syscall.ECONNREFUSED },
		"no name":            func(context.Context) (net.Conn, error) { return nil, &net.DNSError{Err: "no such host"} },
		"nothing comes back": func(ctx context.Context) (net.Conn, error) { <-ctx.Done(); return nil, ctx.Err() },
		"it hangs up": func(context.Context) (net.Conn, error) {
			client, desk := net.Pipe()
			go func() { // once it has begun to read
				_, _ = desk.Read(make([]byte, 1))
				_ = desk.Close()
			}()
			return client, nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, 1, setup{byCode: true})
				w.connect()
				w.all(1)
				wait(w.desk.life + time.Second)
				w.clients[0].CloseIdleConnections()
				w.dial.Store(&dial)
				err := w.adapters[0].get("/tickets")
				w.dial.Store(nil)
				w.clients[0].CloseIdleConnections()
				if name == "it hangs up" { // It may have read the request.
					if !strings.Contains(ownerReads(err), "Connect Acme again") {
						t.Errorf("the owner reads %q of %v", ownerReads(err), err)
					}
					return
				}
				if err == nil || ownerReads(err) != "" {
					t.Errorf("while the desk cannot be reached: %v", err)
				}
				if err := w.adapters[0].get("/tickets"); err != nil {
					t.Errorf("when it can be reached again: %v", err)
				}
			})
		})
	}
}

// A claim that was written late, and not used, costs nothing. Nor does one that is made late.
func TestClaimsAreLate(t *testing.T) {
	for name, fault := range map[string]botpresstest.Fault{
		"its answer": {Operation: "setState", Kind: botpresstest.Late, Delay: 4 * time.Second, Times: 1},
		"its lease":  {Operation: "getOrSetState", Kind: botpresstest.Delay, Delay: 14 * time.Second, Times: 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, 2, setup{byCode: true})
				w.connect()
				w.all(2)
				wait(w.desk.life + time.Second)
				lift := w.cloud.Fault(fault)
				w.desk.slow(20 * time.Second)
				ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
				defer cancel()
				first := make(chan error, 1)
				go func() { first <- w.adapters[0].call(ctx, "/tickets", "") }()
				wait(30 * time.Second)
				lift()
				if err := w.adapters[1].get("/tickets"); err != nil {
					t.Errorf("meanwhile at another replica: %v", err)
				}
				<-first
				wait(3 * time.Minute)
				w.desk.slow(0)
				w.all(4)
				if w.desk.reused != 0 {
					t.Error("a refresh token was used twice")
				}
			})
		})
	}
}

// While the configuration changes, a replica that has not heard of it goes on with the old client, and spoils nothing. No desk sees
// the token of another one.
func TestOldReplica(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, setup{})
		other := newDesk()
		other.last = 1_000
		w.serve("other.test:80", other)
		w.all(1)
		old := w.adapters[0]
		elsewhere := func(c *oauth.Config) {
			c.Endpoint.TokenURL, c.Endpoint.AuthURL = "http://other.test/oauth/tokens", "http://other.test/oauth/authorizations/new"
		}
		w.replica(setup{byCode: true, config: elsewhere})
		w.connect()
		account := w.adapters[1]
		if _, err := account.source.Token(t.Context()); err != nil {
			t.Fatal(err)
		}
		for range 5 {
			wait(59 * time.Minute)
			w.desk.endAll()
			if err := old.get("/tickets"); err != nil {
				t.Errorf("the old client: %v", err)
			}
			if got, err := account.source.Token(t.Context()); err != nil || len(got.AccessToken) < len("access-1000") {
				t.Errorf("the account has %v, %v", got, err)
			}
		}
		for _, shown := range w.desk.shown {
			if strings.Contains(shown, "access-1") && len(shown) > len("Bearer access-99") {
				t.Errorf("the old desk was shown %q", shown)
			}
		}
	})
}

// A token that could not be stored is stored as soon as that is possible, though nobody asks for it; and at the end.
func TestTokenIsStoredInTheBackground(t *testing.T) {
	for _, closed := range []bool{false, true} {
		t.Run(fmt.Sprintf("closed: %t", closed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, 2, setup{byCode: true})
				w.connect()
				w.all(2)
				wait(w.desk.life + time.Second)
				w.desk.slow(10 * time.Second)
				first := make(chan error, 1)
				go func() { first <- w.adapters[0].get("/tickets") }()
				wait(5 * time.Second)
				lift := w.cloud.Fault(botpresstest.Fault{Operation: botpresstest.AnyAPICall, Kind: botpresstest.Unavailable})
				if err := <-first; err != nil {
					t.Fatal(err)
				}
				lift()
				w.desk.slow(0)
				if closed {
					if err := w.adapters[0].source.Close(); err != nil {
						t.Error(err)
					}
				} else {
					wait(2 * time.Minute)
				}
				if err := w.adapters[1].get("/tickets"); err != nil {
					t.Errorf("the other replica: %v", err)
				}
			})
		})
	}
}

// A desk that refuses every token is not asked for one after the other.
func TestStubbornDesk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, setup{byCode: true})
		w.connect()
		w.all(1)
		w.desk.stubborn = true
		issued := w.desk.count(func() {
			for range 20 {
				if err := w.adapters[0].get("/tickets"); err == nil {
					t.Error("a call succeeds")
				}
			}
		})
		if issued != 1 {
			t.Errorf("%d tokens for 20 calls", issued)
		}
		w.desk.stubborn = false
		w.all(1)
		w.desk.endAll() // It has taken the token before, so that this is news.
		w.all(1)
	})
}

// Many clients, one after the other: the state does not grow.
func TestManyClients(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, setup{})
		for i := range 8 {
			a := w.replica(setup{config: func(c *oauth.Config) { c.Scopes = []string{fmt.Sprint("scope-", i)} }})
			if err := a.get("/tickets"); err != nil {
				t.Fatal(err)
			}
			wait(time.Minute)
		}
		for _, c := range w.cloud.Calls() {
			if n := strings.Count(string(c.Request), "access_token"); n > 3 {
				t.Errorf("the state has %d tokens", n)
			}
		}
	})
}

// What the desk refuses is the client, or a gateway of the desk refuses everything. The account that somebody has connected is as
// good as before, for all replicas.
func TestRefusalsThatEndNoSignIn(t *testing.T) {
	for name, refuse := range map[string]func(*world){
		"another replica has a wrong secret": func(w *world) {
			wrong := w.replica(setup{byCode: true, secret: "secret-mistyped"})
			wait(w.desk.life - time.Minute) // the token is due, and still valid
			_ = wrong.get("/tickets")
		},
		"403": func(w *world) {
			wait(w.desk.life + time.Minute)
			w.desk.faults = []int{403}
			_ = w.adapters[0].get("/tickets")
		},
		"404": func(w *world) {
			wait(w.desk.life + time.Minute)
			w.desk.faults = []int{404}
			_ = w.adapters[0].get("/tickets")
		},
		"408": func(w *world) {
			wait(w.desk.life + time.Minute)
			w.desk.faults = []int{408}
			_ = w.adapters[0].get("/tickets")
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, 1, setup{byCode: true})
				w.connect()
				refuse(w)
				wait(2 * time.Minute)
				if err := w.adapters[0].get("/tickets"); err != nil {
					t.Errorf("afterwards: %v", err)
				}
			})
		})
	}
}

// A desk that is slow to issue a token has issued it: an adapter's own timeout does not lose it, and the sign-in with it.
func TestRenewalIsNotCutShort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, setup{byCode: true})
		w.connect()
		w.adapters[0].desk.Timeout = 5 * time.Second
		wait(58 * time.Minute)
		w.desk.slow(8 * time.Second)
		wait(3 * time.Minute)
		if err := w.adapters[0].get("/tickets"); err != nil {
			t.Errorf("while the desk is slow: %v", err)
		}
		w.desk.slow(0)
		wait(10 * time.Minute)
		if err := w.adapters[0].get("/tickets"); err != nil {
			t.Errorf("afterwards: %v", err)
		}
	})
}
