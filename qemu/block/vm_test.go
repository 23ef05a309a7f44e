package block_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/faults/draw"
	"github.com/optionc/pollux/qemu/block"
	"github.com/optionc/pollux/qemu/image"
	"github.com/optionc/pollux/qemu/machine"
	"github.com/optionc/pollux/qemu/record"
)

func TestBlock(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "qemu/block")
}

var _ = BeforeSuite(func() {
	if os.Getenv("POLLUX_E2E") != "1" {
		Skip("boots machines in QEMU: run with POLLUX_E2E=1")
	}
})

const mib = 1 << 20

var _ = Describe("A machine's disk", Label("vm"), Ordered, func() {
	var (
		data, fua *block.Disk
		config    machine.Config
		m         *machine.Machine
	)
	boot := func(ctx SpecContext) {
		var err error
		m, err = machine.Boot(ctx, GinkgoT(), config)
		Expect(err).NotTo(HaveOccurred())
	}
	BeforeAll(func(ctx SpecContext) {
		plain, err := image.Plain(ctx, image.DefaultKernel(), nil)
		Expect(err).NotTo(HaveOccurred())
		dir, err := os.MkdirTemp("", "pollux")
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(os.RemoveAll, dir)
		data, fua = block.New(64*mib), block.New(8*mib)
		config = machine.Config{Name: "milo1", Image: plain, Disks: []machine.Disk{
			{Name: "data", Socket: filepath.Join(dir, "data")},
			{Name: "fua", Socket: filepath.Join(dir, "fua"), FUA: true},
		}}
		for i, d := range []*block.Disk{data, fua} {
			Expect(d.Serve(config.Disks[i].Socket)).To(Succeed())
			DeferCleanup(d.Close)
		}
		boot(ctx)
	}, NodeTimeout(5*time.Minute))

	at := func(d *block.Disk, off int64, n int) []byte {
		p := make([]byte, n)
		Expect(d.ReadAt(p, off)).To(Equal(n))
		return p
	}
	fill := func(letter, then string) string {
		return "head -c 1048576 /dev/zero | tr '\\0' " + letter + " | dd of=/dev/disk/data bs=64k iflag=fullblock oflag=direct " + then
	}

	It("has a volatile cache, as the machine sees it", func(ctx SpecContext) {
		Expect(m.Shell(ctx, "cat /sys/block/$(basename $(readlink -f /dev/disk/data))/queue/write_cache")).To(Equal("write back\n"))
		Expect(m.Shell(ctx, "cat /sys/block/$(basename $(readlink -f /dev/disk/fua))/queue/fua")).To(Equal("1\n"))
	})

	It("answers I/O errors where it is told to, and nowhere else", func(ctx SpecContext) {
		data.Fail(800, 8)
		one := func(do string) int {
			r, err := m.Run(ctx, "/bin/bash", "-c", do)
			Expect(err).NotTo(HaveOccurred())
			return r.Status
		}
		Expect(one("dd if=/dev/disk/data of=/dev/null bs=4k skip=100 count=1 iflag=direct")).NotTo(BeZero())
		Expect(one("dd if=/dev/zero of=/dev/disk/data bs=4k seek=100 count=1 oflag=direct")).NotTo(BeZero())
		Expect(one("dd if=/dev/zero of=/dev/disk/data bs=4k seek=101 count=1 oflag=direct")).To(BeZero())
		data.Heal()
		Expect(one("dd if=/dev/disk/data of=/dev/null bs=4k skip=100 count=1 iflag=direct")).To(BeZero())
	}, SpecTimeout(time.Minute))

	It("has what the machine wrote, and knows what was flushed", func(ctx SpecContext) {
		Expect(m.Shell(ctx, fill("A", "conv=fsync"))).Error().NotTo(HaveOccurred())
		Expect(data.Unflushed()).To(BeZero())
		Expect(m.Shell(ctx, fill("B", ""))).Error().NotTo(HaveOccurred())
		Expect(data.Unflushed()).To(Equal(mib / block.SectorSize))
		Expect(at(data, 0, mib)).To(Equal(bytes.Repeat([]byte("B"), mib)))
	})

	It("loses at a power loss what was not flushed, or some sectors of it", func(ctx SpecContext) {
		m.Kill()
		data.PowerLoss(block.Nothing)
		boot(ctx)
		Expect(m.Shell(ctx, "head -c 1048576 /dev/disk/data | tr -d A | wc -c")).To(Equal("0\n"))

		Expect(m.Shell(ctx, fill("C", ""))).Error().NotTo(HaveOccurred())
		m.Kill()
		luck := draw.New(1, "survives")
		data.PowerLoss(func() bool { return luck.Chance(500_000) })
		kept := 0
		for off := int64(0); off < mib; off += block.SectorSize {
			sector := at(data, off, block.SectorSize)
			Expect(bytes.Count(sector, sector[:1])).To(Equal(block.SectorSize), "a sector is kept as a whole")
			if sector[0] == 'C' {
				kept++
			}
		}
		Expect(kept).To(BeNumerically("~", 1024, 200))
	}, SpecTimeout(2*time.Minute))

	It("keeps the records that a program has printed", func(ctx SpecContext) {
		boot(ctx)
		Expect(m.Shell(ctx, "mkfs.ext4 -q -F /dev/disk/data && mount /dev/disk/data /mnt")).Error().NotTo(HaveOccurred())
		p, err := m.Start("recorder", "/mnt/records", "1ms")
		Expect(err).NotTo(HaveOccurred())
		Eventually(func() int { return printed(p.Stdout()) }).WithContext(ctx).WithTimeout(30 * time.Second).
			Should(BeNumerically(">", 50))
		m.Kill()
		promised := printed(p.Stdout())
		data.PowerLoss(block.Nothing)
		boot(ctx)
		Expect(m.Output(ctx, "e2fsck", "-p", "/dev/disk/data")).Error().NotTo(HaveOccurred())
		Expect(m.Output(ctx, "mount", "/dev/disk/data", "/mnt")).Error().NotTo(HaveOccurred())
		content, err := m.Get(ctx, "/mnt/records")
		Expect(err).NotTo(HaveOccurred())
		records, _, err := record.Verify(content)
		Expect(err).NotTo(HaveOccurred())
		Expect(len(records)).To(BeNumerically(">=", promised))
	}, SpecTimeout(3*time.Minute))
})

// printed is how many records a recorder has promised; they have no holes.
func printed(output string) int {
	n := 0
	for line := range bytes.Lines([]byte(output)) {
		if _, err := record.Parse(line); err == nil {
			n++
		}
	}
	return n
}
