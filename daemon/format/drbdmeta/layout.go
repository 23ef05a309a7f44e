package drbdmeta

import (
	"errors"
	"fmt"
	"math"
)

// ErrTooSmall is a device without room for its meta-data.
var ErrTooSmall = errors.New("device too small for DRBD meta-data")

const (
	minDevice      = 2048    // sectors, refused at attach below
	indexedSlot    = 262144  // sectors
	maxSectors     = 1 << 51 // of data
	bitmapSector   = 32768   // sectors of data that one sector of bitmap covers
	minLogBlocks   = 8
	maxLogBlocks   = 4194304
	defaultStripes = 1
	defaultStripe  = 8
)

// Layout is where the parts of the meta-data are: byte offsets on the device
// that holds them, and sizes in bytes.
type Layout struct {
	Superblock  int64
	ActivityLog int64
	ALSize      int64
	Bitmap      int64
	BitmapSize  int64
	// DataSectors is the room for data: what this node can offer its peer.
	DataSectors uint64

	MDSize       uint32 // sectors of the whole area, as the superblock tells it
	Stripes      uint32 // of the activity log, never 0
	StripeSize4k uint32 // blocks of 4096 bytes, never 0
}

// Internal is the layout at the end of a device of sectors sectors.
// 0 stripes of 0 blocks mean 1 of 8. It fails with ErrTooSmall, and with
// ErrInvalid if the activity log is no possible one.
// Source: DRBD meta-data, section 2.
func Internal(sectors uint64, stripes, stripeSize4k uint32) (Layout, error) {
	stripes, stripeSize4k, err := striping(stripes, stripeSize4k)
	if err != nil {
		return Layout{}, err
	}
	if sectors > 2*maxSectors {
		return Layout{}, fmt.Errorf("internal meta-data on a device of %d sectors: at most %d hold data: %w",
			sectors, uint64(maxSectors), ErrInvalid)
	}
	al := uint64(stripes) * uint64(stripeSize4k) * blockSectors
	// The bitmap is sized for the whole device, its own place included.
	bm := roundUp(roundUp(sectors, bitmapSector)/bitmapSector, blockSectors)
	size := bm + al + blockSectors
	if least := max(minDevice, size+blockSectors); sectors < least {
		return Layout{}, tooSmall("internal meta-data", sectors, least)
	}
	if size > math.MaxInt32 {
		return Layout{}, fmt.Errorf("internal meta-data of %d sectors on a device of %d sectors: at most %d have a form: %w",
			size, sectors, math.MaxInt32, ErrInvalid)
	}
	sb := sectors/blockSectors*blockSectors - blockSectors
	return Layout{
		Superblock:   int64(sb) * SectorSize,
		ActivityLog:  int64(sb-al) * SectorSize,
		ALSize:       int64(al) * SectorSize,
		Bitmap:       int64(sb-al-bm) * SectorSize,
		BitmapSize:   int64(bm) * SectorSize,
		DataSectors:  min(sb-al-bm, maxSectors),
		MDSize:       uint32(size),
		Stripes:      stripes,
		StripeSize4k: stripeSize4k,
	}, nil
}

// FlexibleExternal is the layout on a whole device of metaSectors sectors for
// data on another one of dataSectors sectors.
// 0 stripes of 0 blocks mean 1 of 8. It fails with ErrTooSmall, and with
// ErrInvalid if the activity log is no possible one.
// Source: DRBD meta-data, section 2.
func FlexibleExternal(metaSectors, dataSectors uint64, stripes, stripeSize4k uint32) (Layout, error) {
	stripes, stripeSize4k, err := striping(stripes, stripeSize4k)
	if err != nil {
		return Layout{}, err
	}
	al := uint64(stripes) * uint64(stripeSize4k) * blockSectors
	if least := max(minDevice, blockSectors+al+blockSectors); metaSectors < least {
		return Layout{}, tooSmall("external meta-data", metaSectors, least)
	}
	if metaSectors > math.MaxUint32 {
		return Layout{}, fmt.Errorf("external meta-data on a device of %d sectors: at most %d have a form: %w",
			metaSectors, uint32(math.MaxUint32), ErrInvalid)
	}
	return external(0, uint32(metaSectors), dataSectors, stripes, stripeSize4k), nil
}

