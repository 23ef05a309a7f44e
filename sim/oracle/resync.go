package oracle

import "github.com/optionc/pollux/daemon/format/drbdwire"

// resyncBegins checks that node t may be overwritten: it has no acknowledged
// write that the source lacks, unless somebody ordered that, or a policy did; and that every
// block that differs will be copied.
func (o *Oracle) resyncBegins(t int) {
	o.Counts.Resyncs++
	reg, data := o.regs[t], o.w.Node(1-t).Data()
	at := &o.nodes[t]
	behind := o.regs[0] != o.regs[1] && (at.ahead == 0 || o.rules.Solves)
	if o.rules.Protocol == drbdwire.ProtocolC && !at.discard && !behind {
		size := int(o.w.Node(1 - t).Size())
		for s, value := range data {
			if s >= size {
				value = nothing
			}
			if !reg.may(s, value) {
				o.w.Fail(promise5, "%s is overwritten though nobody ordered it: sector %d of the source has version %d, "+
					"but here was acknowledged %s", name(t), s, value, reg.describe(s))
				return
			}
		}
	}
	at.discard = false
	o.regs[t] = o.regs[1-t]
	o.Marks()
}
