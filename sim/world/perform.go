package world

import (
	"time"

	"github.com/optionc/pollux/daemon/core/failover"
	"github.com/optionc/pollux/daemon/core/liveness"
	"github.com/optionc/pollux/daemon/core/machine"
	"github.com/optionc/pollux/daemon/core/replica"
)

// perform carries out one effect. Nothing here steps the core again: what
// comes of it is an event of its own.
func (n *Node) perform(e *machine.Effect) {
	switch e.Part {
	case machine.Replica:
		n.w.mix(uint64(e.Replica.Kind), e.Replica.ID, e.Replica.Sector, uint64(len(e.Replica.Data)))
		n.performReplica(&e.Replica)
	case machine.Liveness:
		n.performLiveness(&e.Liveness)
	case machine.Failover:
		n.performFailover(&e.Failover)
	case machine.Lease:
		n.w.mix(uint64(e.Lease.Kind), uint64(len(e.Lease.Data)))
		n.performLease(&e.Lease)
	case machine.All:
	}
}

func (n *Node) performReplica(e *replica.Effect) {
	switch e.Kind {
	case replica.Dial:
		n.dialling = true
		n.w.net.meet()
	case replica.Hangup:
		n.w.net.hangup(n, e.Conn)
	case replica.Send:
		n.w.net.send(n, e)
	case replica.Read, replica.Write, replica.Zero, replica.Trim, replica.Flush, replica.MetaRead, replica.MetaWrite:
		n.disk.carryOut(e)
	case replica.Complete:
		n.complete(e)
	case replica.Free:
		if !n.rows.drop(e.Buf) {
			n.w.Fail("12: every payload is freed once", "%s frees payload %d, which it does not hold", Name(n.id), e.Buf)
		}
	case replica.Answer:
		n.answered(e.ID, int(e.Code), e.Text)
	case replica.Expose:
		n.shown = e.Sector
		n.soon(func() { n.expose() })
	case replica.Grown:
		if e.Sector < n.shown && n.exposed {
			n.w.Fail("12: a device only grows", "%s shrinks it from %d to %d sectors", Name(n.id), n.shown, e.Sector)
		}
		n.shown = e.Sector
	case replica.Measure:
		n.soon(func() { n.deliver(replica.Input{Kind: replica.Measured, Disk: n.disk.measure()}) })
	case replica.Located:
		n.disk.last = e.Sector
	case replica.Withdraw:
		n.soon(func() { n.withdraw() })
	case replica.Call:
		n.call(e)
	case replica.Decided:
		n.w.Tracef("%s decides: %s", Name(n.id), e.Text)
	case replica.Changed:
		n.w.Tracef("%s %s", Name(n.id), e.Text)
	case replica.Digest:
		n.digest(e)
	case replica.Broken:
		n.w.Fail("assertions hold", "%s: %s", Name(n.id), e.Text)
	case replica.CloseDisk, replica.Delegate:
	}
}

// answered tells who gave an order what came of it.
func (n *Node) answered(id uint64, code int, text string) {
	then, epoch := n.answers[id], n.epoch
	delete(n.answers, id)
	n.w.After(0, func() {
		if n.epoch == epoch && then != nil {
			then(code, text)
		}
	})
}

// soon does something on this node after a moment, if it lives so long.
func (n *Node) soon(do func()) {
	epoch := n.epoch
	n.w.After(n.w.luck.node.Between(100*time.Microsecond, 20*time.Millisecond), func() {
		if n.epoch == epoch && n.alive {
			do()
		}
	})
}

func (n *Node) complete(e *replica.Effect) {
	q, open := n.open[e.ID]
	if !open {
		n.w.Fail("12: every request is answered once", "%s answers request %d, which is not open", Name(n.id), e.ID)
		return
	}
	delete(n.open, e.ID)
	if q.write && !e.Failed {
		n.w.tell(n.id, "ack")
	}
	n.reply(10*time.Microsecond, e)
}

func (n *Node) expose() {
	n.exposed = true
	n.w.watcher.Exposed(n.id)
	n.deliver(replica.Input{Kind: replica.DeviceDone})
}

// withdraw refuses while somebody holds the device: the volume group, or a
// request that is not answered yet.
func (n *Node) withdraw() {
	n.w.watcher.Acting(n.id, Device, false)
	held := n.vg || n.working || len(n.open) > 0
	if !held {
		n.exposed = false
	}
	n.deliver(replica.Input{Kind: replica.DeviceDone, Failed: held, Text: "held by the volume group"})
}

func (n *Node) performLiveness(e *liveness.Effect) {
	switch e.Kind {
	case liveness.Transmit:
		n.w.net.transmit(n, e.Data)
	case liveness.Drain:
		n.drain()
	case liveness.Note:
		n.w.Tracef("%s %s", Name(n.id), e.Text)
	case liveness.PeerUp, liveness.PeerDied, liveness.PeerHealed, liveness.CommsUp, liveness.PeerLate:
		if n.w.trace != nil {
			n.w.Tracef("%s %s", Name(n.id), [...]string{
				liveness.PeerUp: "hears its peer", liveness.PeerDied: "counts its peer as dead",
				liveness.PeerHealed: "hears its dead peer again", liveness.CommsUp: "is active",
				liveness.PeerLate: "finds its peer late",
			}[e.Kind])
		}
	case liveness.Heard:
	}
}

func (n *Node) performFailover(e *failover.Effect) {
	switch e.Kind {
	case failover.Do:
		n.runTool(e)
	case failover.Answer, failover.Note:
		n.w.Tracef("%s %s", Name(n.id), e.Text)
	case failover.Left:
		n.shutDown()
	case failover.Keep:
		id, text := e.ID, e.Text
		n.soon(func() {
			n.kept = text
			n.give(&machine.Input{Part: machine.Failover, Failover: failover.Input{Kind: failover.Kept, ID: id}})
		})
	case failover.WentBack:
		id, at := e.ID, n.w.Now()
		n.soon(func() {
			n.wentBack = at
			n.give(&machine.Input{Part: machine.Failover, Failover: failover.Input{Kind: failover.Kept, ID: id}})
		})
	case failover.Fence:
		n.shoot(e.ID)
	case failover.Weigh:
		n.weigh(e.ID)
	case failover.Held, failover.Say, failover.Decided:
	}
}
