package drbdmeta

import (
	"encoding/binary"
	"fmt"
)

const (
	v07Area = 262144 // sectors
	v07KiB  = 2      // sectors
	v07Size = 48     // bytes
)

// V07 is the superblock of DRBD 0.7. It is read to say what is on the disk, and
// to convert it, and never written.
//
//	offset  size  field
//	0       8     Size            KiB on disk, sectors here
//	8       4     Flags           as in v08, the first four
//	12      4     HumanCount
//	16      4     TimeoutCount
//	20      4     ConnectedCount
//	24      4     ArbitraryCount
//	28      4     magic 8374026a
//	40      4     ALExtents
//
// Integers are big endian. Source: DRBD meta-data, section 10.
type V07 struct {
	Size           uint64
	Flags          Flags
	HumanCount     uint32
	TimeoutCount   uint32
	ConnectedCount uint32
	ArbitraryCount uint32
	ALExtents      uint32
}

// V07Offset is where DRBD 0.7 put its internal superblock on a device of
// sectors sectors, in bytes: at the start of the last 128 MiB. It returns
// false if the device is too small for that. External meta-data are where
// those of v08 are.
func V07Offset(sectors uint64) (int64, bool) {
	sectors = sectors / blockSectors * blockSectors
	if sectors <= v07Area {
		return 0, false
	}
	return int64(sectors-v07Area) * SectorSize, true
}

// DecodeV07 reads a superblock of DRBD 0.7 from the start of b. It fails with
// ErrNoMetadata if there is none.
func DecodeV07(b []byte) (V07, error) {
	if len(b) < v07Size {
		return V07{}, fmt.Errorf("v07 superblock of %d bytes, want %d: %w", len(b), v07Size, ErrNoMetadata)
	}
	be := binary.BigEndian
	if magic := be.Uint32(b[28:]); magic != magicV07 {
		return V07{}, fmt.Errorf("v07 superblock with magic %08x, want %08x: %w", magic, uint32(magicV07), ErrNoMetadata)
	}
	return V07{
		Size:           be.Uint64(b) * v07KiB,
		Flags:          Flags(be.Uint32(b[8:])),
		HumanCount:     be.Uint32(b[12:]),
		TimeoutCount:   be.Uint32(b[16:]),
		ConnectedCount: be.Uint32(b[20:]),
		ArbitraryCount: be.Uint32(b[24:]),
		ALExtents:      be.Uint32(b[40:]),
	}, nil
}
