package drbdmeta_test

import (
	"testing"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/format/drbdmeta"
)

func TestCreateMakesWhatCreateMDMade(t *testing.T) {
	g := NewWithT(t)
	v := loadVector(t, "c01-connect-initial-sync.fresh.milo1")
	s, l := v.superblock(t)
	pieces := drbdmeta.Create(l, drbdmeta.DefaultALExtents, s.DeviceUUID)
	area := make([]byte, len(v.area))
	for i := range area {
		area[i] = 0x55
	}
	for _, p := range pieces {
		copy(area[p.Offset-v.from:], p.Bytes())
	}
	g.Expect(area).To(Equal(v.area))

	g.Expect(pieces[0].Offset).To(Equal(l.Superblock), "an old superblock goes first")
	_, err := drbdmeta.DecodeSuperblock(pieces[0].Bytes())
	g.Expect(err).To(MatchError(drbdmeta.ErrNoMetadata))
	g.Expect(pieces[len(pieces)-1].Offset).To(Equal(l.Superblock), "the new one comes last")
}

func TestCreateLeavesTheDataAlone(t *testing.T) {
	g := NewWithT(t)
	l, err := drbdmeta.Internal(2097159, 2, 16)
	g.Expect(err).NotTo(HaveOccurred())
	for _, p := range drbdmeta.Create(l, 257, 0) {
		g.Expect(p.Offset).To(BeNumerically(">=", l.DataSectors*512))
		g.Expect(p.Offset + p.Length).To(BeNumerically("<=", 2097152*512))
	}

	l, err = drbdmeta.FlexibleExternal(2049, 1<<20, 1, 8)
	g.Expect(err).NotTo(HaveOccurred())
	bitmap := drbdmeta.Create(l, 257, 0)[1]
	g.Expect(bitmap.Offset+bitmap.Length).To(BeEquivalentTo(2049*512), "up to the last sector of the device")
	g.Expect(bitmap.Bytes()).To(HaveLen(int(bitmap.Length)))
}
