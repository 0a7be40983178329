package main

import (
	"encoding/base64"
	"fmt"
	"strconv"
	"time"

	"github.com/hitl-go/sdk/botpress"
)

// signingSecret is what Botpress and the integration share, here.
const signingSecret = "c2VjcmV0LW9mLXRoZS1iZW5jaG1hcmtz" //nolint:gosec // It is none.

// token is the access key of the integration.
const token = "bp_iak_of_the_benchmarks" //nolint:gosec // It is none.

// installation is one of the bots in which the integration is installed.
type installation struct {
	bot    string
	header []byte // what tells Botpress' requests for it
}

func newInstallation(n int) installation {
	bot := fmt.Sprintf("bot_%026d", n)
	configuration := fmt.Sprintf(`{"apiUrl":"https://desk-%d.example.com","apiToken":"token-of-desk-%d"}`, n, n)
	header := fmt.Sprintf("x-bot-id: %s\r\nx-bot-user-id: %s\r\nx-integration-id: intver_00000000000000000000000001\r\n"+
		"x-integration-alias: bench\r\nx-webhook-id: webhook_%022d\r\nx-bp-configuration: %s\r\n",
		bot, bot, n, base64.StdEncoding.EncodeToString([]byte(configuration)))
	return installation{bot, []byte(header)}
}

// request is an operation that Botpress asks for.
type request struct {
	operation string
	in        *installation
	body      []byte
	trace     int64
}

// append appends the request as it goes over the wire. It is signed now.
func (r request) append(out []byte, now time.Time) ([]byte, error) {
	signature, err := botpress.Sign(signingSecret, now, r.body)
	if err != nil {
		return out, err
	}
	out = append(out, "POST / HTTP/1.1\r\nhost: bench.example.com\r\naccept: application/json, text/plain, */*\r\n"+
		"user-agent: axios/1.7.9\r\ncontent-type: application/json\r\nx-bp-operation: "...)
	out = append(out, r.operation...)
	out = append(out, "\r\n"...)
	out = append(out, r.in.header...)
	out = fmt.Appendf(out, "traceparent: 00-%032x-%016x-01\r\n", r.trace+1, r.trace+1)
	out = append(out, "x-bp-signature: "...)
	out = append(out, signature...)
	out = append(out, "\r\ncontent-length: "...)
	out = strconv.AppendInt(out, int64(len(r.body)), 10)
	out = append(out, "\r\n\r\n"...)
	return append(out, r.body...), nil
}
