package drbdmeta

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
)

// Bounds of a transaction. Source: DRBD meta-data, section 6.2.
const (
	// MaxUpdates is how many slots one transaction may change.
	MaxUpdates = 64
	// ContextSlots is how many unchanged slots one transaction carries.
	ContextSlots = 919
	// MaxSlots is the most slots of a log, whatever its size on disk.
	MaxSlots = 65534
	// FreeExtent stands for the extent of a slot that holds none.
	FreeExtent uint32 = 0xffffffff
)

const (
	logMagic        = 0x69cb65a2
	typeUpdate      = 0
	typeInitialized = 0xffff
	unusedSlot      = 0xffff

	offUpdateSlots   = 36
	offUpdateExtents = offUpdateSlots + 2*MaxUpdates
	offContext       = offUpdateExtents + 4*MaxUpdates
)

// Why a block of the activity log is no transaction.
var (
	// ErrTorn is a block that was never written or only in part.
	ErrTorn = errors.New("no whole activity log block")
	// ErrInitialized is a block that create-md or a replay wrote: whole, and
	// without content.
	ErrInitialized = errors.New("activity log block without content")
)

// An Update gives a slot of the log to an extent, or frees it with FreeExtent.
type Update struct {
	Slot   uint16
	Extent uint32 // in units of 4 MiB
}

// A Transaction is one change of the activity log: the slots that get another
// extent, and a window of the table as it was before.
//
//	offset  size   field
//	0       4      magic 69cb65a2
//	4       4      Number        position in the ring, see ALBlock
//	8       4      CRC-32C of the block with this field 0; start value and result not inverted
//	12      2      type          0, or ffff for initialised
//	14      2      number of Updates
//	16      2      Slots         size of the table (al-extents)
//	18      2      ContextStart  slot of the first context entry
//	20      16     reserved
//	36      128    slots of the updates, unused ffff
//	164     256    extents of the updates, unused ffffffff
//	420     3676   Context       extents of the slots from ContextStart on, free or beyond ffffffff
//
// Integers are big endian. Source: DRBD meta-data, section 6.2.
type Transaction struct {
	Number       uint32
	Updates      []Update // at most MaxUpdates
	Slots        int      // at most MaxSlots
	ContextStart int
	Context      []uint32 // at most ContextSlots; slots of the window without an entry are free
}

// Append appends the 4096 bytes of the transaction to dst. It panics if there
// are too many updates or context entries for one block.
func (t Transaction) Append(dst []byte) []byte {
	if len(t.Updates) > MaxUpdates || len(t.Context) > ContextSlots {
		panic(fmt.Sprintf("drbdmeta: transaction with %d updates and %d context entries, at most %d and %d fit",
			len(t.Updates), len(t.Context), MaxUpdates, ContextSlots))
	}
	start := len(dst)
	dst = append(dst, make([]byte, BlockSize)...)
	b := dst[start:]
	be := binary.BigEndian
	be.PutUint32(b, logMagic)
	be.PutUint32(b[4:], t.Number)
	be.PutUint16(b[12:], typeUpdate)
	be.PutUint16(b[14:], uint16(len(t.Updates)))
	be.PutUint16(b[16:], uint16(t.Slots))
	be.PutUint16(b[18:], uint16(t.ContextStart))
	for i := range b[offUpdateSlots:] {
		b[offUpdateSlots+i] = 0xff
	}
	for i, u := range t.Updates {
		be.PutUint16(b[offUpdateSlots+2*i:], u.Slot)
		be.PutUint32(b[offUpdateExtents+4*i:], u.Extent)
	}
	for i, extent := range t.Context {
		be.PutUint32(b[offContext+4*i:], extent)
	}
	be.PutUint32(b[8:], logCRC(b))
	return dst
}

// AppendInitialized appends the 4096 bytes of a block without content to dst.
// A fresh or replayed log consists of such blocks.
// Source: DRBD meta-data, section 6.3.
func AppendInitialized(dst []byte) []byte {
	start := len(dst)
	dst = append(dst, make([]byte, BlockSize)...)
	b := dst[start:]
	binary.BigEndian.PutUint32(b, logMagic)
	binary.BigEndian.PutUint16(b[12:], typeInitialized)
	binary.BigEndian.PutUint32(b[8:], logCRC(b))
	return dst
}

