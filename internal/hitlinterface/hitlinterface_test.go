package hitlinterface_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hitl-go/sdk/internal/hitlinterface"
	"github.com/hitl-go/sdk/internal/recorded"
)

func TestInterfaceIsTheRecordedOne(t *testing.T) {
	for _, version := range []string{hitlinterface.V2_1, hitlinterface.V2_0} {
		t.Run(version, func(t *testing.T) {
			params, err := hitlinterface.Of(version)
			if err != nil {
				t.Fatal(err)
			}
			ours, err := recorded.Encode(params)
			if err != nil {
				t.Fatal(err)
			}
			want, err := recorded.Read("hitl-" + version + ".interface.json")
			if err != nil {
				t.Fatal(err)
			}
			delete(want, "sdkVersion")
			if diff := cmp.Diff(recorded.Structure(want), recorded.Structure(ours)); diff != "" {
				t.Errorf("the interface differs from the recorded one (-recorded +ours):\n%s", diff)
			}
		})
	}
}

func TestInterfaceOfAnUnknownVersion(t *testing.T) {
	const want = `hitl: the interface version "3.0.0" is not known here; use 2.1.0 or 2.0.0`
	if _, err := hitlinterface.Of("3.0.0"); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}
