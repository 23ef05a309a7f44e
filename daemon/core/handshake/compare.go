// Package handshake decides what two nodes that have just met do with each
// other: whether their settings fit together, whose data are newer, who
// becomes the source of a resync, and when it is better to part.
//
// Both nodes compute this on their own, from the same packets, and have to come
// to mirrored results: otherwise one waits for a bitmap that the other never
// sends. So everything here follows the kernel's DRBD 8.4 rule by rule, with the
// same rule numbers. All are pure functions; whoever calls them carries the
// result out.
//
//	P_PROTOCOL, P_SYNC_PARAM ---> MatchProtocol, MatchAlgorithms ---> StandAlone
//	P_UUIDS, P_STATE -----------> Compare: equal, ahead, behind, split, unrelated
//	                                 |
//	                              Decide: disk states, policies, orders
//	                                 |
//	       +-----------+-------------+----------+
//	   Connected   WFBitMapS     WFBitMapT    GiveUp: StandAlone
package handshake

import (
	"fmt"

	"github.com/optionc/pollux/daemon/format/drbdmeta"
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

// Side is what is known of one of the two copies when they meet. The own side
// is what was sent to the peer, not what became of it since: the peer computes
// with the same numbers.
type Side struct {
	UUIDs drbdmeta.UUIDs
	Role  drbdwire.Role
	// Disk is the disk state in P_STATE. While it is Negotiating, Found is what
	// it would be without a peer: for the own side the state found at attach,
	// for the peer Inconsistent or Consistent, as flag 4 of its P_UUIDS says.
	Disk, Found drbdwire.DiskState
	// Dirty is the number of blocks out of sync, as in P_UUIDS.
	Dirty uint64
	// CrashedPrimary: this node has crashed as Primary and was not in sync with
	// its peer since (P_UUIDS flag 2).
	CrashedPrimary bool
	// DiscardMyData: the administrator gives this copy up (P_UUIDS flag 1).
	DiscardMyData bool
	// Resolve: this node accepted the meta socket, so it has the last word
	// where both could decide. True on exactly one side.
	Resolve bool
	// Features are the feature flags that both agreed on, the same on both
	// sides. Only WSAME counts here.
	Features uint32
}

// Results of Compare: the sign says who is the source (+ this node), the size
// how much has to be sent.
const (
	Equal      = 0     // nothing to send
	BitmapSync = 1     // the blocks in the bitmaps
	FullSync   = 2     // all blocks
	SplitBrain = 100   // both have changes; negative: and the bitmaps do not tell which
	Unrelated  = -1000 // never were copies of each other

	// needsWSame names the feature, which also says that a node knows rule 41,
	// and the protocol that brought it.
	needsWSame = -(0x10000 | int(drbdwire.FeatureWSame)<<8 | 101)
)

// syncStep is what the bitmap UUID grows by each time that a resync starts.
// Source: DRBD 8.4 states, section 4.
const syncStep = 0x0001000000000000

// Verdict is the outcome of comparing the generation identifiers of two copies.
type Verdict struct {
	Result int
	// Rule is the number under which the kernel logs the decision.
	Rule int
	// Own and Peer are the identifiers to go on with. They differ from what was
	// compared if a packet about the end or the start of an earlier resync got
	// lost; Own then has to be written down.
	Own, Peer drbdmeta.UUIDs
	// Text is the reason in a few words.
	Text string
}

// Compare finds out which of two copies has the newer data. The lowest bit of
// every identifier only says that a Primary made it, and is left out.
//
// The values 0 in both histories count as equal, so Unrelated comes out only
// when no history entry matches, zeros included. Protocol 96 or newer is taken
// for granted.
//
// Source: DRBD 8.4 states, section 5.1.
func Compare(own, peer Side) Verdict {
	v := Verdict{Own: own.UUIDs, Peer: peer.UUIDs}
	s, p := masked(own.UUIDs), masked(peer.UUIDs)
	switch fresh := uint64(drbdmeta.JustCreated); {
	case s.Current == fresh && p.Current == fresh:
		return v.with(10, Equal, "both copies are just created")
	case (s.Current == fresh || s.Current == 0) && p.Current != fresh:
		return v.with(20, -FullSync, "this copy is just created and the peer's is not")
	case s.Current != fresh && (p.Current == fresh || p.Current == 0):
		return v.with(30, FullSync, "the peer's copy is just created and this one is not")
	case s.Current == p.Current:
		return v.sameData(own, peer, s, p)
	default:
		return v.otherData(s, p)
	}
}

// sameData holds the rules for equal current identifiers: the last resync may
// have ended on one side only, or a Primary crashed.
func (v Verdict) sameData(own, peer Side, s, p drbdmeta.UUIDs) Verdict {
	switch {
	case p.Bitmap == 0 && s.Bitmap != 0:
		if s.Bitmap == p.History0 && s.History0 == p.History1 {
			u := own.UUIDs
			v.Own = drbdmeta.UUIDs{Current: u.Current, History0: u.Bitmap, History1: u.History0}
			return v.with(34, BitmapSync, "this node was sync source and missed the end of the resync")
		}
		return v.with(36, BitmapSync, "this node was sync source and the peer did not note its start")
	case s.Bitmap == 0 && p.Bitmap != 0:
		if s.History0 == p.Bitmap && s.History1 == p.History0 {
			u := peer.UUIDs
			v.Peer = drbdmeta.UUIDs{Current: u.Current, History0: u.Bitmap, History1: u.History0}
			return v.with(35, -BitmapSync, "the peer was sync source and missed the end of the resync")
		}
		return v.with(37, -BitmapSync, "the peer was sync source and this node did not note its start")
	case !own.CrashedPrimary && !peer.CrashedPrimary:
		return v.with(40, Equal, "both have the same data")
	case own.Role == drbdwire.Primary || peer.Role == drbdwire.Primary:
		return v.crashedAndPrimary(own, peer)
	case !peer.CrashedPrimary:
		return v.with(40, BitmapSync, "this node crashed as Primary")
	case !own.CrashedPrimary:
		return v.with(40, -BitmapSync, "the peer crashed as Primary")
	case own.Resolve:
		return v.with(40, -BitmapSync, "both crashed as Primary and the peer is picked")
	default:
		return v.with(40, BitmapSync, "both crashed as Primary and this node is picked")
	}
}

// crashedAndPrimary is rule 41: same data, some node crashed as Primary, and
// somebody is Primary now.
func (v Verdict) crashedAndPrimary(own, peer Side) Verdict {
	switch {
	case own.Features&drbdwire.FeatureWSame == 0:
		return v.with(41, needsWSame, "a node crashed as Primary, which needs the feature WSAME on both sides")
	case own.Role == peer.Role:
		return v.with(41, -SplitBrain, "a node crashed as Primary and both are Primary")
	case own.Role == drbdwire.Primary:
		return v.with(41, BitmapSync, "a node crashed as Primary and this node is Primary")
	default:
		return v.with(41, -BitmapSync, "a node crashed as Primary and the peer is Primary")
	}
}

// otherData holds the rules for different current identifiers: one that stands
// in the past of the other is older.
func (v Verdict) otherData(s, p drbdmeta.UUIDs) Verdict {
	own, peer := v.Own, v.Peer
	switch {
	case s.Current == p.Bitmap:
		return v.with(50, -BitmapSync, "the peer has changes since the two were in sync")
	case s.Current == p.History0 && p.History0+syncStep == p.Bitmap:
		v.Peer.Bitmap, v.Peer.History0 = peer.History0, peer.History1
		return v.with(51, -BitmapSync, "the peer started a resync that did not reach this node")
	case s.Current == p.History0 || s.Current == p.History1:
		return v.with(60, -FullSync, "this copy is older than the peer's bitmap")
	case s.Bitmap == p.Current:
		return v.with(70, BitmapSync, "this node has changes since the two were in sync")
	case s.History0 == p.Current && s.History0+syncStep == s.Bitmap:
		v.Own.Bitmap, v.Own.History0 = own.History0, own.History1
		return v.with(71, BitmapSync, "this node started a resync that did not reach the peer")
	case s.History0 == p.Current || s.History1 == p.Current:
		return v.with(80, FullSync, "the peer's copy is older than this bitmap")
	case s.Bitmap == p.Bitmap && s.Bitmap != 0:
		return v.with(90, SplitBrain, "both have changes since they were in sync")
	case s.History0 == p.History0 || s.History0 == p.History1 ||
		s.History1 == p.History0 || s.History1 == p.History1:
		return v.with(100, -SplitBrain, "both have changes since some time in the past")
	default:
		return v.with(100, Unrelated, "the copies have no common past")
	}
}

func (v Verdict) with(rule, result int, text string) Verdict {
	v.Rule, v.Result, v.Text = rule, result, text
	return v
}

// String is the line that the kernel logs.
func (v Verdict) String() string {
	return fmt.Sprintf("uuid_compare()=%d by rule %d", v.Result, v.Rule)
}

func masked(u drbdmeta.UUIDs) drbdmeta.UUIDs {
	const primary = 1
	return drbdmeta.UUIDs{
		Current: u.Current &^ primary, Bitmap: u.Bitmap &^ primary,
		History0: u.History0 &^ primary, History1: u.History1 &^ primary,
	}
}
