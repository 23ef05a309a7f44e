package world

import (
	"bytes"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/machine"
	"github.com/optionc/pollux/daemon/core/replica"
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
