package drbdmeta_test

import (
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/format/drbdmeta"
)

// A toolDisk is a file that DRBD's own drbdmeta takes for a disk.
type toolDisk struct {
	t       *testing.T
	path    string
	version string
	place   []string
}

func newToolDisk(t *testing.T, size int64, version string, place ...string) toolDisk {
	t.Helper()
	if _, err := exec.LookPath("drbdmeta"); err != nil {
		t.Skip("no drbdmeta here: install drbd-utils to compare with the tool of DRBD itself")
	}
	d := toolDisk{t: t, path: filepath.Join(t.TempDir(), "disk"), version: version, place: place}
	NewWithT(t).Expect(os.WriteFile(d.path, nil, 0o600)).To(Succeed())
	NewWithT(t).Expect(os.Truncate(d.path, size)).To(Succeed())
	return d
}

// run calls drbdmeta and returns what it printed.
func (d toolDisk) run(command ...string) string {
	d.t.Helper()
	args := append([]string{"--force", "0", d.version, d.path}, d.place...)
	cmd := exec.CommandContext(d.t.Context(), "drbdmeta", append(args, command...)...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	NewWithT(d.t).Expect(err).NotTo(HaveOccurred(), stderr.String())
	return string(out)
}

// dump is the text of dump-md from the version on.
func (d toolDisk) dump() string {
	d.t.Helper()
	_, after, _ := strings.Cut(d.run("dump-md"), "\nversion ")
	return "version " + after
}

func (d toolDisk) read(at, length int64) []byte {
	d.t.Helper()
	b := make([]byte, length)
	f, err := os.Open(d.path)
	NewWithT(d.t).Expect(err).NotTo(HaveOccurred())
	defer f.Close() //nolint:errcheck // only read
	_, err = f.ReadAt(b, at)
	NewWithT(d.t).Expect(err).NotTo(HaveOccurred())
	return b
}

func (d toolDisk) write(at int64, b []byte) {
	d.t.Helper()
	f, err := os.OpenFile(d.path, os.O_WRONLY, 0)
	NewWithT(d.t).Expect(err).NotTo(HaveOccurred())
	_, err = f.WriteAt(b, at)
	NewWithT(d.t).Expect(err).NotTo(HaveOccurred())
	NewWithT(d.t).Expect(f.Close()).To(Succeed())
}

func TestDrbdmetaReadsWhatCreateMakes(t *testing.T) {
	for name, tc := range map[string]struct {
		size   int64
		place  []string
		log    []string
		layout func(sectors uint64) (drbdmeta.Layout, error)
	}{
		"internal": {size: 64 << 20, place: []string{"internal"}, layout: func(sectors uint64) (drbdmeta.Layout, error) {
			return drbdmeta.Internal(sectors, 0, 0)
		}},
		"internal of an odd size": {
			size: 200<<20 + 3*512, place: []string{"internal"},
			layout: func(sectors uint64) (drbdmeta.Layout, error) { return drbdmeta.Internal(sectors, 0, 0) },
		},
		"flexible": {size: 30 << 20, place: []string{"flex-external"}, layout: func(sectors uint64) (drbdmeta.Layout, error) {
			return drbdmeta.FlexibleExternal(sectors, 1<<30, 0, 0)
		}},
		"internal with a striped log": {
			size: 64 << 20, place: []string{"internal"}, log: []string{"--al-stripes", "4", "--al-stripe-size-kB", "64"},
			layout: func(sectors uint64) (drbdmeta.Layout, error) { return drbdmeta.Internal(sectors, 4, 16) },
		},
		"flexible with a striped log": {
			size: 30 << 20, place: []string{"flex-external"}, log: []string{"--al-stripes", "3"},
			layout: func(sectors uint64) (drbdmeta.Layout, error) {
				return drbdmeta.FlexibleExternal(sectors, 1<<30, 3, 8)
			},
		},
		"index 1": {size: 256 << 20, place: []string{"1"}, layout: func(sectors uint64) (drbdmeta.Layout, error) {
			return drbdmeta.Indexed(1, sectors, 1<<30)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			d := newToolDisk(t, tc.size, "v08", tc.place...)
			l, err := tc.layout(uint64(tc.size) / 512)
			g.Expect(err).NotTo(HaveOccurred())
			d.run(append([]string{"create-md"}, tc.log...)...)
			theirs := d.read(l.Superblock, drbdmeta.BlockSize)
			g.Expect(d.read(l.ActivityLog, l.ALSize)).To(Equal(drbdmeta.Create(l, 257, 0)[2].Bytes()))

			for _, p := range drbdmeta.Create(l, drbdmeta.DefaultALExtents, 0) {
				d.write(p.Offset, p.Bytes())
			}
			g.Expect(d.read(l.Superblock, drbdmeta.BlockSize)).To(Equal(theirs))
			s, err := drbdmeta.DecodeSuperblock(theirs)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(d.run("get-gi")).To(HavePrefix(s.GetGI()))
			g.Expect(strings.TrimSpace(d.run("dstate"))).To(HavePrefix(s.DState()))
			g.Expect(d.dump()).To(Equal(drbdmeta.Dump(s, l.Superblock, nil)))
		})
	}
}

func TestDrbdmetaAppliesOurLog(t *testing.T) {
	const size = 1 << 30
	g := NewWithT(t)
	d := newToolDisk(t, size, "v08", "internal")
	l, err := drbdmeta.Internal(size/512, 4, 3)
	g.Expect(err).NotTo(HaveOccurred())
	s := drbdmeta.Superblock{
		Size: l.DataSectors, UUIDs: drbdmeta.UUIDs{Current: 0xabcdef}, ALExtents: 67,
		Flags: drbdmeta.MDConsistent | drbdmeta.MDPrimaryInd | drbdmeta.MDWasUpToDate,
	}.At(l)
	for _, p := range drbdmeta.Create(l, 67, 0) {
		d.write(p.Offset, p.Bytes())
	}
	d.write(l.Superblock, s.Append(nil))
	slots := table(67)
	for n := range uint32(30) {
		tr := drbdmeta.Transaction{
			Number: n, Slots: 67, Context: slots, Updates: []drbdmeta.Update{{Slot: uint16(n % 20), Extent: 7 * n}},
		}
		b := tr.Append(nil)
		slots[n%20] = 7 * n
		if n == 29 {
			b[600]++
		}
		d.write(l.ActivityLog+drbdmeta.ALBlock(n, 4, 3)*drbdmeta.BlockSize, b)
	}
	replayed, err := drbdmeta.Replay(s, d.read(l.ActivityLog, l.ALSize))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(replayed.Torn).To(Equal(1))
	g.Expect(replayed.Hot).To(HaveLen(20))
	g.Expect(replayed.Hot).To(ContainElement(uint32(7 * 9)))

	d.run("apply-al")
	bitmap := make([]byte, l.BitmapSize)
	mark(bitmap, replayed.Hot)
	g.Expect(d.read(l.Bitmap, l.BitmapSize)).To(Equal(bitmap))
	s.Flags |= drbdmeta.MDALClean
	s.Clean = true
	g.Expect(d.read(l.Superblock, drbdmeta.BlockSize)).To(Equal(s.Append(nil)))
	g.Expect(d.dump()).To(Equal(drbdmeta.Dump(s, l.Superblock, bitmap)))
	g.Expect(d.read(l.ActivityLog, l.ALSize)).To(Equal(drbdmeta.Create(l, 67, 0)[2].Bytes()))
}

func TestDrbdmetaAppliesAnOldLog(t *testing.T) {
	const size = 1 << 30
	g := NewWithT(t)
	d := newToolDisk(t, size, "v08", "internal")
	l, err := drbdmeta.Internal(size/512, 0, 0)
	g.Expect(err).NotTo(HaveOccurred())
	s := drbdmeta.Superblock{
		Size: l.DataSectors, ALExtents: 127, Flags: drbdmeta.MDConsistent | drbdmeta.MDPrimaryInd, Clean: true,
	}.At(l)
	s.Stripes, s.StripeSize4k = 0, 0
	d.write(l.Superblock, s.Append(nil))
	d.write(l.ActivityLog+1536, oldSector(7, drbdmeta.Update{Slot: 0, Extent: 40}, drbdmeta.Update{Slot: 2, Extent: 50}))
	d.write(l.ActivityLog, oldSector(8, drbdmeta.Update{Slot: 1, Extent: 41}, drbdmeta.Update{Slot: 0, Extent: 40}))
	d.write(l.ActivityLog+512, oldSector(9, drbdmeta.Update{Slot: 0, Extent: 42}, drbdmeta.Update{Slot: 0, Extent: 40}))
	replayed, err := drbdmeta.Replay(s, d.read(l.ActivityLog, l.ALSize))
	g.Expect(err).NotTo(HaveOccurred())

	d.run("apply-al")
	bitmap := make([]byte, l.BitmapSize)
	mark(bitmap, replayed.Hot)
	g.Expect(d.read(l.Bitmap, l.BitmapSize)).To(Equal(bitmap))
}

func TestDrbdmetaMakesAV07(t *testing.T) {
	const size = 300 << 20
	g := NewWithT(t)
	d := newToolDisk(t, size, "v07", "internal")
	d.run("create-md")
	at, ok := drbdmeta.V07Offset(size / 512)
	g.Expect(ok).To(BeTrue())
	b := d.read(at, drbdmeta.BlockSize)
	got, err := drbdmeta.DecodeV07(b)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(got).To(Equal(drbdmeta.V07{HumanCount: 1, TimeoutCount: 1, ConnectedCount: 1, ArbitraryCount: 1, ALExtents: 257}))
	_, err = drbdmeta.DecodeSuperblock(b)
	g.Expect(err).To(MatchError(drbdmeta.ErrV07))
}

func TestDumpsAsDrbdmetaDoes(t *testing.T) {
	const size = 1 << 30
	g := NewWithT(t)
	d := newToolDisk(t, size, "v08", "internal")
	d.run("create-md")
	l, err := drbdmeta.Internal(size/512, 1, 8)
	g.Expect(err).NotTo(HaveOccurred())
	s, err := drbdmeta.DecodeSuperblock(d.read(l.Superblock, drbdmeta.BlockSize))
	g.Expect(err).NotTo(HaveOccurred())
	s.Size, s.Flags, s.PeerMaxBio = 1000000, 0x93, 1<<20
	d.write(l.Superblock, s.Append(nil))
	bitmap := make([]byte, l.BitmapSize)
	at := 0
	for i, length := range []int{3, 4, 5, 7, 8, 9, 13, 16, 31, 33, 40, 64, 65, 100} {
		for range length * 8 {
			bitmap[at] = []byte{0xff, 0, 0x5a, byte(at % 4), byte(at % 8)}[i%5]
			at++
		}
	}
	d.write(l.Bitmap, bitmap)
	g.Expect(drbdmeta.Dump(s, l.Superblock, bitmap)).To(Equal(d.dump()))
	s.Flags &^= drbdmeta.MDALClean
	d.write(l.Superblock, s.Append(nil))
	g.Expect(drbdmeta.Dump(s, l.Superblock, bitmap)).To(Equal(d.dump()))
}

func TestConvertsAsDrbdmetaDoes(t *testing.T) {
	const size = 300 << 20
	g := NewWithT(t)
	d := newToolDisk(t, size, "v07", "internal")
	d.run("create-md")
	at, _ := drbdmeta.V07Offset(size / 512)
	b := d.read(at, drbdmeta.BlockSize)
	be := binary.BigEndian
	be.PutUint64(b, 170000)
	for i, n := range []uint32{1, 3, 2, 7, 5} {
		be.PutUint32(b[8+4*i:], n)
	}
	d.write(at, b)
	v, err := drbdmeta.DecodeV07(b)
	g.Expect(err).NotTo(HaveOccurred())
	old := v.V07Layout(at)
	g.Expect(d.run("dump-md")).To(ContainSubstring(fmt.Sprintf(
		"# al_offset %d\n# bm_offset %d\n", old.ActivityLog, old.Bitmap)))
	l, err := drbdmeta.Internal(size/512, 0, 0)
	g.Expect(err).NotTo(HaveOccurred())
	bitmap := make([]byte, old.BitmapSize)
	s, err := v.Convert(l, bitmap, make([]byte, old.ALSize))
	g.Expect(err).NotTo(HaveOccurred())

	d.version = "v08"
	d.run("create-md")
	theirs, err := drbdmeta.DecodeSuperblock(d.read(l.Superblock, drbdmeta.BlockSize))
	g.Expect(err).NotTo(HaveOccurred())
	theirs.Flags |= drbdmeta.MDALClean
	g.Expect(s).To(Equal(theirs))

	// What the tool does not move is moved, and named for.
	bitmap[0] = 7
	v.Flags |= drbdmeta.MDPrimaryInd
	log := make([]byte, old.ALSize)
	copy(log, oldSector(1, drbdmeta.Update{Slot: 0, Extent: 3}, drbdmeta.Update{Slot: 0, Extent: 3}))
	s, err = v.Convert(l, bitmap, log)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(s.UUIDs.Bitmap).To(Equal(s.UUIDs.Current - 0x10000))
	g.Expect(bitmap[3*128 : 4*128]).To(HaveEach(byte(0xff)))
	v.Size = l.DataSectors + 1
	_, err = v.Convert(l, bitmap, log)
	g.Expect(err).To(MatchError(drbdmeta.ErrTooSmall))
}

func TestShowsAsDrbdmetaDoes(t *testing.T) {
	const size = 64 << 20
	g := NewWithT(t)
	d := newToolDisk(t, size, "v08", "internal")
	d.run("create-md")
	l, err := drbdmeta.Internal(size/512, 0, 0)
	g.Expect(err).NotTo(HaveOccurred())
	s, err := drbdmeta.DecodeSuperblock(d.read(l.Superblock, drbdmeta.BlockSize))
	g.Expect(err).NotTo(HaveOccurred())
	for _, sectors := range []uint64{0, 7, 2047, 20479, 130000} {
		s.Size, s.Flags = sectors, s.Flags+1
		d.write(l.Superblock, s.Append(nil))
		g.Expect(s.ShowGI() + s.AgreedSizeText()).To(Equal(d.run("show-gi")))
	}
}
