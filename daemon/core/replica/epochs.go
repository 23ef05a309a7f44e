package replica

import (
	"encoding/binary"
	"fmt"

	"github.com/optionc/pollux/daemon/format/drbdwire"
)

// epochs are the sender's: the writes between two barriers. The barrier ack
// says that all of them are on the peer's stable storage.
type epochs struct {
	current uint32
	count   uint32 // writes in the current epoch
	closing bool
	unacked line[epoch]
}

type epoch struct{ number, count uint32 }

// closeSoon ends the current epoch before the next write.
func (e *epochs) closeSoon() { e.closing = true }

// closeEpoch sends the barrier of an epoch in which a write was completed: what
// comes later may depend on it.
func (r *Resource) closeEpoch() {
	e := &r.epochs
	if !e.closing {
		return
	}
	e.closing = false
	if e.count == 0 || r.state.Conn < drbdwire.Connected {
		return
	}
	var b drbdwire.Barrier
	binary.LittleEndian.PutUint32(b.Number[:], e.current)
	r.send(DataSocket, drbdwire.CmdBarrier, b.Append(nil))
	e.unacked.push(epoch{e.current, e.count})
	e.current++
	e.count = 0
}

func (r *Resource) barrierAcked(data []byte) error {
	a, err := drbdwire.DecodeBarrierAck(data)
	if err != nil {
		return err
	}
	number := binary.LittleEndian.Uint32(a.Number[:])
	e := &r.epochs
	if e.unacked.len() == 0 || e.unacked.all()[0] != (epoch{number, a.SetSize}) {
		return fmt.Errorf("P_BARRIER_ACK for epoch %d with %d writes, want %v", number, a.SetSize, e.unacked.all())
	}
	e.unacked.drop(1)
	told := r.requests.told.all()
	for i := 0; i < len(told) && int32(told[i].epoch-number) <= 0; i++ {
		told[i].epochEnded(number)
	}
	for i := range r.requests.list {
		r.requests.list[i].epochEnded(number)
	}
	return nil
}

// epochEnded takes the barrier ack of an epoch, of which q may be a write.
func (q *request) epochEnded(number uint32) {
	if !q.barrier || q.epoch != number {
		return
	}
	q.barrier = false
	if q.remote == halfPending {
		q.remote = halfDone // protocol A has no other answer
	}
}

// lose gives up what the peer has not confirmed to be on its disk: those
// blocks may differ now. While I/O is suspended that waits, see thaw.
func (e *epochs) lose(r *Resource, hold bool) {
	r.requests.held = 0
	for _, list := range r.requests.both() {
		for i := range list {
			list[i].losePeer(r, hold)
		}
	}
	e.unacked.keep(0)
	*e = epochs{current: e.current + 1, unacked: e.unacked}
}

func (q *request) losePeer(r *Resource, hold bool) {
	switch {
	case q.op == OpRead && q.remote == halfPending:
		q.remote, q.started = halfNone, false
		r.free(q.buf)
		q.buf, q.digest, q.asked = 0, nil, 0
	case !q.barrier && q.remote != halfPending:
	case hold && (q.told || q.local == halfPending || q.local == halfDone):
		q.held, q.barrier = true, true
		if q.remote == halfPending {
			q.remote = halfNone
		}
		r.requests.held++
	default:
		q.held = false
		r.loseWrite(q)
	}
}

func unknownBlock(cmd drbdwire.Command, a drbdwire.BlockAck) error {
	return fmt.Errorf("%s for block id %x at sector %d, which was never sent", cmd, a.ID, a.Sector)
}
