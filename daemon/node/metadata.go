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

// Format writes fresh metadata on the disk of a resource, and wipes whatever
// metadata was there.
func Format(r config.Resource, deviceUUID uint64) (sectors uint64, err error) {
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
	layout, err := layoutOf(r, disk.Sectors(), data)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", path, err)
	}
	for _, piece := range drbdmeta.Create(layout, uint32(r.Volume.Options.ALExtents), deviceUUID) {
		done := make(chan error, 1)
		disk.WriteMeta(piece.Offset, piece.Bytes(), true, func(err error) { done <- err })
		if err := <-done; err != nil {
			return 0, err
		}
	}
	return layout.DataSectors, nil
}

func layoutOf(r config.Resource, meta, data uint64) (drbdmeta.Layout, error) {
	switch r.Volume.Meta.Kind {
	case drbdconf.MetaFlexible:
		return drbdmeta.FlexibleExternal(meta, data, 1, 8)
	case drbdconf.MetaIndexed:
		return drbdmeta.Indexed(r.Volume.Meta.Index, meta, data)
	default:
		return drbdmeta.Internal(meta, 1, 8)
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
			layout, err = layoutOf(r, sectors, data)
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
				return "DRBD 0.7 metadata", fmt.Errorf("%s: %w: convert it with drbdmeta of DRBD 8, or write fresh metadata "+
					"with 'pollux create-md --force %s' and sync in full", path, drbdmeta.ErrV07, r.Conf.Name)
			}
		}
	}
	if errors.Is(err, drbdmeta.ErrNoMetadata) {
		return "", nil
	}
	return "foreign metadata", fmt.Errorf("%s: %w", path, err)
}