// Indexed is the layout of slot index, counted from 0, of a device of
// metaSectors sectors that several volumes share, for data on another device
// of dataSectors sectors. It fails with ErrTooSmall, also if only a part of
// the slot exists. Source: DRBD meta-data, section 2.
func Indexed(index int, metaSectors, dataSectors uint64) (Layout, error) {
	if index < 0 || index > math.MaxInt32 {
		return Layout{}, fmt.Errorf("meta-data index %d, want 0 to %d: %w", index, math.MaxInt32, ErrInvalid)
	}
	if least := indexedSlot * (uint64(index) + 1); metaSectors < least {
		return Layout{}, tooSmall(fmt.Sprintf("meta-data index %d", index), metaSectors, least)
	}
	at := int64(index) * indexedSlot * SectorSize
	return external(at, indexedSlot, dataSectors, defaultStripes, defaultStripe), nil
}

func external(at int64, mdSize uint32, dataSectors uint64, stripes, stripeSize4k uint32) Layout {
	al := uint64(stripes) * uint64(stripeSize4k) * blockSectors
	bm := uint64(mdSize) - blockSectors - al
	return Layout{
		Superblock:   at,
		ActivityLog:  at + BlockSize,
		ALSize:       int64(al) * SectorSize,
		Bitmap:       at + BlockSize + int64(al)*SectorSize,
		BitmapSize:   int64(bm) * SectorSize,
		DataSectors:  min(dataSectors, bm*bitmapSector, maxSectors),
		MDSize:       mdSize,
		Stripes:      stripes,
		StripeSize4k: stripeSize4k,
	}
}

// Layout is where the superblock, read at byte offset at, says that the other
// parts are. DataSectors of external meta-data is what the bitmap can cover:
// the data device may be smaller. The superblock must be valid, see Validate.
func (s Superblock) Layout(at int64) Layout {
	stripes, stripeSize4k := s.striping()
	l := Layout{
		Superblock:   at,
		ActivityLog:  at + int64(s.ALOffset)*SectorSize,
		Bitmap:       at + int64(s.BMOffset)*SectorSize,
		MDSize:       s.MDSize,
		Stripes:      stripes,
		StripeSize4k: stripeSize4k,
	}
	if s.ALOffset < 0 {
		l.ALSize = -int64(s.ALOffset) * SectorSize
		l.BitmapSize = l.ActivityLog - l.Bitmap
		l.DataSectors = min(uint64(max(l.Bitmap, 0))/SectorSize, maxSectors)
		return l
	}
	l.ALSize = l.Bitmap - l.ActivityLog
	l.BitmapSize = max(0, int64(s.MDSize)-int64(s.BMOffset)) * SectorSize
	l.DataSectors = min(uint64(l.BitmapSize)/SectorSize*bitmapSector, maxSectors)
	return l
}

// At is the superblock with the offsets of l, as after a change of the size of
// the device. Everything else stays.
func (s Superblock) At(l Layout) Superblock {
	s.MDSize = l.MDSize
	s.ALOffset = int32((l.ActivityLog - l.Superblock) / SectorSize)
	s.BMOffset = int32((l.Bitmap - l.Superblock) / SectorSize)
	s.Stripes, s.StripeSize4k = l.Stripes, l.StripeSize4k
	return s
}

func (s Superblock) striping() (stripes, stripeSize4k uint32) {
	if s.Stripes == 0 && s.StripeSize4k == 0 {
		return defaultStripes, defaultStripe
	}
	return s.Stripes, s.StripeSize4k
}

// striping replaces 0 and 0 by the default and checks the bounds.
func striping(stripes, stripeSize4k uint32) (s, size uint32, err error) {
	if stripes == 0 && stripeSize4k == 0 {
		return defaultStripes, defaultStripe, nil
	}
	if n := uint64(stripes) * uint64(stripeSize4k); n < minLogBlocks || n > maxLogBlocks {
		return 0, 0, fmt.Errorf("activity log of %d stripes of %d blocks, want %d to %d blocks in all: %w",
			stripes, stripeSize4k, minLogBlocks, maxLogBlocks, ErrInvalid)
	}
	return stripes, stripeSize4k, nil
}

func tooSmall(what string, sectors, least uint64) error {
	return fmt.Errorf("%s on a device of %d sectors (%d KiB): want at least %d sectors (%d KiB): %w",
		what, sectors, sectors/2, least, least/2, ErrTooSmall)
}

func roundUp(n, unit uint64) uint64 { return (n + unit - 1) / unit * unit }
