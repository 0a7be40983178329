package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/hitl-go/sdk/internal/bench/debug"
)

// process is a running server.
type process struct {
	program program
	addr    string
	startup time.Duration // until the first 200

	debug   string // where it answers the driver; empty if nowhere
	command *exec.Cmd
	log     string // a file
	ended   chan struct{}
}

// starter starts servers.
type starter struct {
	pinning pinning
	dir     string // of logs
	client  *http.Client
}

// startLimit is how long a server may take until it answers.
const startLimit = 30 * time.Second

// start starts a server, and returns once it answers.
func (st starter) start(ctx context.Context, p program, apiURL string) (*process, error) {
	port, err := freePort(ctx)
	if err != nil {
		return nil, err
	}
	debugPort, err := freePort(ctx)
	if err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(st.dir, fmt.Sprintf("%s-%d.log", p.key, port)))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	s := &process{program: p, addr: "127.0.0.1:" + strconv.Itoa(port), log: log.Name(), ended: make(chan struct{})}
	s.command = st.pinning.command(ctx, p.args(port))
	s.command.Dir = p.dir
	s.command.Stdout, s.command.Stderr = log, log
	s.command.Env = append(os.Environ(),
		"PORT="+strconv.Itoa(port), "BP_API_URL="+apiURL, "BP_TOKEN="+token, "BP_SIGNING_SECRET="+signingSecret,
		"LOG_LEVEL=", "BP_LOG_FORMAT=", "NODE_ENV=production", debug.Variable+"=")
	if p.isGo {
		s.debug = "http://127.0.0.1:" + strconv.Itoa(debugPort)
		s.command.Env = append(s.command.Env, fmt.Sprintf("%s=127.0.0.1:%d", debug.Variable, debugPort))
	}
	start := time.Now()
	if err := s.command.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", p.name, err)
	}
	go func() {
		defer close(s.ended)
		_ = s.command.Wait() // How it ends is of no interest: it either answers or does not.
	}()
	if err := s.await(ctx, st.client); err != nil {
		return nil, errors.Join(fmt.Errorf("start %s: %w", p.name, err), s.lastWords(), s.stop())
	}
	s.startup = time.Since(start)
	return s, nil
}

func freePort(ctx context.Context) (int, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err = errors.Join(err, l.Close()); err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	return strconv.Atoi(port)
}

// await returns once the server answers that it is well.
func (s *process) await(ctx context.Context, client *http.Client) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		if _, err := get(ctx, client, "http://"+s.addr+"/health"); err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-s.ended:
			return errors.New("it has ended")
		case <-ctx.Done():
			return fmt.Errorf("it does not answer: %w", context.Cause(ctx))
		}
	}
}

func get(ctx context.Context, client *http.Client, url string) (string, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	res, err := client.Do(r)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s was answered %s", url, res.Status)
	}
	body, err := io.ReadAll(res.Body)
	return string(body), err
}

// lastWords is the end of what the server has written, as an error.
func (s *process) lastWords() error {
	text, err := os.ReadFile(s.log)
	if err != nil {
		return err
	}
	const most = 2000
	return fmt.Errorf("%s has written: %s", s.program.name, bytes.TrimSpace(text[max(0, len(text)-most):]))
}

// stop ends the server.
func (s *process) stop() error {
	err := s.command.Process.Signal(syscall.SIGTERM)
	if errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	timer := time.NewTimer(10 * time.Second)
	defer timer.Stop()
	select {
	case <-s.ended:
		return nil
	case <-timer.C:
		return errors.Join(fmt.Errorf("%s did not end when it was asked to", s.program.name), s.command.Process.Kill())
	}
}

// allocations adds up how many objects servers have allocated.
func allocations(ctx context.Context, servers []*process) (sum uint64, err error) {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}
	for _, s := range servers {
		if s.debug == "" {
			return 0, nil
		}
		text, err := get(ctx, client, s.debug+debug.AllocationsPath)
		if err != nil {
			return 0, err
		}
		n, err := strconv.ParseUint(strings.TrimSpace(text), 10, 64)
		if err != nil {
			return 0, err
		}
		sum += n
	}
	return sum, nil
}

func pids(servers []*process) (pids []int) {
	for _, s := range servers {
		pids = append(pids, s.command.Process.Pid)
	}
	return pids
}

func addrs(servers []*process) (addrs []string) {
	for _, s := range servers {
		addrs = append(addrs, s.addr)
	}
	return addrs
}
