package slacktest_test

import (
	"testing"
	"time"

	"github.com/hitl-go/sdk/examples/slack/slacktest"
)

func TestSocket(t *testing.T) {
	inBubble(t, slacktest.Options{}, func(w *world) {
		l := w.listen()
		defer l.stop()
		rosa := w.NewMember("Rosa Diaz")
		root := w.root()
		w.must(w.Reply(root, rosa, "Hello <you> & *all*"))
		w.Wait()
		w.want("heard", l.texts(), []string{":A new case", ":Hello &lt;you&gt; &amp; *all*"})
		if m := l.message(1); m.ThreadTimeStamp != root || m.User != rosa.ID || m.ClientMsgID == "" {
			t.Errorf("the reply came as %+v", m)
		}
		after(5 * time.Minute) // Pings keep the connection open.
		if n := w.Connections(); n != 1 || len(l.envelopes()) != 2 {
			t.Errorf("%d connections, %d envelopes; want 1, 2", n, len(l.envelopes()))
		}
	})
}

func TestSocketRetries(t *testing.T) {
	inBubble(t, slacktest.Options{}, func(w *world) {
		l := w.listen()
		defer l.stop()
		l.setDeaf(true)
		rosa := w.NewMember("Rosa Diaz")
		start := time.Now()
		w.must(w.Post(rosa, "Hello"))
		w.Wait()
		if took := time.Since(start); took != 12*time.Second+time.Second+6*time.Minute {
			t.Errorf("it took %s", took)
		}
		all := l.envelopes()
		if len(all) != 4 {
			t.Fatalf("%d attempts, want 4", len(all))
		}
		for i, r := range all {
			if r.RetryAttempt != i || (r.RetryReason == "timeout") != (i > 0) {
				t.Errorf("attempt %d: retry_attempt %d, retry_reason %q", i, r.RetryAttempt, r.RetryReason)
			}
		}
	})
}
