package check

import (
	"fmt"

	"github.com/optionc/pollux/daemon/config"
	"github.com/optionc/pollux/daemon/format/drbdconf"
	"github.com/optionc/pollux/daemon/format/drbdmeta"
)

// Spares fails if fresh metadata would lie where LVM has, or may put, data.
// The error says how they get room.
func Spares(d Disk, r config.Resource) error {
	if !d.HasLVM || d.Metadata != "" || d.Room == 0 || r.Volume.Meta.Kind != drbdconf.MetaInternal {
		return nil
	}
	if d.PVErr == nil && d.PV.Within(d.Room) {
		return nil
	}
	return fmt.Errorf("resource %s: %s", r.Conf.Name, keep(r, d))
}

// keep says how a disk keeps what LVM has on it.
func keep(r config.Resource, d Disk) string {
	disk, pv := r.Volume.Disk, d.PV
	text := disk + " carries an LVM physical volume, which can be kept"
	then := fmt.Sprintf("'pollux create-md %s', and when both daemons run, here 'pollux primary --force %s'",
		r.Conf.Name, r.Conf.Name)
	if r.Volume.Meta.Kind != drbdconf.MetaInternal {
		return text + ": the metadata are elsewhere. " + then
	}
	if d.Room == 0 || d.Room > d.Sectors {
		return text + " if the metadata fits behind it"
	}
	text += fmt.Sprintf(". The metadata need the last %d of its %d sectors", d.Sectors-d.Room, d.Sectors)
	shrink := fmt.Sprintf("'pvresize --yes --setphysicalvolumesize %ds %s', ", d.Room, disk)
	off := ""
	if pv.Group != "" {
		off = fmt.Sprintf("with its guests stopped 'vgchange -an %s', ", pv.Group)
	}
	fit := pv.Fit(d.Room)
	switch {
	case d.PVErr != nil:
		return fmt.Sprintf("%s; LVM does not say whether they are free (%v). %s%s", text, d.PVErr, shrink, then)
	case pv.Within(d.Room):
		return fmt.Sprintf("%s, and LVM leaves them alone: %s%s", text, off, then)
	case pv.Used <= fit:
		return fmt.Sprintf("%s, and no volume of it has them: %s%s%s", text, off, shrink, then)
	}
	text += fmt.Sprintf(", and %s has extents %d to %d there", pv.Last, fit, pv.Used-1)
	external := fmt.Sprintf("keep the metadata on another disk, of %d sectors or more: in drbd.conf 'meta-disk DISK;' instead of "+
		"'meta-disk internal;'", external(d.Sectors))
	// The free extents behind fit help nobody.
	if free := pv.Free - min(pv.Free, pv.Count-pv.Used); free >= pv.Used-fit {
		return fmt.Sprintf("%s: move them with 'pvmove --alloc anywhere %s:%d-%d %s:0-%d', then %s%s%s. Or %s",
			text, disk, fit, pv.Used-1, disk, fit-1, off, shrink, then, external)
	}
	return fmt.Sprintf("%s, and no free extents to move to: make a volume of %s smaller by %d extents of %d sectors first "+
		"(lvreduce --resizefs). Or %s", text, pv.Group, pv.Used-fit, pv.Extent, external)
}

// external is the least size of a disk for the metadata of another one, both
// in sectors.
func external(data uint64) uint64 {
	// As much as internal metadata of the same disk.
	least := uint64(128 << 10)
	if layout, err := drbdmeta.Internal(data, 0, 0); err == nil {
		least = max(uint64(layout.MDSize), 256)
	}
	return least
}

// size compares the room on both nodes' disks. Source: DRBD 8.4 metadata,
// section 4.2: the device gets what the smaller one has, and a device with
// good data never shrinks by itself.
func (c *checker) size(r config.Resource, d Disk) {
	where, wanted := "resource "+r.Conf.Name, uint64(r.Volume.Options.Size)/2
	now := c.resourceNow(r.Conf.Name)
	room := d.Room / 2
	if now != nil && now.RoomKiB != 0 {
		room = now.RoomKiB
	}
	if wanted > room && room != 0 {
		c.mend(where, "drbd.conf wants a size of %d KiB, %s has room for %d KiB", wanted, r.Volume.Disk, room)
		return
	}
	switch {
	case now != nil && now.PeerRoomKiB != 0 && room != 0:
		c.compare(r, room, now.PeerRoomKiB, now.SizeKiB)
	case d.Room != 0 && d.Last == 0 && d.Problem == nil && wanted == 0:
		c.note(where, "%s has room for %d KiB of data. The device will have what the smaller one of both disks has: compare with "+
			"%s, and let both nodes connect before one is made Primary. A device that was filled alone does not fit on a "+
			"smaller disk later", r.Volume.Disk, room, c.site.Peer)
	}
}

// compare says what disks of different size come to, in KiB.
func (c *checker) compare(r config.Resource, own, peer, size uint64) {
	where := "resource " + r.Conf.Name
	disk := r.Volume.Disk
	switch {
	case size > peer:
		c.mend(where, "the device has %d KiB, the disk of %s has room for %d KiB only, so the nodes stay apart. Give %s a bigger "+
			"disk; or make what is on the device %d KiB smaller, write 'size %dK;' into the disk section on both nodes, end "+
			"polluxd here, and begin with 'pollux create-md --force %s' and 'pollux primary --force %s'", size, c.site.Peer, peer,
			c.site.Peer, size-peer, peer, r.Conf.Name, r.Conf.Name)
	case own > peer:
		c.note(where, "the disks differ: the device has %d KiB, as %s has room for no more, and %d KiB of %s are not used",
			size, c.site.Peer, own-peer, disk)
	case own < peer:
		c.note(where, "the disks differ: the device has %d KiB, as %s has room for no more, and %d KiB of the disk of %s are not "+
			"used", size, disk, peer-own, c.site.Peer)
	}
}
