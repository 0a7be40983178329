package oauth_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hitl-go/sdk/botpress/botpresstest"
	"github.com/hitl-go/sdk/hitl"
	"github.com/hitl-go/sdk/hitl/oauth"
)

// From the link to a call of the desk, on whichever replica.
func TestConnect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var connected []string
		w := newWorld(t, 3, setup{byCode: true, connected: func(_ context.Context, url string) error {
			connected = append(connected, url)
			return nil
		}})
		if w.in.Identifier() != "" {
			t.Error("Botpress shows an account before there is one")
		}
		w.connect()
		w.all(9)
		if fmt.Sprint(connected) != fmt.Sprint([]string{w.in.WebhookURL}) {
			t.Errorf("told %q that an account is connected", connected)
		}
		if w.in.Identifier() != w.in.WebhookID {
			t.Errorf("Botpress shows the account %q", w.in.Identifier())
		}
		status, _, _ := w.visit(w.in.WebhookURL + "/oauth/other")
		if status != http.StatusBadRequest {
			t.Errorf("a path of the adapter is answered %d", status)
		}
	})
}

// The button opens the page that begins.
func TestLinkTemplate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, setup{byCode: true})
		lines := strings.Split(strings.TrimSpace(oauth.LinkTemplate), "\n")
		base := strings.TrimSuffix(w.in.WebhookURL, "/"+w.in.WebhookID) // What Botpress calls webhookUrl.
		link := strings.NewReplacer("{{ webhookUrl }}", base, "{{ webhookId }}", w.in.WebhookID, `"`, "").Replace(lines[len(lines)-1])
		if status, _, body := w.visit(link); status != http.StatusSeeOther {
			t.Errorf("%s is answered %d %s", link, status, body)
		}
	})
}

// A state parameter is good once, for ten minutes, for one installation, and only if it was made here.
func TestState(t *testing.T) {
	flip := func(s string, i int) string { return s[:i] + string(s[i]^1) + s[i+1:] }
	for name, change := range map[string]func(w *world, state string) string{
		"nothing":                 func(_ *world, _ string) string { return "" },
		"another nonce":           func(_ *world, s string) string { return flip(s, strings.IndexByte(s, '.')+20) },
		"another signature":       func(_ *world, s string) string { return flip(s, strings.LastIndexByte(s, '.')+5) },
		"without a signature":     func(_ *world, s string) string { return s[:strings.LastIndexByte(s, '.')] },
		"another installation":    func(_ *world, s string) string { return "wh" + s[strings.IndexByte(s, '.'):] },
		"the id alone":            func(w *world, _ string) string { return w.in.WebhookID },
		"after its time":          func(_ *world, s string) string { wait(10*time.Minute + time.Second); return s },
		"with something in front": func(_ *world, s string) string { return "x." + s },
		"signed by the client alone": func(w *world, _ string) string {
			return w.in.WebhookID + "." + base64.RawURLEncoding.EncodeToString([]byte(`{"nonce":"a","expires":99999999999}`)) + "."
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, 2, setup{byCode: true})
				_, consent, _ := w.visit(w.in.WebhookURL + "/oauth/start")
				_, callback, _ := w.visit(consent)
				u, err := url.Parse(callback)
				if err != nil {
					t.Fatal(err)
				}
				q := u.Query()
				q.Set("state", change(w, q.Get("state")))
				u.RawQuery = q.Encode()
				issued := w.desk.count(func() {
					if status, _, body := w.visit(u.String()); status != http.StatusBadRequest || !strings.Contains(body, "Connect again") {
						t.Errorf("answered %d %s", status, body)
					}
				})
				if issued != 0 || w.in.Identifier() != "" {
					t.Errorf("%d tokens were issued, and the account is %q", issued, w.in.Identifier())
				}
			})
		})
	}
}

