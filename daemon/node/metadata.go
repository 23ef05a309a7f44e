package node

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/optionc/pollux/daemon/config"
	"github.com/optionc/pollux/daemon/driver/backing"
	"github.com/optionc/pollux/daemon/format/drbdconf"
	"github.com/optionc/pollux/daemon/format/drbdmeta"
)

// Striping is the activity log of fresh metadata: so many stripes of so many
// blocks of 4096 bytes; zero is 1 of 8.
type Striping struct{ Stripes, StripeSize4k uint32 }

// StripingOf is what drbdmeta's --al-stripes and --al-stripe-size-kB say; 0 of
// both is the default, and of one the other's.
func StripingOf(stripes, sizeKiB uint32) (Striping, error) {
	const blockKiB, usual = drbdmeta.BlockSize / 1024, 8
	if stripes == 0 && sizeKiB == 0 {
		return Striping{}, nil
	}
	if sizeKiB%blockKiB != 0 {
		return Striping{}, fmt.Errorf("al-stripe-size of %d KiB, want a multiple of %d", sizeKiB, blockKiB)
	}
	s := Striping{Stripes: max(stripes, 1), StripeSize4k: sizeKiB / blockKiB}
	if sizeKiB == 0 {
		s.StripeSize4k = usual
	}
	return s, nil
}

// Format writes fresh metadata on the disk of a resource, and wipes whatever
// metadata was there.
func Format(r config.Resource, deviceUUID uint64, log Striping) (sectors uint64, err error) {
	path := r.Volume.Disk
	if r.Volume.Meta.Kind != drbdconf.MetaInternal {
		path = r.Volume.Meta.Device
	}
	disk, err := backing.Open(path, backing.Options{})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, disk.Close()) }()
	data := disk.Sectors()
	if path != r.Volume.Disk {
		below, err := backing.Open(r.Volume.Disk, backing.Options{})
		if err != nil {
			return 0, err
		}
		data = below.Sectors()
		if err := below.Close(); err != nil {
			return 0, err
		}
	}
	layout, err := layoutOf(r, disk.Sectors(), data, log)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", path, err)
	}
	for _, piece := range drbdmeta.Create(layout, uint32(r.Volume.Options.ALExtents), deviceUUID) {
		if err := writePiece(disk, piece); err != nil {
			return 0, err
		}
	}
	return layout.DataSectors, nil
}

// writePiece writes a part of the metadata a bit at a time: the bitmap of 16
// TiB has half a gigabyte.
func writePiece(disk *backing.Disk, p drbdmeta.Piece) error {
	const most = 1 << 20
	some := drbdmeta.Piece{Length: min(p.Length, most), Block: p.Block}
	bytes := some.Bytes()
	done := make(chan error, 1)
	for at := int64(0); at < p.Length; at += most {
		n := min(p.Length-at, most)
		disk.WriteMeta(p.Offset+at, bytes[:n], at+n == p.Length, func(err error) { done <- err })
		if err := <-done; err != nil {
			return err
		}
	}
	return nil
}

func layoutOf(r config.Resource, meta, data uint64, log Striping) (drbdmeta.Layout, error) {
	switch r.Volume.Meta.Kind {
	case drbdconf.MetaFlexible:
		return drbdmeta.FlexibleExternal(meta, data, log.Stripes, log.StripeSize4k)
	case drbdconf.MetaIndexed:
		if log.Stripes > 1 || log.StripeSize4k > 8 {
			return drbdmeta.Layout{}, fmt.Errorf("at an index the activity log is 1 stripe of 8 blocks: %w", drbdmeta.ErrInvalid)
		}
		return drbdmeta.Indexed(r.Volume.Meta.Index, meta, data)
	default:
		return drbdmeta.Internal(meta, log.Stripes, log.StripeSize4k)
	}
}

