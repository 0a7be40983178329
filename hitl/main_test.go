package hitl_test

import (
	"testing"

	"go.uber.org/goleak"
)

// TestMain fails the package if a goroutine outlives the tests: each has an owner who waits for it.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
