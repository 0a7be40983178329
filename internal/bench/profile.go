package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/hitl-go/sdk/internal/bench/debug"
)

// profileTime is how much of each workload is profiled.
const profileTime = 10 * time.Second

// profile has the servers that are written in Go profiled while measure runs, if there is a folder to write that to, for "go tool pprof".
func (b *bench) profile(ctx context.Context, sites []*site, name string, measure func() error) error {
	if b.profiles == "" {
		return measure()
	}
	if err := os.MkdirAll(b.profiles, 0o700); err != nil {
		return err
	}
	var profiling errgroup.Group
	for _, site := range sites {
		s := site.servers[0]
		if s.debug == "" {
			continue
		}
		for kind, path := range map[string]string{"cpu": debug.CPUPath, "allocs": debug.AllocPath} {
			profiling.Go(func() error {
				data, err := get(ctx, b.starter.client, fmt.Sprintf("%s%s?seconds=%.0f", s.debug, path, profileTime.Seconds()))
				if err != nil {
					return fmt.Errorf("profile it: %w", err)
				}
				return os.WriteFile(filepath.Join(b.profiles, s.program.key+"-"+name+"-"+kind+".pprof"), []byte(data), 0o600)
			})
		}
	}
	return errors.Join(measure(), profiling.Wait())
}
