package replica

import (
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"github.com/optionc/pollux/daemon/format/drbdwire"
)

// lazyBarrier is how long an epoch stays open for more writes after one of its
// was completed, if nobody needs its end: a barrier and its ack for each write
// would double the packets. It is short beside all else that keeps a write's
// extent in the activity log.
const lazyBarrier = 10 * time.Millisecond

// lazyBytes is how much payload one epoch keeps in memory at most.
const lazyBytes = 4 << 20

// epochs are the sender's: the writes between two barriers. The barrier ack
// says that all of them are on the peer's stable storage.
type epochs struct {
	current uint32
	count   uint32 // writes in the current epoch
	bytes   uint64 // of them
	closing bool
	// A write of the current epoch was completed, so it ends before what may
	// depend on that, and at the latest when it is due.
	completed bool
	due       time.Duration
	unacked   line[epoch]
}

type epoch struct {
	number, count uint32
	sent          time.Duration // when its barrier left
}

// closeSoon ends the current epoch before the next write.
func (e *epochs) closeSoon() { e.closing = true }

// complete notes that a write of the current epoch was completed.
func (e *epochs) complete(now time.Duration) {
	if !e.completed {
		e.completed, e.due = true, now+lazyBarrier
	}
}

func (e *epochs) deadline() time.Duration {
	if !e.completed {
		return Never
	}
	return e.due
}

// nextWrite ends the current epoch if the write that follows may depend on one
// of its. In protocol C it need not: what was completed is on the peer's stable
// storage already.
func (r *Resource) nextWrite() {
	if r.epochs.completed && r.cfg.Protocol != drbdwire.ProtocolC {
		r.epochs.closeSoon()
		r.closeEpoch()
	}
}

// overruns tells whether users write faster than the peer's disk, so that new writes have
// to wait: in protocols A and B they are told at once, and an epoch has been without its ack
// for a third of the time after which the peer counts as gone. Where on-congestion has
// another answer than to wait, they do not.
func (r *Resource) overruns() bool {
	owed := r.epochs.unacked.all()
	early := r.cfg.Protocol != drbdwire.ProtocolC && r.cfg.OnCongestion == CongestionBlocks
	return early && r.cfg.KoCount != 0 && len(owed) > 0 && r.now >= owed[0].sent+r.koTime()/3
}

// closeEpoch sends the barrier of an epoch that has to end.
func (r *Resource) closeEpoch() {
	e := &r.epochs
	if !e.closing && r.now < e.deadline() {
		return
	}
	e.closing, e.completed = false, false
	if e.count == 0 || r.state.Conn < drbdwire.Connected {
		return
	}
	var b drbdwire.Barrier
	binary.LittleEndian.PutUint32(b.Number[:], e.current)
	r.send(DataSocket, drbdwire.CmdBarrier, b.Append(r.small[:0]))
	e.unacked.push(epoch{e.current, e.count, r.now})
	e.current++
	e.count, e.bytes = 0, 0
}

func (r *Resource) barrierAcked(data []byte) error {
	a, err := drbdwire.DecodeBarrierAck(data)
	if err != nil {
		return err
	}
	number := binary.LittleEndian.Uint32(a.Number[:])
	// A kernel whose disk fails refuses writes on the spot: their epoch may end
	// before an earlier one, of which it still has to tell that one failed.
	e := &r.epochs
	i := slices.IndexFunc(e.unacked.all(), func(o epoch) bool { return o.number == number && o.count == a.SetSize })
	if i < 0 {
		return fmt.Errorf("P_BARRIER_ACK for epoch %d with %d writes, want %v", number, a.SetSize, e.unacked.all())
	}
	e.unacked.remove(i)
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
	case hold && (q.told || r.whole() && (q.local == halfPending || q.local == halfDone)):
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
