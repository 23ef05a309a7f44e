package world

import (
	"time"

	"github.com/optionc/pollux/daemon/core/failover"
	"github.com/optionc/pollux/daemon/core/machine"
	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

// fencePeer is the handler that does something about the peer, over a way of its
// own that works when the links between the nodes don't: it shoots the peer, or
// has it mark its copy as old. What it says is true unless it fails; one that
// fails, or is given up, may still have done it.
func (n *Node) fencePeer(e *replica.Effect) {
	w, cfg, luck := n.w, n.w.cfg.Handlers, n.w.luck.handler
	in := replica.Input{Kind: replica.Called, ID: e.ID}
	took := luck.Between(0, cfg.Latency)
	fate, does := luck.Below(1_000_000), luck.Below(2) == 0
	answer := func(exit int) {
		in.Exit = exit
		n.answerCall(in, 0)
	}
	switch {
	case fate < cfg.Fail:
		answer = func(int) {}
		in.Exit = 1
		n.answerCall(in, took)
	case fate < cfg.Fail+cfg.Hang:
		answer = func(int) {}
		in.Exit, in.Text = -1, "the handler was given up"
		n.answerCall(in, HandlerLimit)
		took += luck.Between(0, HandlerLimit)
	default:
		does = true
	}
	epoch := n.epoch
	w.After(took, func() {
		switch {
		case n.epoch != epoch || !n.alive: // a handler ends with the node that runs it
		case n.fenceDead():
			answer(1)
		case does:
			n.fence(answer)
		}
	})
}

// BreakFence lets what the node has for doing something about its peer do nothing
// for a while, and say so.
func (n *Node) BreakFence(d time.Duration) { n.noFence = max(n.noFence, n.w.now+d) }

func (n *Node) fenceDead() bool { return n.w.now < n.noFence }

// shoot is a fencing device that takes the peer's power away. What it says is
// true unless it fails, or is given up: then it may have done it all the same.
func (n *Node) shoot(id uint64) {
	w, cfg, luck, epoch := n.w, n.w.cfg.Handlers, n.w.luck.shot, n.epoch
	took, fate, does := luck.Between(0, cfg.Latency), luck.Below(1_000_000), luck.Below(2) == 0
	in := failover.Input{Kind: failover.Fenced, ID: id}
	switch {
	case fate < cfg.Fail:
		in.Failed, in.Text = true, "the device failed"
	case fate < cfg.Fail+cfg.Hang:
		in.Failed, in.Text = true, "the device was given up"
		took += luck.Between(0, HandlerLimit)
	default:
		does = true
	}
	w.After(took, func() {
		if n.epoch != epoch || !n.alive {
			return // a device is worked by the node that asked it
		}
		if n.fenceDead() {
			does, in.Failed, in.Text = false, true, "the device does nothing"
		}
		if peer := w.nodes[1-n.id]; does {
			w.Tracef("%s is shot", Name(peer.id))
			peer.PowerLoss()
			w.After(luck.Between(5*time.Second, 40*time.Second), func() { peer.Boot(true) })
		}
		n.give(&machine.Input{Part: machine.Failover, Failover: in})
	})
}

func (n *Node) fence(answer func(exit int)) {
	peer := n.w.nodes[1-n.id]
	switch {
	case n.w.cfg.Handlers.Shoots:
		n.w.Tracef("%s is shot", Name(peer.id))
		peer.PowerLoss()
		n.w.After(n.w.luck.handler.Between(5*time.Second, 40*time.Second), func() { peer.Boot(true) })
		answer(7)
	case !peer.alive:
		answer(5)
	case peer.paused:
		answer(1) // it does not answer
	default:
		peer.Order(replica.OrderOutdate, false, func(code int, _ string) {
			switch {
			case code >= int(drbdwire.Success):
				answer(4)
			case drbdwire.Code(code) == drbdwire.NoUpToDateDisk:
				answer(6)
			case drbdwire.Code(code) == drbdwire.LowerThanOutdated:
				answer(3)
			default:
				answer(1)
			}
		})
	}
}
