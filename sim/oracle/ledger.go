package oracle

import "github.com/optionc/pollux/daemon/format/drbdwire"

// The ledger is what the users of the device did: promises 1 and 2. Package
// workload tells it of every request and answer.

// Write is a write, trim or zero-out that is under way.
type Write struct {
	node    int
	sector  int
	sectors int
	value   uint64
	began   uint64
}

// Read is a read that is under way.
type Read struct {
	node    int
	sector  int
	sectors int
	began   uint64
	gone    []gone // what stopped being right while it was under way
}

type gone struct {
	sector int
	value  uint64
}

func (o *Oracle) tick() uint64 {
	o.moment++
	return o.moment
}

// Writes notes that a user of node n sends a write.
func (o *Oracle) Writes(n int, sector uint64, sectors int, value uint64) *Write {
	var w *Write
	if last := len(o.writesSpare) - 1; last >= 0 {
		w, o.writesSpare = o.writesSpare[last], o.writesSpare[:last]
	} else {
		w = new(Write)
	}
	*w = Write{node: n, sector: int(sector), sectors: sectors, value: value, began: o.tick()}
	for s := w.sector; s < w.sector+sectors; s++ {
		o.regs[n].write(s, value, w.began)
	}
	return w
}

// Wrote notes that the user was told that the write is done: nobody may use w any
// more.
func (o *Oracle) Wrote(w *Write) {
	o.Counts.Writes++
	now, reg := o.tick(), o.regs[w.node]
	if !o.isInBoth(w) {
		o.nodes[w.node].ahead++
		if o.isAlone(w.node) {
			o.alone[w.value] = true
			o.Counts.Alone++
		}
	}
	for s := w.sector; s < w.sector+w.sectors; s++ {
		reg.end(s, w.began, now)
		reg.decide(s, w.began, w.began, func(value uint64) { o.lapse(w.node, s, value) })
	}
	o.writesSpare = append(o.writesSpare, w)
}

// isInBoth tells whether the peer's users had the write when their history went
// its own way.
func (o *Oracle) isInBoth(w *Write) bool {
	if w.node == o.went || w.began > o.at || w.sector+w.sectors > len(o.parted) {
		return false
	}
	for s := w.sector; s < w.sector+w.sectors; s++ {
		if o.parted[s] != w.value {
			return false
		}
	}
	return true
}

// Refused checks that an error was the last resort: promise 6.
func (o *Oracle) Refused(n int) {
	o.Counts.Refused++
	s, peer := o.w.Node(n).State(), o.w.Node(1-n)
	good := peer.Alive() && peer.State().Disk == drbdwire.UpToDate // this node may not know yet that it is not
	switch {
	case s.Disk == drbdwire.UpToDate && !o.rules.PassesOn:
		o.w.Fail(promise6, "a request failed on %s, whose disk is UpToDate", name(n))
	case s.Disk < drbdwire.Inconsistent && o.rules.PassesOn: // the error of the only copy's disk
	case s.Conn >= drbdwire.Connected && s.PeerDisk == drbdwire.UpToDate && good:
		o.w.Fail(promise6, "a request failed on %s, whose peer has an UpToDate copy", name(n))
	}
}

// FlushRefused is the same for a flush. In protocols A and B it also says that what a lost
// peer had in memory may be gone, whatever that has now.
func (o *Oracle) FlushRefused(n int) {
	if o.rules.Protocol == drbdwire.ProtocolC {
		o.Refused(n)
	}
}

// Detached checks, when node n has let go of its disk by order, that its users have
// another copy: promise 6.
func (o *Oracle) Detached(n int) {
	s := o.w.Node(n).State()
	if s.Role == drbdwire.Primary && s.Disk <= drbdwire.Failed && s.PeerDisk != drbdwire.UpToDate {
		o.w.Fail(promise6, "%s let go of the only good copy by order: the peer's is %s", name(n), s.PeerDisk)
	}
}

// Lost notes that nobody knows what became of a write: it failed, or its user
// died. Nobody may use w any more.
func (o *Oracle) Lost(w *Write) {
	now := o.tick()
	for s := w.sector; s < w.sector+w.sectors; s++ {
		o.regs[w.node].end(s, w.began, now)
	}
	o.lost[w.value] = true
	o.writesSpare = append(o.writesSpare, w)
}

// Reads notes that a user of node n sends a read.
func (o *Oracle) Reads(n int, sector uint64, sectors int) *Read {
	var r *Read
	if last := len(o.readsSpare) - 1; last >= 0 {
		r, o.readsSpare = o.readsSpare[last], o.readsSpare[:last]
	} else {
		r = new(Read)
	}
	*r = Read{node: n, sector: int(sector), sectors: sectors, began: o.tick(), gone: r.gone[:0]}
	o.reads = append(o.reads, r)
	return r
}

// Forget ends a read without an answer. Nobody may use r any more.
func (o *Oracle) Forget(r *Read) {
	o.ends(r)
	o.readsSpare = append(o.readsSpare, r)
}

func (o *Oracle) ends(r *Read) {
	for i := range o.reads {
		if o.reads[i] == r {
			o.reads = append(o.reads[:i], o.reads[i+1:]...)
			return
		}
	}
}

// Saw checks what a read found. Nobody may use r any more.
func (o *Oracle) Saw(r *Read, row []uint64) {
	o.ends(r)
	defer func() { o.readsSpare = append(o.readsSpare, r) }()
	o.Counts.Reads++
	reg := o.regs[r.node]
	for i, value := range row {
		s := r.sector + i
		if o.w.Tainted(s) {
			continue
		}
		if !reg.may(s, value) {
			if !r.passed(s, value) {
				o.w.Fail(promise2, "a read on %s found version %d in sector %d, want %s", name(r.node), value, s,
					reg.describe(s))
				return
			}
			continue
		}
		if keep, open := reg.newest(s, value); open {
			reg.decide(s, keep, r.began, func(value uint64) { o.lapse(r.node, s, value) })
			if o.lost[value] && o.isAlone(r.node) {
				o.alone[value] = true // the users of the other node never saw it
			}
		}
	}
}

// lapse tells the reads under way that a value stops being right.
func (o *Oracle) lapse(n, s int, value uint64) {
	for _, r := range o.reads {
		if r.node == n && s >= r.sector && s < r.sector+r.sectors {
			r.gone = append(r.gone, gone{s, value})
		}
	}
}

func (r *Read) passed(s int, value uint64) bool {
	for _, g := range r.gone {
		if g.sector == s && g.value == value {
			return true
		}
	}
	return false
}
