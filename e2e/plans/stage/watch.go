package stage

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/optionc/pollux/daemon/format/drbdwire"
	"github.com/optionc/pollux/e2e/plans/ledger"
	"github.com/optionc/pollux/faults/plan"
)

// side is what the lines that a node prints say of it.
type side struct {
	role, conn, disk, peerDisk string
	begins                     bool      // its daemon has just been started
	guest                      bool      // one runs here
	alone                      time.Time // since then what it writes is on no other disk; zero is not
}

// is tells whether a word of a trigger is a part of the state.
func (s side) is(word string) bool { return s.role == word || s.conn == word || s.disk == word }

// lonely tells whether a write that is acknowledged now is not on the peer's
// disk.
func (s side) lonely() bool {
	conn, err := drbdwire.ParseConnState(s.conn)
	peer, failed := drbdwire.ParseDiskState(s.peerDisk)
	return err == nil && conn < drbdwire.Connected || failed == nil && peer < drbdwire.Inconsistent
}

// sinking is how long a node must have been alone before a write counts as its
// own: the lines of its programs come by different ways.
const sinking = time.Second

// change is a part of a state in a line of polluxd's log.
var change = regexp.MustCompile(`(peer role|peer disk|role|connection|disk) (\w+) -> (\w+);`)

// logged follows the states of a node by its daemon's log.
func (p *play) logged(n int, line string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over {
		return
	}
	at := strings.Index(line, "msg=")
	p.say("%s: %s", name(n), line[max(at, 0):])
	changes := change.FindAllStringSubmatch(line, -1)
	if changes == nil {
		return
	}
	old := p.sides[n]
	now := &p.sides[n]
	if now.begins {
		now.begins, now.role, now.conn, now.disk, now.peerDisk = false, "Secondary", "StandAlone", "Diskless", "DUnknown"
	}
	for _, c := range changes {
		switch to := c[3]; c[1] {
		case "role":
			now.role = to
		case "connection":
			now.conn = to
		case "disk":
			now.disk = to
		case "peer disk":
			now.peerDisk = to
		}
	}
	switch {
	case !now.lonely():
		now.alone = time.Time{}
	case now.alone.IsZero():
		now.alone = time.Now()
	}
	if now.role == "Primary" && old.role != "Primary" {
		p.counts["promotions"]++
	}
	if isTarget(now.conn) && !isTarget(old.conn) {
		p.counts["resyncs"]++
	}
	p.trigger(n, func(word string) bool { return now.is(word) && !old.is(word) })
}

func isTarget(conn string) bool { return conn == "SyncTarget" || conn == "PausedSyncT" }

// pending is a fault that waits for its trigger.
type pending struct {
	fault plan.Fault
	left  int // so often the word must still come
}

// acknowledged is the word of a trigger: a user of the node has an answer.
const acknowledged = "ack"

// canSee tells whether a trigger can be noticed from outside: that a node comes
// to a state, or that its guest has an answer. No trigger can be.
func canSee(on plan.Trigger) bool {
	_, noRole := drbdwire.ParseRole(on.Word)
	_, noConn := drbdwire.ParseConnState(on.Word)
	_, noDisk := drbdwire.ParseDiskState(on.Word)
	state := noRole == nil || noConn == nil || noDisk == nil
	return on.Word == "" || on.Percent == 0 && (state || on.Word == acknowledged)
}

// trigger strikes with the faults that something on a node sets off.
func (p *play) trigger(n int, comesTo func(word string) bool) {
	kept := p.pending[:0]
	for _, w := range p.pending {
		if on := w.fault.On; on.Node == n && !p.calmed && comesTo(on.Word) {
			if w.left--; w.left == 0 {
				p.after(w.fault.At, w.fault)
				continue
			}
		}
		kept = append(kept, w)
	}
	p.pending = kept
}

// told follows the groups of a node by what its guest prints; see
// e2e/plans/guest.
func (p *play) told(n int, line string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over {
		return
	}
	kind, rest, _ := strings.Cut(line, " ")
	if kind != "ack" && kind != "read" {
		p.say("%s: guest: %.200s", name(n), line)
	}
	s := &p.sides[n]
	switch kind {
	case "vg":
		p.counts[rest+"s"]++ // starts, stops
	case "start":
		p.counts["starts"]++
		s.guest, p.lastRun = true, n
	case "end":
		p.counts["stops"]++
		s.guest = false
	case "read":
		p.book.Reads++
	case "refused":
		p.counts["refused"]++
	case "wrong":
		p.book.Break(ledger.Promise2, rest)
	case "disorder":
		p.book.Break(promise8, name(n)+": "+rest)
	case "found", "ack":
		if err := p.reckon(n, kind, rest); err != nil {
			p.fail(fmt.Errorf("%s: line %.80q of the guest: %w", name(n), line, err))
		}
	}
}

// reckon hands numbers to the ledger.
func (p *play) reckon(n int, kind, rest string) error {
	s := &p.sides[n]
	if kind == "ack" {
		var place int
		var number uint64
		if _, err := fmt.Sscanf(rest, "%d %d", &place, &number); err != nil {
			return err
		}
		p.book.Acked(n, place, ledger.Number(number))
		p.trigger(n, func(word string) bool { return word == acknowledged })
		if !s.alone.IsZero() && time.Since(s.alone) > sinking {
			p.counts["alone"]++
		}
		return nil
	}
	words := strings.Fields(rest)
	found := make([]ledger.Number, ledger.Places)
	run, err := strconv.ParseUint(words[0], 10, 32)
	if err != nil {
		return err
	}
	for _, w := range words[1:] {
		var place int
		var number uint64
		if _, err := fmt.Sscanf(w, "%d:%d", &place, &number); err != nil {
			return err
		}
		found[place] = ledger.Number(number)
	}
	elsewhere := p.sides[1-n].guest
	if elsewhere && !p.set.apart {
		p.book.Break(promise7, fmt.Sprintf("it starts on %s while it runs on %s", name(n), name(1-n)))
	}
	p.book.Found(n, uint32(run), found, elsewhere)
	return nil
}
