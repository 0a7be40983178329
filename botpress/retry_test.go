package botpress_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hitl-go/sdk/botpress"
)

// attempts records when requests were sent, in the bubble's time.
type attempts struct {
	start  time.Time
	at     []time.Duration
	bodies []string
	answer func(attempt int, r *http.Request) (*http.Response, error)
}

func (a *attempts) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	a.at = append(a.at, time.Since(a.start))
	if r.Body != nil {
		data, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		a.bodies = append(a.bodies, string(data))
	}
	return a.answer(len(a.at), r)
}

// client returns a client whose requests a answers, in fake time.
func (a *attempts) client(t *testing.T, retry botpress.Retry) *botpress.Client {
	t.Helper()
	a.start = time.Now()
	c, err := botpress.New(botpress.Options{Token: "t", Retry: retry, HTTPClient: &http.Client{Transport: a}})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func status(code int, header ...string) func(int, *http.Request) (*http.Response, error) {
	return func(int, *http.Request) (*http.Response, error) {
		res := answer(code, `{"type": "Internal", "message": "no"}`)
		for i := 0; i < len(header); i += 2 {
			res.Header.Set(header[i], header[i+1])
		}
		return res, nil
	}
}

func failure(err error) func(int, *http.Request) (*http.Response, error) {
	return func(int, *http.Request) (*http.Response, error) { return nil, err }
}

func TestWhatIsRetried(t *testing.T) {
	const four, one = 4, 1
	refused := &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	reset := &net.OpError{Op: "read", Net: "tcp", Err: syscall.ECONNRESET}
	unknown := &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", IsNotFound: true}}
	for _, test := range []struct {
		name             string
		answer           func(int, *http.Request) (*http.Response, error)
		get, put, remove int
		patch, post      int
		shown            int // zero: like post
	}{
		{"400", status(400), one, one, one, one, one, 0},
		{"401", status(401), one, one, one, one, one, 0},
		{"404", status(404), one, one, one, one, one, 0},
		{"408", status(408), one, one, one, one, one, 0},
		{"409", status(409), one, one, one, one, one, 0},
		{"429", status(429), four, four, four, four, four, 0},
		{"500", status(500), four, four, four, four, one, 0},
		{"501", status(501), four, four, four, four, one, 0},
		{"502", status(502), four, four, four, four, four, one},
		{"503", status(503), four, four, four, four, one, 0},
		{"504", status(504), four, four, four, four, one, 0},
		{"connection reset", failure(reset), four, four, four, four, one, 0},
		{"connection closed", failure(io.EOF), four, four, four, four, one, 0},
		{"nothing sent", failure(refused), four, four, four, four, four, 0},
		{"host unknown", failure(unknown), one, one, one, one, one, 0},
		{"wrong certificate", failure(&tls.CertificateVerificationError{Err: errors.New("expired")}), one, one, one, one, one, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			id := botpress.StateKey{Type: botpress.StateOfUser, ID: "u", Name: "n"}
			shown := test.post
			if test.shown > 0 {
				shown = test.shown
			}
			for _, method := range []struct {
				name string
				want int
				call func(context.Context, *botpress.Client) error
			}{
				{"GET", test.get, func(ctx context.Context, c *botpress.Client) error { _, err := c.GetUser(ctx, "u"); return err }},
				{"PUT", test.put, func(ctx context.Context, c *botpress.Client) error {
					_, err := c.UpdateUser(ctx, "u", botpress.UpdateUserParams{})
					return err
				}},
				{"DELETE", test.remove, func(ctx context.Context, c *botpress.Client) error { return c.DeleteUser(ctx, "u") }},
				{"PATCH", test.patch, func(ctx context.Context, c *botpress.Client) error {
					_, err := c.PatchState(ctx, id, nil)
					return err
				}},
				{"POST", test.post, func(ctx context.Context, c *botpress.Client) error {
					_, err := c.CreateUser(ctx, botpress.CreateUserParams{})
					return err
				}},
				{"POST of an event", shown, func(ctx context.Context, c *botpress.Client) error {
					_, err := c.CreateEvent(ctx, botpress.CreateEventParams{})
					return err
				}},
				{"POST of a message", shown, func(ctx context.Context, c *botpress.Client) error {
					_, err := c.CreateMessage(ctx, botpress.CreateMessageParams{})
					return err
				}},
			} {
				synctest.Test(t, func(t *testing.T) {
					a := &attempts{answer: test.answer}
					if err := method.call(t.Context(), a.client(t, botpress.Retry{})); err == nil {
						t.Errorf("%s: no error", method.name)
					}
					if len(a.at) != method.want {
						t.Errorf("%s: %d attempts, want %d", method.name, len(a.at), method.want)
					}
				})
			}
		})
	}
}

