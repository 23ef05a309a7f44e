package machine_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/machine"
	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

var _ = Describe("A node whose disk takes long to be attached", func() {
	It("starts its group when that is done and the copies were compared, and not with a promotion that must fail", func() {
		p := makePair(func(*machine.Config) {})
		milo1, milo2 := p.nodes[0], p.nodes[1]
		milo1.slow = true
		for _, n := range p.nodes {
			n.attach()
			n.join()
		}
		p.run()
		milo2.connect(2)
		p.pass(30 * time.Second)
		group := func() (state, reason string) {
			g := milo1.core.Status().Failover.Groups[0]
			return g.State, g.Reason
		}
		state, reason := group()
		Expect(state).To(Equal("waiting"), reason)
		Expect(reason).To(ContainSubstring("resource r1: the disk is being attached"))
		Expect(milo1.running).To(BeEmpty())

		milo1.hurry()
		p.pass(5 * time.Second)
		_, reason = group()
		Expect(reason).To(ContainSubstring("has not heard from its peer since it started"))
		milo1.connect(2)
		p.pass(5 * time.Second)
		state, reason = group()
		Expect(state).To(Equal("running"), reason)
	})
})

var _ = Describe("A node that an administrator makes Primary", func() {
	It("starts what stands on the device when that has come", func() {
		p := makePair(func(*machine.Config) {})
		for i, n := range p.nodes {
			n.attach()
			p.run()
			n.connect(uint64(2 + i))
		}
		p.run()
		milo1 := p.nodes[0]
		milo1.slow = true
		milo1.replica(replica.Input{Kind: replica.Order, Order: replica.OrderPrimary, ID: 9})
		for _, n := range p.nodes {
			n.join()
		}
		p.pass(60 * time.Second)
		Expect(milo1.core.Resource(0).State().Role).To(Equal(drbdwire.Primary))
		Expect(milo1.running).To(BeEmpty())
		milo1.hurry()
		p.pass(time.Second)
		Expect(milo1.running).To(Equal(map[int]bool{1: true, 2: true}))
	})
})
