package hitl_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/botpress/botpresstest"
	"github.com/hitl-go/sdk/hitl"
	"github.com/hitl-go/sdk/internal/acme"
	"github.com/hitl-go/sdk/message"
)

// Tests of who waits for whom: a slow or broken session must not take the time of others.

// The bot's last words are on their way to the desk at one replica when the end reaches the other. The desk would reopen for them.
func TestLastWordsInFlightAtAnotherReplica(t *testing.T) {
	for _, slow := range []time.Duration{20 * time.Millisecond, 3 * time.Second} {
		t.Run(slow.String(), func(t *testing.T) {
			inBubble(t, setting{replicas: 2}, func(t *testing.T, w *world, jane *botpresstest.EndUser) {
				w.desk.Reopens = true
				w.escalate(jane, "Help")
				w.sayMany(jane, 0, 3)
				w.desk.Before = func(_ context.Context, method string) error {
					if method == "SendMessage" {
						<-time.After(slow)
					}
					return nil
				}
				_ = jane.End(t.Context())
				w.pass(time.Hour)
				if got := w.desk.Tickets()[0].Status; got != "closed" {
					t.Errorf("an hour after the end, the ticket is %s", got)
				}
			})
		})
	}
}

// A sweep delivers for longer than its lease lasts, and another replica takes the lease over.
func TestSweepDoesNotOutliveItsLeases(t *testing.T) {
	inBubble(t, setting{replicas: 2, sendOnce: true, cloud: once}, func(t *testing.T, w *world, jane *botpresstest.EndUser) {
		w.desk.Forgetful = true
		w.escalate(jane, "Help")
		lift := w.cloud.Fault(botpresstest.Fault{Operation: "message_created", Kind: botpresstest.DropBefore}) // no process gets these
		want := w.sayMany(jane, 0, 20)
		lift()
		var began atomic.Bool
		w.desk.Before = func(_ context.Context, method string) error {
			if method == "SendMessage" {
				began.Store(true)
				<-time.After(12 * time.Second)
			}
			return nil
		}
		for !began.Load() { // until the sweep is at it
			<-time.After(time.Second)
		}
		<-time.After(130 * time.Second) // the lease, and as much as clocks may differ
		want = append(want, w.sayMany(jane, 20, 24)...)
		<-time.After(30 * time.Minute)
		w.wantLog("T-1", want)
	})
}

// openSessionsAPI lists open sessions, 20 on a page, and nothing else.
type openSessionsAPI struct {
	botpressAPI

	sessions int
}

func (a openSessionsAPI) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	w := httptest.NewRecorder()
	switch q := r.URL.Query(); {
	case r.Method == http.MethodGet && r.URL.Path == "/v1/chat/conversations":
		list, meta := []string{}, "{}"
		if q.Get("tags.phase") == "open" {
			from, _ := strconv.Atoi(q.Get("nextToken"))
			to := min(from+20, a.sessions)
			for n := from; n < to; n++ {
				list = append(list, fmt.Sprintf(`{"id":"conv_%d","channel":"hitl","createdAt":"2026-01-01T00:00:00.000Z","updatedAt":"2026-01-01T00:00:00.000Z",`+
					`"tags":{"id":"T-%d","phase":"open","startedAt":"1999-01-01T00:00:00.000Z"}}`, n, n))
			}
			if to < a.sessions {
				meta = fmt.Sprintf(`{"nextToken":"%d"}`, to)
			}
		}
		fmt.Fprintf(w, `{"conversations":[%s],"meta":%s}`, strings.Join(list, ","), meta)
	case r.Method == http.MethodGet && r.URL.Path == "/v1/chat/messages":
		_, _ = io.WriteString(w, `{"messages":[],"meta":{}}`)
	default:
		return a.botpressAPI.RoundTrip(r)
	}
	return w.Result(), nil
}

// Sessions for which the desk does not answer, and a desk that is slow, do not keep others from being read back.
func TestSweepReachesAllSessions(t *testing.T) {
	for name, test := range map[string]struct {
		sessions int
		takes    func(conversationID string) time.Duration
	}{
		"four never end": {10, func(id string) time.Duration {
			if id < "conv_4" {
				return time.Hour
			}
			return time.Second
		}},
		"all are slow": {800, func(string) time.Duration { return 3 * time.Second }},
	} {
		t.Run(name, func(t *testing.T) {
			var mu sync.Mutex
			read := map[string]int{}
			desk := readableDesk{&fullDesk{}}
			desk.backfill = func(ctx context.Context, r hitl.BackfillRequest) ([]hitl.Event, error) {
				select {
				case <-time.After(test.takes(r.ConversationID)):
				case <-ctx.Done():
				}
				mu.Lock()
				defer mu.Unlock()
				if ctx.Err() == nil {
					read[r.ConversationID]++
				}
				return nil, ctx.Err()
			}
			synctest.Test(t, func(t *testing.T) {
				api := openSessionsAPI{sessions: test.sessions}
				s := serve(t, desk, hitl.Options{Botpress: botpress.Options{HTTPClient: &http.Client{Transport: api}}})
				ask(s, request(webhook))
				<-time.After(24 * time.Hour)
				ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
				defer cancel()
				_ = s.Shutdown(ctx)
			})
			for n := range test.sessions {
				if id := fmt.Sprint("conv_", n); test.takes(id) < time.Minute && read[id] == 0 {
					t.Errorf("in a day, session %s was never read back; %d were", id, len(read))
					break
				}
			}
		})
	}
}

