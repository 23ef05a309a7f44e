package replica_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

var _ = Describe("A node without a disk that is promoted over its peer's copy", func() {
	// promoted is when the connection broke while the peer's slow disk took a generation.
	promoted := func(p *pair) {
		GinkgoHelper()
		p.b.hold[replica.MetaWrite] = true
		p.a.step(replica.Input{Kind: replica.Order, Order: replica.OrderPrimary, ID: 70})
		p.run()
		p.part()
		p.b.release()
		p.join()
		if p.a.core.State().Role == drbdwire.Secondary {
			p.a.mustOrder(replica.OrderPrimary, false)
		}
	}

	It("is Primary when it has heard of the generation that the peer begins for that, and not before", func() {
		p := synced()
		p.a.mustOrder(replica.OrderSecondary, false)
		p.a.mustOrder(replica.OrderDetach, false)
		promoted(p)
		p.a.mustWrite(1, 8, 'x')
		Expect(p.a.status()).To(Equal("Primary/Secondary Connected Diskless/UpToDate"))
		Expect(p.b.disk[8*512]).To(Equal(byte('x')))
	})

	It("hears also of one that the peer begins when it has gone on alone before", func() {
		p := synced()
		p.a.mustOrder(replica.OrderDetach, false)
		p.a.mustWrite(1, 8, 'x')
		p.part()
		p.a.mustOrder(replica.OrderSecondary, false)
		p.join()
		promoted(p)
		p.a.mustWrite(2, 8, 'y')
		Expect(p.a.status()).To(Equal("Primary/Secondary Connected Diskless/UpToDate"))
	})
})

var _ = Describe("A Primary that has lost its disk and its peer", func() {
	It("goes on with the disk in a generation of its own if the peer was known by another one", func() {
		p := synced()
		p.part()
		p.a.mustWrite(1, 8, 'x')
		before := p.a.core.Generation()
		p.a.badData = true
		p.a.write(2, 8, 'y', 4096)
		p.run()
		Expect(p.a.status()).To(Equal("Primary/Unknown WFConnection Diskless/DUnknown"))
		p.a.badData = false
		p.a.mustOrder(replica.OrderAttach, false)
		Expect(p.a.core.Generation()).NotTo(Equal(before))
		p.a.mustWrite(3, 8, 'z')
		p.join()
		expectSynced(p)
	})
})
