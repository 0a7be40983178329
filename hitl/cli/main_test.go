package cli_test

import (
	"os"
	"testing"
	"time"
)

// Times are printed in the zone of this computer, which is the same one in every test.
func TestMain(m *testing.M) {
	time.Local = time.FixedZone("", 2*60*60)
	os.Exit(m.Run())
}
