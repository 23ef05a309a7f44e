package drbdmeta_test

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/format/drbdmeta"
)

// A vector is the meta-data area of a kernel DRBD 8.4, the last bytes of its
// backing disk, with what drbdmeta dump-md printed of it.
type vector struct {
	name string
	from int64 // byte offset of area on the disk
	area []byte
	disk int64  // bytes of the whole disk
	dump string // from the line of the version on
}

// at is the part of the area at byte offset from of the disk.
func (v vector) at(from, length int64) []byte { return v.area[from-v.from:][:length] }

func (v vector) superblock(tb testing.TB) (drbdmeta.Superblock, drbdmeta.Layout) {
	tb.Helper()
	g := NewWithT(tb)
	l, err := drbdmeta.Internal(uint64(v.disk)/512, 1, 8)
	g.Expect(err).NotTo(HaveOccurred())
	s, err := drbdmeta.DecodeSuperblock(v.at(l.Superblock, drbdmeta.BlockSize))
	g.Expect(err).NotTo(HaveOccurred())
	return s, l
}

func loadVector(tb testing.TB, name string) vector {
	tb.Helper()
	g := NewWithT(tb)
	f, err := os.Open(filepath.Join("testdata", "md", name+".bin.gz"))
	g.Expect(err).NotTo(HaveOccurred())
	defer f.Close() //nolint:errcheck // only read
	z, err := gzip.NewReader(f)
	g.Expect(err).NotTo(HaveOccurred())
	area, err := io.ReadAll(z)
	g.Expect(err).NotTo(HaveOccurred())
	text, err := os.ReadFile(filepath.Join("testdata", "md", name+".txt"))
	g.Expect(err).NotTo(HaveOccurred())

	v := vector{name: name, area: area}
	var length int64
	_, err = fmt.Sscanf(string(text), "# last %d bytes (from byte %d) of a %d-byte backing disk",
		&length, &v.from, &v.disk)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(area).To(HaveLen(int(length)))
	_, after, _ := strings.Cut(string(text), "\nversion ")
	dump, _, _ := strings.Cut(after, "\nioctl(")
	v.dump = "version " + strings.TrimRight(dump, "\n") + "\n"
	return v
}

func loadVectors(tb testing.TB) []vector {
	tb.Helper()
	files, err := filepath.Glob("testdata/md/*.bin.gz")
	g := NewWithT(tb)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(len(files)).To(BeNumerically(">", 30))
	var vectors []vector
	for _, file := range files {
		vectors = append(vectors, loadVector(tb, strings.TrimSuffix(filepath.Base(file), ".bin.gz")))
	}
	return vectors
}

func TestSuperblocksOfTheKernel(t *testing.T) {
	for _, v := range loadVectors(t) {
		t.Run(v.name, func(t *testing.T) {
			g := NewWithT(t)
			s, l := v.superblock(t)
			g.Expect(s.Append(nil)).To(Equal(v.at(l.Superblock, drbdmeta.BlockSize)))
			g.Expect(s.Validate(drbdmeta.KindInternal, l.Superblock, uint64(v.disk)/512)).To(Succeed())
			g.Expect(s.Layout(l.Superblock)).To(Equal(l), "what the superblock says is what the size of the disk gives")
			g.Expect(drbdmeta.Dump(s, l.Superblock, v.at(l.Bitmap, l.BitmapSize))).To(Equal(v.dump))
		})
	}
}

func TestActivityLogsOfTheKernel(t *testing.T) {
	for _, v := range loadVectors(t) {
		t.Run(v.name, func(t *testing.T) {
			g := NewWithT(t)
			s, l := v.superblock(t)
			updates := 0
			for i := range l.ALSize / drbdmeta.BlockSize {
				block := v.at(l.ActivityLog+i*drbdmeta.BlockSize, drbdmeta.BlockSize)
				tr, err := drbdmeta.DecodeTransaction(block)
				if err != nil {
					g.Expect(err).To(MatchError(drbdmeta.ErrInitialized))
					g.Expect(drbdmeta.AppendInitialized(nil)).To(Equal(block))
					continue
				}
				g.Expect(tr.Append(nil)).To(Equal(block))
				g.Expect(drbdmeta.ALBlock(tr.Number, s.Stripes, s.StripeSize4k)).To(Equal(i))
				updates += len(tr.Updates)
			}
			replayed, err := drbdmeta.Replay(s, v.at(l.ActivityLog, l.ALSize))
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(replayed.Torn).To(BeZero())
			if s.Flags&drbdmeta.MDPrimaryInd == 0 {
				g.Expect(replayed.Hot).To(BeEmpty())
			} else {
				g.Expect(len(replayed.Hot)).To(BeNumerically(">=", min(1, updates)))
			}
		})
	}
}

func TestReplayMarksWhatDrbdmetaMarks(t *testing.T) {
	g := NewWithT(t)
	crashed, applied := loadVector(t, "c37-al-crash.crashed.milo1"), loadVector(t, "c37-al-crash.applied.milo1")
	s, l := crashed.superblock(t)
	g.Expect(s.NeedsReplay()).To(BeTrue())
	replayed, err := drbdmeta.Replay(s, crashed.at(l.ActivityLog, l.ALSize))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(replayed.Hot).To(HaveLen(67))

	bitmap := bytes.Clone(crashed.at(l.Bitmap, l.BitmapSize))
	mark(bitmap, replayed.Hot)
	g.Expect(bitmap).To(Equal(applied.at(l.Bitmap, l.BitmapSize)))
	g.Expect(bytes.Repeat(drbdmeta.AppendInitialized(nil), 8)).To(Equal(applied.at(l.ActivityLog, l.ALSize)))
	s.Flags |= drbdmeta.MDALClean
	s.Clean = true
	g.Expect(s.Append(nil)).To(Equal(applied.at(l.Superblock, drbdmeta.BlockSize)))
	g.Expect(s.NeedsReplay()).To(BeFalse())
}

func TestReplayFindsEarlierCrashes(t *testing.T) {
	g := NewWithT(t)
	v := loadVector(t, "c37-al-crash.after-100.milo1")
	s, l := v.superblock(t)
	replayed, err := drbdmeta.Replay(s, v.at(l.ActivityLog, l.ALSize))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(replayed.Hot).To(HaveLen(67))
	g.Expect(replayed.Hot).To(ContainElements(uint32(100), uint32(81)), "the 98th and 99th extent written")
	g.Expect(replayed.Hot).NotTo(ContainElement(uint32(223)), "the first extent written")
}

// mark sets the bits of the extents.
func mark(bitmap []byte, extents []uint32) {
	for _, extent := range extents {
		if at := int(extent) * drbdmeta.ExtentBits / 8; at < len(bitmap) {
			copy(bitmap[at:], bytes.Repeat([]byte{0xff}, drbdmeta.ExtentBits/8))
		}
	}
}

// words are 32-bit big endian values, as hex dumps show them.
func words(values ...uint32) []byte {
	var b []byte
	for _, v := range values {
		b = binary.BigEndian.AppendUint32(b, v)
	}
	return b
}
