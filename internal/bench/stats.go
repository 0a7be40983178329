package main

import (
	"math"
	"slices"
	"time"
)

// spread is a median with the smallest and the largest value.
type spread struct{ median, least, most float64 }

// spreadOf returns the spread of values, which is NaN for none.
func spreadOf(values []float64) spread {
	if len(values) == 0 {
		return spread{math.NaN(), math.NaN(), math.NaN()}
	}
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	median := sorted[middle]
	if len(sorted)%2 == 0 {
		median = (sorted[middle-1] + median) / 2
	}
	return spread{median, sorted[0], sorted[len(sorted)-1]}
}

// ratios divides value by value: what was measured in one round is compared with what was measured in the same round. Pairs
// that have nothing to divide by are left out.
func ratios(a, b []float64) []float64 {
	var quotients []float64
	for i := range min(len(a), len(b)) {
		if b[i] != 0 {
			quotients = append(quotients, a[i]/b[i])
		}
	}
	return quotients
}

// percentile returns the smallest of sorted durations that p percent of them do not exceed.
func percentile(sorted []time.Duration, p float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	rank := int(math.Ceil(p / 100 * float64(len(sorted))))
	return sorted[min(max(rank, 1), len(sorted))-1]
}
