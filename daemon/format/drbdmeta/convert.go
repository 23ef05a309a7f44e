package drbdmeta

import "fmt"

// The generations of a converted disk end like this, so that everybody sees
// where they come from. Source: DRBD meta-data, section 10.
const (
	fromCounters = 0xbabe
	olderBy      = 0x10000
)

// V07Layout is where DRBD 0.7 has its parts, its superblock being at byte at.
// DataSectors is the device's size.
func (v V07) V07Layout(at int64) Layout {
	const log, bitmap = 8, 72 // sectors from the superblock
	return Layout{
		Superblock: at, ActivityLog: at + log*SectorSize, ALSize: (bitmap - log) * SectorSize,
		Bitmap: at + bitmap*SectorSize, BitmapSize: Superblock{Size: v.Size}.BitmapBytes(), DataSectors: v.Size,
		MDSize: v07Area, Stripes: defaultStripes, StripeSize4k: defaultStripe,
	}
}

// Convert makes a superblock of v08 with layout l of one of DRBD 0.7, as
// drbdmeta does, and marks in bitmap, which holds V07Layout's, what the log
// names if the node was Primary. What drbdmeta loses of internal meta-data is
// kept: what is marked stays marked, so the generation that the peer may have
// has its place.
//
// Two nodes that are converted each by itself agree if their counters did. It
// fails with ErrTooSmall if l has less room than the device.
// Source: DRBD meta-data, section 10.
func (v V07) Convert(l Layout, bitmap, log []byte) (Superblock, error) {
	if v.Size > l.DataSectors {
		return Superblock{}, fmt.Errorf("the device has %d sectors, and v08 leaves %d: %w", v.Size, l.DataSectors, ErrTooSmall)
	}
	s := Superblock{
		Size: v.Size, Flags: v.Flags & (MDConsistent | MDPrimaryInd | MDConnectedInd | MDFullSync), Clean: true,
		ALExtents: v.ALExtents,
	}
	replayed, err := Replay(s, log)
	if err != nil {
		s.Flags |= MDFullSync
	}
	MarkExtents(bitmap, replayed.Hot)
	current := uint64(v.HumanCount&0xffff)<<48 | uint64(v.TimeoutCount&0xffff)<<32 |
		uint64((v.ConnectedCount+v.ArbitraryCount)&0xffff)<<16 | fromCounters
	older := []*uint64{&s.UUIDs.History0, &s.UUIDs.History1}
	for _, b := range bitmap {
		if b != 0 {
			older = []*uint64{&s.UUIDs.Bitmap, &s.UUIDs.History0, &s.UUIDs.History1}
			break
		}
	}
	s.UUIDs.Current = current
	for i, u := range older {
		*u = current - uint64(i+1)*olderBy
	}
	s.Flags |= MDALClean
	return s.At(l), nil
}

// AgreedSizeText is what "drbdmeta show-gi" says of the size, after ShowGI.
func (s Superblock) AgreedSizeText() string {
	if s.Size == 0 {
		return "zero size device -- never seen peer yet?\n"
	}
	size, unit := s.Size/2, 0
	for size >= 10000 {
		size = (size + 512) >> 10
		unit++
	}
	return fmt.Sprintf("last agreed size: %d %cB (%d sectors)\nlast agreed max bio size: %d Byte\n",
		size, "KMGTPE"[unit], s.Size, s.PeerMaxBio)
}

// MarkExtents sets all bits of some extents of the activity log in a bitmap.
func MarkExtents(bitmap []byte, extents []uint32) {
	for _, extent := range extents {
		first := int64(extent) * ExtentBits / 8
		for i := first; i < min(first+ExtentBits/8, int64(len(bitmap))); i++ {
			bitmap[i] = 0xff
		}
	}
}
