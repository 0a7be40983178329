package main

import (
	"math"
	"slices"
	"testing"
	"time"
)

func TestSpread(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   spread
	}{
		{[]float64{3}, spread{3, 3, 3}},
		{[]float64{5, 1, 3}, spread{3, 1, 5}},
		{[]float64{4, 1, 2, 10}, spread{3, 1, 10}},
	} {
		given := slices.Clone(c.values)
		if got := spreadOf(c.values); got != c.want {
			t.Errorf("the spread of %v is %v, want %v", given, got, c.want)
		}
		if !slices.Equal(given, c.values) {
			t.Errorf("spreadOf has changed %v into %v", given, c.values)
		}
	}
	if got := spreadOf(nil).median; !math.IsNaN(got) {
		t.Errorf("the median of nothing is %v", got)
	}
}

func TestRatiosAreOfTheSameRound(t *testing.T) {
	got := ratios([]float64{2, 9, 1, 8}, []float64{1, 3, 0})
	if want := []float64{2, 3}; !slices.Equal(got, want) {
		t.Errorf("ratios are %v, want %v", got, want)
	}
}

func TestPercentile(t *testing.T) {
	var hundred []time.Duration
	for n := range 100 {
		hundred = append(hundred, time.Duration(n+1))
	}
	for _, c := range []struct {
		sorted []time.Duration
		p      float64
		want   time.Duration
	}{
		{hundred, 50, 50},
		{hundred, 99, 99},
		{hundred, 100, 100},
		{hundred, 0, 1},
		{hundred[:1], 99, 1},
		{hundred[:3], 50, 2},
		{nil, 50, 0},
	} {
		if got := percentile(c.sorted, c.p); got != c.want {
			t.Errorf("%v %% of %d are at most %d, want %d", c.p, len(c.sorted), got, c.want)
		}
	}
}

func TestNumbers(t *testing.T) {
	for _, c := range []struct {
		got, want string
	}{
		{number(1234567.891, 2), "1,234,567.89"},
		{number(999, 0), "999"},
		{number(-1000, 0), "-1,000"},
		{number(-100, 0), "-100"},
		{number(math.NaN(), 1), none},
		{positive(0, 1), none},
		{times(spread{1.5, 1.25, 2}), "1.50× (1.25–2.00)"},
		{times(spreadOf(nil)), none},
		{mebibytes(3 << 19), "1.5"},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}
