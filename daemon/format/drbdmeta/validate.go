package drbdmeta

import "fmt"

// A Kind says how meta-data lie on their device.
type Kind uint8

// The kinds. Source: DRBD meta-data, section 2.
const (
	// KindInternal is at the end of the device that holds the data.
	KindInternal Kind = 0
	// KindFlexible is a device of its own.
	KindFlexible Kind = 1
	// KindIndexed is one slot of 128 MiB of a device of its own.
	KindIndexed Kind = 2
)

// Validate checks that the superblock, read at byte offset at of a device of
// sectors sectors, describes meta-data of that kind which lie on the device
// and hang together. It fails with ErrInvalid.
// Source: DRBD meta-data, section 3.3.
func (s Superblock) Validate(kind Kind, at int64, sectors uint64) error {
	if err := s.validateParts(kind); err != nil {
		return fmt.Errorf("superblock at byte %d: %w: %w", at, err, ErrInvalid)
	}
	l := s.Layout(at)
	first, end := l.Bitmap, at+BlockSize
	if kind != KindInternal {
		first, end = at, at+int64(s.MDSize)*SectorSize
	}
	if size := sectors * SectorSize; first < 0 || uint64(end) > size || uint64(s.MDSize) > sectors {
		return fmt.Errorf("superblock at byte %d: meta-data from byte %d to %d do not lie on the device of %d bytes: %w",
			at, first, end, size, ErrInvalid)
	}
	// Rounded up, so that the last bit has a place too.
	if have := uint64(l.BitmapSize) / SectorSize; have < (s.Size+bitmapSector-1)/bitmapSector {
		return fmt.Errorf("superblock at byte %d: bitmap of %d sectors covers %d sectors, the last agreed size is %d: %w",
			at, have, have*bitmapSector, s.Size, ErrInvalid)
	}
	return nil
}

// validateParts checks the fields against each other.
func (s Superblock) validateParts(kind Kind) error {
	stripes, stripeSize4k, err := striping(s.Stripes, s.StripeSize4k)
	if err != nil {
		return err
	}
	logSize := int64(stripes) * int64(stripeSize4k) * blockSectors
	al, bm, md := int64(s.ALOffset), int64(s.BMOffset), int64(s.MDSize)
	var area int64
	switch {
	case kind == KindInternal && al >= 0:
		return fmt.Errorf("offset of the activity log is %d, want less than 0 for internal meta-data", al)
	case kind == KindInternal && bm > al:
		return fmt.Errorf("bitmap at offset %d, want it before the activity log at %d", bm, al)
	case kind == KindInternal:
		area = -al
	case al != blockSectors:
		return fmt.Errorf("offset of the activity log is %d, want %d for external meta-data", al, blockSectors)
	case bm < al || bm > md:
		return fmt.Errorf("bitmap at offset %d, want it after the activity log at %d and within the size of %d", bm, al, md)
	case kind == KindIndexed && (md != indexedSlot || stripes != defaultStripes || stripeSize4k != defaultStripe):
		return fmt.Errorf("size of the meta-data is %d with %d stripes of %d blocks, want %d with %d of %d at an index",
			md, stripes, stripeSize4k, indexedSlot, defaultStripes, defaultStripe)
	default:
		area = bm - al
	}
	switch {
	case area != logSize:
		return fmt.Errorf("activity log of %d sectors, want %d for %d stripes of %d blocks",
			area, logSize, stripes, stripeSize4k)
	case bm%blockSectors != 0:
		return fmt.Errorf("bitmap at offset %d, want a multiple of %d sectors", bm, blockSectors)
	}
	return nil
}
