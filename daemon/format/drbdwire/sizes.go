package drbdwire

import (
	"encoding/binary"
	"fmt"
)

// The lengths of the payload of P_SIZES in bytes, without and with QueueLimits.
const (
	SizesSize       = 32
	SizesLimitsSize = 56
)

// The flags of Sizes.
const (
	// SizesForced: the size may shrink although data is there.
	SizesForced uint16 = 1
	// SizesNoResync: what was added is equal on both disks already.
	SizesNoResync uint16 = 2
)

// Sizes is the payload of P_SIZES: how large the device is and could be.
//
//	offset  size  field
//	0       8     Disk        sectors that the disk below could offer, 0 if there is none
//	8       8     User        sectors that are configured, 0 if none are
//	16      8     Current     sectors of the device; 0 asks for the receiver's P_SIZES
//	24      4     MaxBio      the largest request, in bytes
//	28      2     QueueOrder  0
//	30      2     Flags
//	32      24    Limits      if FeatureWSame was agreed
//
// Source: DRBD 8.4 wire, section 5.3.
type Sizes struct {
	Disk       uint64 // units of 512 bytes
	User       uint64 // units of 512 bytes
	Current    uint64 // units of 512 bytes
	MaxBio     uint32 // bytes
	QueueOrder uint16
	Flags      uint16
	// HasLimits: the payload has 56 bytes and Limits counts.
	HasLimits bool
	Limits    QueueLimits
}

// QueueLimits say what the disk below the sender likes.
//
//	offset  size  field
//	32      4     PhysicalBlock      bytes
//	36      4     LogicalBlock       bytes
//	40      4     AlignmentOffset    bytes
//	44      4     IOMin              bytes
//	48      4     IOOpt              bytes
//	52      1     DiscardEnabled
//	53      1     DiscardZeroesData
//	54      1     WriteSameCapable
//	55      1     0
type QueueLimits struct {
	PhysicalBlock     uint32
	LogicalBlock      uint32
	AlignmentOffset   uint32
	IOMin             uint32
	IOOpt             uint32
	DiscardEnabled    bool
	DiscardZeroesData bool
	WriteSameCapable  bool
}

// Append adds the payload to dst: 56 bytes with limits, 32 without.
func (s Sizes) Append(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint64(dst, s.Disk)
	dst = binary.BigEndian.AppendUint64(dst, s.User)
	dst = binary.BigEndian.AppendUint64(dst, s.Current)
	dst = binary.BigEndian.AppendUint32(dst, s.MaxBio)
	dst = binary.BigEndian.AppendUint16(dst, s.QueueOrder)
	dst = binary.BigEndian.AppendUint16(dst, s.Flags)
	if !s.HasLimits {
		return dst
	}
	l := s.Limits
	dst = binary.BigEndian.AppendUint32(dst, l.PhysicalBlock)
	dst = binary.BigEndian.AppendUint32(dst, l.LogicalBlock)
	dst = binary.BigEndian.AppendUint32(dst, l.AlignmentOffset)
	dst = binary.BigEndian.AppendUint32(dst, l.IOMin)
	dst = binary.BigEndian.AppendUint32(dst, l.IOOpt)
	return append(dst, one(l.DiscardEnabled), one(l.DiscardZeroesData), one(l.WriteSameCapable), 0)
}

func one(set bool) byte {
	if set {
		return 1
	}
	return 0
}

// DecodeSizes reads the payload of P_SIZES. Which of the two lengths is right
// follows from the agreed features: compare HasLimits.
func DecodeSizes(b []byte) (Sizes, error) {
	if len(b) != SizesSize && len(b) != SizesLimitsSize {
		return Sizes{}, fmt.Errorf("P_SIZES of %d bytes, want %d or, with queue limits, %d",
			len(b), SizesSize, SizesLimitsSize)
	}
	s := Sizes{
		Disk:       binary.BigEndian.Uint64(b),
		User:       binary.BigEndian.Uint64(b[8:]),
		Current:    binary.BigEndian.Uint64(b[16:]),
		MaxBio:     binary.BigEndian.Uint32(b[24:]),
		QueueOrder: binary.BigEndian.Uint16(b[28:]),
		Flags:      binary.BigEndian.Uint16(b[30:]),
	}
	if most := max(s.Disk, s.User, s.Current); most > maxSectors {
		return Sizes{}, fmt.Errorf("P_SIZES with %d sectors, want at most %d", most, uint64(maxSectors))
	}
	if len(b) == SizesSize {
		return s, nil
	}
	s.HasLimits = true
	s.Limits = QueueLimits{
		PhysicalBlock:     binary.BigEndian.Uint32(b[32:]),
		LogicalBlock:      binary.BigEndian.Uint32(b[36:]),
		AlignmentOffset:   binary.BigEndian.Uint32(b[40:]),
		IOMin:             binary.BigEndian.Uint32(b[44:]),
		IOOpt:             binary.BigEndian.Uint32(b[48:]),
		DiscardEnabled:    b[52] != 0,
		DiscardZeroesData: b[53] != 0,
		WriteSameCapable:  b[54] != 0,
	}
	return s, nil
}
