package schema_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/hitl-go/sdk/internal/schema"
)

func TestCheck(t *testing.T) {
	c := checker(t, reflect.TypeFor[everything]())
	for name, tc := range map[string]struct{ value, want string }{
		"fits":          {`{"text": "a", "ratio": 0.25, "token": "t", "Plain": ""}`, ""},
		"unknown key":   {`{"text": "a", "ratio": 0.25, "token": "t", "Plain": "", "type": "text", "inner": {"x": 1}}`, ""},
		"missing":       {`{"text": "a"}`, "Plain is missing; ratio is missing; token is missing"},
		"wrong type":    {`{"text": 5, "ratio": 0.25, "token": "t", "Plain": ""}`, "text is of the type number and must be string"},
		"not in enum":   {`{"text": "a", "ratio": 0.25, "token": "t", "Plain": "", "choice": "s3cret"}`, "choice must be one of low, high"},
		"pattern":       {`{"text": "s3cret", "ratio": 0.25, "token": "t", "Plain": ""}`, "text does not match ^a{1,2}$"},
		"empty":         {`{"text": "", "ratio": 0.25, "token": "t", "Plain": ""}`, "text does not match ^a{1,2}$; text must have at least 1 characters"},
		"range":         {`{"text": "a", "ratio": 0.5, "token": "t", "Plain": ""}`, "ratio must be less than 0.5"},
		"in a list":     {`{"text": "a", "ratio": 0.25, "token": "t", "Plain": "", "tags": ["a", "c"]}`, "tags[1] must be one of a, b"},
		"in an object":  {`{"text": "a", "ratio": 0.25, "token": "t", "Plain": "", "inner": {"deep": 1}}`, "inner.deep is of the type number and must be object"},
		"format":        {`{"text": "a", "ratio": 0.25, "token": "t", "Plain": "", "address": "s3cret"}`, "address is not a valid email"},
		"not an object": {`[]`, "it is of the type array and must be object"},
		"not JSON":      {`{`, "it is not valid JSON"},
		"large number":  {`{"text": "a", "ratio": 1e10000000, "token": "t", "Plain": ""}`, "ratio is a number that is too large, too small or too long"},
		"small number":  {`{"text": "a", "ratio": 1E-10000000, "token": "t", "Plain": ""}`, "ratio is a number that is too large, too small or too long"},
		"long number":   {`{"text": "a", "ratio": 0.` + strings.Repeat("1", 2000) + `, "token": "t", "Plain": ""}`, "ratio is a number that is too large, too small or too long"},
		"of any type":   {`{"text": "a", "ratio": 0.25, "token": "t", "Plain": "", "numbers": [1, {"x": 1e10000000}]}`, "numbers[1].x is a number that is too large, too small or too long"},
		"zero":          {`{"text": "a", "ratio": 0.25, "token": "t", "Plain": "", "x": 0e-9999999}`, ""},
		"trailing":      {`{} {}`, "it is not valid JSON"},
	} {
		t.Run(name, func(t *testing.T) {
			got := ""
			if err := c.Check(json.RawMessage(tc.value)); err != nil {
				got = err.Error()
			}
			if got != tc.want {
				t.Errorf("got  %q\nwant %q", got, tc.want)
			}
		})
	}
}

func checker(t testing.TB, typ reflect.Type) *schema.Checker {
	t.Helper()
	s, err := schema.Of(typ, nil)
	if err != nil {
		t.Fatal(err)
	}
	c, err := schema.NewChecker(s)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// FuzzCheck looks for values that make Check panic, and for invalid JSON that it accepts.
func FuzzCheck(f *testing.F) {
	f.Add(`{"text": "a", "ratio": 0.25, "token": "t", "Plain": ""}`)
	f.Add(`{"text": "a", "ratio": 1e999, "token": "t", "Plain": "", "numbers": [1, 2], "labels": {"x": 1}}`)
	f.Add(`{"text": "\ud800", "TEXT": 1}`)
	c := checker(f, reflect.TypeFor[everything]())
	f.Fuzz(func(t *testing.T, value string) {
		if c.Check(json.RawMessage(value)) == nil && !json.Valid([]byte(value)) {
			t.Errorf("%q passes, and is not JSON", value)
		}
	})
}
