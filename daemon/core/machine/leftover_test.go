package machine_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/format/drbdwire"
)

var _ = Describe("A node whose daemon was away for longer than deadtime, and whose guests are still there", func() {
	It("gives up what is left of them while the peer takes over, and does not take the group from it", func() {
		p := newPair()
		milo1, milo2 := p.nodes[0], p.nodes[1]
		left := milo1.running
		Expect(left).To(Equal(map[int]bool{1: true, 2: true}))
		milo1.dead = true
		p.breakLink()
		milo2.hangs = 1 // its volume group takes long
		p.pass(100 * time.Second)
		Expect(milo2.core.State(0).Role).To(Equal(drbdwire.Primary))
		stops := milo2.stops

		milo1.restart()
		milo1.running = left
		p.cut = false
		milo1.attach()
		p.run()
		milo1.connect(2)
		milo1.join()
		p.pass(time.Minute)
		Expect(milo1.core.State(0)).To(And(HaveField("Role", drbdwire.Secondary), HaveField("Disk", drbdwire.UpToDate)))
		Expect(left).To(Equal(map[int]bool{1: false, 2: false}), "their device was given up")
		Expect(milo2.core.Status().Failover.Groups[0].State).To(Equal("starting"))
		Expect(milo2.stops).To(Equal(stops), "what the peer starts is not stopped")
	})
})
