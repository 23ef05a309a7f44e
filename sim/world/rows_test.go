package world

import (
	"slices"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/faults/draw"
)

// Rows that come and go are those of a map, under names that are never used again.
func TestRows(t *testing.T) {
	g := NewWithT(t)
	luck := draw.New(5, "rows")
	var r rows
	r.reset()
	held := map[replica.Buf]uint64{}
	var names []replica.Buf
	for i := range uint64(3000) {
		name := r.add([]uint64{i})
		g.Expect(names).NotTo(ContainElement(name))
		g.Expect(name).NotTo(BeZero())
		names, held[name] = append(names, name), i
		for luck.Below(20) != 0 && len(names) > 10 {
			at := luck.Below(len(names))
			gone := names[at]
			names = slices.Delete(names, at, at+1)
			g.Expect(r.get(gone)).To(Equal([]uint64{held[gone]}))
			delete(held, gone)
			g.Expect(r.drop(gone)).To(BeTrue())
			g.Expect(r.get(gone)).To(BeNil())
			g.Expect(r.drop(gone)).To(BeFalse())
		}
		g.Expect(r.held).To(Equal(len(held)))
	}
	g.Expect(len(r.list)).To(BeNumerically("<", 3000), "what is gone takes no room")
	r.reset()
	g.Expect(r.add([]uint64{1})).To(BeNumerically(">", 3000))
	g.Expect(r.get(0)).To(BeNil())
}
