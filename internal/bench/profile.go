package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/hitl-go/sdk/internal/bench/debug"
)

// profileTime is how much of each workload is profiled.
const profileTime = 5 * time.Second

// profile has the servers that are written in Go profiled while measure runs, if there is a folder to write that to, for "go tool pprof".
func (b *bench) profile(ctx context.Context, s *process, name string, measure func() error) error {
	if b.profiles == "" || s.debug == "" {
		return measure()
	}
	profiled := make(chan error, 1)
	go func() {
		data, err := get(ctx, b.starter.client, fmt.Sprintf("%s%s?seconds=%.0f", s.debug, debug.ProfilePath, profileTime.Seconds()))
		if err == nil {
			err = os.WriteFile(filepath.Join(b.profiles, s.program.key+"-"+name+".pprof"), []byte(data), 0o600)
		}
		profiled <- err
	}()
	if err := measure(); err != nil {
		return err
	}
	if err := <-profiled; err != nil {
		return fmt.Errorf("profile it: %w", err)
	}
	return nil
}
