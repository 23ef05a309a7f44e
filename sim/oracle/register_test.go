package oracle

import (
	"testing"

	. "github.com/onsi/gomega"
)

// A register is driven as the ledger drives it: one write after the other, or
// several at once.
func TestRegister(t *testing.T) {
	none := func(uint64) {}
	for name, tc := range map[string]struct {
		do        func(r *register)
		may, cant []uint64
	}{
		"a write under way may be there or not": {
			do:  func(r *register) { r.write(0, 1, 10) },
			may: []uint64{0, 1},
		},
		"an acknowledged write is there": {
			do: func(r *register) {
				r.write(0, 1, 10)
				r.end(0, 10, 11)
				r.decide(0, 10, 10, none)
			},
			may: []uint64{1}, cant: []uint64{0},
		},
		"of two writes at once either may be the last": {
			do: func(r *register) {
				r.write(0, 1, 10)
				r.write(0, 2, 11)
				r.end(0, 10, 12)
				r.decide(0, 10, 10, none)
				r.end(0, 11, 13)
				r.decide(0, 11, 11, none)
			},
			may: []uint64{1, 2}, cant: []uint64{0},
		},
		"a write whose user died may be there": {
			do: func(r *register) {
				r.write(0, 1, 10)
				r.end(0, 10, 11)
			},
			may: []uint64{0, 1},
		},
		"a write whose user died is not there after a later one": {
			do: func(r *register) {
				r.write(0, 1, 10)
				r.end(0, 10, 11)
				r.write(0, 2, 12)
				r.end(0, 12, 13)
				r.decide(0, 12, 12, none)
			},
			may: []uint64{2}, cant: []uint64{0, 1},
		},
		"what a disk has lied about is what is written next": {
			do: func(r *register) {
				r.write(0, 1, 10)
				r.doubt(0, 12)
				r.end(0, 10, 13)
				r.decide(0, 10, 10, none)
				r.write(0, 2, 14)
				r.end(0, 14, 15)
				r.decide(0, 14, 14, none)
			},
			may: []uint64{2}, cant: []uint64{1, 7},
		},
		"what a read found stays": {
			do: func(r *register) {
				r.write(0, 1, 10)
				r.end(0, 10, 11)
				keep, _ := r.newest(0, 0)
				r.decide(0, keep, 12, none)
			},
			may: []uint64{0}, cant: []uint64{1},
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			r := newRegister(1, 0)
			tc.do(r)
			for _, v := range tc.may {
				g.Expect(r.may(0, v)).To(BeTrue(), "version %d", v)
			}
			for _, v := range tc.cant {
				g.Expect(r.may(0, v)).To(BeFalse(), "version %d", v)
			}
			before := r.clone()
			r.write(0, 99, 50)
			g.Expect(before.may(0, 99)).To(BeFalse(), "a fork has its own future")
		})
	}
}
