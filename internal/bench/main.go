// Bench measures an integration on this SDK beside the same one on the official SDK, and beside a bare server of net/http with the
// same calls of the Botpress API, which is the limit. All are served by processes of their own, on one core; the load and
// the API, which is in memory, have another one.
//
//	go run ./internal/bench          measures, and writes docs/performance.md and docs/performance.svg
//	go run ./internal/bench -short   checks in seconds that all servers answer all requests, with as many calls as expected
//
// It needs "npm ci --ignore-scripts" in internal/bench/typescript. It has no module of its own, because it needs no modules that the
// SDK does not have: see load.go for why the load is our own.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out, progress io.Writer) (err error) {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	p := plan{connections: 32, latency: 20 * time.Millisecond, replicas: 3, sessions: 50}
	flags.IntVar(&p.rounds, "rounds", 5, "how often everything is measured")
	flags.IntVar(&p.requests, "requests", 20_000, "how many requests of each kind are sent in a round")
	flags.IntVar(&p.messages, "messages", 10, "how many messages each way a whole session has")
	flags.IntVar(&p.longRun, "long", 20_000, "how many sessions are played in a row at the end")
	short := flags.Bool("short", false, "a few requests only, to check that all is well; nothing is written")
	docs := flags.String("out", "docs", "the folder of performance.md and performance.svg; empty writes nothing")
	profiles := flags.String("profile", "", "a folder for profiles of the servers that are written in Go, for go tool pprof; they cost time, so no document is written")
	servers := flags.String("servers", "ours,node,bare", "what is measured; the documents need all")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *short {
		p.rounds, p.requests, p.sessions, p.messages, p.longRun, *docs = 1, 200, 4, 5, 40, ""
	}
	if p.rounds < 1 || p.requests < 1 || p.messages < 1 || p.longRun < 10 {
		return errors.New("there is too little to measure")
	}
	keys := strings.Split(*servers, ",")
	var tags string
	if *profiles != "" {
		tags = "profile"
	}
	if len(keys) != 3 || *profiles != "" {
		*docs = ""
	}

	root, err := moduleRoot(ctx)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	programs, err := build(ctx, root, dir, keys, tags)
	if err != nil {
		return err
	}
	pins := findPinning()
	m, err := describeMachine(ctx, root, pins)
	if err != nil {
		return err
	}
	if err := pins.self(ctx); err != nil {
		return err
	}
	b := &bench{
		plan: p, programs: programs, profiles: *profiles, progress: progress,
		starter: starter{
			pinning: pins, dir: dir,
			client: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: startLimit},
		},
	}
	measured, err := b.run(ctx)
	if err != nil {
		return err
	}
	if *short {
		_, err = fmt.Fprintln(out, "all servers have answered all requests, with as many calls of the API as expected")
		return err
	}
	doc := document(measured, p, m)
	if _, err := io.WriteString(out, doc); err != nil {
		return err
	}
	if *docs == "" {
		return nil
	}
	const mode = 0o644
	if err := os.WriteFile(filepath.Join(*docs, "performance.svg"), []byte(cpuChart(measured)), mode); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(*docs, "performance.md"), []byte(doc), mode)
}
