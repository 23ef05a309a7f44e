package lvm_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/driver/command"
	"github.com/optionc/pollux/daemon/driver/lvm"
)

// The reports are of LVM 2.03.16, about a disk of 198656 sectors.
func TestPhysical(t *testing.T) {
	for file, want := range map[string]lvm.PV{
		"pv-without-group.json":         {Size: 198656, Start: 2048},
		"pv-without-group-resized.json": {Size: 198576, Start: 2048},
		"pv-with-room.json":             {Group: "my_vg", Size: 196608, Start: 2048, Extent: 8192, Count: 24, Used: 15, Free: 9, Last: "web1"},
		"pv-full.json":                  {Group: "my_vg", Size: 196608, Start: 2048, Extent: 8192, Count: 24, Used: 24, Last: "web3"},
		"pv-used-at-its-end.json": {
			Group: "my_vg", Size: 196608, Start: 2048, Extent: 8192, Count: 24, Used: 24, Free: 5, Last: "web3",
		},
		"pv-resized.json": {Group: "my_vg", Size: 188416, Start: 2048, Extent: 8192, Count: 23, Used: 15, Free: 8, Last: "web1"},
	} {
		t.Run(file, func(t *testing.T) {
			g := NewWithT(t)
			text, err := os.ReadFile(filepath.Join("testdata", file))
			g.Expect(err).NotTo(HaveOccurred())
			pv, err := lvm.Physical(t.Context(), func(_ context.Context, p command.Program) (command.Result, error) {
				g.Expect(p.String()).To(And(HavePrefix("pvs --config"), HaveSuffix(" /dev/sda3")))
				return command.Exited(p, 0, text, nil)
			}, "/dev/sda3")
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(pv).To(Equal(want))
		})
	}
}

func TestWhatIsNoReportOfAPhysicalVolume(t *testing.T) {
	for text, want := range map[string]string{
		"":                          "no report in JSON",
		`{"report":[]`:              "no report in JSON",
		`{"report":[{"pvseg":[]}]}`: "without a physical volume",
		`{"report":[{"pvseg":[{"pe_start":"x"}]}]}`: "no number as",
	} {
		_, err := lvm.Physical(t.Context(), func(_ context.Context, p command.Program) (command.Result, error) {
			return command.Exited(p, 0, []byte(text), nil)
		}, "/dev/sda3")
		NewWithT(t).Expect(err).To(MatchError(ContainSubstring(want)))
	}
}

func TestHowManyExtentsFit(t *testing.T) {
	g := NewWithT(t)
	pv := lvm.PV{Start: 2048, Extent: 8192}
	g.Expect(pv.Fit(198656)).To(BeEquivalentTo(24))
	g.Expect(pv.Fit(198655)).To(BeEquivalentTo(23))
	g.Expect(pv.Fit(100)).To(BeZero())
	pv = lvm.PV{Group: "my_vg", Start: 2048, Extent: 8192, Count: 24}
	g.Expect(pv.Within(198656)).To(BeTrue())
	g.Expect(pv.Within(198655)).To(BeFalse())
	pv = lvm.PV{Size: 198576, Start: 2048}
	g.Expect(pv.Within(198576)).To(BeTrue())
	g.Expect(pv.Within(198575)).To(BeFalse())
}
