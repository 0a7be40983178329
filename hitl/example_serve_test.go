package hitl_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/hitl"
)

// A server on its own: with limits as the internet needs them, and without losing what is at work when it is told to stop.
func ExampleServer_Serve() {
	connect := func(context.Context, hitl.Installation, struct{}) (*fakeDesk, error) { return &fakeDesk{}, nil }
	server, err := hitl.NewServer(hitl.Definition{Name: "desk", Version: "1.0.0", Title: "Desk"}, connect, &hitl.Options{
		Botpress: botpress.Options{Token: "bp_pat_0123456789"},
		Secrets:  []string{signingSecret},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	go func() {
		defer stop() // as a signal would
		fmt.Println(ready(ctx, listener.Addr().String()))
	}()
	fmt.Println("served:", server.Serve(ctx, listener))
	// Output:
	// ok <nil>
	// served: <nil>
}

// ready asks what a load balancer asks.
func ready(ctx context.Context, addr string) (string, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/ready", http.NoBody)
	if err != nil {
		return "", err
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Do(r)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return string(body), err
}

// The bot's owner reads the first one. The others are logged, and answered with an id alone.
func ExampleErrorf() {
	open := func(status int) error {
		switch status {
		case http.StatusPaymentRequired:
			return hitl.Errorf("The help desk has no free seat: buy one, or wait until an agent leaves")
		case http.StatusTooManyRequests:
			return hitl.Retryable(30*time.Second, errors.New("the desk is busy"))
		default:
			return fmt.Errorf("the desk answered %d", status)
		}
	}
	var forOwner *hitl.Error
	for _, status := range []int{402, 429, 500} {
		err := open(status)
		fmt.Println(errors.As(err, &forOwner), err)
	}
	// Output:
	// true The help desk has no free seat: buy one, or wait until an agent leaves
	// false the desk is busy
	// false the desk answered 500
}
