package replica

import "github.com/optionc/pollux/daemon/format/drbdwire"

func (r *Resource) barrierArrived(data []byte) error {
	b, err := drbdwire.DecodeBarrier(data)
	if err != nil {
		return err
	}
	m := &r.mirror
	if m.count > 0 {
		m.barriers.push(barrier{number: b.Number, epoch: m.epoch, count: m.count})
	}
	m.epoch++
	m.count = 0
	return nil
}

// ackBarriers acknowledges the epochs, in their order, whose writes are all on
// stable storage.
func (r *Resource) ackBarriers() {
	m := &r.mirror
	for m.barriers.len() > 0 {
		b := &m.barriers.all()[0]
		if b.flush != 0 || m.epochBusy(b.epoch) {
			return
		}
		if r.cfg.Protocol != drbdwire.ProtocolC && r.meta.ready {
			m.next++
			b.flush, b.began = peerBase|m.next, r.now
			r.emit(Effect{Kind: Flush, ID: b.flush})
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

func (m *mirror) epochBusy(epoch uint32) bool {
	list := m.list.all()
	for i := range list {
		switch w := &list[i]; {
		case !w.inEpoch():
		case w.epoch == epoch:
			return true
		case int32(w.epoch-epoch) > 0:
			return false // they stand in the order of their arrival
		}
	}
	return false
}

// flushed goes on with the oldest barrier, if its link still stands.
func (r *Resource) flushed(in Input) {
	switch {
	case in.Failed:
		r.ioError("an i/o error on a flush")
	case r.sync.flush == in.ID:
		r.sync.flush, r.sync.ready = 0, true
	case r.mirror.barriers.len() > 0 && r.mirror.barriers.all()[0].flush == in.ID:
		r.ackBarrier()
	}
}
