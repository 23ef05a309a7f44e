package actlog_test

import (
	"compress/gzip"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/actlog"
	"github.com/optionc/pollux/daemon/format/drbdmeta"
)

// The vector was recorded from a kernel DRBD 8.4: a Primary with al-extents 67
// wrote to 220 extents, then lost power.
var _ = Describe("After the 220 writes of a kernel Primary with 67 slots", func() {
	It("holds the extents that the kernel's log on disk held", func() {
		text, err := os.ReadFile("testdata/c37-al-crash.order.txt")
		Expect(err).NotTo(HaveOccurred())
		log := actlog.New(67, 1, 8)
		for field := range strings.FieldsSeq(string(text)) {
			n, err := strconv.Atoi(field)
			Expect(err).NotTo(HaveOccurred())
			activate(log, uint32(n))
		}
		ours := log.Extents(nil)
		slices.Sort(ours)

		f, err := os.Open("testdata/c37-al-crash.crashed.milo1.bin.gz")
		Expect(err).NotTo(HaveOccurred())
		defer f.Close() //nolint:errcheck // only read
		z, err := gzip.NewReader(f)
		Expect(err).NotTo(HaveOccurred())
		area, err := io.ReadAll(z)
		Expect(err).NotTo(HaveOccurred())
		s, err := drbdmeta.DecodeSuperblock(area[len(area)-drbdmeta.BlockSize:])
		Expect(err).NotTo(HaveOccurred())
		l := s.Layout(int64(len(area) - drbdmeta.BlockSize))
		replayed, err := drbdmeta.Replay(s, area[l.ActivityLog:][:l.ALSize])
		Expect(err).NotTo(HaveOccurred())
		// Several of the kernel's writes ran side by side. At the very end of
		// its queue 93 was done before 96, which was written first.
		without := func(extents []uint32, extent uint32) []uint32 {
			return slices.DeleteFunc(slices.Clone(extents), func(e uint32) bool { return e == extent })
		}
		Expect(ours).To(HaveLen(67))
		Expect(without(ours, 93)).To(Equal(without(replayed.Hot, 96)))
	})
})
