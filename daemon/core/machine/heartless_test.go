package machine_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

var _ = Describe("A node that hears no heartbeat of its peer, which uses the data", func() {
	It("takes over when that dies after all", func() {
		p := newPair()
		milo1, milo2 := p.nodes[0], p.nodes[1]
		milo1.deaf, milo2.deaf = true, true
		p.pass(5 * time.Minute)
		Expect(milo1.running).To(Equal(map[int]bool{1: true, 2: true}))
		Expect(milo2.core.Status().Failover.Groups[0].State).To(Equal("failed"), "the peer is Primary")
		milo1.dead = true
		p.breakLink()
		p.pass(5 * time.Minute)
		Expect(milo2.running).To(Equal(map[int]bool{1: true, 2: true}))
	})
})

var _ = Describe("A node whose peer counts as dead and has used the data", func() {
	It("does not take over for a connection that breaks for a moment", func() {
		p := newPair()
		milo1, milo2 := p.nodes[0], p.nodes[1]
		milo1.deaf, milo2.deaf = true, true
		p.pass(5 * time.Minute)
		for range 5 {
			p.breakLink()
			p.pass(30 * time.Second)
			p.mend()
			p.pass(30 * time.Second)
		}
		Expect(milo1.running).To(Equal(map[int]bool{1: true, 2: true}))
		Expect(milo2.running).To(BeEmpty())
	})
})
