package machine_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/format/drbdwire"
)

var _ = Describe("A daemon that comes back when its peer has taken over, and whose guest is still there", func() {
	It("stops what is left here, and the group that runs there goes on", func() {
		p := newPair()
		milo1, milo2 := p.nodes[0], p.nodes[1]
		milo1.dead = true
		p.breakLink()
		p.pass(100 * time.Second)
		Expect(milo2.core.Status().Failover.Groups[0].State).To(Equal("running"))

		p.cut = false
		milo1.restart()
		milo1.running = map[int]bool{1: true, 2: true}
		milo1.attach()
		p.run()
		milo1.connect(2)
		p.pass(20 * time.Second)
		Expect(milo1.core.State(0)).To(And(HaveField("Peer", drbdwire.Primary), HaveField("Disk", drbdwire.UpToDate)))
		milo1.join()
		p.pass(time.Minute)
		for _, d := range milo2.core.Status().Failover.Decisions {
			Expect(d.Outcome).NotTo(Equal("is given up here"), d.String())
		}
		Expect(milo2.core.Status().Failover.Groups[0].State).To(Equal("running"))
		Expect(milo1.running[2]).To(BeFalse())
	})
})
