// Package ledger is what a guest on real machines was promised, and what it
// finds later: numbered writes to many places of one device. It judges as the
// simulator's oracles do, in their words (promises 1, 2 and 5).
//
// Each node's copy belongs to a history: one and the same, until a node goes on
// without what the other was promised. Where the configuration accepts that,
// the histories fork; else a promise is broken.
package ledger

import "fmt"

// The promises that are judged here, in the words of the design.
const (
	Promise1 = "1: an acknowledged write survives"
	Promise2 = "2: a read returns the newest write"
)

// Ledger judges one scenario.
type Ledger struct {
	Writes, Reads int // acknowledged, checked
	Forks         int // histories that went apart
	// Broken is the first promise that was broken, and Why what was seen.
	Broken, Why string

	forgives bool
	of       [2]*history
}

// history is what the places hold that belong to it.
type history struct {
	run  uint32 // of the guest, the last one
	base []Number
}

// New begins with places that are empty on both nodes. Forgives says that a
// node may go on without what the other alone was promised.
func New(forgives bool) *Ledger {
	h := &history{base: make([]Number, Places)}
	return &Ledger{forgives: forgives, of: [2]*history{h, h}}
}

// may tells whether a place may hold a write: the last that was acknowledged, or
// one of the same run that had no answer yet.
func (h *history) may(place int, n Number) bool {
	return n == h.base[place] || n.Run() == h.run && n > h.base[place]
}

// misfit is the first place that holds what it may not; -1 is none.
func (h *history) misfit(found []Number) int {
	for place, n := range found {
		if !h.may(place, n) {
			return place
		}
	}
	return -1
}

// Found is what a guest that has just started on a node reads there. Elsewhere
// says that one runs on the other node.
func (l *Ledger) Found(node int, run uint32, found []Number, elsewhere bool) {
	own, other := l.of[node], l.of[1-node]
	apart := elsewhere && own == other
	switch place := own.misfit(found); {
	case place < 0:
	case own != other && other.misfit(found) < 0:
		own = other // its own was given up
	default:
		if !l.forgives {
			l.Break(Promise1, fmt.Sprintf("milo%d finds write %v in place %d, %v was acknowledged", node+1, found[place],
				place, own.base[place]))
		}
		apart = true
	}
	if apart {
		l.Forks++
		own = &history{}
	}
	own.run, own.base = run, found
	l.of[node] = own
}

// Acked is an answer that a guest on a node got.
func (l *Ledger) Acked(node, place int, n Number) {
	l.Writes++
	h := l.of[node]
	if n.Run() != h.run && n > h.base[place] { // told late: the next run has begun
		l.Break(Promise1, fmt.Sprintf("write %v to place %d was acknowledged on milo%d, %v was found", n, place, node+1,
			h.base[place]))
	}
	h.base[place] = max(h.base[place], n)
}

// Final is what both copies hold at the end: the history of the node that the
// guest runs on.
func (l *Ledger) Final(node int, found []Number) {
	h := l.of[node]
	if place := h.misfit(found); place >= 0 {
		l.Break(Promise1, fmt.Sprintf("at the end place %d holds write %v, %v was acknowledged", place, found[place],
			h.base[place]))
	}
}

// Break notes a broken promise; the first one counts.
func (l *Ledger) Break(promise, why string) {
	if l.Broken == "" {
		l.Broken, l.Why = promise, why
	}
}
