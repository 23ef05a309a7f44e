package world

import "time"

// million is what Config.Drift counts of.
const million = 1_000_000

// local is the node's monotonic clock. It runs as fast as Config.Drift says, and
// starts anywhere.
func (n *Node) local() time.Duration {
	past, speed := int64(n.w.now-n.booted), n.speed()
	return n.clock + time.Duration(past/million*speed+past%million*speed/million)
}

// when is the first time at which the node's clock says local, or later.
func (n *Node) when(local time.Duration) time.Duration {
	past, speed := int64(local-n.clock), n.speed()
	if speed == million {
		return n.booted + time.Duration(past)
	}
	return n.booted + time.Duration(past/speed*million+past%speed*million/speed+1)
}

// speed is how far the clock gets in a million of any unit.
func (n *Node) speed() int64 { return million + int64(n.w.cfg.Drift[n.id]) }

// wrong is by how much a wall clock is wrong that is: the day has changed, and
// time seems to go back when it is set right.
const wrong = 25 * time.Hour

// unix is the wall clock, in seconds.
func (n *Node) unix() uint64 {
	at := n.w.now
	if at < n.wall {
		at += wrong
	}
	return 1_700_000_000 + uint64(at/time.Second)
}

// MisreadWall lets the wall clock be a day ahead for a while.
func (n *Node) MisreadWall(d time.Duration) { n.wall = n.w.now + d }

// Sleep stops the whole machine for a while, as a host does that saves or moves
// a guest: its monotonic clock stops too, so nothing on it sees that time has
// passed.
func (n *Node) Sleep(d time.Duration) {
	if n.alive && !n.paused {
		n.Pause(d)
		n.slept = n.local()
	}
}
