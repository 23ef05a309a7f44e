package liveness

import (
	"slices"
	"time"
)

// Limits of the reliable delivery. Source: Heartbeat wire, sections 5.3 and 5.4.
const (
	maxGap     = 250 // lost in a row; more are forgotten
	maxMissing = 500 // waited for at a time
	maxKept    = 500 // of the own messages, for resending
	maxAsked   = 50  // in one request
)

// numbers is what has come of the peer's sequenced messages. Messages are not held back for the ones before them.
type numbers struct {
	last    uint64 // highest seen; 0: none yet
	acked   uint64 // highest acknowledged
	missing []missing
}

// missing is a number that was jumped over, and when to ask for it.
type missing struct {
	seq uint64
	at  time.Duration
}

// take says whether the message of that number is new, and how many numbers the jump to it has given up. Delay draws
// when to ask for each number jumped over.
func (n *numbers) take(seq uint64, delay func() time.Duration) (isNew bool, lost uint64) {
	switch {
	case seq == 0:
		return false, 0
	case n.last == 0:
		n.last, n.acked = seq, seq-1
		return true, 0
	case seq <= n.last:
		return n.drop(seq), 0
	case seq-n.last > maxGap+1:
		lost = seq - n.last - 1 + uint64(len(n.missing))
		*n = numbers{last: seq, acked: seq - 1}
		return true, lost
	}
	for gone := n.last + 1; gone < seq; gone++ {
		n.missing = append(n.missing, missing{seq: gone, at: delay()})
	}
	if over := len(n.missing) - maxMissing; over > 0 {
		n.missing = slices.Delete(n.missing, 0, over)
		lost = uint64(over)
	}
	n.last = seq
	return true, lost
}

// drop stops waiting for a number, and says whether it was waited for.
func (n *numbers) drop(seq uint64) bool {
	i, found := slices.BinarySearchFunc(n.missing, seq, func(m missing, seq uint64) int {
		switch {
		case m.seq < seq:
			return -1
		case m.seq > seq:
			return 1
		}
		return 0
	})
	if found {
		n.missing = slices.Delete(n.missing, i, i+1)
	}
	return found
}

// ack returns the number to acknowledge now: the highest with the last digit trigger such that nothing up to it is
// missing.
func (n *numbers) ack(trigger uint64) (seq uint64, ok bool) {
	covered := n.last
	if len(n.missing) > 0 {
		covered = n.missing[0].seq - 1
	}
	if covered < trigger {
		return 0, false
	}
	seq = covered - (covered-trigger)%10
	if seq <= n.acked {
		return 0, false
	}
	n.acked = seq
	return seq, true
}

// due returns a run of numbers to ask for now, and plans to ask again.
func (n *numbers) due(now, again time.Duration) (first, last uint64, ok bool) {
	i := slices.IndexFunc(n.missing, func(m missing) bool { return m.at <= now })
	if i < 0 {
		return 0, 0, false
	}
	first = n.missing[i].seq
	for ; i < len(n.missing) && n.missing[i].seq-first < maxAsked; i++ {
		if last != 0 && n.missing[i].seq != last+1 {
			break
		}
		last = n.missing[i].seq
		n.missing[i].at = now + again
	}
	return first, last, true
}

func (n *numbers) deadline() time.Duration {
	at := Never
	for _, m := range n.missing {
		at = min(at, m.at)
	}
	return at
}

// history is the last own sequenced messages, for resending.
type history struct {
	seq   uint64 // of the last one
	acked uint64 // the peer has all up to this one
	kept  [maxKept]kept
}

type kept struct {
	seq    uint64
	sentAt time.Duration
	data   []byte
	report uint64 // which of the reports of what this node holds; 0: none
	moves  bool   // it is about groups that move from node to node
	over   bool   // the peer has counted as dead since: what it says is true no more
}

func (h *history) add(k kept) {
	h.seq++
	k.seq = h.seq
	h.kept[h.seq%maxKept] = k
}

// bury notes that the peer counts as dead. It may not have noticed, and ask later for what it missed; but what was said of
// groups that were to move is over: this node may run them.
func (h *history) bury() {
	for i := range h.kept {
		h.kept[i].over = h.kept[i].moves
	}
}

func (h *history) get(seq uint64) *kept {
	if k := &h.kept[seq%maxKept]; k.seq == seq {
		return k
	}
	return nil
}

// ack lets go of what the peer has.
func (h *history) ack(seq uint64) {
	if seq <= h.acked || seq > h.seq {
		return
	}
	for s := max(h.acked, h.seq-min(h.seq, maxKept)) + 1; s <= seq; s++ {
		h.kept[s%maxKept].data = nil
	}
	h.acked = seq
}