// A callback that comes again, at once or later, at another replica.
func TestCallbackComesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2, setup{byCode: true})
		callback := w.connect()
		w.all(2)
		for _, replica := range w.replicas {
			w.front = replica
			if status, _, body := w.visit(callback); status != http.StatusConflict || !strings.Contains(body, "used already") {
				t.Errorf("answered %d %s", status, body)
			}
		}
		w.all(4)
	})
}

// Botpress sends the callback again while the first one waits for the desk: a code that comes twice would end what it has given.
func TestCallbackComesTwiceAtOnce(t *testing.T) {
	for second := range 2 {
		t.Run(fmt.Sprint("at replica ", second), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, 2, setup{byCode: true})
				_, consent, _ := w.visit(w.in.WebhookURL + "/oauth/start")
				_, callback, _ := w.visit(consent)
				w.desk.slow(5 * time.Second)
				w.front = w.replicas[0]
				first := make(chan int, 1)
				go func() {
					status, _, _ := w.visit(callback)
					first <- status
				}()
				wait(time.Second)
				synctest.Wait()
				w.front = w.replicas[second]
				if status, _, body := w.visit(callback); status != http.StatusConflict || !strings.Contains(body, "used already") {
					t.Errorf("the second one is answered %d %s", status, body)
				}
				if status := <-first; status != http.StatusOK {
					t.Errorf("the first one is answered %d", status)
				}
				w.desk.slow(0)
				w.all(2)
			})
		})
	}
}

// The pages say what went wrong, and hold nothing that comes from outside as it is.
func TestPages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		problem := error(nil)
		w := newWorld(t, 1, setup{byCode: true, connected: func(context.Context, string) error { return problem }})
		begin := func() *url.URL {
			t.Helper()
			_, consent, _ := w.visit(w.in.WebhookURL + "/oauth/start")
			_, callback, _ := w.visit(consent)
			u, err := url.Parse(callback)
			if err != nil {
				t.Fatal(err)
			}
			return u
		}
		with := func(u *url.URL, name, value string) string {
			q := u.Query()
			q.Set(name, value)
			u.RawQuery = q.Encode()
			return u.String()
		}
		for _, tc := range []struct {
			name, address string
			before        func()
			status        int
			want          string
		}{
			{"denied", with(begin(), "error", "access_denied"), nil, http.StatusForbidden, "Acme was not connected: access_denied."},
			{"denied in other words", with(begin(), "error", "Call this number: <script>"), nil, http.StatusForbidden, "Acme was not connected: it says no."},
			{"a wrong code", with(begin(), "code", "x"), nil, http.StatusBadGateway, "it has not issued a token"},
			{"another set-up fails", begin().String(), func() { problem = errors.New("secret-1") }, http.StatusBadGateway, "Some of what the integration needs"},
			{"another set-up fails for good", begin().String(), func() { problem = hitl.Errorf("Use an <administrator>.") }, http.StatusBadGateway, "Use an &lt;administrator&gt;."},
			{"Botpress is down", begin().String(), func() {
				w.cloud.Fault(botpresstest.Fault{Operation: "getState", Kind: botpresstest.Unavailable})
			}, http.StatusServiceUnavailable, "Try to connect again in a few minutes."},
		} {
			if tc.before != nil {
				tc.before()
			}
			status, _, body := w.visit(tc.address)
			if contradicts := strings.Contains(body, "is connected") && strings.Contains(body, "is not connected"); contradicts {
				t.Errorf("%s: the page contradicts itself:\n%s", tc.name, body)
			}
			if status != tc.status || !strings.Contains(body, tc.want) || strings.Contains(body, "secret-") || strings.Contains(body, "<script") {
				t.Errorf("%s: answered %d, want %d and %q:\n%s", tc.name, status, tc.status, tc.want, body)
			}
		}
	})
}

