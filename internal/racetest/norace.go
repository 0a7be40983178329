//go:build !race

// Package racetest tells tests that measure time how much slower the race detector makes them.
package racetest

// Slowdown is 1 without the race detector.
const Slowdown = 1
