package node

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/optionc/pollux/daemon/core/liveness"
	"github.com/optionc/pollux/daemon/core/machine"
	"github.com/optionc/pollux/daemon/format/hbwire"
)

// rooms asks the other node whether it has room for groups, for a plan, and
// answers the other node. Before a real move the failover cores do that.
type rooms struct {
	say  func(m hbwire.Message)
	look func(groups string) string // why there is none here, or ""

	looking atomic.Bool // for the other node: once at a time

	mu      sync.Mutex
	asked   uint64
	waiting map[uint64]chan string
}

// The fields of the messages: the number of a question and the groups, with a 0 or
// a 1 for each; and the number again with what is missing.
const (
	fieldQuestion = "question"
	fieldGroups   = "groups"
	fieldAnswer   = "answer"
	fieldMissing  = "missing"
)

func newRooms(say func(m hbwire.Message), look func(groups string) string) *rooms {
	return &rooms{say: say, look: look, waiting: map[uint64]chan string{}}
}

// ask says what the other node is missing. Known is false if it gave no answer
// before ctx ended.
func (r *rooms) ask(ctx context.Context, groups string) (missing string, known bool) {
	answer := make(chan string, 1)
	r.mu.Lock()
	r.asked++
	number := r.asked
	r.waiting[number] = answer
	r.mu.Unlock()
	defer func() {
		r.mu.Lock()
		delete(r.waiting, number)
		r.mu.Unlock()
	}()
	r.say(hbwire.Message{
		hbwire.Text(hbwire.FieldType, machine.MsgShell), hbwire.Hex(fieldQuestion, number), hbwire.Text(fieldGroups, groups),
	})
	select {
	case missing = <-answer:
		return missing, true
	case <-ctx.Done():
		return "", false
	}
}

// hear takes what the other node asks or answers; it looks by means of later.
func (r *rooms) hear(m hbwire.Message, later func(func())) {
	if number, err := m.Hex(fieldAnswer); err == nil {
		r.mu.Lock()
		defer r.mu.Unlock()
		if answer := r.waiting[number]; answer != nil {
			answer <- m.Text(fieldMissing)
			delete(r.waiting, number)
		}
		return
	}
	number, err := m.Hex(fieldQuestion)
	if err != nil || !r.looking.CompareAndSwap(false, true) {
		return
	}
	groups := m.Text(fieldGroups)
	later(func() {
		defer r.looking.Store(false)
		r.say(hbwire.Message{
			hbwire.Text(hbwire.FieldType, machine.MsgShell), hbwire.Hex(fieldAnswer, number),
			hbwire.Text(fieldMissing, r.look(groups)),
		})
	})
}

// sayShell tells the other node's shell something.
func (n *Node) sayShell(m hbwire.Message) { n.beat(liveness.Input{Kind: liveness.Say, Message: m}) }
