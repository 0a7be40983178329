package main

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// values takes one value of each round.
func (r results) values(program, name string, of func(sample) float64) (values []float64) {
	for _, s := range r.samples[program][name] {
		values = append(values, of(s))
	}
	return values
}

// median is the median over all rounds.
func (r results) median(program, name string, of func(sample) float64) float64 {
	return spreadOf(r.values(program, name, of)).median
}

// ratio compares two programs round by round.
func (r results) ratio(a, b, name string, of func(sample) float64) spread {
	return spreadOf(ratios(r.values(a, name, of), r.values(b, name, of)))
}

func (r results) lifetime(program string, of func(lifetime) float64) float64 {
	var values []float64
	for _, l := range r.lifetimes[program] {
		values = append(values, of(l))
	}
	return spreadOf(values).median
}

// What is read of a sample.
func perSecond(s sample) float64 { return s.perSecond }
func p50(s sample) float64       { return milliseconds(s.p50) }
func p99(s sample) float64       { return milliseconds(s.p99) }
func cpu(s sample) float64       { return s.cpu }
func allocs(s sample) float64    { return s.allocs }
func calls(s sample) float64     { return s.calls }
func load(s sample) float64      { return s.load * 100 }

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// none stands for what is not known.
const none = "–"

// number formats a number with so many digits after the point, and thousands apart.
func number(v float64, digits int) string {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return none
	}
	text := fmt.Sprintf("%.*f", digits, v)
	whole, rest, _ := strings.Cut(text, ".")
	for i := len(whole) - 3; i > 0 && whole[i-1] != '-'; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	if rest != "" {
		rest = "." + rest
	}
	return whole + rest
}

// positive is number for what cannot be zero if it is known.
func positive(v float64, digits int) string {
	if v == 0 {
		return none
	}
	return number(v, digits)
}

// times formats a ratio with its spread.
func times(s spread) string {
	if math.IsNaN(s.median) {
		return none
	}
	return fmt.Sprintf("%.2f× (%.2f–%.2f)", s.median, s.least, s.most)
}

func mebibytes(v float64) string { return positive(v/(1<<20), 1) }

// table is one of Markdown.
type table struct{ strings.Builder }

func newTable(columns ...string) *table {
	t := &table{}
	t.row(columns...)
	t.row(slices.Repeat([]string{"---"}, len(columns))...)
	return t
}

func (t *table) row(cells ...string) { t.WriteString("| " + strings.Join(cells, " | ") + " |\n") }

// document is docs/performance.md.
func document(r results, p plan, m machine) string {
	var b strings.Builder
	paragraph := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n\n", args...) }
	paragraph("# Performance")
	paragraph("This page is written by `go run ./internal/bench`. Do not edit it.")
	paragraph("One integration, three times: on this SDK; on the official TypeScript SDK; and on bare net/http with encoding/json, which is the " +
		"limit. The desk is in memory and does nothing, so all that is measured is the SDK's own. The Botpress API is in memory, too, and answers at once " +
		"unless a latency is given.")
	paragraph("![CPU time for a request](performance.svg)")
	paragraph("%s, %s, %d cores, %s. %s, Node.js %s with %s, commit %s. Pinned: %s. %d connections, %d requests of each kind in each of %d rounds.",
		m.date.UTC().Format("2 January 2006"), m.processor, m.cores, m.system, m.goVersion, m.nodeVersion, m.packages, m.commit, m.pinned,
		p.connections, p.requests, p.rounds)
	paragraph("Numbers are medians over the rounds. In each round all servers are measured, one after another and in another order. Ratios are of " +
		"values from one round: the median of them, with the least and the largest. Any answer that is no success would have ended the run, and " +
		"so would a call of the API too many or too few.")

	paragraph("## Requests")
	paragraph("In brackets, how many calls of the API each request makes. CPU is the server's own time, from the kernel. The last column is how busy " +
		"the core of the load was: near 100 %% it is the load that limits the requests a second, and CPU is what to compare.")
	b.WriteString(requestTable(r) + "\n")
	b.WriteString(ratioTable(r) + "\n")

	paragraph("## A whole session")
	paragraph("createUser, startHitl, %d messages each way, one after another, and stopHitl, in a session that has just started. This SDK makes more "+
		"calls than the others, which keep no order, recognise no repetition and lose what fails ([reliability.md](reliability.md)). The additional "+
		"calls are a lease and a mark for unfinished work, a state in which replicas agree that the plugin is ready, and a look for undelivered messages at the end.", p.messages)
	b.WriteString(sessionTable(r, p) + "\n")

	paragraph("## %s sessions in a row", number(float64(p.longRun), 0))
	paragraph("Sessions of %d messages each way, on %d connections. Memory is what the process has resident, the median of ten samples in each tenth.", longMessages, p.connections)
	b.WriteString(longTable(r) + "\n")

	paragraph("## Replicas")
	paragraph("`%s` with one process and with %d that share one core and all sessions.", messages, p.replicas)
	b.WriteString(replicaTable(r, p) + "\n")

	paragraph("## The process")
	paragraph("Memory after all of the above but the %s sessions. The start ends with the first 200. Of TypeScript, the size is that of node_modules, without Node.js.",
		number(float64(p.longRun), 0))
	b.WriteString(processTable(r) + "\n")

	paragraph("## What is compared")
	paragraph("- **hitl-go** is what `hitl/cli serve` serves: signatures are checked, each operation is logged to a file, and all guarantees hold.\n" +
		"- **TypeScript SDK** is an `Integration` of `@botpress/sdk` with the same calls for each request. The SDK checks no signatures, and logs nothing while all is well.\n" +
		"- **bare net/http** checks, logs, retries and guarantees nothing. [Its comment](../internal/bench/bare/main.go) lists what it leaves out.")
	paragraph("## Repeat it")
	paragraph("On a quiet machine with two cores, with Go and Node.js:")
	b.WriteString("```\n(cd internal/bench/typescript && npm ci --ignore-scripts)\ngo run ./internal/bench\n```\n\n")
	b.WriteString("`-rounds` and `-requests` change how much is measured. `-short` is a check of some seconds that measures nothing of worth.\n")
	return b.String()
}

