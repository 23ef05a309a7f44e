package node

import (
	"errors"
	"fmt"
	"math/bits"

	"github.com/optionc/pollux/daemon/config"
	"github.com/optionc/pollux/daemon/driver/backing"
	"github.com/optionc/pollux/daemon/format/drbdconf"
	"github.com/optionc/pollux/daemon/format/drbdmeta"
)

// DiskMeta is the metadata of a resource whose disk nobody uses.
type DiskMeta struct {
	Super  drbdmeta.Superblock
	Layout drbdmeta.Layout
	disk   *backing.Disk
}

// OpenMeta opens the metadata of a resource for this program alone.
// drbdmeta.ErrNoMetadata is in the error if there is none.
func OpenMeta(r config.Resource) (*DiskMeta, error) {
	path := r.Volume.Disk
	if r.Volume.Meta.Kind != drbdconf.MetaInternal {
		path = r.Volume.Meta.Device
	}
	disk, err := backing.Open(path, backing.Options{})
	if err != nil {
		return nil, err
	}
	m := &DiskMeta{disk: disk}
	if err := m.read(r); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, err), disk.Close())
	}
	return m, nil
}

func (m *DiskMeta) read(r config.Resource) error {
	layout, err := layoutOf(r, m.disk.Sectors(), m.disk.Sectors(), Striping{})
	if err != nil {
		return err
	}
	block, err := m.bytes(layout.Superblock, drbdmeta.BlockSize)
	if err != nil {
		return err
	}
	if m.Super, err = drbdmeta.DecodeSuperblock(block); err != nil {
		return err
	}
	m.Layout = m.Super.Layout(layout.Superblock)
	return m.Super.Validate(drbdmeta.Kind(r.Volume.Meta.Kind), layout.Superblock, m.disk.Sectors())
}

func (m *DiskMeta) bytes(at, length int64) ([]byte, error) {
	b := make([]byte, length)
	done := make(chan error, 1)
	m.disk.ReadMeta(at, b, func(err error) { done <- err })
	return b, <-done
}

// Bitmap is what of the bitmap the last agreed size uses.
func (m *DiskMeta) Bitmap() ([]byte, error) { return m.bytes(m.Layout.Bitmap, m.Super.BitmapBytes()) }

// ToReplay is how many KiB the activity log will mark as out of sync when the
// disk is attached, besides those that are.
func (m *DiskMeta) ToReplay() (kib int, err error) {
	if !m.Super.NeedsReplay() {
		return 0, nil
	}
	log, err := m.bytes(m.Layout.ActivityLog, m.Layout.ALSize)
	if err != nil {
		return 0, err
	}
	replayed, err := drbdmeta.Replay(m.Super, log)
	if err != nil {
		return 0, err
	}
	bitmap, err := m.Bitmap()
	if err != nil {
		return 0, err
	}
	const perExtent = 128 // bytes of the bitmap for 4 MiB
	for _, extent := range replayed.Hot {
		for i := range perExtent {
			if at := int(extent)*perExtent + i; at < len(bitmap) {
				kib += (8 - bits.OnesCount8(bitmap[at])) * drbdmeta.BlockSize / 1024
			}
		}
	}
	return kib, nil
}

// Write puts the superblock back, as changed; nil wipes it.
func (m *DiskMeta) Write(s *drbdmeta.Superblock) error {
	block := make([]byte, drbdmeta.BlockSize)
	if s != nil {
		block = s.Append(block[:0])
	}
	done := make(chan error, 1)
	m.disk.WriteMeta(m.Layout.Superblock, block, true, func(err error) { done <- err })
	return <-done
}

// Close lets go of the disk.
func (m *DiskMeta) Close() error { return m.disk.Close() }
