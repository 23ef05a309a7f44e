package drbdmeta

import "bytes"

// DefaultALExtents is the size of the activity log in slots that create-md
// notes; the configuration overrides it at attach.
const DefaultALExtents = 257

// A Piece is a range of the device that is to hold one block of 4096 bytes
// over and over; the last one may be cut.
type Piece struct {
	Offset int64 // bytes
	Length int64 // bytes
	Block  []byte
}

// Bytes is the content of the piece, for tests and small pieces: the bitmap of
// a large external device takes gigabytes.
func (p Piece) Bytes() []byte {
	return bytes.Repeat(p.Block, int((p.Length+BlockSize-1)/BlockSize))[:p.Length]
}

// Create makes meta-data for a disk that holds no data yet: Inconsistent, with
// JustCreated as its generation and never sized. Each piece must be durable
// before the next is written. A superblock that is there already goes first:
// with it, a crash in the middle would leave a bitmap that claims that all is
// in sync. Source: DRBD meta-data, section 8.1.
func Create(l Layout, alExtents uint32, deviceUUID uint64) []Piece {
	s := Superblock{
		UUIDs:      UUIDs{Current: JustCreated},
		DeviceUUID: deviceUUID,
		Flags:      MDALClean,
		Clean:      true,
		ALExtents:  alExtents,
	}.At(l)
	zeros := make([]byte, BlockSize)
	return []Piece{
		{Offset: l.Superblock, Length: BlockSize, Block: zeros},
		{Offset: l.Bitmap, Length: l.BitmapSize, Block: zeros},
		{Offset: l.ActivityLog, Length: l.ALSize, Block: AppendInitialized(nil)},
		{Offset: l.Superblock, Length: BlockSize, Block: s.Append(nil)},
	}
}