// The first attempt of startHitl has opened the ticket, and failed. Reports of the ticket wait for the session, and not with the
// lock that the second attempt needs.
func TestReportsLetTheSessionStart(t *testing.T) {
	inBubble(t, setting{cloud: botpresstest.Options{Attempts: 2}}, func(t *testing.T, w *world, jane *botpresstest.EndUser) {
		w.desk.Before = func(_ context.Context, method string) error {
			if method == "StartHitl" {
				<-time.After(time.Second)
			}
			return nil
		}
		var attempts atomic.Int64
		var reports sync.WaitGroup
		w.desk.After = func(_ context.Context, method string) error {
			if method != "StartHitl" || attempts.Add(1) > 1 {
				return nil
			}
			for i := range 4 {
				reports.Go(func() {
					<-time.After(50 * time.Millisecond)
					for range 20 {
						status, _ := w.webhook(context.Background(), report{Type: "comment", TicketID: "T-1", Agent: alice, CommentID: fmt.Sprint("R-", i), Text: "hello"})
						if status == http.StatusOK {
							return
						}
						<-time.After(5 * time.Second)
					}
				})
			}
			return errDown // its answer is lost
		}
		start := time.Now()
		err := jane.Escalate(t.Context(), botpresstest.Escalation{Title: "Help"})
		if took := time.Since(start); err != nil || took > 10*time.Second {
			t.Errorf("after %v: %v", took, err)
		}
		reports.Wait()
	})
}

// An attempt fails before it comes to the desk: for now, or because the desk does not know who speaks. It is not waited for.
func TestFailureBeforeTheDeskIsAsked(t *testing.T) {
	const soon = 30 * time.Second
	arrival := func(w *world, began time.Time) time.Duration {
		for len(w.log("T-1")) < 2 && time.Since(began) < time.Hour {
			<-time.After(time.Second)
		}
		return time.Since(began)
	}
	t.Run("for now", func(t *testing.T) {
		inBubble(t, setting{cloud: once}, func(t *testing.T, w *world, jane *botpresstest.EndUser) {
			w.escalate(jane, "Help")
			w.sayMany(jane, 0, 1)
			lift := w.cloud.Fault(botpresstest.Fault{Operation: "listMessages", Kind: botpresstest.Unavailable})
			began := time.Now()
			w.sayMany(jane, 1, 2)
			<-time.After(time.Until(began.Add(4 * time.Second)))
			lift()
			if took := arrival(w, began); took > soon {
				t.Errorf("the message arrives after %v", took)
			}
		})
	})
	t.Run("for good", func(t *testing.T) {
		inBubble(t, setting{cloud: once}, func(t *testing.T, w *world, jane *botpresstest.EndUser) {
			w.escalate(jane, "Help")
			w.sayMany(jane, 0, 1)
			client, err := botpress.New(botpress.Options{BaseURL: "http://botpress.test", Token: w.cloud.Token, HTTPClient: w.client})
			if err != nil {
				t.Fatal(err)
			}
			bot := client.With(botpress.Scope{BotID: w.cloud.BotID})
			stranger, err := bot.CreateUser(t.Context(), botpress.CreateUserParams{Name: "Joe"})
			if err == nil {
				_, err = bot.CreateMessage(t.Context(), botpress.CreateMessageParams{
					ConversationID: jane.DownstreamID(), UserID: w.cloud.BotID, Type: "text", Tags: botpress.Tags{},
					Payload: json.RawMessage(`{"text":"I am Joe","userId":"` + stranger.ID + `"}`),
				})
			}
			if err != nil {
				t.Fatal(err)
			}
			w.settle()
			began := time.Now()
			w.sayMany(jane, 1, 2)
			if took := arrival(w, began); took > soon {
				t.Errorf("the next message arrives after %v", took)
			}
		})
	})
}

