package memnet_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hitl-go/sdk/internal/memnet"
)

func TestHTTPInABubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var network memnet.Network
		l, err := network.Listen("slow.test:80")
		if err != nil {
			t.Fatal(err)
		}
		srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			<-time.After(time.Hour)
			_, _ = io.WriteString(w, "done")
		})}
		go func() { _ = srv.Serve(l) }()
		defer func() { _ = srv.Close() }()
		client := network.Client()
		defer client.CloseIdleConnections()

		start := time.Now()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://slow.test:80/", nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = res.Body.Close() }()
		body, err := io.ReadAll(res.Body)
		if err != nil || string(body) != "done" {
			t.Errorf("body = %q, %v", body, err)
		}
		if took := time.Since(start); took != time.Hour {
			t.Errorf("took %s on the bubble's clock, want 1h", took)
		}
	})
}

func TestListenTwice(t *testing.T) {
	var network memnet.Network
	l, err := network.Listen("a:1")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := network.Listen("a:1"); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("second Listen: %v, want EADDRINUSE", err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Accept after Close: %v, want net.ErrClosed", err)
	}
	if _, err := network.DialContext(t.Context(), "tcp", "a:1"); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("dial after Close: %v, want ECONNREFUSED", err)
	}
	if _, err := network.Listen("a:1"); err != nil {
		t.Errorf("Listen again: %v", err)
	}
}

func TestDialGivesUp(t *testing.T) {
	var network memnet.Network
	l, err := network.Listen("a:1")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := network.DialContext(ctx, "tcp", "a:1"); !errors.Is(err, context.Canceled) {
		t.Errorf("dial: %v, want the context's error", err)
	}
}