// Of the calls that are POST, exactly the idempotent ones are retried when their
// outcome is unknown.
func TestIdempotentPosts(t *testing.T) {
	var (
		tags  = botpress.Tags{"id": "1", "more": "x"}
		by    = []string{"id"}
		empty = botpress.Tags{"id": "", "more": "x"}
		state = botpress.StateKey{Type: botpress.StateOfUser, ID: "u", Name: "n"}
	)
	user := func(tags botpress.Tags, by []string) *botpress.GetOrCreateUserParams {
		return &botpress.GetOrCreateUserParams{Tags: tags, DiscriminateByTags: by}
	}
	conversation := func(tags botpress.Tags, by []string) *botpress.GetOrCreateConversationParams {
		return &botpress.GetOrCreateConversationParams{Tags: tags, DiscriminateByTags: by}
	}
	message := func(tags botpress.Tags, by []string) *botpress.IncomingMessage {
		return &botpress.IncomingMessage{Tags: tags, DiscriminateByTags: by}
	}
	incoming := func(p botpress.InitializeIncomingMessageParams) func(context.Context, *botpress.Client) error {
		return func(ctx context.Context, c *botpress.Client) error {
			_, err := c.InitializeIncomingMessage(ctx, p)
			return err
		}
	}
	imported := func(messages ...botpress.ImportedMessage) func(context.Context, *botpress.Client) error {
		return func(ctx context.Context, c *botpress.Client) error {
			_, err := c.ImportMessages(ctx, messages)
			return err
		}
	}
	type call = func(context.Context, *botpress.Client) error
	getOrCreate := func(tags botpress.Tags, by []string) map[string]call {
		return map[string]call{
			"getOrCreateUser": func(ctx context.Context, c *botpress.Client) error {
				_, _, err := c.GetOrCreateUser(ctx, *user(tags, by))
				return err
			},
			"getOrCreateConversation": func(ctx context.Context, c *botpress.Client) error {
				_, _, err := c.GetOrCreateConversation(ctx, *conversation(tags, by))
				return err
			},
			"getOrCreateMessage": func(ctx context.Context, c *botpress.Client) error {
				_, _, err := c.GetOrCreateMessage(ctx, botpress.GetOrCreateMessageParams{Tags: tags, DiscriminateByTags: by})
				return err
			},
			"incoming, user":         incoming(botpress.InitializeIncomingMessageParams{User: user(tags, by), ConversationID: "c"}),
			"incoming, conversation": incoming(botpress.InitializeIncomingMessageParams{UserID: "u", Conversation: conversation(tags, by)}),
			"incoming, message": incoming(botpress.InitializeIncomingMessageParams{
				UserID: "u", ConversationID: "c", Message: message(tags, by),
			}),
			"import": imported(
				botpress.ImportedMessage{Tags: botpress.Tags{"id": "0"}, DiscriminateByTags: []string{"id"}},
				botpress.ImportedMessage{Tags: tags, DiscriminateByTags: by},
			),
		}
	}
	for _, test := range []struct {
		name     string
		attempts int
		calls    map[string]call
	}{
		{"by tags", 4, getOrCreate(tags, by)},
		{"by all tags", 1, getOrCreate(tags, nil)},
		{"by tags without values", 1, getOrCreate(empty, by)},
		{"by tags, one without a value", 1, getOrCreate(empty, []string{"more", "id"})},
		{"by tags that are not there", 1, getOrCreate(nil, by)},
		{"parts", 4, map[string]call{
			"all": incoming(botpress.InitializeIncomingMessageParams{
				User: user(tags, by), Conversation: conversation(tags, by), Message: message(tags, by),
			}),
			"ids": incoming(botpress.InitializeIncomingMessageParams{UserID: "u", ConversationID: "c"}),
		}},
		{"setters", 4, map[string]call{
			"setState": func(ctx context.Context, c *botpress.Client) error {
				_, err := c.SetState(ctx, state, botpress.SetStateParams{})
				return err
			},
			"getOrSetState": func(ctx context.Context, c *botpress.Client) error {
				_, err := c.GetOrSetState(ctx, state, botpress.SetStateParams{})
				return err
			},
			"setStateExpiry": func(ctx context.Context, c *botpress.Client) error {
				_, err := c.SetStateExpiry(ctx, state, time.Hour)
				return err
			},
			"addParticipant": func(ctx context.Context, c *botpress.Client) error {
				_, err := c.AddParticipant(ctx, "c", "u")
				return err
			},
			"configureIntegration": func(ctx context.Context, c *botpress.Client) error {
				return c.ConfigureIntegration(ctx, botpress.ConfigureIntegrationParams{})
			},
			"validateIntegrationCreation": func(ctx context.Context, c *botpress.Client) error {
				return c.ValidateIntegrationCreation(ctx, botpress.CreateIntegrationParams{})
			},
		}},
		{"others", 1, map[string]call{
			"createUser": func(ctx context.Context, c *botpress.Client) error {
				_, err := c.CreateUser(ctx, botpress.CreateUserParams{Tags: tags})
				return err
			},
			"createConversation": func(ctx context.Context, c *botpress.Client) error {
				_, err := c.CreateConversation(ctx, botpress.CreateConversationParams{Tags: tags})
				return err
			},
			"createMessage": func(ctx context.Context, c *botpress.Client) error {
				_, err := c.CreateMessage(ctx, botpress.CreateMessageParams{Tags: tags})
				return err
			},
			"createEvent": func(ctx context.Context, c *botpress.Client) error {
				_, err := c.CreateEvent(ctx, botpress.CreateEventParams{Type: "x"})
				return err
			},
			"callAction": func(ctx context.Context, c *botpress.Client) error {
				_, err := c.CallAction(ctx, botpress.CallActionParams{Type: "x:y"})
				return err
			},
			"createIntegration": func(ctx context.Context, c *botpress.Client) error {
				_, err := c.CreateIntegration(ctx, botpress.CreateIntegrationParams{})
				return err
			},
			"createInterface": func(ctx context.Context, c *botpress.Client) error {
				_, err := c.CreateInterface(ctx, botpress.CreateInterfaceParams{})
				return err
			},
			"createBot": func(ctx context.Context, c *botpress.Client) error {
				_, err := c.CreateBot(ctx, botpress.CreateBotParams{})
				return err
			},
			"createIntegrationApiKey": func(ctx context.Context, c *botpress.Client) error {
				_, err := c.CreateIntegrationAPIKey(ctx, botpress.CreateIntegrationAPIKeyParams{})
				return err
			},
			"requestIntegrationVerification": func(ctx context.Context, c *botpress.Client) error {
				return c.RequestIntegrationVerification(ctx, "i")
			},
			"rotateIntegrationSigningSecrets": func(ctx context.Context, c *botpress.Client) error {
				_, err := c.RotateIntegrationSigningSecrets(ctx, "i")
				return err
			},
		}},
	} {
		for name, call := range test.calls {
			for kind, unknown := range map[string]func(int, *http.Request) (*http.Response, error){
				"503": status(503), "connection closed": failure(io.EOF),
			} {
				synctest.Test(t, func(t *testing.T) {
					a := &attempts{answer: unknown}
					if err := call(t.Context(), a.client(t, botpress.Retry{})); err == nil {
						t.Errorf("%s: %s: %s: no error", test.name, name, kind)
					}
					if len(a.at) != test.attempts {
						t.Errorf("%s: %s: %s: %d attempts, want %d", test.name, name, kind, len(a.at), test.attempts)
					}
				})
			}
		}
	}
}

func TestWithRetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &attempts{answer: status(429)}
		c := a.client(t, botpress.Retry{})
		once := c.WithRetry(botpress.Retry{Max: -1})
		sent := func(c *botpress.Client) int {
			before := len(a.at)
			_, err := c.SetState(t.Context(), botpress.StateKey{Type: botpress.StateOfUser, ID: "u", Name: "n"}, botpress.SetStateParams{})
			if !errors.Is(err, botpress.ErrRateLimited) {
				t.Error(err)
			}
			return len(a.at) - before
		}
		if n := sent(once); n != 1 {
			t.Errorf("%d attempts without retries", n)
		}
		if n := sent(once.With(botpress.Scope{BotID: "b"})); n != 1 {
			t.Errorf("%d attempts of a view of the view", n)
		}
		if n := sent(once.WithRetry(botpress.Retry{})); n != 4 {
			t.Errorf("%d attempts with the default policy", n)
		}
		if n := sent(c); n != 4 {
			t.Errorf("the view changed the client: %d attempts", n)
		}
	})
}

func TestTimeoutIsNotRetried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &attempts{answer: func(_ int, r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		}}
		_, err := a.client(t, botpress.Retry{}).GetUser(t.Context(), "u")
		if !errors.Is(err, context.DeadlineExceeded) || len(a.at) != 1 {
			t.Errorf("%d attempts, error %v", len(a.at), err)
		}
		if took := time.Since(a.start); took != botpress.DefaultTimeout {
			t.Errorf("it took %v", took)
		}
	})
}

