package main

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestREADME keeps the README's code what it claims to be: pieces of this example.
func TestREADME(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile("main.go")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(string(readme), -1)
	if len(blocks) == 0 {
		t.Fatal("the README shows no code")
	}
	for _, block := range blocks {
		if !strings.Contains(string(source), block[1]) {
			t.Errorf("this code of the README is not in main.go:\n%s", block[1])
		}
	}
	if lines := strings.Count(string(source), "\n"); lines > 80 {
		t.Errorf("the example has %d lines, which is more than the 80 that it may have", lines)
	}
}
