package main

import (
	"net/http"
	"strings"
	"testing"

	"github.com/hitl-go/sdk/internal/corpus"
)

// What Zendesk says is told in full.
func TestRefusals(t *testing.T) {
	for _, kind := range corpus.Load(t, "testdata/refusals.txt") {
		t.Run(kind.Name, func(t *testing.T) {
			for _, c := range kind.Cases {
				err := refusalOf(api{}, "PUT tickets/1", &http.Response{StatusCode: http.StatusUnprocessableEntity}, []byte(c.In))
				got := strings.TrimPrefix(err.Error(), "Zendesk has refused PUT tickets/1: ")
				if got != c.Want {
					t.Errorf("line %d: %s is told as %q, want %q", c.Line, c.In, got, c.Want)
				}
			}
		})
	}
}