// Every attempt sends the whole body.
func TestBodyIsSentAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &attempts{answer: status(429)}
		_, _ = a.client(t, botpress.Retry{}).CreateEvent(t.Context(), botpress.CreateEventParams{Type: "x"})
		want := strings.Repeat(`{"type":"x","payload":{}}`+"\n", 4)
		if got := strings.Join(a.bodies, "\n") + "\n"; got != want {
			t.Errorf("bodies:\n%s", got)
		}
	})
}

func TestRetryStopsAtSuccess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &attempts{answer: func(attempt int, _ *http.Request) (*http.Response, error) {
			switch attempt {
			case 1:
				return answer(503, "down"), nil
			case 2:
				return nil, io.ErrUnexpectedEOF
			}
			return answer(200, `{"user": {"id": "u"}}`), nil
		}}
		u, err := a.client(t, botpress.Retry{}).GetUser(t.Context(), "u")
		if err != nil || u.ID != "u" || len(a.at) != 3 {
			t.Errorf("user %q, error %v, %d attempts", u.ID, err, len(a.at))
		}
	})
}

func TestRetryMax(t *testing.T) {
	for max, want := range map[int]int{-1: 1, 0: 4, 1: 2, 5: 6} {
		synctest.Test(t, func(t *testing.T) {
			a := &attempts{answer: status(429)}
			_, err := a.client(t, botpress.Retry{Max: max}).GetUser(t.Context(), "u")
			if !errors.Is(err, botpress.ErrRateLimited) || len(a.at) != want {
				t.Errorf("Max %d: %d attempts, error %v", max, len(a.at), err)
			}
		})
	}
}

