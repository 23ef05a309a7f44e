package xen_test

import (
	"context"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/driver/command"
	"github.com/optionc/pollux/daemon/driver/xen"
)

func TestGuestsThatFindNoRoomAreNotBegunWith(t *testing.T) {
	onHost(t, func(h *host, ctx context.Context) { // of 96 MiB each
		h.add("batch", "-b----")
		h.free = 191
		h.Expect(h.guests().Start(ctx)).To(MatchError(HaveSuffix(": not enough memory: 192 MiB are needed (web1 96, web2 96), " +
			"and Xen has 191 MiB free; what runs here has 96: batch 96")))
		h.Expect(h.calls).To(BeEmpty())
		h.free = 192
		h.Expect(h.guests().Start(ctx)).To(Succeed())
		h.free = 1
		h.Expect(h.guests().Start(ctx)).To(Succeed(), "they have it already")
	})
}

func TestMemoryOfDom0(t *testing.T) {
	for name, tc := range map[string]struct {
		xlConf, commandLine string
		want                uint64
	}{
		"dom0_mem was given, so it keeps what it has": {"", "dom0_mem=352M,max:352M", 0},
		"nobody has said what it has":                 {"#autoballoon=\"off\"\n", "console=com1", 352 - 128},
		"it is to give":                               {"autoballoon=\"on\"\n", "dom0_mem=352M", 352 - 128},
		"it is not to give":                           {"autoballoon = 'off'\n", "console=com1", 0},
		"in the old words":                            {"autoballoon=0\n", "console=com1", 0},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t)
			h.configure(".xl.conf", tc.xlConf)
			h.commandLine = tc.commandLine
			h.free = 0
			m, err := h.guests().Memory(t.Context())
			h.Expect(err).NotTo(HaveOccurred())
			h.Expect(m).To(Equal(xen.Memory{Total: 511, Free: 150, Dom0: tc.want, Others: map[string]uint64{}}))
			h.Expect(m.Room()).To(Equal(150 + tc.want))
		})
	}
}

func TestMemoryThatCanNotBeAskedForRefusesNothing(t *testing.T) {
	onHost(t, func(h *host, ctx context.Context) {
		g := h.guests()
		g.Run = func(ctx context.Context, p command.Program) (command.Result, error) {
			if p.Args[0] == "info" {
				return command.Exited(p, 0, []byte("total_memory : 511\n"), nil)
			}
			return h.run(ctx, p)
		}
		_, err := g.Memory(ctx)
		h.Expect(err).To(MatchError(ContainSubstring("xl info printed no number as free_memory")))
		h.Expect(g.Start(ctx)).To(Succeed())
	})
}
