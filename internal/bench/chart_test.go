package main

import (
	"encoding/xml"
	"errors"
	"io"
	"math"
	"strconv"
	"strings"
	"testing"
)

// rects returns the bars of a chart as (class, width), and fails if it is not XML.
func rects(t *testing.T, svg string) (rects [][2]string) {
	t.Helper()
	for d := xml.NewDecoder(strings.NewReader(svg)); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return rects
		}
		if err != nil {
			t.Fatalf("%v in:\n%s", err, svg)
		}
		start, ok := token.(xml.StartElement)
		if !ok || start.Name.Local != "rect" {
			continue
		}
		var r [2]string
		for _, a := range start.Attr {
			switch a.Name.Local {
			case "class":
				r[0] = a.Value
			case "width":
				r[1] = a.Value
			}
		}
		rects = append(rects, r)
	}
}

func TestChart(t *testing.T) {
	svg := chart{
		title: "Fast & <small>", unit: "ms", series: []string{"a", "b"},
		groups: []group{{"first", []float64{2, 1}}, {"second", []float64{math.NaN(), 0}}},
	}.svg()
	const legend = 2
	bars := rects(t, svg)[legend:]
	if len(bars) != 3 {
		t.Fatalf("got the bars %v, want three: what is not a number is left out", bars)
	}
	if bars[0][0] != "s0" || bars[1][0] != "s1" || bars[2][0] != "s1" {
		t.Errorf("the bars are of the series %v", bars)
	}
	var widths []float64
	for _, bar := range bars {
		w, err := strconv.ParseFloat(bar[1], 64)
		if err != nil {
			t.Fatal(err)
		}
		widths = append(widths, w)
	}
	if widths[0] != 2*widths[1] || widths[2] != 0 || widths[0] > chartWidth-labelWidth {
		t.Errorf("the bars of 2, 1 and 0 have the widths %v", widths)
	}
	for _, want := range []string{"Fast &amp; &lt;small&gt;", ">first<", ">second<", "2.000 ms", "prefers-color-scheme: dark"} {
		if !strings.Contains(svg, want) {
			t.Errorf("the chart has no %q", want)
		}
	}
	if strings.Contains(svg, "NaN") {
		t.Error("the chart shows what is not a number")
	}
}

func TestChartOfNothing(t *testing.T) {
	if bars := rects(t, chart{title: "x", groups: []group{{"g", []float64{0}}}}.svg()); len(bars) != 1 || bars[0][1] != "0.0" {
		t.Errorf("got %v", bars)
	}
}