// measure opens the device with the metadata of a resource, and tells where on
// it they are or would be.
func measure(r config.Resource) (f *os.File, layout drbdmeta.Layout, sectors uint64, err error) {
	path := r.Volume.Disk
	if r.Volume.Meta.Kind != drbdconf.MetaInternal {
		path = r.Volume.Meta.Device
	}
	if f, err = os.Open(path); err != nil {
		return nil, layout, 0, err
	}
	if sectors, err = sectorsOf(f); err == nil {
		data := sectors
		if path != r.Volume.Disk {
			data, err = Sectors(r.Volume.Disk)
		}
		if err == nil {
			layout, err = layoutOf(r, sectors, data, Striping{})
		}
	}
	if err != nil {
		return nil, layout, 0, errors.Join(fmt.Errorf("%s: %w", path, err), f.Close())
	}
	return f, layout, sectors, nil
}

// Sectors is the size of a disk, in units of 512 bytes.
func Sectors(path string) (uint64, error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer func() { _ = f.Close() }()
	return sectorsOf(f)
}

func sectorsOf(f *os.File) (uint64, error) {
	size, err := f.Seek(0, io.SeekEnd)
	return uint64(size) / backing.SectorSize, err
}

// Room is how many sectors for data the disk of a resource has beside its
// metadata, and how many the device had last; 0 is none yet.
func Room(r config.Resource) (data, last uint64, err error) {
	f, layout, _, err := measure(r)
	if err != nil {
		return 0, 0, err
	}
	defer func() { _ = f.Close() }()
	block := make([]byte, drbdmeta.BlockSize)
	if _, err := f.ReadAt(block, layout.Superblock); err == nil {
		if super, err := drbdmeta.DecodeSuperblock(block); err == nil {
			last = super.Size
			layout.DataSectors = min(layout.DataSectors, super.Layout(layout.Superblock).DataSectors)
		}
	}
	return layout.DataSectors, last, nil
}

// Metadata says what metadata the disk of a resource carries, "" for none. It
// fails if there is some that can't be used, with the way out.
func Metadata(r config.Resource) (string, error) {
	f, layout, sectors, err := measure(r)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }()
	path := f.Name()
	block := make([]byte, drbdmeta.BlockSize)
	if _, err := f.ReadAt(block, layout.Superblock); err != nil {
		return "", err
	}
	super, err := drbdmeta.DecodeSuperblock(block)
	if err == nil {
		err = super.Validate(drbdmeta.Kind(r.Volume.Meta.Kind), layout.Superblock, sectors)
	}
	if err == nil {
		return fmt.Sprintf("DRBD 8.4 metadata (%s)", super.Flags), nil
	}
	if old, ok := drbdmeta.V07Offset(sectors); ok && r.Volume.Meta.Kind == drbdconf.MetaInternal {
		if _, err := f.ReadAt(block, old); err == nil {
			if _, err := drbdmeta.DecodeV07(block); err == nil {
				return "DRBD 0.7 metadata", fmt.Errorf("%s: %w: after a clean end of DRBD 0.7 convert it with "+
					"'pollux meta convert', or write fresh metadata with 'pollux create-md --force %s' and sync in full",
					path, drbdmeta.ErrV07, r.Conf.Name)
			}
		}
	}
	if errors.Is(err, drbdmeta.ErrNoMetadata) {
		return whereItWas(f, recall(LastKnownDir, r.Volume), sectors), nil
	}
	return "foreign metadata", fmt.Errorf("%s: %w", path, err)
}

// whereItWas finds the metadata of a disk of sectors that had last sectors when
// it was in use: it has grown since.
func whereItWas(f io.ReaderAt, last, sectors uint64) string {
	if last == 0 || last >= sectors {
		return ""
	}
	layout, err := drbdmeta.Internal(last, 0, 0)
	if err != nil {
		return ""
	}
	block := make([]byte, drbdmeta.BlockSize)
	if _, err := f.ReadAt(block, layout.Superblock); err != nil {
		return ""
	}
	super, err := drbdmeta.DecodeSuperblock(block)
	if err != nil {
		return ""
	}
	return fmt.Sprintf("DRBD 8.4 metadata (%s) where the disk ended before it grew", super.Flags)
}
