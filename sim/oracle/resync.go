package oracle

import "github.com/optionc/pollux/daemon/format/drbdwire"

// resyncBegins checks that node t may be overwritten, and that every block that
// differs will be copied.
func (o *Oracle) resyncBegins(t int) {
	o.Counts.Resyncs++
	o.foundMarks = false
	o.overwritten(t)
	for n := range o.nodes {
		o.nodes[n].discard, o.nodes[n].begun = false, false
	}
	if o.regs[t] != o.regs[1-t] {
		o.leaves(t)
	}
	o.regs[t], o.parted = o.regs[1-t], o.parted[:0]
	o.Marks()
}

// leaves tells the reads under way on node t that its history ends: they may find what
// that had. A node that has slept hears all at once: what the source answered before it
// went its own way, that a resync begins, and that the source is gone.
func (o *Oracle) leaves(t int) {
	for _, r := range o.reads {
		if r.node != t {
			continue
		}
		for s := r.sector; s < r.sector+r.sectors; s++ {
			o.regs[t].each(s, func(value uint64) { r.gone = append(r.gone, gone{s, value}) })
		}
	}
}

// overwritten checks that node t has no acknowledged write that the source lacks,
// unless somebody ordered that, or a policy did; and that the source has all that
// its own users were told is done.
//
// Two nodes that both were Primary alone have a split brain for a policy to solve also
// where the one told its users of nothing before it died: it can't know that.
func (o *Oracle) overwritten(t int) {
	at, apart := &o.nodes[t], o.regs[0] != o.regs[1]
	if !apart && at.begun && o.nodes[1-t].begun && o.solves(at.met) {
		o.goOn(1-t, o.w.Node(1 - t).Data()[:o.w.Node(1-t).Size()])
		return
	}
	given := at.discard || apart && (at.ahead == 0 || o.solves(at.met))
	if o.rules.Protocol == drbdwire.ProtocolC && !given {
		o.covers(t, o.regs[t], "%s is overwritten though nobody ordered it: sector %d of the source has version %d, "+
			"but here was acknowledged %s")
	}
	if o.rules.Protocol == drbdwire.ProtocolC && apart {
		o.covers(t, o.regs[1-t], "%s is overwritten by a copy that is old itself: sector %d there has version %d, "+
			"but its users were told of %s")
	}
}

// covers checks that what overwrites node t is what a history has.
func (o *Oracle) covers(t int, reg *register, text string) {
	size := int(o.w.Node(1 - t).Size())
	for s, value := range o.w.Node(1 - t).Data() {
		if s >= size {
			value = nothing
		}
		if !reg.may(s, value) && !o.w.Tainted(s) {
			o.w.Fail(promise5, text, name(t), s, value, reg.describe(s))
			return
		}
	}
}

// solves tells whether a policy may decide that a node with writes of its own is
// overwritten, that came out of the handshake in state s. Which one a policy
// chooses by numbers or ages is not looked at here.
func (o *Oracle) solves(s drbdwire.State) bool {
	none := o.rules.AfterSB0 != drbdwire.AfterSBDisconnect && o.rules.AfterSB0 != drbdwire.AfterSBDiscardZeroChanges
	switch {
	case s.Role == drbdwire.Primary && s.Peer == drbdwire.Primary:
		return false
	case s.Role != drbdwire.Primary && s.Peer != drbdwire.Primary:
		return none
	}
	switch o.rules.AfterSB1 {
	case drbdwire.AfterSBDisconnect:
		return false
	case drbdwire.AfterSBDiscardSecondary:
		return s.Role == drbdwire.Secondary
	default:
		return none
	}
}