// One session whose replies take long to load leaves places to the webhooks of others.
func TestSessionLeavesPlacesToOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		desk := &fakeDesk{handleWebhook: func(_ context.Context, r *http.Request) (hitl.Webhook, error) {
			body, _ := io.ReadAll(r.Body)
			conv, text, _ := strings.Cut(string(body), " ")
			e := hitl.Replied{SessionID: "T-1", ConversationID: conv, Author: hitl.Agent{ID: "1"}, ID: string(body), Message: message.Text{Text: text}}
			if conv == "conv_1" {
				e.Load = func(context.Context) (message.Message, error) {
					<-time.After(40 * time.Second) // a file on a slow server
					return message.Text{Text: text}, nil
				}
			}
			return hitl.Webhook{Events: []hitl.Event{e}}, nil
		}}
		server := desk.server(t, hitl.Options{SweepEvery: -1, Botpress: botpress.Options{HTTPClient: &http.Client{Transport: sessions{botpressAPI{}}}}})
		hook := func(body string) *http.Request {
			b, _ := json.Marshal(map[string]any{"req": map[string]any{"method": "POST", "path": "/", "query": "", "headers": map[string]string{}, "body": body}})
			return request([2]string{"webhook_received", string(b)})
		}
		var others sync.WaitGroup
		for i := range 32 {
			others.Go(func() { ask(server, hook(fmt.Sprint("conv_1 ", i))) })
		}
		synctest.Wait()
		if a := ask(server, hook("conv_2 hello")); a.status != http.StatusOK {
			t.Errorf("a reply in another session is answered %d %s", a.status, a.body)
		}
		others.Wait()
	})
}

// The desk repeats the webhook of a reply after the end, and it reaches another replica. The end user has got the reply.
func TestRepeatedReplyIsNotLate(t *testing.T) {
	var desk *acme.Desk
	shared := func(opts *hitl.Options) (*hitl.Server, error) {
		if desk == nil {
			desk = &acme.Desk{TakesNotes: true}
		}
		return acme.NewServer(acme.Definition(true), desk, opts)
	}
	inBubble(t, setting{replicas: 2, make: shared}, func(t *testing.T, w *world, jane *botpresstest.EndUser) {
		w.desk = desk
		w.escalate(jane, "Help")
		bye, late := comment("C-100", "Solved, bye"), comment("C-101", "One more thing")
		w.report(bye) // and its answer is lost
		w.report(report{Type: "closed", TicketID: "T-1"})
		<-time.After(10 * time.Second)
		for range 3 {
			w.report(bye)
		}
		wantAgents(t, jane, "Alice Agent: Solved, bye")
		if notes := desk.Tickets()[0].Notes; len(notes) > 0 {
			t.Errorf("the end user has got the reply, and the agent reads %q", notes[0].Text)
		}
		w.report(late)
		if notes := desk.Tickets()[0].Notes; len(notes) != 1 {
			t.Errorf("a reply came after the end, and the agent reads %v", notes)
		}
	})
}

// recordingDesk is read back. It names sessions by its own ids only.
type recordingDesk struct{ readableDesk }

func (recordingDesk) StartHitl(context.Context, hitl.StartHitlRequest[struct{}]) (hitl.Ref, error) {
	return hitl.Ref{ID: "T-1"}, nil
}

// Of a desk that is read back, each change of the agent is announced once: also one that the record does not have yet, and those
// that have no IDs.
func TestAssignmentsThatAreReadBack(t *testing.T) {
	ann, bob := hitl.Agent{ID: "ann", Name: "Ann"}, hitl.Agent{ID: "bob", Name: "Bob"}
	for name, test := range map[string]struct {
		ids, reported bool
		want          int
	}{
		"reported before they are on record": {true, true, 3},
		"the same without IDs":               {false, true, 3},
		"read again and again":               {true, false, 3},
		"the same, without IDs":              {false, false, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var record, hook []hitl.Event
				desk := recordingDesk{readableDesk{&fullDesk{}}}
				desk.backfill = func(context.Context, hitl.BackfillRequest) ([]hitl.Event, error) { return slices.Clone(record), nil }
				desk.handleWebhook = func(context.Context, *http.Request) (hitl.Webhook, error) { return hitl.Webhook{Events: hook}, nil }
				w := newWorld(t, setting{make: func(opts *hitl.Options) (*hitl.Server, error) {
					connect := func(context.Context, hitl.Installation, acme.Config) (recordingDesk, error) { return desk, nil }
					return hitl.NewServer(acme.Definition(true), connect, opts)
				}})
				jane := w.in.NewEndUser(botpresstest.Profile{Name: "Jane", Email: "jane@example.com"})
				w.escalate(jane, "Help")
				w.sayMany(jane, 0, 1)
				for i, agent := range []hitl.Agent{ann, bob, ann} {
					e := hitl.Assigned{SessionID: "T-1", Agent: agent}
					if test.ids {
						e.ID = fmt.Sprint(i)
					}
					if test.reported {
						hook = []hitl.Event{e}
						w.report(map[string]string{"n": fmt.Sprint(i)})
						<-time.After(10 * time.Second)
					}
					record = append(record, e)
				}
				hook = []hitl.Event{hitl.Changed{SessionID: "T-1"}}
				for i := 0; i < 4 && !test.reported; i++ {
					w.report(map[string]string{"n": fmt.Sprint("again ", i)})
					<-time.After(10 * time.Second)
				}
				got := 0
				for _, c := range w.cloud.Calls() {
					if c.Operation == "createEvent" && strings.Contains(string(c.Request), "gentAssigned") {
						got++
					}
				}
				if got != test.want {
					t.Errorf("%d announcements, want %d", got, test.want)
				}
			})
		})
	}
}
