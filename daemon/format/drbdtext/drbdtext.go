// Package drbdtext writes what DRBD 8.4 shows to people and scripts, byte for
// byte: /proc/drbd, the status of drbdsetup, its event lines, and the JSON of
// version 9. It reads event lines too.
//
// Resource is what all of them are made of: one resource with its one volume
// and its one peer, as one node sees it.
package drbdtext

import (
	"fmt"
	"strings"
	"time"

	"github.com/optionc/pollux/daemon/format/drbdwire"
)

// Resource is a resource as one node sees it.
type Resource struct {
	Name     string
	Minor    int
	Volume   uint16
	NodeID   int    // 0 or 1; DRBD 8.4 has none
	PeerID   int    // the other
	PeerName string // of the host
	State    drbdwire.State
	Protocol string // A, B or C
	// ALSuspended: nothing needs the activity log, because all is out of sync.
	ALSuspended bool
	SizeKiB     uint64
	OutOfSync   uint64 // KiB
	Counters    Counters
	Sync        *Sync // nil unless a resync or verify runs
}

// Counters count since the resource came up; those that end in KiB are sizes.
type Counters struct {
	SentKiB, ReceivedKiB, WrittenKiB, ReadKiB uint64
	ALWrites, BitmapWrites                    uint64
	Lower                                     int // requests at the disk below
	Pending                                   int // requests that the peer has not answered
	Unacked                                   int // requests of the peer that were not answered
	Upper                                     int // requests of users
	Epochs                                    int
}

// Sync is how far a resync or a verify is.
type Sync struct {
	TotalKiB, LeftKiB uint64
	Speed, Average    uint64 // KiB/s: recently, and since the start
	Want              uint64 // KiB/s that the controller aims at; 0 is none
	// Finish is the time that is left at Speed; negative when nothing moves.
	Finish time.Duration
}

// hasNet tells whether the resource has a peer at all: one that is StandAlone
// has given it up.
func (r *Resource) hasNet() bool { return r.State.Conn > drbdwire.StandAlone }

// isUnconfigured tells whether the kernel would show nothing of the resource.
func (r *Resource) isUnconfigured() bool {
	s := r.State
	return s.Conn == drbdwire.StandAlone && s.Disk == drbdwire.Diskless && s.Role != drbdwire.Primary
}

// connection is the connection's state in the words of version 9, which
// drbdsetup uses for 8.4 too.
func connection(c drbdwire.ConnState) string {
	switch {
	case c >= drbdwire.WFReportParams:
		return "Connected"
	case c == drbdwire.WFConnection:
		return "Connecting"
	default:
		return c.String()
	}
}

// replication is what a volume does over a connection, in the words of
// version 9.
func replication(c drbdwire.ConnState) string {
	switch {
	case c <= drbdwire.WFReportParams:
		return "Off"
	case c == drbdwire.Connected:
		return "Established"
	default:
		return c.String()
	}
}

// suspended lists why I/O waits, or says no.
func suspended(s drbdwire.State) string {
	return reasons([]string{"user", "no-data", "fencing"}, s.Suspended, s.SuspNoData, s.SuspFencing)
}

// resyncSuspended lists who paused the resync, or says no.
func resyncSuspended(s drbdwire.State) string {
	return reasons([]string{"user", "peer", "dependency"}, s.UserPause, s.PeerPause, s.AfterPause)
}

func reasons(names []string, set ...bool) string {
	var list []string
	for i, on := range set {
		if on {
			list = append(list, names[i])
		}
	}
	if len(list) == 0 {
		return "no"
	}
	return strings.Join(list, ",")
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// percentDone is how much of a resync is over.
func (s *Sync) percentDone() Hundredths {
	return percent(s.TotalKiB-min(s.LeftKiB, s.TotalKiB), s.TotalKiB)
}

// Hundredths is a number with two decimals.
type Hundredths uint64

// percent is part of whole, or all of it if the whole is nothing.
func percent(part, whole uint64) Hundredths {
	if whole == 0 {
		return 100 * 100
	}
	return Hundredths(part * 100 * 100 / whole)
}

// mebi is KiB in MiB.
func mebi(kib uint64) Hundredths { return Hundredths(kib * 100 / 1024) }

// String writes both decimals.
func (h Hundredths) String() string { return fmt.Sprintf("%d.%02d", uint64(h)/100, uint64(h)%100) }

// MarshalJSON writes a number.
func (h Hundredths) MarshalJSON() ([]byte, error) { return []byte(h.String()), nil }

// Done is how much of a resync is over, in percent; "" without one.
func (r *Resource) Done() string {
	if r.Sync == nil {
		return ""
	}
	return r.Sync.percentDone().String()
}
