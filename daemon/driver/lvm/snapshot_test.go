package lvm_test

import (
	"context"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/driver/command"
	"github.com/optionc/pollux/daemon/driver/lvm"
)

// tools answer in place of LVM: of each command line what it prints, or its
// failure if that is missing.
func tools(answers map[string]string) (command.Runner, *[]string) {
	ran := &[]string{}
	return func(_ context.Context, p command.Program) (command.Result, error) {
		*ran = append(*ran, p.String())
		out, ok := answers[p.String()]
		if !ok {
			return command.Exited(p, 5, nil, []byte("failed"))
		}
		return command.Exited(p, 0, []byte(out), nil)
	}, ran
}

const (
	askVolume = "lvs --noheadings --separator / --options vg_name,lv_name /dev/vg/r1"
	askOld    = "lvs --noheadings --options lv_name vg/r1-before-resync"
	make1     = "lvcreate --snapshot --name r1-before-resync --size 145752064b vg/r1"
	remove    = "lvremove --yes vg/r1-before-resync"
)

func TestASnapshotIsTakenBeforeAResync(t *testing.T) {
	for name, tc := range map[string]struct {
		answers map[string]string
		want    string
	}{
		"of a logical volume": {map[string]string{askVolume: "  vg/r1\n", make1: ""}, ""},
		"but not of anything else": {
			map[string]string{askVolume: ""}, `snapshot of /dev/vg/r1: it is no logical volume: lvs says ""`,
		},
		"unless there is no room for it, or an old one": {
			map[string]string{askVolume: "  vg/r1\n"}, "snapshot of /dev/vg/r1: " + make1 + ": exit status 5: failed",
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			run, _ := tools(tc.answers)
			err := lvm.Snapshot{Device: "/dev/vg/r1", Run: run}.Make(t.Context(), 10<<20)
			if tc.want == "" {
				g.Expect(err).NotTo(HaveOccurred())
				return
			}
			g.Expect(err).To(MatchError(tc.want))
		})
	}
}

func TestASnapshotIsDroppedAfterwards(t *testing.T) {
	g := NewWithT(t)
	run, ran := tools(map[string]string{askVolume: "  vg/r1\n", askOld: "  r1-before-resync\n", remove: ""})
	g.Expect(lvm.Snapshot{Device: "/dev/vg/r1", Run: run}.Drop(t.Context())).To(Succeed())
	g.Expect(*ran).To(Equal([]string{askVolume, askOld, remove}))

	run, ran = tools(map[string]string{askVolume: "  vg/r1\n"})
	g.Expect(lvm.Snapshot{Device: "/dev/vg/r1", Run: run}.Drop(t.Context())).To(Succeed(), "there is none")
	g.Expect(*ran).To(HaveLen(2))

	run, _ = tools(map[string]string{askVolume: "  vg/r1\n", askOld: "  r1-before-resync\n"})
	g.Expect(lvm.Snapshot{Device: "/dev/vg/r1", Run: run}.Drop(t.Context())).To(MatchError(HavePrefix("remove snapshot vg/r1")))
}
