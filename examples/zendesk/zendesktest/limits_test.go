package zendesktest_test

import (
	"fmt"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/hitl-go/sdk/examples/zendesk/zendesktest"
)

const comment = `{'ticket': {'comment': {'body': 'x'}}}`

// until repeats a request until it is refused, and returns how often it was not and what the refusal says.
func (c *client) until(method string, path func(i int) string, body func(i int) string) (int, http.Header, map[string]any) {
	c.Helper()
	for i := range 2000 {
		status, header, answer := c.headers(method, c.desk.URL+"/api/v2/"+path(i), body(i))
		if status == http.StatusTooManyRequests {
			return i, header, answer
		}
		if status >= 300 {
			c.Fatal(status, answer)
		}
	}
	c.Fatal("no limit")
	return 0, nil, nil
}

func TestLimits(t *testing.T) {
	always := func(s string) func(int) string { return func(int) string { return s } }
	for name, test := range map[string]struct {
		method     string
		path, body func(int) string
		want       int
		wait       int // Seconds.
	}{
		"plan":           {"GET", always("users/me"), always(""), 700 - 5, 60}, // Five are the tickets.
		"ticket":         {"PUT", always("tickets/1"), always(comment), 30, 600},
		"all tickets":    {"PUT", func(i int) string { return fmt.Sprint("tickets/", 1+i%5) }, always(comment), 100, 60},
		"one user":       {"POST", always("users/create_or_update"), always(`{'user': {'name': 'x', 'external_id': 'u1'}}`), 5, 60},
		"an update":      {"PUT", always("users/360000101"), always(`{'user': {'name': 'x'}}`), 5, 60},
		"several users":  {"POST", always("users/create_or_update"), func(i int) string { return fmt.Sprintf(`{'user': {'name': 'x', 'external_id': 'u%d'}}`, i) }, 695, 60},
		"what is no PUT": {"GET", always("tickets/1"), always(""), 695, 60},
	} {
		bubble(t, func(c *client) {
			for range 5 {
				c.call("POST", "tickets", `{'ticket': {'description': 'x'}}`)
			}
			got, header, answer := c.until(test.method, test.path, test.body)
			if got != test.want || header.Get("Retry-After") != strconv.Itoa(test.wait) || answer["error"] != "APIRateLimitExceeded" {
				c.Errorf("%s: %d were taken, then %v %v", name, got, header, answer)
			}
			time.Sleep(time.Duration(test.wait)*time.Second - time.Nanosecond)
			if status, _ := c.call(test.method, test.path(0), test.body(0)); status != 429 {
				c.Errorf("%s: %d before the time is over", name, status)
			}
			time.Sleep(time.Nanosecond)
			if status, answer := c.call(test.method, test.path(0), test.body(0)); status >= 300 {
				c.Errorf("%s: %d %v after the time is over", name, status, answer)
			}
		})
	}
}

func TestLimitHeaders(t *testing.T) {
	bubble(t, func(c *client) {
		c.desk.Limits.Requests = 2
		for i, want := range []struct{ status, left, reset string }{{"200", "1", "60"}, {"200", "0", "45"}, {"429", "0", "30"}} {
			status, h, _ := c.headers("GET", c.desk.URL+"/api/v2/users/me", "")
			got := struct{ status, left, reset string }{strconv.Itoa(status), h.Get("X-Rate-Limit-Remaining"), h.Get("Ratelimit-Reset")}
			if got != want || h.Get("Ratelimit-Remaining") != want.left || h.Get("X-Rate-Limit") != "2" || h.Get("Ratelimit-Limit") != "2" {
				c.Errorf("request %d: %+v, want %+v in %v", i, got, want, h)
			}
			time.Sleep(15 * time.Second)
		}
		c.desk.Limits = zendesktest.Limits{}
		if status, h, _ := c.headers("GET", c.desk.URL+"/api/v2/users/me", ""); status != 200 || h.Get("X-Rate-Limit") != "" {
			c.Errorf("without limits: %d %v", status, h)
		}
	})
}
