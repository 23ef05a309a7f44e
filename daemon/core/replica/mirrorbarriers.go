package replica

import (
	"github.com/optionc/pollux/daemon/core/planted"
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

func (r *Resource) barrierArrived(data []byte) error {
	b, err := drbdwire.DecodeBarrier(data)
	if err != nil {
		return err
	}
	m := &r.mirror
	if m.count > 0 {
		m.barriers.push(barrier{number: b.Number, epoch: m.epoch, count: m.count, cached: m.cached})
	}
	m.epoch++
	m.count, m.cached = 0, false
	return nil
}

// keepInCache notes that a write of an epoch is in the disk's cache.
func (m *mirror) keepInCache(epoch uint32) {
	if epoch == m.epoch {
		m.cached = true
	}
	list := m.barriers.all()
	for i := range list {
		if list[i].epoch == epoch {
			list[i].cached = true
		}
	}
}

// ackBarriers acknowledges the epochs, in their order, whose writes are all on
// stable storage. Those that were refused for lack of a disk count as well; but
// what was in the cache of a disk that failed is nowhere for certain. The peer
// marks what it has no acknowledgement of when the connection ends, so that does.
func (r *Resource) ackBarriers() {
	m := &r.mirror
	for m.barriers.len() > 0 {
		b := &m.barriers.all()[0]
		switch {
		case b.flush != 0 || m.epochBusy(b.epoch):
			return
		case r.cfg.Protocol != drbdwire.ProtocolC && r.meta.ready:
			m.next++
			b.flush, b.began = peerBase|m.next, r.now
			r.emit(Effect{Kind: Flush, ID: b.flush})
			return
		case b.cached && !planted.On(planted.AckUnflushed):
			r.dropLink(drbdwire.NetworkFailure, "the disk has failed, with writes in its cache that the peer believes here")
			return
		}
		r.ackBarrier()
	}
}

func (r *Resource) ackBarrier() {
	b := r.mirror.barriers.all()[0]
	r.mirror.barriers.drop(1)
	a := drbdwire.BarrierAck{Number: b.number, SetSize: b.count}
	r.send(MetaSocket, drbdwire.CmdBarrierAck, a.Append(r.small[:0]))
}

// epochBusy tells whether a write of an epoch, or of one before it, is not on the disk
// yet. It may have come over a link that is lost.
func (m *mirror) epochBusy(epoch uint32) bool {
	list := m.list.all()
	for i := range list {
		if w := &list[i]; w.inEpoch() {
			return int32(w.epoch-epoch) <= 0 // they stand in the order of their arrival
		}
	}
	return false
}

// flushed goes on with what the flush was for: the oldest barrier, if its link
// still stands, or a resync that compares.
func (r *Resource) flushed(in Input) {
	barriers := r.mirror.barriers.all()
	ends, starts := len(barriers) > 0 && barriers[0].flush == in.ID, r.sync.flush == in.ID
	if ends {
		barriers[0].flush = 0
	}
	if starts {
		r.sync.flush = 0
	}
	switch {
	case in.Failed && r.state.Disk > drbdwire.Failed:
		r.ioError("an i/o error on a flush")
		return
	case in.Failed: // it was the last thing that kept the disk open
	case starts:
		r.sync.ready = true
	case ends:
		r.ackBarrier()
	}
	r.diskIdle()
}