// The backoff grows by a second each time, give or take a fifth. If the API asks
// for a wait, it is that long or a little longer. A time in the past is ignored,
// and "now" counts once.
func TestWaits(t *testing.T) {
	moment := time.Date(2000, 1, 1, 0, 0, 10, 0, time.UTC) // a bubble starts in 2000
	date, unix, millis := moment.Format(http.TimeFormat), fmt.Sprint(moment.Unix()), fmt.Sprint(moment.UnixMilli())
	seconds := func(n ...float64) []time.Duration {
		out := make([]time.Duration, len(n))
		for i := range n {
			out[i] = time.Duration(n[i] * float64(time.Second))
		}
		return out
	}
	for _, test := range []struct {
		name          string
		header        []string
		least, beyond []time.Duration
	}{
		{"silent", nil, seconds(0.8, 1.6, 2.4), seconds(1.2, 2.4, 3.6)},
		{"Retry-After", []string{"Retry-After", "5"}, seconds(5, 5, 5), seconds(6, 6, 6)},
		{"Retry-After now", []string{"Retry-After", "0"}, seconds(0, 1.6, 2.4), seconds(0, 2.4, 3.6)},
		{"RateLimit-Reset in this second", []string{"RateLimit-Reset", "0"}, seconds(0, 1.6, 2.4), seconds(0, 2.4, 3.6)},
		{"fraction", []string{"Retry-After", "0.5"}, seconds(0.5, 0.5, 0.5), seconds(0.6, 0.6, 0.6)},
		{"date", []string{"Retry-After", date}, seconds(10, 1.6, 2.4), seconds(12, 2.4, 3.6)},
		{"RateLimit-Reset", []string{"RateLimit-Reset", "3"}, seconds(3, 3, 3), seconds(3.6, 3.6, 3.6)},
		{"X-RateLimit-Reset", []string{"X-RateLimit-Reset", "3"}, seconds(3, 3, 3), seconds(3.6, 3.6, 3.6)},
		{"RateLimit-Reset as date", []string{"RateLimit-Reset", date}, seconds(10, 1.6, 2.4), seconds(12, 2.4, 3.6)},
		{"X-RateLimit-Reset in Unix seconds", []string{"X-RateLimit-Reset", unix}, seconds(10, 1.6, 2.4), seconds(12, 2.4, 3.6)},
		{"X-RateLimit-Reset in Unix milliseconds", []string{"X-RateLimit-Reset", millis}, seconds(10, 1.6, 2.4), seconds(12, 2.4, 3.6)},
		{"RateLimit-Reset in Unix seconds", []string{"RateLimit-Reset", unix}, seconds(10, 1.6, 2.4), seconds(12, 2.4, 3.6)},
		{"moment long ago", []string{"X-RateLimit-Reset", "900000000"}, seconds(0.8, 1.6, 2.4), seconds(1.2, 2.4, 3.6)},
		{"all", []string{"Retry-After", "2", "X-RateLimit-Reset", "8", "RateLimit-Reset", "9"}, seconds(2, 2, 2), seconds(2.4, 2.4, 2.4)},
		{"Retry-After and a quota that is fresh in 2026", []string{"Retry-After", "1", "X-RateLimit-Reset", "1790000000"}, seconds(1, 1, 1), seconds(1.2, 1.2, 1.2)},
		{"both resets", []string{"RateLimit-Reset", "2", "X-RateLimit-Reset", "8"}, seconds(2, 2, 2), seconds(2.4, 2.4, 2.4)},
		{"nonsense", []string{"Retry-After", "soon"}, seconds(0.8, 1.6, 2.4), seconds(1.2, 2.4, 3.6)},
		{"negative", []string{"Retry-After", "-5"}, seconds(0.8, 1.6, 2.4), seconds(1.2, 2.4, 3.6)},
		{"not a number", []string{"Retry-After", "NaN"}, seconds(0.8, 1.6, 2.4), seconds(1.2, 2.4, 3.6)},
		{"nonsense first", []string{"Retry-After", "soon", "RateLimit-Reset", "2"}, seconds(2, 2, 2), seconds(2.4, 2.4, 2.4)},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := &attempts{answer: status(429, test.header...)}
				_, _ = a.client(t, botpress.Retry{}).GetUser(t.Context(), "u")
				if len(a.at) != 4 {
					t.Fatalf("%d attempts", len(a.at))
				}
				for i := range 3 {
					if wait := a.at[i+1] - a.at[i]; wait < test.least[i] || wait > test.beyond[i] {
						t.Errorf("wait %d: %v, want %v to %v", i+1, wait, test.least[i], test.beyond[i])
					}
				}
			})
		})
	}
}

