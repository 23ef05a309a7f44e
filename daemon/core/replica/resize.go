package replica

import (
	"fmt"

	"github.com/optionc/pollux/daemon/format/drbdmeta"
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

// resizing is a change of the size that is under way, by order or because the
// peer asks for it. The device grows only, and only to what both disks have
// room for.
//
//	order, or P_SIZES --Measure--> the disk has grown --move.go--> metadata at its end
//	   --> agreed size: bitmap, superblock --> users see it, the peer hears of it
//	   --> the node with the users copies what was added, unless it is clean
type resizing struct {
	measuring bool
	ordered   bool   // the order of this node waits for the result
	alone     bool   // the peer is assumed to have as much room as this disk
	clean     bool   // what is added is equal on both disks already
	user      uint64 // configured size, sectors; 0 is none
	reply     bool   // the peer waits for P_SIZES
	asked     bool   // this node waits for the peer's
	before    uint64 // configured size as it was before the peer was asked
	grown     bool   // the device has grown
	// source: the generation that the target will have is being written down.
	// unproven: nobody has asked for a block yet, so nobody may have become the
	// target.
	source, unproven bool
}

// isResizing tells whether the size may be about to change: what is added has to be
// copied then, which nothing else must be in the way of.
func (r *Resource) isResizing() bool {
	z := &r.resizing
	return z.measuring || z.ordered || z.reply || z.grown || z.source || r.meta.move.stage != moveNone
}

// resize is the order to let the device grow with the disks below.
func (r *Resource) resize(in Input) {
	s := r.state
	switch {
	case s.Disk < drbdwire.Negotiating || !r.meta.ready:
		r.refuse(drbdwire.IsDiskless, "a size can be agreed on only with a disk attached")
	case s.Conn > drbdwire.Connected:
		r.refuse(drbdwire.ResyncRunning, "a resync is running")
	case s.Conn > drbdwire.Unconnected && s.Conn < drbdwire.Connected && s.Conn != drbdwire.WFConnection,
		r.resizing.measuring, r.resizing.source, r.meta.move.stage != moveNone:
		r.refuse(drbdwire.InTransientState, "the handshake with the peer, or another change of the size, is not over")
	case s.Conn == drbdwire.Connected && s.PeerDisk < drbdwire.Inconsistent:
		r.refuse(drbdwire.NotSupported, "the peer has no disk attached, and may not have the room")
	case s.Role == drbdwire.Secondary && s.Peer == drbdwire.Secondary:
		r.refuse(drbdwire.NotSupported, "both nodes are Secondary, and the Primary's data are what is copied: promote one")
	default:
		r.resizing = resizing{
			ordered: true, alone: in.AssumePeer && s.Conn < drbdwire.Connected, clean: in.AssumeClean, user: in.Sector,
		}
		r.order.stage = stageResize
		r.measure()
	}
}

// sizeWanted takes P_SIZES of a peer that is connected: it wants to grow, or
// answers.
func (r *Resource) sizeWanted(s drbdwire.Sizes) {
	z := &r.resizing
	switch {
	case r.state.Conn == drbdwire.WFBitMapS || r.state.Conn == drbdwire.WFBitMapT:
		r.dropLink(drbdwire.ProtocolError, "the peer's size changed while bitmaps were exchanged")
		return
	case z.measuring || r.meta.move.stage != moveNone:
		z.reply = z.reply || s.Current == 0
		return
	case z.asked:
		z.clean = z.clean && s.Flags&drbdwire.SizesNoResync != 0 // the peer may have an order of its own
		z.reply = z.reply || s.Current == 0
		r.agree()
		return
	case s.Current != 0 && s.Current == r.size:
		return
	}
	r.resizing = resizing{
		clean: s.Flags&drbdwire.SizesNoResync != 0, user: s.User, reply: true, source: z.source, unproven: z.unproven,
	}
	r.measure()
}

func (r *Resource) measure() {
	r.resizing.measuring = true
	r.emit(Effect{Kind: Measure})
}

// measured takes the sizes that the disk below has now.
func (r *Resource) measured(in Input) {
	m, z := &r.meta, &r.resizing
	if !z.measuring {
		return
	}
	z.measuring = false
	if !m.ready {
		r.resizeFailed("the disk was let go")
		return
	}
	if in.Failed {
		r.resizeFailed(in.Text)
		return
	}
	to, err := r.layoutOn(in.Disk)
	switch {
	case err != nil:
		r.resizeFailed(err.Error())
	case to.DataSectors < r.size:
		r.resizeFailed(fmt.Sprintf("the disk has room for %d KiB only, the device has %d KiB", to.DataSectors/2, r.size/2))
	case to.Superblock != m.layout.Superblock:
		m.move = move{stage: moveBegin, to: to, disk: in.Disk}
	default:
		if m.super = m.super.At(to); to != m.layout {
			m.dirty()
		}
		m.layout, m.disk = to, in.Disk
		r.agree()
	}
}

// layoutOn is where the metadata belongs on a disk of that size.
func (r *Resource) layoutOn(disk Disk) (drbdmeta.Layout, error) {
	l := r.meta.layout
	switch r.cfg.Meta {
	case drbdmeta.KindFlexible:
		return drbdmeta.FlexibleExternal(disk.MetaSectors, disk.DataSectors, l.Stripes, l.StripeSize4k)
	case drbdmeta.KindIndexed:
		return drbdmeta.Indexed(r.cfg.MetaSlot, disk.MetaSectors, disk.DataSectors)
	default:
		to, err := drbdmeta.Internal(disk.MetaSectors, l.Stripes, l.StripeSize4k)
		if err == nil && to.Superblock == l.Superblock {
			return l, nil // however large its bitmap was made
		}
		return to, err
	}
}

// agree settles the size, once the own metadata is where it belongs. With a
// peer that takes two steps: it grows first, or says why not.
func (r *Resource) agree() {
	z := &r.resizing
	own, peer := r.meta.layout.DataSectors, uint64(0)
	connected := r.state.Conn >= drbdwire.Connected
	if z.ordered && !z.asked && connected && z.user <= own {
		r.cfg.UserSize, z.before = z.user, r.cfg.UserSize
		z.asked = true
		r.afterSuper(gateGrown)
		return
	}
	switch {
	case connected:
		peer = r.peer.sizes.Disk
	case z.alone:
		peer = own
	}
	size, err := drbdmeta.AgreedSize(own, peer, r.size, z.user)
	if err == nil && size < r.size {
		err = fmt.Errorf("a device of %d KiB does not shrink to %d KiB", r.size/2, size/2)
	}
	if err != nil {
		r.resizeFailed(err.Error())
		return
	}
	if c := r.state.Conn; size > r.size && (c == drbdwire.WFBitMapS || c == drbdwire.WFBitMapT) {
		// The peer's bitmap, which is on its way, would seem to have no end.
		r.dropLink(drbdwire.ProtocolError, "the size changed while bitmaps were exchanged")
		r.resizeFailed("the bitmaps were exchanged meanwhile")
		return
	}
	r.cfg.UserSize = z.user
	z.asked = false
	source, next := false, r.state
	if size > r.size {
		z.grown = true
		r.grow(size, !z.clean)
		if !z.clean {
			source = addedFrom(&next, r.link.resolve)
			whole := r.whole()
			r.set(next, "what was added to the device is still to come from the peer")
			r.sync.added = whole && r.state.Conn == drbdwire.WFSyncUUID
		}
	}
	r.meta.dirty()
	r.afterSuper(gateGrown)
	if source {
		r.sourceOfAdded()
	}
}

// grow makes the device larger. What is added counts as different, unless it
// is known not to be.
func (r *Resource) grow(size uint64, different bool) {
	r.emit(Effect{Kind: Changed, Text: fmt.Sprintf("size %d KiB -> %d KiB", r.size/2, size/2)})
	r.size = size
	r.bits.Resize(size, different)
	r.meta.allPages = true
	r.meta.dirty()
}

// growInHandshake follows what the sizes of both nodes allow, as the kernel
// does. What one of them did not have counts as different.
func (r *Resource) growInHandshake(size, peer uint64) {
	both := r.size
	if peer != 0 {
		both = min(both, peer)
	}
	if size > r.size {
		r.grow(size, true)
		r.afterSuper(gateShown)
	}
	if size > both {
		r.bits.SetFrom(both)
		r.meta.allPages = true
		r.meta.dirty()
	}
}

// addedFrom makes next the state in which what was added is copied, and tells
// whether this node is where it comes from: the Primary, or else the node that
// resolves conflicts. Both know what it is about, so there is no exchange of
// bitmaps. Source: DRBD 8.4 states, section 12.
func addedFrom(next *drbdwire.State, resolve bool) (source bool) {
	s := sanitise(*next)
	source = s.Role == drbdwire.Primary || s.Peer != drbdwire.Primary && resolve
	switch {
	case s.Conn != drbdwire.Connected, s.Disk < drbdwire.Inconsistent, s.PeerDisk < drbdwire.Inconsistent:
		return false
	case source:
		return s.Disk == drbdwire.UpToDate
	case s.PeerDisk == drbdwire.UpToDate:
		next.Conn = drbdwire.WFSyncUUID
	}
	return false
}

// sourceOfAdded names the generation of the target. Writes go to both disks
// meanwhile.
func (r *Resource) sourceOfAdded() {
	r.resizing.source, r.resizing.unproven = true, true
	r.becomeSource()
}

// showSize tells users the size, once it is durable.
func (r *Resource) showSize() {
	if r.state.Role == drbdwire.Primary {
		r.emit(Effect{Kind: Grown, Sector: r.size})
	}
}

// sizeDurable goes on once the own side of a change is on disk.
func (r *Resource) sizeDurable() {
	z := r.resizing
	if z.asked {
		r.sendUUIDs()
		r.askSizes()
		return
	}
	if z.reply {
		r.sendSizes()
	}
	if z.grown {
		r.showSize() // the peer knows it before it gets a write there
	}
	r.resizing = resizing{source: z.source, unproven: z.unproven}
	if !z.ordered {
		return
	}
	own, peer := r.meta.layout.DataSectors, r.peer.sizes.Disk
	switch {
	case z.grown:
		r.finish(drbdwire.Success, "")
	case r.state.Conn >= drbdwire.Connected && own > r.size && peer == r.size:
		r.refuse(drbdwire.NotSupported, fmt.Sprintf("the size stays at %d KiB: the peer's disk has no more room", r.size/2))
	case r.state.Conn < drbdwire.Connected && own > r.size && r.cfg.UserSize != r.size:
		r.refuse(drbdwire.NeedConnection, "the peer is not connected, and may not have the room")
	default:
		r.finish(drbdwire.NothingToDo, "")
	}
}

// askSizes asks the peer to grow too.
func (r *Resource) askSizes() {
	s := r.sizes()
	s.Current = 0
	r.send(DataSocket, drbdwire.CmdSizes, s.Append(nil))
}

func (r *Resource) resizeFailed(why string) {
	z := r.resizing
	r.resizing.ordered = false
	if z.asked {
		r.cfg.UserSize = z.before
	}
	if z.reply {
		r.note = "the size stays as it is: " + why
		r.sendSizes()
	}
	r.resizing = resizing{unproven: z.unproven, source: z.source}
	if z.ordered {
		r.refuse(drbdwire.NotSupported, why)
	}
}

// loseResize ends what the peer was needed for.
func (r *Resource) loseResize() {
	z := &r.resizing
	z.source, z.unproven, z.reply = false, false, false
	if z.asked {
		r.cfg.UserSize = z.before
		r.resizing = resizing{}
		r.refuse(drbdwire.NeedConnection, "the connection broke before the peer answered")
	}
}
