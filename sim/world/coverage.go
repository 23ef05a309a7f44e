package world

import (
	"strings"

	"github.com/optionc/pollux/daemon/core/machine"
	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

// A Pair is a state that a core was in, and what happened to it then: of a replica
// and an input (none if it came to that state), or of the node's groups and what
// was decided.
type Pair struct {
	Role     drbdwire.Role
	Conn     drbdwire.ConnState
	Disk     drbdwire.DiskState
	PeerDisk drbdwire.DiskState
	Kind     replica.InputKind
	// Sub is the packet's command, the order's kind, or what was asked for;
	// Failed counts for answers.
	Sub    uint16
	Failed bool
	Move   Move
}

// Coverage counts how often each pair came about.
type Coverage map[Pair]int

// Observe counts pairs in seen, unless that is nil, and puts packets into the
// trace if messages is set.
func (w *World) Observe(seen Coverage, messages bool) { w.seen, w.messages = seen, messages }

// cover counts an input that is about to be given.
func (n *Node) cover(in *machine.Input) {
	if n.w.seen == nil || in.Part != machine.Replica {
		return
	}
	s, r := n.state, &in.Replica
	p := Pair{Role: s.Role, Conn: s.Conn, Disk: s.Disk, PeerDisk: s.PeerDisk, Kind: r.Kind, Failed: r.Failed}
	switch r.Kind {
	case replica.Packet:
		p.Sub = uint16(r.Command)
	case replica.Order:
		p.Sub = uint16(r.Order)
	default:
		p.Sub = uint16(r.Op)
	}
	n.w.seen[p]++
}

// Missing names what no pair of c has: states of the connection and of disks, packets, orders, and what becomes of
// groups.
func (c Coverage) Missing() []string {
	var conns [drbdwire.Behind + 1]bool
	var disks [drbdwire.UpToDate + 1]bool
	var packets [256]bool
	var orders [replica.OrderAdjust + 1]bool
	for p := range c {
		if p.Move != (Move{}) {
			continue
		}
		conns[p.Conn], disks[p.Disk] = true, true
		switch {
		case p.Kind == replica.Packet && p.Sub < 256:
			packets[p.Sub] = true
		case p.Kind == replica.Order && int(p.Sub) < len(orders):
			orders[p.Sub] = true
		}
	}
	var out []string
	for s, seen := range conns {
		if !seen {
			out = append(out, drbdwire.ConnState(s).String())
		}
	}
	for s, seen := range disks {
		if !seen && drbdwire.DiskState(s) != drbdwire.DUnknown { // the peer's alone is that
			out = append(out, "disk "+drbdwire.DiskState(s).String())
		}
	}
	for cmd, seen := range packets {
		if name := drbdwire.Command(cmd).String(); !seen && strings.HasPrefix(name, "P_") {
			out = append(out, name)
		}
	}
	for o, seen := range orders {
		// Numbers that are no order have no other name than that.
		if name := replica.OrderKind(o).String(); !seen && !strings.HasPrefix(name, "order ") {
			out = append(out, "order "+name)
		}
	}
	return append(out, c.missingMoves()...)
}