// The quota's headers come with every response. Only a 429 is about the quota:
// after other failures the call is repeated as if they were not there.
func TestResetIsOnlyForRateLimits(t *testing.T) {
	for _, header := range []string{"RateLimit-Reset", "X-RateLimit-Reset"} {
		for _, code := range []int{500, 502, 503, 504} {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
				defer cancel()
				a := &attempts{answer: status(code, header, "61")}
				_, err := a.client(t, botpress.Retry{}).GetUser(ctx, "u")
				var e *botpress.Error
				if !errors.As(err, &e) || e.RetryAfter != 0 {
					t.Errorf("%d: error %#v", code, err)
				}
				if took := time.Since(a.start); len(a.at) != 4 || took < 4800*time.Millisecond || took > 7200*time.Millisecond {
					t.Errorf("%d with %s: %d attempts in %v", code, header, len(a.at), took)
				}
			})
		}
	}
	synctest.Test(t, func(t *testing.T) {
		a := &attempts{answer: status(503, "Retry-After", "5", "RateLimit-Reset", "61")}
		_, _ = a.client(t, botpress.Retry{Max: 1}).GetUser(t.Context(), "u")
		if len(a.at) != 2 || a.at[1] < 5*time.Second || a.at[1] > 6*time.Second {
			t.Errorf("503 with Retry-After: attempts at %v", a.at)
		}
	})
}

func TestJitter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seen := map[time.Duration]bool{}
		for range 20 {
			a := &attempts{answer: status(429)}
			_, _ = a.client(t, botpress.Retry{Max: 1}).GetUser(t.Context(), "u")
			seen[a.at[1]] = true
		}
		if len(seen) < 10 {
			t.Errorf("20 waits have only %d lengths", len(seen))
		}
	})
}

// A wait that is too long, or would pass the context's deadline, is not begun.
func TestNoHopelessWait(t *testing.T) {
	for _, test := range []struct {
		name     string
		after    string
		deadline time.Duration
		attempts int
	}{
		{"two minutes, which is too long", "120", 0, 1},
		{"a year", "31536000", 0, 1},
		{"a million years", "3e13", 0, 1},
		{"the year 2026", "1790000000", 0, 1},
		{"beyond all numbers", "Inf", 0, 1},
		{"beyond the deadline", "5", 5 * time.Second, 1},
		{"the second beyond the deadline", "5", 8 * time.Second, 2},
		{"silent, beyond the deadline", "", 500 * time.Millisecond, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx := t.Context()
				if test.deadline != 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, test.deadline)
					defer cancel()
				}
				a := &attempts{answer: status(429, "Retry-After", test.after)}
				_, err := a.client(t, botpress.Retry{}).GetUser(ctx, "u")
				if !errors.Is(err, botpress.ErrRateLimited) || len(a.at) != test.attempts {
					t.Errorf("%d attempts, error %v", len(a.at), err)
				}
				if last := a.at[len(a.at)-1]; time.Since(a.start) != last {
					t.Errorf("it failed %v after its last attempt", time.Since(a.start)-last)
				}
			})
		})
	}
}

func TestCancelWhileWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &attempts{answer: status(429, "Retry-After", "30")}
		c := a.client(t, botpress.Retry{})
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(3*time.Second, cancel)
		_, err := c.GetUser(ctx, "u")
		if !errors.Is(err, context.Canceled) || !errors.Is(err, botpress.ErrRateLimited) {
			t.Errorf("the error should tell both what failed and that it was canceled: %v", err)
		}
		if took := time.Since(a.start); took != 3*time.Second {
			t.Errorf("it took %v", took)
		}
	})
}

func TestRetryAfterIsInTheError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &attempts{answer: status(429, "Retry-After", "300")}
		_, err := a.client(t, botpress.Retry{}).GetUser(t.Context(), "u")
		var e *botpress.Error
		if !errors.As(err, &e) || e.RetryAfter != 5*time.Minute {
			t.Errorf("error %#v", err)
		}
	})
}

// The same over real sockets; no connection is left behind.
func TestBrokenConnections(t *testing.T) {
	var mu sync.Mutex
	requests := map[string]int{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		requests[r.Method]++
		mu.Unlock()
		w.Header().Set("Content-Length", "100")
		fmt.Fprint(w, `{"user":`)
		panic(http.ErrAbortHandler)
	}))
	t.Cleanup(server.Close)
	c, err := botpress.New(botpress.Options{BaseURL: server.URL, Token: "t", Retry: botpress.Retry{Wait: time.Millisecond}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.CloseIdleConnections)
	_, getErr := c.GetUser(t.Context(), "u")
	_, postErr := c.CreateUser(t.Context(), botpress.CreateUserParams{})
	if getErr == nil || postErr == nil {
		t.Errorf("errors: %v, %v", getErr, postErr)
	}
	server.Close() // waits for the handlers
	if diff := cmp.Diff(map[string]int{"GET": 4, "POST": 1}, requests); diff != "" {
		t.Error(diff)
	}
}

// Of whose body nothing was sent, nothing was done: every call is retried.
func TestNothingWasSent(t *testing.T) {
	listen := func(t *testing.T, then func(net.Conn)) string {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		var open sync.WaitGroup
		open.Go(func() {
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				then(conn)
			}
		})
		t.Cleanup(func() {
			if err := l.Close(); err != nil {
				t.Error(err)
			}
			open.Wait()
		})
		return l.Addr().String()
	}
	hangUp := func(conn net.Conn) { conn.Close() }
	refusing := &url.URL{Scheme: "http", Host: "127.0.0.1:1"}
	for name, tt := range map[string]struct {
		base func(t *testing.T) string
		via  *http.Transport
	}{
		"the proxy cannot be reached": {
			func(*testing.T) string { return "https://api.example.com" }, &http.Transport{Proxy: http.ProxyURL(refusing)},
		},
		"the handshake breaks off": {
			func(t *testing.T) string { return "https://" + listen(t, hangUp) }, &http.Transport{},
		},
		"the handshake is too slow": {
			func(t *testing.T) string {
				return "https://" + listen(t, func(conn net.Conn) { t.Cleanup(func() { conn.Close() }) })
			}, &http.Transport{TLSHandshakeTimeout: 20 * time.Millisecond},
		},
	} {
		t.Run(name, func(t *testing.T) {
			attempts := 0
			c, err := botpress.New(botpress.Options{
				BaseURL: tt.base(t), Token: "bp_pat_0123456789", HTTPClient: &http.Client{Transport: tt.via}, Retry: botpress.Retry{Wait: time.Millisecond},
				OnCall: func(_ context.Context, call botpress.Call) { attempts = call.Attempts },
			})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(c.CloseIdleConnections)
			if _, err := c.CreateUser(t.Context(), botpress.CreateUserParams{}); err == nil || attempts != 4 {
				t.Errorf("CreateUser: %v, after %d attempts, want 4", err, attempts)
			}
			if _, err := c.GetUser(t.Context(), "u"); err == nil || attempts != 4 {
				t.Errorf("GetUser: %v, after %d attempts, want 4", err, attempts)
			}
		})
	}
}

