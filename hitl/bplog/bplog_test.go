package bplog_test

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/hitl/bplog"
)

func TestLogHandler(t *testing.T) {
	var out bytes.Buffer
	log := slog.New(bplog.NewHandler(&out, nil))
	ctx := botpress.ContextWithTrace(t.Context(), botpress.Trace{Parent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"})

	log.Info("plain")
	log.With("bot", "bot_1", "integration", "int_1", "alias", "acme").WarnContext(ctx, "The desk is closed", bplog.ForBotOwner())
	log.With("conversation", "conv_1").With(slog.Group("desk", "ticket", "T-1", slog.Group("", "n", 1))).
		WithGroup("call").With("a", 1).Debug("two words", "err", errors.New(`"quoted"`), "user", "not the field", "", "")
	log.Error("bad", "user", "user_1", "empty", "")

	want := strings.Join([]string{
		`{"msg":"plain","level":"info","visible_to_bot_owner":false,"hidden_to_integration_owner":false,"options":{"visibleToBotOwners":false,"hiddenToIntegrationOwners":false}}`,
		`{"msg":"The desk is closed","level":"warn","botId":"bot_1","integrationId":"int_1","integrationAlias":"acme","visible_to_bot_owner":true,"hidden_to_integration_owner":false,` +
			`"options":{"visibleToBotOwners":true,"hiddenToIntegrationOwners":false,"traceId":"0af7651916cd43dd8448eb211c80319c","botId":"bot_1","integrationId":"int_1","integrationAlias":"acme"}}`,
		`{"msg":"two words desk.ticket=T-1 desk.n=1 call.a=1 call.err=\"\\\"quoted\\\"\" call.user=\"not the field\" call.=\"\"","level":"debug","visible_to_bot_owner":false,"hidden_to_integration_owner":false,` +
			`"options":{"visibleToBotOwners":false,"hiddenToIntegrationOwners":false,"conversationId":"conv_1"}}`,
		`{"msg":"bad empty=\"\"","level":"error","visible_to_bot_owner":false,"hidden_to_integration_owner":false,"options":{"visibleToBotOwners":false,"hiddenToIntegrationOwners":false,"userId":"user_1"}}`,
		"",
	}, "\n")
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}

	out.Reset()
	strict := slog.New(bplog.NewHandler(&out, slog.LevelWarn))
	strict.Info("no")
	strict.Error("yes")
	if got := strings.Count(out.String(), "\n"); got != 1 {
		t.Errorf("from warn on, %d lines, want 1:\n%s", got, &out)
	}
}

func ExampleForBotOwner() {
	log := slog.New(bplog.NewHandler(os.Stdout, nil)).With("bot", "bot_1") // which an Installation's Logger has already
	log.Warn("The desk is closed until Monday", bplog.ForBotOwner())
	// Output:
	// {"msg":"The desk is closed until Monday","level":"warn","botId":"bot_1","visible_to_bot_owner":true,"hidden_to_integration_owner":false,"options":{"visibleToBotOwners":true,"hiddenToIntegrationOwners":false,"botId":"bot_1"}}
}
