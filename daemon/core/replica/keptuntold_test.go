package replica_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

var _ = Describe("A standby whose disk fails a write and is kept, with on-io-error pass_on", func() {
	var p *pair
	passOn := func(c *replica.Config) { c.PassOn = true }

	BeforeEach(func() {
		p = synced(passOn)
		p.b.hold[replica.MetaWrite] = true
		p.b.badData = true
		p.a.write(1, 8, 'x', 4096)
		p.run()
		p.b.badData = false
	})

	It("is copied the write, also when it loses power before its disk says so", func() {
		p.a.step(replica.Input{Kind: replica.Order, Order: replica.OrderSecondary, ID: 90})
		p.run()
		p.b.crash()
		p.run()
		Expect(p.a.done[1].Failed).To(BeFalse())
		Expect(p.a.core.State().Role).To(Equal(drbdwire.Secondary))
		p.b.comesUp(passOn)
		p.wait()
		Expect(p.b.status()).To(Equal("Secondary/Secondary Connected UpToDate/UpToDate"))
		p.b.mustOrder(replica.OrderPrimary, false)
		p.wait()
		Expect(p.b.disk[4096]).To(Equal(byte('x')))
		Expect(p.a.disk[4096]).To(Equal(byte('x')))
	})

	It("says so when that is on its disk, whatever else it says meanwhile", func() {
		p.b.mustOrder(replica.OrderPauseSync, false)
		Expect(p.a.core.State().PeerDisk).To(Equal(drbdwire.UpToDate))
		Expect(p.a.done).NotTo(HaveKey(uint64(1)))
		p.b.release()
		Expect(p.a.status()).To(Equal("Primary/Secondary Connected UpToDate/Inconsistent"))
		Expect(p.a.done[1].Failed).To(BeFalse())
	})

	It("is parted from when it owes that for longer than ko-count times timeout", func() {
		p.pass(45 * time.Second)
		Expect(p.a.status()).To(Equal("Primary/Unknown WFConnection UpToDate/DUnknown"))
		Expect(p.a.done[1].Failed).To(BeFalse())
	})

	It("does not agree when its Primary, which has not heard of that, is to detach the other disk", func() {
		p.a.step(replica.Input{Kind: replica.Order, Order: replica.OrderDetach, ID: 91})
		p.run()
		Expect(p.a.answers[91].Code).To(Equal(drbdwire.NoUpToDateDisk))
	})
})