// A DELETE that may have been done before takes it that nothing is there for
// success, and another one does not.
func TestDeleteThatWasDone(t *testing.T) {
	lost, refused := errors.New("connection reset"), &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	missing := `{"id":"err_1","code":404,"type":"ResourceNotFound","message":"no such user"}`
	for name, tt := range map[string]struct {
		first  func() (*http.Response, error)
		unread bool
		want   error
	}{
		"a lost answer":     {first: func() (*http.Response, error) { return nil, lost }},
		"a failure":         {first: func() (*http.Response, error) { return answer(500, "{}"), nil }},
		"a rate limit":      {first: func() (*http.Response, error) { return answer(429, "{}"), nil }, want: botpress.ErrNotFound},
		"no connection":     {first: func() (*http.Response, error) { return nil, refused }, unread: true, want: botpress.ErrNotFound},
		"nothing before it": {first: func() (*http.Response, error) { return answer(404, missing), nil }, want: botpress.ErrNotFound},
	} {
		t.Run(name, func(t *testing.T) {
			calls := 0
			via := roundTrip(func(r *http.Request) (*http.Response, error) {
				if calls++; calls > 1 {
					return answer(404, missing), nil
				}
				if !tt.unread {
					if _, err := io.ReadAll(r.Body); err != nil {
						return nil, err
					}
				}
				return tt.first()
			})
			c, err := botpress.New(botpress.Options{Token: "bp_pat_0123456789", HTTPClient: &http.Client{Transport: via}, Retry: botpress.Retry{Wait: time.Millisecond}})
			if err != nil {
				t.Fatal(err)
			}
			if err := c.DeleteUser(t.Context(), "u"); !errors.Is(err, tt.want) {
				t.Errorf("DeleteUser: %v, want %v", err, tt.want)
			}
		})
	}
}

// A file whose content cannot go anywhere is not tried to be sent.
func TestUploadWithoutAddress(t *testing.T) {
	calls := 0
	via := roundTrip(func(*http.Request) (*http.Response, error) {
		calls++
		return answer(200, `{"file":{"id":"f","contentType":"text/plain"}}`), nil
	})
	c, err := botpress.New(botpress.Options{Token: "bp_pat_0123456789", HTTPClient: &http.Client{Transport: via}})
	if err != nil {
		t.Fatal(err)
	}
	f, err := c.UploadFile(t.Context(), botpress.UpsertFileParams{Key: "k"}, []byte("x"))
	if err == nil || !strings.Contains(err.Error(), "no address") || f.ID != "f" || calls != 1 {
		t.Errorf("file %q, error %v, after %d calls", f.ID, err, calls)
	}
}

// However a transport reads a body, a call that is not idempotent is not sent
// again after that.
func TestWhatWasSentIsNotSentAgain(t *testing.T) {
	for name, send := range map[string]func(*http.Request) error{
		"read":   func(r *http.Request) error { _, err := io.ReadAll(r.Body); return err },
		"copied": func(r *http.Request) error { _, err := io.Copy(io.Discard, r.Body); return err },
		"read on a second connection": func(r *http.Request) error {
			body, err := r.GetBody()
			if err != nil {
				return err
			}
			_, err = io.ReadAll(body)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			calls := 0
			via := roundTrip(func(r *http.Request) (*http.Response, error) {
				if calls++; send(r) != nil {
					t.Error("the body cannot be read")
				}
				return nil, io.ErrUnexpectedEOF
			})
			c, err := botpress.New(botpress.Options{Token: "bp_pat_0123456789", HTTPClient: &http.Client{Transport: via}, Retry: botpress.Retry{Wait: time.Millisecond}})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := c.CreateUser(t.Context(), botpress.CreateUserParams{}); err == nil || calls != 1 {
				t.Errorf("error %v after %d calls, want one", err, calls)
			}
		})
	}
}
