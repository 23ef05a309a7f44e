// Package replica is one end of a replicated disk: it decides what is written
// where and in which order, what is acknowledged when, what role and state the
// resource has, and what to do about every failure. It speaks DRBD 8.4.
//
// Resource does no I/O. Step takes one Input, changes state, and appends the
// Effects that the caller must carry out in order. The same inputs always give
// the same effects.
//
//	               request                                packet
//	user ---------> | hold | overlap | activity log |       |
//	                    \      local write  +  P_DATA       v
//	                     \          |            |     peer write
//	                      \         |            |          v
//	  Complete <---------- both are stable <--- P_WRITE_ACK-+
//	                             |
//	        P_BARRIER ... P_BARRIER_ACK: the extent may leave the log
//
// A write is acknowledged upwards when it is on stable storage of both nodes,
// or of this one once the other was given up and that is on record (a new
// generation identifier in the superblock).
package replica

import (
	"math"
	"time"

	"github.com/optionc/pollux/daemon/core/actlog"
	"github.com/optionc/pollux/daemon/core/resync"
	"github.com/optionc/pollux/daemon/format/drbdmeta"
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

// Never is a deadline that does not come.
const Never = time.Duration(math.MaxInt64)

// Resource is the state of one resource with its one volume on this node.
type Resource struct {
	cfg Config
	rng random

	// What belongs to the Step that is running.
	now time.Duration
	out []Effect
	// arena holds the Data of effects until Recycle.
	arena []byte
	// small is memory for the payload of a packet on its way into the arena.
	small [64]byte
	// passed tells that a gate opened, which may have set more free.
	passed bool

	state  drbdwire.State
	frozen string // the broken assertion that froze the device
	note   string // why the resource last refused or gave up something

	decisions  []Decision // the last ones, oldest first
	calls      uint64     // of handlers, so far
	fence      fence
	hold       hold
	failures   failures
	congestion congestion
	gentle     gentle
	orphans    []uint64 // what a disk that was given up still owes an answer to

	meta  metadata
	uuids drbdmeta.UUIDs
	size  uint64 // of the device, in sectors; 0 is not known yet
	bits  *resync.Bitmap
	log   *actlog.Log

	link link
	peer peer
	// peerRoom is what the peer's disk had room for when it was connected last.
	peerRoom uint64
	order    order
	waiting  startWait
	// rejoins is until when users without a good copy wait for a peer that this node has
	// parted from to find one there.
	rejoins time.Duration

	requests table
	mirror   mirror // what the peer wrote here
	asked    uint64 // number of the last Digest
	algs     algorithms
	verify   verification
	epochs   epochs
	sync     synchronisation
	resizing resizing
	stats    Stats
}

// startWait is the wait of a node that came up and can't know whether its data
// is the newest.
type startWait struct {
	until    time.Duration
	degraded bool
	over     bool // it has run out
	// trusts: the copy counts as UpToDate since the wait has run out, for no other
	// reason, and had no users since.
	trusts bool
}

// New makes a resource: StandAlone, Diskless, Secondary.
func New(cfg Config) *Resource {
	r := &Resource{cfg: cfg, rng: random{state: cfg.Seed}}
	r.state.Role = drbdwire.Secondary
	r.state.PeerDisk = drbdwire.DUnknown
	r.waiting.until = Never
	r.algs = algorithms{csums: cfg.CsumsAlg, verify: cfg.VerifyAlg}
	r.link.reset()
	r.sync.planner = resync.NewPlanner(cfg.Resync)
	return r
}

// Recycle gives the memory of all effects back: they have been carried out.
func (r *Resource) Recycle() { r.arena = r.arena[:0] }

// Step applies one input and appends what must be done about it to out.
func (r *Resource) Step(now time.Duration, in Input, out []Effect) []Effect {
	r.now, r.out = now, out
	r.take(&in)
	r.settle()
	out, r.out = r.out, nil
	return out
}

func (r *Resource) take(in *Input) {
	switch in.Kind {
	case Tick:
		r.tick()
	case LinkUp:
		r.linkUp(in.Conn, in.Resolve)
	case LinkDown:
		r.linkDown(in.Conn, in.Text)
	case Packet:
		r.packet(*in)
	case BadPacket:
		if in.Conn == r.link.conn {
			r.dropLink(drbdwire.ProtocolError, in.Text)
		}
	case DiskDone:
		r.diskDone(*in)
	case MetaDone:
		r.metaDone(*in)
	case Request:
		r.request(*in)
	case Order:
		r.command(*in)
	case DeviceDone:
		r.deviceDone(in.Failed, in.Text)
	case Digested:
		r.digested(in.ID, in.Data)
	case Called:
		r.called(*in)
	case Measured:
		r.measured(*in)
	case Depend:
		r.depend(in.Force)
	case Hold:
		r.holdBack(*in)
	case Observed, Delegated: // of core/foreign
	}
}

// settle goes on with whatever the input may have set free.
func (r *Resource) settle() {
	for again := true; again; again = r.passed {
		r.passed = false
		r.thaw()
		r.watchCongestion()
		r.startWaiting()
		r.startMirrored()
		r.advanceLog()
		r.advanceSync()
		r.advanceVerify()
		r.closeEpoch()
		r.advanceOrder()
		r.advanceMeta()
		if r.state.Conn == drbdwire.Unconnected {
			r.dialAgain()
		}
	}
}

// Deadline is the time at which a Tick is wanted.
func (r *Resource) Deadline() time.Duration {
	next := min(r.linkDeadline(), r.epochs.deadline(), r.syncDeadline(), r.waiting.until, r.stalled(),
		r.pauseDeadline(), r.congestionDeadline(), r.lastWordDeadline())
	if st := r.order.stage; st == stageYield || st == stageNotice ||
		r.order.joins && st == stageDrain && r.now < r.order.secondTry {
		next = min(next, r.order.secondTry)
	}
	if r.state.Conn == drbdwire.VerifyS {
		next = min(next, r.verify.walk.Deadline())
	}
	if r.now < r.rejoins {
		next = min(next, r.rejoins)
	}
	return next
}

func (r *Resource) tick() {
	r.linkTick()
	if r.now >= r.stalled() {
		r.abandonDisk()
	}
	if r.now >= r.waiting.until {
		r.waited()
	}
	r.sayLastWord()
}

// waited ends the start-up wait: the node may go on without its peer, as
// configured. With fencing a promotion asks the handler about the peer first.
func (r *Resource) waited() {
	s := r.state
	r.waiting.until = Never
	if s.Conn == drbdwire.StandAlone && r.cfg.WaitAfterSB {
		r.decided(aboutData, "is still in doubt", "the wait has run out, but wait-after-sb is set and the node is StandAlone",
			r.standing())
		return
	}
	r.waiting.over = true
	if s.Disk != drbdwire.Consistent || s.Conn >= drbdwire.Connected {
		return
	}
	if r.cfg.Fencing == DontCare || s.PeerDisk <= drbdwire.Outdated {
		r.decided(aboutData, "counts as UpToDate", "the peer was waited for as long as configured", r.standing())
		s.Disk = drbdwire.UpToDate
		r.set(s, "waited as long as configured for the peer")
		r.waiting.trusts = s.PeerDisk > drbdwire.Outdated
	}
}

// doubts tells whether the copy, which counts as UpToDate since the peer did not come,
// is in doubt again: the peer has come, and the disk that it can't use may have newer
// data. The wait is for a peer that stays away.
func (r *Resource) doubts(peer drbdwire.Role, disk drbdwire.DiskState) bool {
	return r.waiting.trusts && peer != drbdwire.Primary && disk < drbdwire.Inconsistent
}

// emit appends one effect.
func (r *Resource) emit(e Effect) { r.out = append(r.out, e) }

// free gives the core's reference to a payload back.
func (r *Resource) free(b Buf) {
	if b != 0 {
		r.emit(Effect{Kind: Free, Buf: b})
	}
}

// check freezes the device when something that can't be is: no acknowledgement
// leaves it any more, and the reason stays in the status.
func (r *Resource) check(holds bool, what string) bool {
	if !holds && r.frozen == "" {
		r.frozen = what
		r.emit(Effect{Kind: Broken, Text: what})
	}
	return holds
}
