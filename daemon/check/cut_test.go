package check

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/format/haconf"
)

func TestWhatACutWillDo(t *testing.T) {
	for policy, want := range map[string]string{
		haconf.PolicyLastMan: "both nodes will run the guests",
		haconf.PolicyFreeze:  "lets its guests wait until the link is back",
		haconf.PolicyWitness: "stops them before its lease (30s) ends",
	} {
		t.Run(policy, func(t *testing.T) {
			ha := haconf.HA{Policy: policy, Deadtime: 90 * time.Second, Lease: 30 * time.Second}
			NewWithT(t).Expect(cut(&ha)).To(And(ContainSubstring("longer than deadtime (1m30s)"), ContainSubstring(want)))
		})
	}
}

func TestWhatACutWillDoWithFencing(t *testing.T) {
	ha := haconf.HA{Policy: haconf.PolicyLastMan, Stonith: []haconf.Stonith{{Host: "*", Type: "external/ipmi"}}}
	NewWithT(t).Expect(cut(&ha)).To(ContainSubstring("has the other one switched off first"))
}
