package world

import (
	"time"

	"github.com/optionc/pollux/daemon/core/replica"
)

// HandlerLuck is how the handlers of drbd.conf behave, each of a million calls.
type HandlerLuck struct {
	Latency time.Duration // the longest
	Fail    int           // it ends with exit status 1
	Hang    int           // it is given up after HandlerLimit
	// Shoots: fence-peer cuts the peer's power; else it has the peer mark its
	// copy as old.
	Shoots bool
}

// HandlerLimit is after how long a handler that does not end is given up.
const HandlerLimit = 2 * time.Minute

// call runs a handler. Those that the core does not wait for do nothing here.
func (n *Node) call(e *replica.Effect) {
	w, cfg := n.w, n.w.cfg.Handlers
	w.Tracef("%s calls %s", Name(n.id), e.Text)
	if e.Text == replica.HandlerFencePeer {
		n.fencePeer(e)
		return
	}
	in := replica.Input{Kind: replica.Called, ID: e.ID}
	took := w.luck.handler.Between(0, cfg.Latency)
	switch fate := w.luck.handler.Below(1_000_000); {
	case fate < cfg.Fail:
		in.Exit = 1
	case fate < cfg.Fail+cfg.Hang:
		in.Exit, in.Text, took = -1, "the handler was given up", HandlerLimit
	}
	n.answerCall(in, took)
}

func (n *Node) answerCall(in replica.Input, took time.Duration) {
	epoch := n.epoch
	n.w.After(took, func() {
		if n.epoch == epoch {
			n.deliver(in)
		}
	})
}
