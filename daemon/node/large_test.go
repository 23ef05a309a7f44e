package node_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/config"
	"github.com/optionc/pollux/daemon/driver/control"
	"github.com/optionc/pollux/daemon/format/drbdmeta"
	"github.com/optionc/pollux/daemon/node"
)

// largest is the most that a file of ext4 can have, 4 KiB less than 16 TiB.
const largest = 16<<40 - 4096

// A disk of 16 TiB has a bitmap of 512 MiB, which is what DRBD takes too. All
// the rest of the daemon's heap has a bound that does not depend on it.
func TestADiskOf16TiBNeedsNoMoreThanItsBitmap(t *testing.T) {
	if testing.Short() {
		t.Skip("needs half a gigabyte of memory")
	}
	g := NewWithT(t)
	site, at := largeSite(t)
	n, err := node.New(site, node.Options{StateDir: t.TempDir(), RunDir: t.TempDir()})
	g.Expect(err).NotTo(HaveOccurred())
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- n.Run(ctx) }()
	g.Eventually(func() uint64 { return n.Status().Resources[0].OutOfSyncKiB }).WithTimeout(time.Minute).
		Should(BeEquivalentTo(2 * 4096))
	var heap runtime.MemStats
	runtime.ReadMemStats(&heap)
	const bitmap = 16 << 10 * 32 << 10
	g.Expect(heap.HeapSys-heap.HeapReleased).To(BeNumerically("<", bitmap+96<<20), "bytes of heap")
	// It is refused until the attach is over.
	g.Eventually(func() string { return n.Order(ctx, control.Order{Order: "detach", Resource: "r1"}).Text }).
		WithTimeout(time.Minute).Should(BeEmpty())
	stop()
	g.Expect(<-ended).NotTo(HaveOccurred())

	f, err := os.Open(site.Resources[0].Volume.Disk)
	g.Expect(err).NotTo(HaveOccurred())
	defer func() { _ = f.Close() }()
	b := make([]byte, drbdmeta.BlockSize)
	_, err = f.ReadAt(b, at.Superblock)
	g.Expect(err).NotTo(HaveOccurred())
	super, err := drbdmeta.DecodeSuperblock(b)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(super.Flags & drbdmeta.MDCrashedPrimary).NotTo(BeZero())
	for _, extent := range []int64{5, lastExtent(at)} {
		_, err = f.ReadAt(b[:drbdmeta.ExtentBits/8], at.Bitmap+extent*drbdmeta.ExtentBits/8)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(b[:drbdmeta.ExtentBits/8]).To(HaveEach(byte(0xff)), "extent %d", extent)
	}
}

// lastExtent is the last one that the data fill.
func lastExtent(l drbdmeta.Layout) int64 { return int64(l.DataSectors/drbdmeta.ExtentSectors) - 1 }

// largeSite is a node whose disk was in use by a Primary that lost power: two
// extents are hot.
func largeSite(t *testing.T) (*config.Site, drbdmeta.Layout) {
	t.Helper()
	g := NewWithT(t)
	dir := t.TempDir()
	disk := filepath.Join(dir, "disk")
	f, err := os.Create(disk)
	g.Expect(err).NotTo(HaveOccurred())
	defer func() { _ = f.Close() }()
	if err := f.Truncate(largest); errors.Is(err, syscall.EFBIG) {
		t.Skipf("%s: its file system has no files of 16 TiB", dir)
	}
	l, err := drbdmeta.Internal(largest/drbdmeta.SectorSize, 4, 8)
	g.Expect(err).NotTo(HaveOccurred())
	write := func(b []byte, at int64) {
		_, err := f.WriteAt(b, at)
		g.Expect(err).NotTo(HaveOccurred())
	}
	write(drbdmeta.Superblock{
		Size: l.DataSectors, UUIDs: drbdmeta.UUIDs{Current: 0xabcdef}, ALExtents: 67,
		Flags: drbdmeta.MDConsistent | drbdmeta.MDPrimaryInd | drbdmeta.MDWasUpToDate,
	}.At(l).Append(nil), l.Superblock)
	for _, p := range drbdmeta.Create(l, 67, 0)[2:3] {
		write(p.Bytes(), p.Offset)
	}
	write(drbdmeta.Transaction{
		Slots: 67, Updates: []drbdmeta.Update{{Slot: 0, Extent: 5}, {Slot: 1, Extent: uint32(lastExtent(l))}},
	}.Append(nil), l.ActivityLog)
	conf := fmt.Sprintf(`resource r1 {
  on milo1 { device /dev/drbd1 minor 1; disk %s; address 127.0.0.1:17789; meta-disk internal; }
  on milo2 { device /dev/drbd1 minor 1; disk %s; address 127.0.0.1:17790; meta-disk internal; }
}
`, disk, disk)
	g.Expect(os.WriteFile(filepath.Join(dir, "drbd.conf"), []byte(conf), 0o600)).To(Succeed())
	site, err := config.Load(dir, "milo1")
	g.Expect(err).NotTo(HaveOccurred())
	return site, l
}
