// Package drbdmeta turns DRBD's on-disk meta-data into values and back: the
// superblock, the activity log and the place of both and of the bitmap, as
// DRBD 8.0 to 8.4 write them (format v08).
//
// It does no I/O. Whoever reads or writes the device asks a Layout where each
// part is, hands over the bytes, and keeps the order that the functions state.
//
//	internal   | data ...            | bitmap | activity log | superblock |
//	external   | superblock | activity log | bitmap | (flexible or dev[n])
//
// Offsets and lengths in bytes are int64, those in sectors of 512 bytes are
// unsigned. Everything on disk is big endian but the bitmap, which is a little
// endian stream of bits.
package drbdmeta

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Units of the format. Source: DRBD meta-data, section 1.
const (
	// SectorSize is the unit of sizes on disk, in bytes.
	SectorSize = 512
	// BlockSize is the size of the superblock, of one activity log transaction
	// and of the data that one bit covers, in bytes.
	BlockSize = 4096
	// ExtentSectors is the size of the data that one activity log extent
	// covers: 4 MiB, in sectors.
	ExtentSectors = 8192
	// ExtentBits is the number of bits that cover one activity log extent.
	ExtentBits = ExtentSectors * SectorSize / BlockSize
)

const blockSectors = BlockSize / SectorSize

// JustCreated is the current UUID of a disk that never held data.
const JustCreated = 4

const (
	magicV07     = 0x8374026a
	magicClean   = 0x8374026b
	magicUnclean = 0x8374026c
	magicV09     = 0x8374026d
)

// Why a block is no superblock that this package works with.
var (
	// ErrNoMetadata is a block without any magic.
	ErrNoMetadata = errors.New("no DRBD meta-data here")
	// ErrV07 is a superblock of DRBD 0.7.
	ErrV07 = errors.New("this disk carries DRBD 0.7 meta-data (v07)")
	// ErrV09 is a superblock of DRBD 9.
	ErrV09 = errors.New("this disk carries DRBD 9 meta-data (v09)")
	// ErrInvalid is a superblock with the right magic and an impossible value.
	ErrInvalid = errors.New("invalid DRBD meta-data")
)

// UUIDs name generations of the data. Bit 0 of Current says that the node was
// Primary.
type UUIDs struct {
	Current  uint64
	Bitmap   uint64 // the generation that the bitmap counts from; 0 for none
	History0 uint64 // the younger one
	History1 uint64
}

// Superblock is the block that says what the data on a disk are worth.
//
//	offset  size  field
//	0       8     Size          last agreed size of the device, sectors; 0 for never sized
//	8       32    UUIDs         current, bitmap, history 0, history 1
//	40      8     DeviceUUID    random, set once by create-md
//	48      8     reserved
//	56      4     Flags
//	60      4     magic         8374026b if Clean, else 8374026c
//	64      4     MDSize        the whole meta-data area, sectors
//	68      4     ALOffset      signed, sectors from the superblock
//	72      4     ALExtents     slots of the activity log in memory (al-extents)
//	76      4     BMOffset      signed, sectors from the superblock
//	80      4     bytes per bit, 4096
//	84      4     PeerMaxBio    bytes, last seen from the peer; 0 for unknown
//	88      4     Stripes       stripes of the activity log
//	92      4     StripeSize4k  blocks of 4096 bytes in a stripe
//	96      4000  zero
//
// Stripes and StripeSize4k both 0 is how 8.3 left them and means 1 and 8.
//
// Clean is about the magic alone. The activity log holds nothing to apply only
// if MDALClean is set too, see NeedsReplay.
//
// Integers are big endian. Source: DRBD meta-data, section 3.
type Superblock struct {
	Size         uint64
	UUIDs        UUIDs
	DeviceUUID   uint64
	Flags        Flags
	Clean        bool
	MDSize       uint32
	ALOffset     int32
	ALExtents    uint32
	BMOffset     int32
	PeerMaxBio   uint32
	Stripes      uint32
	StripeSize4k uint32
}

// NeedsReplay says that the activity log must be replayed and written anew
// before the disk may be used. Source: DRBD meta-data, section 3.1.
func (s Superblock) NeedsReplay() bool { return !s.Clean || s.Flags&MDALClean == 0 }

// Append appends the 4096 bytes of the superblock to dst.
func (s Superblock) Append(dst []byte) []byte {
	end := len(dst) + BlockSize
	magic := uint32(magicUnclean)
	if s.Clean {
		magic = magicClean
	}
	be := binary.BigEndian
	for _, v := range []uint64{
		s.Size, s.UUIDs.Current, s.UUIDs.Bitmap, s.UUIDs.History0, s.UUIDs.History1, s.DeviceUUID, 0,
	} {
		dst = be.AppendUint64(dst, v)
	}
	for _, v := range []uint32{
		uint32(s.Flags), magic, s.MDSize, uint32(s.ALOffset), s.ALExtents, uint32(s.BMOffset), BlockSize,
		s.PeerMaxBio, s.Stripes, s.StripeSize4k,
	} {
		dst = be.AppendUint32(dst, v)
	}
	return append(dst, make([]byte, end-len(dst))...)
}

// DecodeSuperblock reads the superblock at the start of b, which must hold
// 4096 bytes. It fails with ErrNoMetadata, ErrV07, ErrV09 or ErrInvalid, and
// says what to do. It checks the block alone: Validate checks that the block
// fits the device.
func DecodeSuperblock(b []byte) (Superblock, error) {
	if len(b) < BlockSize {
		return Superblock{}, fmt.Errorf("superblock of %d bytes, want %d: %w", len(b), BlockSize, ErrInvalid)
	}
	be := binary.BigEndian
	magic := be.Uint32(b[60:])
	switch {
	case magic == magicClean || magic == magicUnclean:
	case magic == magicV09:
		return Superblock{}, fmt.Errorf("%w: its peer records have no 8.4 form; "+
			"bring the disk back with dump-md and restore-md of DRBD 8.4, or create meta-data anew and sync in full", ErrV09)
	case be.Uint32(b[28:]) == magicV07:
		return Superblock{}, fmt.Errorf("%w: after a clean end of DRBD 0.7 on both nodes convert it "+
			"with \"pollux meta convert\", or create meta-data anew and sync in full", ErrV07)
	default:
		return Superblock{}, fmt.Errorf("magic %08x, want %08x or %08x: %w: "+
			"run create-md if this is the right device and the place that meta-disk names",
			magic, uint32(magicClean), uint32(magicUnclean), ErrNoMetadata)
	}
	if perBit := be.Uint32(b[80:]); perBit != BlockSize {
		return Superblock{}, fmt.Errorf("superblock with %d bytes per bit, want %d: %w", perBit, BlockSize, ErrInvalid)
	}
	return Superblock{
		Size: be.Uint64(b),
		UUIDs: UUIDs{
			Current: be.Uint64(b[8:]), Bitmap: be.Uint64(b[16:]), History0: be.Uint64(b[24:]), History1: be.Uint64(b[32:]),
		},
		DeviceUUID:   be.Uint64(b[40:]),
		Flags:        Flags(be.Uint32(b[56:])),
		Clean:        magic == magicClean,
		MDSize:       be.Uint32(b[64:]),
		ALOffset:     int32(be.Uint32(b[68:])),
		ALExtents:    be.Uint32(b[72:]),
		BMOffset:     int32(be.Uint32(b[76:])),
		PeerMaxBio:   be.Uint32(b[84:]),
		Stripes:      be.Uint32(b[88:]),
		StripeSize4k: be.Uint32(b[92:]),
	}, nil
}
