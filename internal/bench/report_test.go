package main

import (
	"strings"
	"testing"
	"time"
)

// TestDocument checks that what was measured is in the page, and that what was not is no number.
func TestDocument(t *testing.T) {
	r := results{
		programs: []program{{key: ours, name: "hitl-go", size: 10 << 20, stripped: 7 << 20}, {key: node, name: "TypeScript SDK"}, {key: bare, name: "bare net/http"}},
		samples: map[string]map[string][]sample{
			ours: {messages: {{perSecond: 4000, cpu: 0.3, allocs: 300}, {perSecond: 5000, cpu: 0.2, allocs: 300}, {perSecond: 4500, cpu: 0.3, allocs: 300}}},
			node: {messages: {{perSecond: 1000, cpu: 1.2}, {perSecond: 1000, cpu: 1}, {perSecond: 1000, cpu: 0.9}}},
			bare: {messages: {{perSecond: 9000, cpu: 0.1, allocs: 150}, {perSecond: 9000, cpu: 0.1, allocs: 150}, {perSecond: 9000, cpu: 0.2, allocs: 150}}},
		},
		lifetimes: map[string][]lifetime{ours: {{startup: 20 * time.Millisecond, peak: 31 << 20, resident: 30 << 20}}},
		long:      map[string]longRun{ours: {first: 100, last: 98}},
	}
	doc := document(r, plan{rounds: 3, requests: 20_000, longRun: 10_000, latency: 20 * time.Millisecond}, machine{processor: "A Processor"})
	for _, want := range []string{
		"A Processor",
		"| message_created (2) | hitl-go | 4,500 |",
		"| message_created | 2.00× (1.50–3.00) | 4.00× (3.00–5.00) | 2.00× (2.00–2.00) | 4.50× (4.00–5.00) |",
		"| hitl-go | 20 | 31.0 | 30.0 | 10.0 | 7.0 |",
		"## 10,000 sessions in a row",
		"| 0.98 |",
	} {
		if !strings.Contains(doc, want) {
			t.Errorf("the page has no %q:\n%s", want, doc)
		}
	}
	if strings.Contains(doc, "NaN") || strings.Contains(doc, "Inf") {
		t.Errorf("the page shows what is not a number:\n%s", doc)
	}
}