// Register writes when something has changed, and not else.
func TestRegisterWritesOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, setup{byCode: true, sweepEvery: 1000 * time.Hour})
		w.desk.life = 24 * time.Hour
		w.connect()
		writes := func() (n int) {
			for _, c := range w.cloud.Calls() {
				if c.Operation == "setState" && strings.Contains(c.Path, "/oauth") {
					n++
				}
			}
			return n
		}
		wait(10 * time.Minute) // The first sweep is over.
		before, told := writes(), w.desk.served()
		wait(3*time.Hour + time.Minute) // Botpress calls register every hour.
		if w.desk.served() < told+3 {
			t.Errorf("registered %d times", w.desk.served()-told)
		}
		if n := writes() - before; n != 0 {
			t.Errorf("%d states were written in three hours", n)
		}
	})
}

// Strangers who know the address cannot keep the owner from connecting.
func TestManyCallbacks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, setup{byCode: true})
		_, consent, _ := w.visit(w.in.WebhookURL + "/oauth/start")
		_, first, _ := w.visit(consent)
		for range 150 {
			_, consent, _ := w.visit(w.in.WebhookURL + "/oauth/start")
			_, callback, _ := w.visit(consent)
			w.visit(strings.Replace(callback, "code=", "code=x", 1))
		}
		if status, _, body := w.visit(first); status != http.StatusOK {
			t.Errorf("the owner's own is answered %d %s", status, body)
		}
		w.all(3)
	})
}

// Somebody connects another account. All replicas act as that within minutes, also if the desk's tokens last for years.
func TestConnectAnotherAccount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2, setup{byCode: true})
		w.desk.life = 365 * 24 * time.Hour
		w.connect()
		w.all(2)
		w.connect()
		wait(10 * time.Minute)
		w.desk.shown = nil
		w.all(2)
		if len(w.desk.shown) != 2 || w.desk.shown[0] != w.desk.shown[1] {
			t.Errorf("the replicas act with the tokens %v, want the same", w.desk.shown)
		}
	})
}

// While Botpress does not answer, a token that is valid is used, and not compared with the stored one for each call.
func TestStateOutageWhileConfirmed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, setup{byCode: true})
		w.desk.life = 365 * 24 * time.Hour
		w.connect()
		w.all(1)
		wait(10 * time.Minute)
		defer w.cloud.Fault(botpresstest.Fault{Operation: "getState", Kind: botpresstest.Unavailable})()
		w.desk.shown = nil
		w.all(1)
		asked := w.cloud.Count("getState")
		w.all(1)
		w.all(1)
		if len(w.desk.shown) != 3 {
			t.Errorf("the desk was called %d times, want 3", len(w.desk.shown))
		}
		if again := w.cloud.Count("getState") - asked; again != 0 {
			t.Errorf("two calls of the desk within the outage took %d reads of the state, want none", again)
		}
	})
}

// What the author of an integration has forgotten is in the log, and no page says that Botpress is to blame.
func TestForgotten(t *testing.T) {
	for forgotten, want := range map[string]string{
		"state":    `the state \"oauth\" is not declared: add it to Definition.States`,
		"register": "the adapter's Register does not call Source.Register",
	} {
		t.Run(forgotten, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, 1, setup{byCode: true, forgets: forgotten})
				w.log.Reset()
				status, _, body := w.visit(w.in.WebhookURL + "/oauth/start")
				if status < 400 || strings.Contains(body, "Botpress cannot be reached") || !strings.Contains(w.log.String(), want) {
					t.Errorf("answered %d %s, and the log is\n%s", status, body, w.log)
				}
			})
		})
	}
}

// The page of consent has what the author has put into its address, such as Google's access_type.
func TestParametersOfConsent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, setup{byCode: true, config: func(c *oauth.Config) { c.Endpoint.AuthURL += "?access_type=offline" }})
		_, consent, _ := w.visit(w.in.WebhookURL + "/oauth/start")
		u, err := url.Parse(consent)
		if err != nil {
			t.Fatal(err)
		}
		if q := u.Query(); q.Get("access_type") != "offline" || q.Get("client_id") != "client" || q.Get("state") == "" {
			t.Errorf("the page of consent is %s", consent)
		}
	})
}
