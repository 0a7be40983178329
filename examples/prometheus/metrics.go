package main

import (
	"context"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/hitl"
)

// metrics are what Prometheus scrapes. All labels have few values, whoever sends us requests.
type metrics struct {
	operations *prometheus.HistogramVec
	perOp      *prometheus.HistogramVec
	calls      *prometheus.HistogramVec
	retries    *prometheus.CounterVec
}

func newMetrics(r prometheus.Registerer) *metrics {
	m := &metrics{
		operations: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "hitl_operation_seconds", Help: "How long operations took, by how they ended.",
			Buckets: []float64{.05, .1, .25, .5, 1, 2.5, 5, 10, 25, 50},
		}, []string{"operation", "action", "outcome"}),
		perOp: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "hitl_operation_api_calls", Help: "How many calls of the Botpress API operations made.",
			Buckets: []float64{0, 1, 2, 3, 4, 6, 8, 12},
		}, []string{"operation", "action"}),
		calls: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "botpress_call_seconds", Help: "How long calls of the Botpress API took, with their retries.",
		}, []string{"method", "route", "status"}),
		retries: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "botpress_retries_total", Help: "How many requests to the Botpress API were repeated ones.",
		}, []string{"method", "route"}),
	}
	r.MustRegister(m.operations, m.perOp, m.calls, m.retries)
	return m
}

// operation is for [hitl.Options.OnOperation].
func (m *metrics) operation(_ context.Context, o hitl.Operation) {
	m.operations.WithLabelValues(o.Name, o.Action, string(o.Outcome())).Observe(o.Duration.Seconds())
	m.perOp.WithLabelValues(o.Name, o.Action).Observe(float64(o.APICalls))
}

// call is for [botpress.Options.OnCall].
func (m *metrics) call(_ context.Context, c botpress.Call) {
	m.calls.WithLabelValues(c.Method, c.Route, strconv.Itoa(c.Status)).Observe(c.Duration.Seconds())
	m.retries.WithLabelValues(c.Method, c.Route).Add(float64(max(0, c.Attempts-1)))
}
