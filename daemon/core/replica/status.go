package replica

import (
	"slices"

	"github.com/optionc/pollux/daemon/core/resync"
	"github.com/optionc/pollux/daemon/format/drbdmeta"
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

// Stats count since the start of the daemon. Sizes are in bytes.
type Stats struct {
	Sent, Received           uint64 // bulk data to and from the peer
	DiskRead, DiskWritten    uint64
	ALWrites, BitmapWrites   uint64
	MetaWrites               uint64
	Pending, Unacked, Queued int // requests at the peer, of the peer, of users
	Lower                    int // requests of users at the disk below
}

// Status is the whole state of a resource that a person or a program may want
// to see.
type Status struct {
	Name           string
	State          drbdwire.State
	Protocol       drbdwire.WireProtocol
	Size           uint64 // sectors
	Room, PeerRoom uint64 // sectors for data on the disks; 0 is unknown
	UUIDs          drbdmeta.UUIDs
	Flags          drbdmeta.Flags
	OutOfSync      uint64         // KiB
	Resync         *resync.Report // nil while none is running
	Verify         *VerifyReport  // nil while none is running
	Verified       *VerifyResult  // of the last one; nil before it
	SuspendedForAL int            // slots of the activity log in use
	Frozen         string         // the assertion that froze the device
	Note           string         // the last refusal or failure
	Decisions      []Decision     // the last ones, oldest first
	Stats          Stats
}

// Status describes the resource as it is now.
func (r *Resource) Status() Status {
	s := Status{
		Name: r.cfg.Name, State: r.state, Protocol: r.cfg.Protocol, Size: r.size, UUIDs: r.uuids,
		Verify: r.verifying(), Verified: r.verify.last, Flags: r.meta.flags, Frozen: r.frozen, Note: r.note,
		Decisions: slices.Clone(r.decisions), Stats: r.Stats(),
	}
	s.Room, s.PeerRoom = r.meta.layout.DataSectors, r.peerRoom
	if r.bits != nil {
		s.OutOfSync = r.bits.Count() * 4
	}
	if c := r.state.Conn; isSource(c) || isTarget(c) {
		report := r.sync.progress.Report(r.now)
		s.Resync = &report
	}
	return s
}

// Stats are the counters, and how much is under way.
func (r *Resource) Stats() Stats {
	s := r.stats
	for _, list := range r.requests.both() {
		for i := range list {
			if list[i].remote == halfPending {
				s.Pending++
			}
			if list[i].local == halfPending {
				s.Lower++
			}
		}
		s.Queued += len(list)
	}
	s.Unacked = r.mirror.list.len()
	return s
}

// Size is that of the device, in sectors; 0 is not known yet.
func (r *Resource) Size() uint64 { return r.size }

// State is the state alone.
func (r *Resource) State() drbdwire.State { return r.state }

// Generation is the identifier of the current data, without the mark of a
// Primary.
func (r *Resource) Generation() uint64 { return r.uuids.Current &^ 1 }

// Past are the generations that the data have gone on from, without that mark; 0 is none.
func (r *Resource) Past() [3]uint64 {
	u := r.uuids
	return [3]uint64{u.Bitmap &^ 1, u.History0 &^ 1, u.History1 &^ 1}
}

// HasHad tells whether the data have gone on from a generation since they had it.
func (r *Resource) HasHad(generation uint64) bool {
	past := r.Past()
	return generation != 0 && slices.Contains(past[:], generation)
}

// LostOnlyCopy tells whether users have nothing to go on with, since this node has let go of
// its disk, and were told of writes that are nowhere else.
func (r *Resource) LostOnlyCopy() bool {
	return r.state.Disk == drbdwire.Diskless && r.meta.only
}

// OutOfSync tells whether the bitmap marks a block that the range touches as
// different from the peer's, or a write to it waits for the peer's return, which
// the activity log covers. It is not known before a disk is attached.
func (r *Resource) OutOfSync(sector uint64, size uint32) (marked, known bool) {
	if r.bits == nil || !r.meta.open || r.state.Disk <= drbdwire.Attaching {
		return false, false
	}
	return r.bits.Any(sector, size) || r.requests.holds(sector, size), true
}
