package kerneldrbd_test

import (
	"testing"

	. "github.com/onsi/gomega"
)

const dmesg = "dmesg -r"

func TestTheKernelsLogSaysWhyThePeerWasGivenUp(t *testing.T) {
	const (
		began   = "<6>[1.0] drbd r1: conn( Unconnected -> WFConnection ) \n"
		met     = "<6>[3.0] drbd r1: conn( WFReportParams -> Connected ) \n"
		failed  = "<3>[2.0] drbd r1: error receiving ReportState, e: -5 l: 0!\n"
		alone   = "<6>[4.0] drbd r1: conn( Disconnecting -> StandAlone ) \n"
		another = "<1>[2.0] drbd r11: Split-Brain detected but unresolved, dropping connection!\n"
	)
	for name, tc := range map[string]struct{ log, want string }{
		"a split brain":           {"dmesg-split-brain", "Split-Brain detected but unresolved, dropping connection!"},
		"an older kernel's":       {"=" + began + "<1>[2.0] block drbd1: Unrelated data, aborting!\n" + failed + alone, "Unrelated data, aborting!"},
		"a secret":                {"=" + began + "<3>[2.0] drbd r1: Authentication of peer failed\n" + failed + alone, "Authentication of peer failed"},
		"an order to disconnect":  {"=" + began + met + alone, ""},
		"before it was connected": {"=" + began + failed + met + alone, ""},
		"of another resource":     {"=" + began + another + alone, ""},
		"nothing":                 {"=", ""},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			r := resource(tools(t, map[string]string{dmesg: tc.log}))
			r.Minor = 1
			g.Expect(r.Complaint(t.Context())).To(Equal(tc.want))
		})
	}
}
