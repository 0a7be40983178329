package botpresstest_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/botpress/botpresstest"
)

const day = 24 * time.Hour

// TestRegisterSchedule: register is called on the schedule that was set last, also after a failure, until the integration is
// uninstalled.
func TestRegisterSchedule(t *testing.T) {
	inBubble(t, botpresstest.Options{}, func(t *testing.T, a *acme, in *botpresstest.Installation) {
		t.Helper()
		c := newAPI(t, a, in)
		configure := func(schedule string) int {
			status, _ := c.do(`POST integrations/configure {"scheduleRegisterCall":"` + schedule + `"}`)
			return status
		}
		calls := a.server.Count("register")
		after := func(d time.Duration, want int) {
			t.Helper()
			<-time.After(d)
			synctest.Wait()
			if got := a.server.Count("register") - calls; got != want {
				t.Errorf("after %s register was called %d times, want %d", d, got, want)
			}
			calls = a.server.Count("register")
		}
		is := func(want string) {
			t.Helper()
			if got := in.RegisterSchedule(); got != want {
				t.Errorf("the schedule is %q, want %q", got, want)
			}
		}
		is("")
		after(400*day, 0)

		if status := configure("hourly"); status != 200 {
			t.Fatalf("configureIntegration: %d", status)
		}
		is("hourly")
		start := time.Now()
		settle(t, a.server)
		if took := time.Since(start); took > 0 {
			t.Errorf("Settle has waited for %s", took)
		}
		after(time.Hour-1, 0)
		after(1, 1)
		after(59*time.Minute, 0)
		configure("hourly") // The same again postpones nothing.
		if status := configure("sometimes"); status != 400 {
			t.Errorf("an unknown schedule: %d", status)
		}
		is("hourly")
		after(time.Minute, 1)

		a.answer(func(operation) (int, string) { return 500, "down" })
		after(time.Hour, 1) // It is not retried.
		after(time.Hour, 1)
		a.answer(nil)

		after(time.Minute, 0)
		configure("daily")
		after(day-1, 0)
		after(1, 1)

		hang := make(chan struct{})
		defer close(hang)
		a.answer(func(operation) (int, string) { <-hang; return 0, "" })
		<-time.After(day)
		synctest.Wait()
		settle(t, a.server) // It does not wait for the call.
		a.answer(nil)
		after(time.Minute, 1)

		if err := in.Uninstall(t.Context()); err != nil {
			t.Fatal(err)
		}
		is("")
		after(2*day, 0)
	})
}

func TestRegisterSchedules(t *testing.T) {
	opts := botpresstest.Options{Middleware: checked(t), SchedulerJitter: time.Second}
	for schedule, every := range map[botpress.RegisterSchedule]time.Duration{
		botpress.Hourly: time.Hour, botpress.Daily: day, botpress.Weekly: 7 * day, botpress.BiWeekly: 14 * day,
		botpress.Monthly: 30 * day, botpress.BiMonthly: 60 * day, botpress.Quarterly: 91 * day, botpress.Yearly: 365 * day,
	} {
		inBubble(t, opts, func(t *testing.T, a *acme, in *botpresstest.Installation) {
			t.Helper()
			newAPI(t, a, in).do(fmt.Sprintf(`POST integrations/configure {"identifier":null,"scheduleRegisterCall":%q}`, schedule))
			before := a.server.Count("register")
			<-time.After(every - 1)
			synctest.Wait()
			if got := a.server.Count("register"); got != before {
				t.Errorf("%s is too early", schedule)
			}
			<-time.After(time.Second + 1)
			synctest.Wait()
			if got := a.server.Count("register"); got != before+1 {
				t.Errorf("%s, and a second of jitter: %d calls, want 1", schedule, got-before)
			}
			a.server.Close()
			<-time.After(3 * every)
			if got := a.server.Count("register"); got != before+1 || in.RegisterSchedule() != "" {
				t.Errorf("%s, after Close: %d calls, schedule %q", schedule, got-before, in.RegisterSchedule())
			}
		})
	}
}

// TestRegisterScheduleOfARefusal: an installation that failed is not registered again.
func TestRegisterScheduleOfARefusal(t *testing.T) {
	inBubble(t, botpresstest.Options{}, func(t *testing.T, a *acme, in *botpresstest.Installation) {
		t.Helper()
		a.reply = func(op operation) (int, string) {
			send(t.Context(), a.server, a.client, op.header, "POST", "/v1/chat/integrations/configure", `{"scheduleRegisterCall":"hourly"}`)
			return 400, `{"type":"Runtime","message":"no"}`
		}
		if _, err := a.server.Install(t.Context(), botpresstest.Integration{Name: "other", URL: in.URL}); err == nil {
			t.Fatal("it is installed")
		}
		before := a.server.Count("register")
		<-time.After(day)
		synctest.Wait()
		if got := a.server.Count("register"); got != before || a.server.Count("configureIntegration") != 1 {
			t.Errorf("register was called %d times more", got-before)
		}
	})
}
