package world

import (
	"bytes"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/machine"
	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/daemon/format/drbdmeta"
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

// A superblock whose write was under way when the power went is on the disk, or not;
// but a bitmap page that was written before is, wherever that superblock is.
func TestPowerLossDuringAWriteThatFlushes(t *testing.T) {
	const page = 4096
	g := NewWithT(t)
	torn := 0
	for seed := range uint64(200) {
		w, err := New(Config{
			Seed: seed, Sectors: 1 << 16, Keep: 500_000,
			Disk:    DiskTimes{Write: time.Millisecond, Sync: time.Millisecond},
			Machine: machine.Config{Resources: []replica.Config{{ALExtents: 7}}},
		}, nil)
		g.Expect(err).NotTo(HaveOccurred())
		d := w.nodes[0].disk
		l := d.layout()
		before := d.metadata(l.Superblock, page)
		marks, super := bytes.Repeat([]byte{0xff}, page), bytes.Clone(before)
		super[0] ^= 1
		write := func(offset int64, data []byte, durable bool) {
			d.carryOut(&replica.Effect{
				Kind: replica.MetaWrite, Offset: offset, Size: uint32(len(data)), Data: data, FUA: durable,
			})
		}
		write(l.Bitmap, marks, false)
		if broken := w.Run(time.Second); broken != nil {
			t.Fatal(broken)
		}
		write(l.Superblock, super, true)
		d.powerLoss(w.cfg.Keep)
		if bytes.Equal(d.metadata(l.Superblock, page), before) {
			continue
		}
		torn++
		g.Expect(bytes.Equal(d.metadata(l.Bitmap, page), marks)).To(BeTrue(), "seed %d", seed)
	}
	g.Expect(torn).To(BeNumerically(">", 20))
}

// An image of half a copy is restored where the peer has a whole one, and not over the
// only whole one.
func TestRevertKeepsTheOnlyWholeCopy(t *testing.T) {
	for name, c := range map[string]struct{ image, mine, theirs, begins, restored bool }{
		"half, and the peer's is whole":       {mine: true, theirs: true, restored: true},
		"half, and the peer's was to be half": {mine: true, theirs: true, begins: true},
		"half, over the only whole one":       {mine: true},
		"half, over half":                     {restored: true},
		"whole, though the peer's is not":     {image: true, mine: true, restored: true},
		"whole, over half, beside a half one": {image: true, restored: true},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			w, err := New(Config{
				Seed: 1, Sectors: 1 << 16, Machine: machine.Config{Resources: []replica.Config{{ALExtents: 7}}},
			}, nil)
			g.Expect(err).NotTo(HaveOccurred())
			n := w.nodes[0]
			n.disk.label(g, 1, c.image)
			n.Remember()
			n.disk.label(g, 2, c.mine)
			w.nodes[1].disk.label(g, 3, c.theirs)
			if c.begins {
				w.nodes[1].alive, w.nodes[1].state.Conn = true, drbdwire.WFSyncUUID
			}
			n.PowerLoss()
			n.Revert()
			super, _, _ := n.disk.superblock()
			want := uint64(2 << 8)
			if c.restored {
				want = 1 << 8
			}
			g.Expect(super.UUIDs.Current).To(Equal(want))
		})
	}
}

// label gives a disk a generation, and calls it whole or not.
func (d *device) label(g *WithT, generation uint64, whole bool) {
	super, at, _ := d.superblock()
	super.UUIDs.Current, super.Flags = generation<<8, 0
	if whole {
		super.Flags = drbdmeta.MDConsistent
	}
	g.Expect(d.format(at, super.Append(nil))).To(Succeed())
}
