package docs

import (
	"context"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/hitl-go/sdk/hitl"
	"github.com/hitl-go/sdk/hitl/bplog"
	"github.com/hitl-go/sdk/hitl/hitltest"
)

// counters are a stand-in for a library of metrics.
type counters struct {
	mu sync.Mutex
	of map[string]int
}

func (c *counters) add(labels ...string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.of == nil {
		c.of = map[string]int{}
	}
	c.of[strings.Join(labels, " ")]++
}

func TestCounted(t *testing.T) {
	operations := &counters{}
	var opts hitl.Options
	opts.OnOperation = func(_ context.Context, o hitl.Operation) {
		operations.add(o.Name, o.Action, o.Outcome())
	}
	connect := func(context.Context, hitl.Installation, struct{}) (silent, error) { return silent{}, nil }
	bot := hitltest.NewBot(t, hitl.Definition{Name: "counted", Version: "1.0.0"}, connect, struct{}{}, hitltest.BotOptions{Server: opts})
	jane := bot.EndUser("Jane")
	jane.Escalate("Help")
	jane.Say("Hello?")
	operations.mu.Lock()
	defer operations.mu.Unlock()
	for _, want := range []string{"action_triggered createUser done", "action_triggered startHitl done", "message_created  done", "register  done"} {
		if operations.of[want] == 0 {
			t.Errorf("there is no %q among %v", want, slices.Sorted(maps.Keys(operations.of)))
		}
	}
}

func newLogger(w io.Writer) *slog.Logger {
	return slog.New(bplog.NewHandler(w, slog.LevelDebug))
}

func closed(in hitl.Installation) {
	in.Logger.Warn("The desk is closed until Monday", bplog.ForBotOwner())
}

func TestForBotOwner(t *testing.T) {
	var out strings.Builder
	closed(hitl.Installation{Logger: newLogger(&out)})
	if got := out.String(); !strings.Contains(got, `"msg":"The desk is closed until Monday"`) || !strings.Contains(got, `"visible_to_bot_owner":true`) {
		t.Errorf("the line is %s", got)
	}
}
