package oracle

import "github.com/optionc/pollux/daemon/format/drbdwire"

// Exposed compares the data that users of node n will see with what they may
// see: promises 1 and 5.
func (o *Oracle) Exposed(n int) {
	o.Counts.Promotions++
	state := o.w.Node(n).State()
	connected := state.Conn >= drbdwire.Connected
	source := n
	switch {
	case state.Disk == drbdwire.UpToDate:
	case connected && state.PeerDisk == drbdwire.UpToDate && state.Disk <= drbdwire.Failed:
		source = 1 - n
		o.follows(n)
	case state.Disk <= drbdwire.Failed:
		return // its disk has just failed: there is nothing that users could see
	default:
		o.w.Fail(promise5, "%s exposes a device whose data is %s", name(n), state.Disk)
		return
	}
	reg, data := o.regs[n], o.w.Node(source).Data()
	stale, example, missing := 0, 0, false
	size := int(o.w.Node(source).Size())
	for s, value := range data {
		if s >= size {
			value = nothing
		}
		if reg.may(s, value) || o.w.Tainted(s) {
			continue
		}
		if stale == 0 || !missing && !o.isExcused(reg, s) {
			example = s
		}
		stale++
		missing = missing || !o.isExcused(reg, s)
	}
	other := o.w.Node(1 - n)
	if stale == 0 {
		if other.IsExposed() && !connected {
			o.fork(n, data)
		}
		return
	}
	at := o.nodes[n]
	o.w.Tracef("%s lacks acknowledged writes in %d sectors: known=%t restarted=%t connected=%t", name(n), stale,
		at.known, at.restarted, connected)
	text := "%s becomes Primary without writes that were acknowledged, in %d sectors; sector %d has version %d, want %s"
	byOrder := o.nodes[1-n].discard && connected // what the peer has is given up
	switch {
	case byOrder:
		o.goOn(n, data[:size])
	case o.rules.Protocol == drbdwire.ProtocolC && missing,
		o.rules.Protocol == drbdwire.ProtocolB && missing && !at.restarted && !o.powerLost:
		o.w.Fail(promise1, text, name(n), stale, example, data[example], reg.describe(example))
	case o.rules.Protocol == drbdwire.ProtocolC &&
		(at.known || at.restarted && !o.hasWaited(n) || connected || o.rules.Fenced && !at.restarted):
		o.w.Fail(promise5, text, name(n), stale, example, data[example], reg.describe(example))
	default:
		if o.rules.Protocol == drbdwire.ProtocolC {
			o.Counts.Accepted++
		} else {
			o.Counts.Early++
		}
		o.goOn(n, data[:size])
	}
}

// follows lets node n, which has no disk, go on with its peer's history, if its own users
// were told of nothing since these went apart.
func (o *Oracle) follows(n int) {
	if o.regs[n] != o.regs[1-n] && o.nodes[n].ahead == 0 {
		o.leaves(n)
		o.regs[n], o.parted = o.regs[1-n], o.parted[:0]
	}
}

// hasWaited tells whether node n has waited for its peer since it started for as
// long as it has to, at least.
func (o *Oracle) hasWaited(n int) bool {
	return o.rules.GoesOn > 0 && o.w.Now() >= o.nodes[n].up+o.rules.GoesOn
}

// goOn lets node n have a history of its own that begins with its data.
func (o *Oracle) goOn(n int, data []uint64) {
	o.fork(n, data)
	o.nodes[1-n].ahead++ // it has what n lacks
	for s, value := range data {
		if !o.regs[n].may(s, value) {
			o.regs[n].is(s, value)
		}
	}
}

// isExcused tells whether what a sector should hold was acknowledged by the
// other node alone, if it can be told: zeros have no version.
func (o *Oracle) isExcused(reg *register, s int) bool {
	if len(reg.open[s]) == 0 {
		return reg.base[s] == 0 && len(o.alone) > 0 || o.alone[reg.base[s]]
	}
	for _, c := range reg.open[s] {
		if o.alone[c.value] || c.value == 0 && len(o.alone) > 0 {
			return true
		}
	}
	return false
}

// fork gives node n a history of its own, that begins with its data.
func (o *Oracle) fork(n int, data []uint64) {
	o.Counts.Forks++
	if o.regs[0] == o.regs[1] || o.went != n { // else the peer has nothing but what it had when they parted
		o.parted, o.went, o.at = append(o.parted[:0], data...), n, o.moment
	}
	o.regs[n] = o.regs[n].clone()
	o.nodes[0].ahead, o.nodes[1].ahead = 0, 0
	o.w.Tracef("the history of %s goes its own way", name(n))
}
