package replica_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

var _ = Describe("A Primary that has pulled ahead", func() {
	// pulledAhead has told its users of writes that the peer was not sent.
	pulledAhead := func(change ...func(*replica.Config)) *pair {
		p := synced(append(change, func(c *replica.Config) {
			c.Protocol, c.OnCongestion, c.CongestionFill = drbdwire.ProtocolA, replica.CongestionPullsAhead, 256
		})...)
		p.b.hold[replica.Write] = true
		for i := range uint64(10) {
			p.a.write(100+i, 64*i, byte('a'+i), 32<<10)
			p.run()
		}
		p.b.release()
		Expect(p.a.status()).To(Equal("Primary/Secondary Ahead UpToDate/Consistent"))
		Expect(p.a.done).To(HaveLen(10))
		return p
	}

	DescribeTable("and has stepped down is the source when they meet again", func(then func(p *pair)) {
		p := pulledAhead()
		p.a.step(replica.Input{Kind: replica.Order, Order: replica.OrderSecondary, ID: 90})
		p.a.tap = func(drbdwire.Command, []byte, uint32) { p.cut = true } // it catches up with nothing
		p.run()
		p.a.tap = nil
		Expect(p.a.answers[90].Code).To(Equal(drbdwire.Success))
		then(p)
		p.b.release()
		p.join()
		p.b.mustOrder(replica.OrderPrimary, false)
		p.wait()
		Expect(p.b.status()).To(Equal("Primary/Secondary Connected UpToDate/UpToDate"))
		Expect(p.b.disk[64*9*512]).To(Equal(byte('j')))
		Expect(p.a.data()).To(Equal(p.b.data()))
	},
		Entry("after a broken connection", func(p *pair) { p.part() }),
		Entry("after a crash", func(p *pair) {
			p.a.crash()
			p.a.comesUp(func(c *replica.Config) { c.Protocol = drbdwire.ProtocolA })
		}),
	)

	It("keeps its peer from counting as good when that is back while users wait for it to be fenced", func() {
		p := pulledAhead(withFencing(replica.ResourceAndStonith))
		p.a.hold[replica.Call] = true
		p.part()
		Expect(p.a.core.State().SuspFencing).To(BeTrue())
		p.a.hold[replica.MetaWrite] = true
		p.join()
		Expect(p.a.status()).To(HavePrefix("Primary/Secondary "))
		Expect(p.b.core.State().Disk).NotTo(Equal(drbdwire.UpToDate))
	})
})