func requestTable(r results) string {
	t := newTable("workload (calls)", "server", "requests/s", "p50, ms", "p99, ms", "CPU s/1,000 requests", "allocations/request", "load's core, %")
	for _, w := range workloads() {
		for _, p := range r.programs {
			get := func(of func(sample) float64) float64 { return r.median(p.key, w.name, of) }
			t.row(fmt.Sprintf("%s (%d)", w.name, w.calls), p.name, number(get(perSecond), 0), number(get(p50), 2), number(get(p99), 2),
				positive(get(cpu), 3), positive(get(allocs), 0), positive(get(load), 0))
		}
	}
	return t.String()
}

func ratioTable(r results) string {
	t := newTable("workload", "CPU, hitl-go to bare", "CPU, TypeScript to hitl-go", "allocations, hitl-go to bare", "requests/s, hitl-go to TypeScript")
	for _, w := range workloads() {
		t.row(w.name, times(r.ratio(ours, bare, w.name, cpu)), times(r.ratio(node, ours, w.name, cpu)),
			times(r.ratio(ours, bare, w.name, allocs)), times(r.ratio(ours, node, w.name, perSecond)))
	}
	return t.String()
}

func sessionTable(r results, p plan) string {
	t := newTable("server", "calls", "wall time, ms", "CPU, ms", "allocations", fmt.Sprintf("wall time at %v latency, ms", p.latency))
	for _, program := range r.programs {
		get := func(name string, of func(sample) float64) float64 { return r.median(program.key, name, of) }
		t.row(program.name, number(get(sessionAtOnce, calls), 1), number(get(sessionAtOnce, p50), 1), positive(get(sessionAtOnce, cpu), 1),
			positive(get(sessionAtOnce, allocs), 0), number(get(sessionLatency, p50), 0))
	}
	return t.String()
}

func longTable(r results) string {
	t := newTable("server", "sessions/s", "first tenth", "last tenth", "last to first", "CPU, ms/session", "MiB in each tenth from the middle on", "MiB at most")
	for _, p := range r.programs {
		l := r.long[p.key]
		var memory []string
		for _, samples := range l.memory[5:] {
			memory = append(memory, mebibytes(spreadOf(samples).median))
		}
		t.row(p.name, number(l.perSecond, 0), number(l.first, 0), number(l.last, 0), number(l.last/l.first, 2), positive(l.cpu, 1),
			strings.Join(memory, ", "), mebibytes(float64(l.peak)))
	}
	return t.String()
}

func replicaTable(r results, p plan) string {
	n := strconv.Itoa(p.replicas)
	t := newTable("server", "requests/s with 1", "requests/s with "+n, "CPU s/1,000 requests with 1", "with "+n, "CPU, "+n+" to 1")
	for _, program := range r.programs {
		get := func(name string, of func(sample) float64) float64 { return r.median(program.key, name, of) }
		several := r.values(program.key, severalReplicas, cpu)
		t.row(program.name, number(get(messages, perSecond), 0), number(get(severalReplicas, perSecond), 0), positive(get(messages, cpu), 3),
			positive(get(severalReplicas, cpu), 3), times(spreadOf(ratios(several, r.values(program.key, messages, cpu)))))
	}
	return t.String()
}

func processTable(r results) string {
	t := newTable("server", "start, ms", "MiB at most", "MiB at the end", "size, MiB", "size without symbols, MiB")
	for _, p := range r.programs {
		t.row(p.name, number(r.lifetime(p.key, func(l lifetime) float64 { return milliseconds(l.startup) }), 0),
			mebibytes(r.lifetime(p.key, func(l lifetime) float64 { return float64(l.peak) })),
			mebibytes(r.lifetime(p.key, func(l lifetime) float64 { return float64(l.resident) })),
			mebibytes(float64(p.size)), mebibytes(float64(p.stripped)))
	}
	return t.String()
}
