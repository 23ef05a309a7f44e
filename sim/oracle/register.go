package oracle

import "github.com/optionc/pollux/sim/world"

// register is what each sector of one copy's history may hold: the last write
// that was acknowledged, or one that was under way since. It is a strict
// register: a write whose user died before the answer came may have happened
// or not, but once a read or a later write has decided that, it stays.
type register struct {
	base []uint64      // of sectors with one possible value
	open [][]candidate // of the others, all of them; else empty
	slab world.Slab[candidate]
}

// anything is what a sector may hold that no user has written since the device
// grew. nothing is what a device that ends before a sector holds there.
const (
	anything = ^uint64(0)
	nothing  = ^uint64(0) - 1
)

// candidate is a value that a sector may hold.
type candidate struct {
	value        uint64
	began, ended uint64 // ended 0: still under way
}

// few is how many values a sector may hold, mostly, at most.
const few = 4

func newRegister(sectors int, value uint64) *register {
	r := &register{base: make([]uint64, sectors), open: make([][]candidate, sectors)}
	for s := range r.base {
		r.base[s] = value
	}
	return r
}

func (r *register) clone() *register {
	c := &register{base: append([]uint64(nil), r.base...), open: make([][]candidate, len(r.open))}
	for s, set := range r.open {
		if len(set) > 0 {
			c.open[s] = append([]candidate(nil), set...)
		}
	}
	return c
}

// may tells whether a sector may hold a value.
func (r *register) may(s int, value uint64) bool {
	set := r.open[s]
	if len(set) == 0 {
		return r.base[s] == value || r.base[s] == anything
	}
	for i := range set {
		if set[i].value == value || set[i].value == anything {
			return true
		}
	}
	return false
}

// each names the values that a sector may hold.
func (r *register) each(s int, name func(value uint64)) {
	if len(r.open[s]) == 0 {
		name(r.base[s])
	}
	for _, c := range r.open[s] {
		name(c.value)
	}
}

// is makes a value the only one.
func (r *register) is(s int, value uint64) { r.base[s], r.open[s] = value, r.open[s][:0] }

// doubt lets a sector hold anything from now on, besides what is under way.
func (r *register) doubt(s int, now uint64) {
	kept := r.open[s][:0]
	for _, c := range r.open[s] {
		if c.ended == 0 {
			kept = append(kept, c)
		}
	}
	if len(kept) > 0 {
		kept = append(kept, candidate{value: anything, ended: now})
	}
	r.base[s], r.open[s] = anything, kept
}

func (r *register) write(s int, value, began uint64) {
	set := r.open[s]
	if set == nil {
		set = r.slab.Cut(few)[:0]
	}
	if len(set) == 0 {
		set = append(set, candidate{value: r.base[s], ended: 1})
	}
	r.open[s] = append(set, candidate{value: value, began: began})
}

// end ends a write whose outcome nobody knows.
func (r *register) end(s int, began, ended uint64) {
	set := r.open[s]
	for i := range set {
		if c := &set[i]; c.began == began && c.ended == 0 {
			c.ended = ended
		}
	}
}

// decide drops what had ended before the write or read that began at since,
// and found the write that began at keep; gone hears of what is dropped.
func (r *register) decide(s int, keep, since uint64, gone func(value uint64)) {
	set, kept := r.open[s], 0
	for i := range set {
		c := &set[i]
		if c.began != keep && c.ended != 0 && c.ended < since {
			gone(c.value)
			continue
		}
		if kept != i {
			set[kept] = *c
		}
		kept++
	}
	r.open[s] = set[:kept]
	if kept == 1 && set[0].ended != 0 {
		r.is(s, set[0].value)
	}
}

// newest is the latest write that a value can come from.
func (r *register) newest(s int, value uint64) (began uint64, open bool) {
	for _, c := range r.open[s] {
		if (c.value == value || c.value == anything) && (c.began >= began || !open) {
			began, open = c.began, true
		}
	}
	return began, open
}
