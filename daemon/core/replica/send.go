package replica

import (
	"github.com/optionc/pollux/daemon/format/drbdmeta"
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

// send puts a packet without bulk data on its way.
func (r *Resource) send(sock Socket, cmd drbdwire.Command, payload []byte) {
	r.sendAs(drbdwire.H100, sock, cmd, payload)
}

func (r *Resource) sendAs(f drbdwire.HeaderFormat, sock Socket, cmd drbdwire.Command, payload []byte) {
	r.sendBulk(f, sock, cmd, payload, 0, 0)
}

// sendBulk puts a packet on its way whose bulk data is in buf.
func (r *Resource) sendBulk(f drbdwire.HeaderFormat, sock Socket, cmd drbdwire.Command, payload []byte, buf Buf,
	size uint32,
) {
	if r.link.conn == 0 {
		return
	}
	start := len(r.arena)
	r.arena = drbdwire.AppendHeader(r.arena, f, drbdwire.Header{Command: cmd, Length: uint32(len(payload)) + size})
	r.arena = append(r.arena, payload...)
	if size > 0 {
		r.stats.Sent += uint64(size)
	}
	r.emit(Effect{Kind: Send, Conn: r.link.conn, Socket: sock, Data: r.arena[start:], Buf: buf, Size: size})
}

// sendState tells the peer the own state. That a disk which has failed is kept has to be on
// record before.
func (r *Resource) sendState() {
	if r.meta.awaits(gateKept) {
		return // it follows
	}
	if r.state.Conn >= drbdwire.Connected && (r.state.Disk != drbdwire.Negotiating || r.order.stage == stageJoin) {
		r.send(DataSocket, drbdwire.CmdState, drbdwire.AppendState(nil, r.state))
	}
}

// sendUUIDs tells the peer which generations the own data is of. A diskless
// node has none.
func (r *Resource) sendUUIDs() {
	if r.state.Disk < drbdwire.Negotiating {
		r.sendBegun()
		return
	}
	u := r.ownUUIDs()
	r.link.told, r.meta.untold = u, 0
	r.send(DataSocket, drbdwire.CmdUUIDs, u.Append(nil))
}

// sendBegun tells the peer of the generation that the lost disk may have, though
// users have seen nothing in it: what they do on the peer's disk is newer, and the
// two generations must not look like a split brain.
func (r *Resource) sendBegun() {
	if m := &r.meta; m.begun != 0 && r.state.Role == drbdwire.Primary {
		u := drbdwire.UUIDs{Current: m.seen(), History0: m.begun, Flags: drbdwire.UUIDDiskGone}
		r.send(DataSocket, drbdwire.CmdUUIDs, u.Append(nil))
	}
}

func (r *Resource) ownUUIDs() drbdwire.UUIDs {
	var flags drbdwire.UUIDFlags
	if r.link.discard {
		flags |= drbdwire.UUIDDiscardMyData
	}
	if r.meta.flags&drbdmeta.MDCrashedPrimary != 0 {
		flags |= drbdwire.UUIDCrashedPrimary
	}
	if r.worth() == drbdwire.Inconsistent && r.state.Disk == drbdwire.Negotiating {
		flags |= drbdwire.UUIDInconsistent
	}
	return drbdwire.UUIDs{
		Current: r.uuids.Current, Bitmap: r.uuids.Bitmap, History0: r.uuids.History0, History1: r.uuids.History1,
		Dirty: r.bits.Count(), Flags: flags,
	}
}

// sendSizes tells the peer how much room the own disk has.
func (r *Resource) sendSizes() {
	r.send(DataSocket, drbdwire.CmdSizes, r.sizes().Append(nil))
}

func (r *Resource) sizes() drbdwire.Sizes {
	s := drbdwire.Sizes{User: r.cfg.UserSize, Current: r.size, MaxBio: maxBio}
	if r.state.Disk >= drbdwire.Negotiating {
		s.Disk = r.meta.layout.DataSectors
	}
	if r.link.flags&drbdwire.FeatureWSame != 0 {
		s.HasLimits = true
		s.Limits = drbdwire.QueueLimits{
			PhysicalBlock: pageSize, LogicalBlock: 512, IOMin: pageSize, DiscardEnabled: true,
		}
	}
	if r.resizing.clean && (r.resizing.asked || r.resizing.reply) {
		s.Flags |= drbdwire.SizesNoResync
	}
	return s
}

// ack answers a block of the peer's on the meta socket.
func (r *Resource) ack(cmd drbdwire.Command, sector uint64, id drbdwire.BlockID, size uint32) {
	if r.state.Conn < drbdwire.Connected {
		return
	}
	r.mirror.sequence++
	a := drbdwire.BlockAck{Sector: sector, ID: id, Size: size, Sequence: r.mirror.sequence}
	r.send(MetaSocket, cmd, a.Append(r.small[:0]))
}
