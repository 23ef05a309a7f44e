package drbdmeta

import "encoding/binary"

const (
	oldLogMagic   = 0x83740267
	oldLogEntries = 62
	oldLogContext = oldLogEntries - 1
	oldLogXor     = 8 + 8*oldLogEntries
)

// replayOldRing reads the log of 8.3 and 0.7, a ring of sectors.
//
//	offset  size  field
//	0       4     magic 83740267
//	4       4     number
//	8       496   62 entries of slot and extent: the update, then context
//	504     4     all extents xored
//
// Integers are big endian. Without any whole sector there is nothing to
// replay: such a log was never used. Sectors never written look like torn ones.
// Source: DRBD meta-data, section 6.4.
func replayOldRing(s Superblock, log []byte) table {
	be := binary.BigEndian
	want := 1 + (int64(s.ALExtents)+oldLogContext-1)/oldLogContext
	sectors := min(want, int64(len(log))/SectorSize)
	whole := func(i int64) ([]byte, bool) {
		sector := log[i*SectorSize:][:SectorSize]
		xor := uint32(0)
		for entry := range oldLogEntries {
			xor ^= be.Uint32(sector[12+8*entry:])
		}
		return sector, be.Uint32(sector) == oldLogMagic && be.Uint32(sector[oldLogXor:]) == xor
	}
	var r ring
	for i := range sectors {
		if sector, ok := whole(i); ok {
			r.note(i, be.Uint32(sector[4:]))
		}
	}
	if r.updates == 0 {
		return nil
	}
	var t table
	r.walk(sectors, func(i int64) {
		sector, ok := whole(i)
		if !ok {
			return
		}
		for entry := oldLogEntries - 1; entry >= 0; entry-- {
			slot, extent := be.Uint32(sector[8+8*entry:]), be.Uint32(sector[12+8*entry:])
			if extent != FreeExtent && slot <= MaxSlots {
				t.set(int(slot), extent)
			}
		}
	})
	return t
}
