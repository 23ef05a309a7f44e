package liveness

import (
	"time"

	"github.com/optionc/pollux/daemon/format/hbwire"
)

// Snapshot is what can be said about a core at one moment, for status output, failed tests and recordings.
type Snapshot struct {
	Node       string
	State      State
	CommsUp    bool // CommsUp has been given
	Generation uint64
	Seq        uint64 // of the last message sent
	Acked      uint64 // the peer has all up to this one
	Peer       PeerSnapshot
	Links      []LinkSnapshot
	Dropped    Dropped
}

// PeerSnapshot is what is known of the other node.
type PeerSnapshot struct {
	Node       string
	State      State
	Generation uint64
	HeardAt    time.Duration // of the last status; 0 if there was none
	Late       bool
	Deadtime   time.Duration // the silence that it asks to be granted
	Seq        uint64        // highest heard
	Missing    int           // lost messages that are being asked for
	UUID       hbwire.UUID
	Jitter     time.Duration // by how much its heartbeats vary
	Longest    time.Duration // silence between two of its heartbeats
	Recommends time.Duration // the deadtime that keeps clear of that
	Classic    bool          // was heard in the classic encoding alone
	Old        bool          // speaks like Heartbeat 1.2
}

// LinkSnapshot is one medium by which a node is heard.
type LinkSnapshot struct {
	Node, Medium string
	Up           bool
}

// Dropped counts packets that were not looked at, by reason.
type Dropped struct {
	Unreadable uint64 // malformed, or signed with another key
	Strangers  uint64 // of a node that ha.cf does not have
	Outdated   uint64 // of an earlier run of the peer
	Unlinked   uint64 // of a dead peer, and no sign that it is back
	Duplicates uint64 // heard before
}

// Snapshot describes the core. It aliases nothing of it.
func (c *Core) Snapshot() Snapshot {
	s := Snapshot{
		Node: c.cfg.Node, State: c.state, CommsUp: c.comms, Generation: c.cfg.Generation, Seq: c.sent.seq,
		Acked: c.sent.acked,
		Peer: PeerSnapshot{
			Node: c.cfg.Peer, State: c.peer.state, Generation: c.peer.generation, HeardAt: c.peer.heardAt,
			Late: c.peer.late, Deadtime: c.peer.deadtime, Seq: c.peer.numbers.last,
			UUID: c.peer.uuid, Jitter: c.peer.pace.jitter, Longest: c.peer.pace.longest,
			Recommends: c.peer.pace.deadtime(c.cfg.Keepalive),
			Missing:    len(c.peer.numbers.missing), Classic: c.peer.onlyClassic, Old: c.peer.old,
		},
		Dropped: Dropped{
			Unreadable: c.drops[dropUnreadable], Strangers: c.drops[dropStranger], Outdated: c.drops[dropOld],
			Unlinked: c.drops[dropUnlinked], Duplicates: c.drops[dropDuplicate],
		},
	}
	for _, l := range c.links {
		s.Links = append(s.Links, LinkSnapshot{Node: l.node, Medium: l.medium, Up: l.up})
	}
	return s
}
