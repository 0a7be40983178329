package main

import (
	"encoding/xml"
	"fmt"
	"math"
	"strings"
)

// chart is a chart of bars in groups, which says more the shorter they are.
type chart struct {
	title  string
	unit   string
	series []string // what each group has a bar of
	groups []group
}

type group struct {
	name string
	bars []float64 // one for each series; NaN is left out
}

// cpuChart shows what a request costs.
func cpuChart(r results) string {
	c := chart{title: "CPU time of the server for a request, in milliseconds", unit: "ms"}
	for _, p := range r.programs {
		c.series = append(c.series, p.name)
	}
	for _, w := range workloads() {
		g := group{name: w.name}
		for _, p := range r.programs {
			g.bars = append(g.bars, r.median(p.key, w.name, cpu)) // Seconds for a thousand are milliseconds for one.
		}
		c.groups = append(c.groups, g)
	}
	return c.svg()
}

// Sizes in the chart.
const (
	chartWidth = 720
	labelWidth = 150
	valueWidth = 90
	barHeight  = 16
	barGap     = 3
	groupGap   = 16
	headHeight = 66
)

// svg draws the chart. It has no background. Its text is dark on a light page and light on a dark one, and its bars can be told apart on both,
// also by those who see no colours: they differ in brightness, and each has its value beside it.
func (c chart) svg() string {
	most := 0.0
	for _, g := range c.groups {
		for _, v := range g.bars {
			if !math.IsNaN(v) {
				most = max(most, v)
			}
		}
	}
	var b strings.Builder
	groupHeight := len(c.series)*(barHeight+barGap) + groupGap
	height := headHeight + len(c.groups)*groupHeight
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img">`+"\n", chartWidth, height, chartWidth, height)
	fmt.Fprintf(&b, "<title>%s</title>\n", escape(c.title))
	b.WriteString(`<style>
text { font: 13px sans-serif; fill: #24292f }
.title { font-weight: bold; font-size: 15px }
.s0 { fill: #1f6feb } .s1 { fill: #d29922 } .s2 { fill: #8b949e }
@media (prefers-color-scheme: dark) { text { fill: #e6edf3 } .s0 { fill: #58a6ff } }
</style>
`)
	fmt.Fprintf(&b, `<text class="title" x="8" y="22">%s</text>`+"\n", escape(c.title))
	for i, name := range c.series {
		x := labelWidth + i*170
		fmt.Fprintf(&b, `<rect class="s%d" x="%d" y="36" width="12" height="12"/><text x="%d" y="47">%s</text>`+"\n", i, x, x+18, escape(name))
	}
	for i, g := range c.groups {
		top := headHeight + i*groupHeight
		middle := top + len(c.series)*(barHeight+barGap)/2 + 4
		fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="end">%s</text>`+"\n", labelWidth-10, middle, escape(g.name))
		for j, v := range g.bars {
			if math.IsNaN(v) {
				continue
			}
			y := top + j*(barHeight+barGap)
			width := 0.0
			if most > 0 {
				width = v / most * (chartWidth - labelWidth - valueWidth)
			}
			fmt.Fprintf(&b, `<rect class="s%d" x="%d" y="%d" width="%.1f" height="%d"/>`, j, labelWidth, y, width, barHeight)
			fmt.Fprintf(&b, `<text x="%.1f" y="%d">%.3f %s</text>`+"\n", labelWidth+width+6, y+13, v, escape(c.unit))
		}
	}
	b.WriteString("</svg>\n")
	return b.String()
}

func escape(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s)) // A Builder takes everything.
	return b.String()
}
