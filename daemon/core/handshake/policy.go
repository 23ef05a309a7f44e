package handshake

import (
	"fmt"

	"github.com/optionc/pollux/daemon/format/drbdwire"
)

// policy applies the after-sb option that fits the number of Primaries: +1 if
// this node's changes win, -1 if they are given up, -100 if nobody decides.
//
// Source: DRBD 8.4 states, section 6.
func (d *decider) policy() int {
	own, peer := d.in.Own.Role == drbdwire.Primary, d.in.Peer.Role == drbdwire.Primary
	var result int
	var option drbdwire.AfterSB
	var number string
	switch {
	case own && peer:
		option, number = d.in.AfterSB2, "2pri"
		result = d.twoPrimaries()
	case own || peer:
		option, number = d.in.AfterSB1, "1pri"
		result = d.onePrimary(own)
	default:
		option, number = d.in.AfterSB0, "0pri"
		result = d.noPrimary()
	}
	d.out.Text += fmt.Sprintf(", after-sb-%s is %v and", number, option)
	switch result {
	case BitmapSync:
		d.out.Text += " keeps this node's changes"
	case -BitmapSync:
		d.out.Text += " gives this node's changes up"
	default:
		d.out.Text += " decides nothing"
	}
	return result
}

// noPrimary is after-sb-0pri. Policies that find no difference fall through to
// the next simpler one.
func (d *decider) noPrimary() int {
	switch d.in.AfterSB0 {
	case drbdwire.AfterSBDiscardYoungerPrimary:
		if r := d.byPrimaryBit(); r != 0 {
			return -r
		}
		return d.byChanges(true)
	case drbdwire.AfterSBDiscardOlderPrimary:
		if r := d.byPrimaryBit(); r != 0 {
			return r
		}
		return d.byChanges(true)
	case drbdwire.AfterSBDiscardZeroChanges:
		return d.byChanges(false)
	case drbdwire.AfterSBDiscardLeastChanges:
		return d.byNumber()
	case drbdwire.AfterSBDiscardLocal:
		return -BitmapSync
	case drbdwire.AfterSBDiscardRemote:
		return BitmapSync
	default:
		return -SplitBrain
	}
}

// byPrimaryBit tells the nodes apart by whether the common generation was made
// as a Primary here: +1 if it was at the peer only, -1 if here only.
func (d *decider) byPrimaryBit() int {
	return int(d.in.Peer.UUIDs.Bitmap&1) - int(d.in.Own.UUIDs.Bitmap&1)
}

// byChanges lets a node without changes lose. If both have some, orLeast lets
// the one with fewer lose.
func (d *decider) byChanges(orLeast bool) int {
	own, peer := d.in.Own.Dirty, d.in.Peer.Dirty
	switch {
	case own == 0 && peer == 0:
		return d.byLot()
	case peer == 0:
		return BitmapSync
	case own == 0:
		return -BitmapSync
	case orLeast:
		return d.byNumber()
	default:
		return -SplitBrain
	}
}

// byNumber lets the node with fewer changed blocks lose.
func (d *decider) byNumber() int {
	own, peer := d.in.Own.Dirty, d.in.Peer.Dirty
	switch {
	case own < peer:
		return -BitmapSync
	case own > peer:
		return BitmapSync
	default:
		return d.byLot()
	}
}

// byLot decides between equals by who accepted the meta socket.
func (d *decider) byLot() int {
	if d.in.Own.Resolve {
		return -BitmapSync
	}
	return BitmapSync
}

// onePrimary is after-sb-1pri.
func (d *decider) onePrimary(own bool) int {
	primaryWins := -BitmapSync
	if own {
		primaryWins = BitmapSync
	}
	switch d.in.AfterSB1 {
	case drbdwire.AfterSBConsensus:
		if d.noPrimary() == primaryWins {
			return primaryWins
		}
		return -SplitBrain
	case drbdwire.AfterSBViolently:
		return d.noPrimary()
	case drbdwire.AfterSBDiscardSecondary:
		return primaryWins
	case drbdwire.AfterSBCallPriLost:
		return d.demoteVictim(d.noPrimary())
	default:
		return -SplitBrain
	}
}

// twoPrimaries is after-sb-2pri.
func (d *decider) twoPrimaries() int {
	switch d.in.AfterSB2 {
	case drbdwire.AfterSBViolently:
		return d.noPrimary()
	case drbdwire.AfterSBCallPriLost:
		return d.demoteVictim(d.noPrimary())
	default:
		return -SplitBrain
	}
}

// demoteVictim lets a Primary that lost give up its role, or calls for help if
// it can't.
func (d *decider) demoteVictim(result int) int {
	if result != -BitmapSync || d.role != drbdwire.Primary {
		return result
	}
	if d.in.InUse {
		d.call(HandlerPriLostAfterSB)
		return -SplitBrain
	}
	d.out.Demote, d.role = true, drbdwire.Secondary
	return result
}
