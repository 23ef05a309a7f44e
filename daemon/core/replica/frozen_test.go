package replica_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

// breaks gives a node what can't be, and returns what it says of that.
func (e *end) breaks() string {
	out := e.core.Step(e.pair.now, replica.Input{Kind: replica.DiskDone, Op: replica.OpWrite, ID: 4711}, nil)
	Expect(out).To(ContainElement(HaveField("Kind", replica.Broken)))
	e.core.Recycle()
	return e.core.Status().Frozen
}

var _ = Describe("An assertion that is broken", func() {
	It("freezes the device of a Primary, which says why, and tells no user that anything is done", func() {
		p := synced()
		p.b.hold[replica.Write] = true
		p.a.write(1, 8, 'x', 4096)
		p.run()
		const why = "an answer of the disk to a request that was not under way"
		Expect(p.a.breaks()).To(Equal(why))
		p.b.release()
		p.a.write(2, 16, 'y', 4096)
		p.run()
		p.wait()
		Expect(p.a.done).To(BeEmpty())
		Expect(p.a.core.Status().Frozen).To(Equal(why))
		Expect(p.b.core.Status().Frozen).To(BeEmpty(), "the other node goes on")
	})

	It("keeps a Secondary from being promoted", func() {
		p := synced()
		why := p.b.breaks()
		p.a.mustOrder(replica.OrderSecondary, false)
		a := p.b.order(replica.OrderPrimary, false)
		Expect(a.Code).To(Equal(drbdwire.InTransientState))
		Expect(a.Text).To(Equal("the device is frozen: " + why))
	})
})