// DecodeTransaction reads the block at the start of b. It fails with ErrTorn
// if the block is not whole, with ErrInitialized if it is whole without
// content, and with ErrInvalid if it is whole and makes no sense. The context
// holds every slot of the window that the table has, and those beyond the
// table that are not free.
func DecodeTransaction(b []byte) (Transaction, error) {
	if len(b) < BlockSize {
		return Transaction{}, fmt.Errorf("activity log block of %d bytes, want %d: %w", len(b), BlockSize, ErrTorn)
	}
	b = b[:BlockSize]
	be := binary.BigEndian
	if magic := be.Uint32(b); magic != logMagic {
		return Transaction{}, fmt.Errorf("activity log block with magic %08x, want %08x: %w",
			magic, uint32(logMagic), ErrTorn)
	}
	if crc, want := be.Uint32(b[8:]), logCRC(b); crc != want {
		return Transaction{}, fmt.Errorf("activity log block with CRC %08x, its bytes have %08x: %w", crc, want, ErrTorn)
	}
	updates := int(be.Uint16(b[14:]))
	switch kind := be.Uint16(b[12:]); {
	case kind == typeInitialized:
		return Transaction{}, ErrInitialized
	case kind != typeUpdate:
		return Transaction{}, fmt.Errorf("activity log block of type %04x, want 0000 or ffff: %w", kind, ErrInvalid)
	case updates > MaxUpdates:
		return Transaction{}, fmt.Errorf("activity log block with %d updates, at most %d fit: %w",
			updates, MaxUpdates, ErrInvalid)
	}
	t := Transaction{Number: be.Uint32(b[4:]), Slots: int(be.Uint16(b[16:])), ContextStart: int(be.Uint16(b[18:]))}
	for i := range updates {
		t.Updates = append(t.Updates, Update{
			Slot: be.Uint16(b[offUpdateSlots+2*i:]), Extent: be.Uint32(b[offUpdateExtents+4*i:]),
		})
	}
	entries := max(0, min(ContextSlots, t.Slots-t.ContextStart))
	for i := entries; i < ContextSlots; i++ {
		if be.Uint32(b[offContext+4*i:]) != FreeExtent {
			entries = i + 1
		}
	}
	for i := range entries {
		t.Context = append(t.Context, be.Uint32(b[offContext+4*i:]))
	}
	return t, nil
}

// ALBlock is the block of the log that transaction number belongs into,
// counted from 0: its byte offset is Layout.ActivityLog + BlockSize * ALBlock.
// 0 stripes of 0 blocks mean 1 of 8. Source: DRBD meta-data, section 6.2.
func ALBlock(number, stripes, stripeSize4k uint32) int64 {
	if stripes == 0 || stripeSize4k == 0 {
		stripes, stripeSize4k = defaultStripes, defaultStripe
	}
	n, width := uint64(number)%(uint64(stripes)*uint64(stripeSize4k)), uint64(stripes)
	return int64(n%width*uint64(stripeSize4k) + n/width)
}

// MaxALExtents is the most slots that a log of this size on disk can serve:
// all its blocks but the one that may be torn carry the whole table.
// 0 stripes of 0 blocks mean 1 of 8. Source: DRBD meta-data, section 6.1.
func MaxALExtents(stripes, stripeSize4k uint32) int {
	return int(min(MaxSlots, int64(LogBlocks(stripes, stripeSize4k)-1)*ContextSlots))
}

// LogBlocks is how many blocks the log has on disk. 0 stripes of 0 blocks mean
// 1 of 8.
func LogBlocks(stripes, stripeSize4k uint32) int {
	if stripes == 0 || stripeSize4k == 0 {
		stripes, stripeSize4k = defaultStripes, defaultStripe
	}
	return int(stripes) * int(stripeSize4k)
}

// logCRC is the CRC of a block of the log, its own field taken as 0. The
// register starts at 0 and is not inverted at the end, unlike the usual
// CRC-32C; hash/crc32 inverts on both sides, which is undone here.
func logCRC(block []byte) uint32 {
	table := crc32.MakeTable(crc32.Castagnoli)
	crc := crc32.Update(^uint32(0), table, block[:8])
	crc = crc32.Update(crc, table, make([]byte, 4))
	return ^crc32.Update(crc, table, block[12:BlockSize])
}
