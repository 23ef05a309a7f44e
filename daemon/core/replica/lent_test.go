package replica_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

var _ = Describe("A source of a full resync by order that its target has not heard of", func() {
	DescribeTable("begins a generation before users write, beside a disk that is not in use and may be used alone later", func(writes func(p *pair)) {
		p := synced()
		p.a.mustOrder(replica.OrderSecondary, false)
		p.a.tap = func(cmd drbdwire.Command, _ []byte, _ uint32) {
			p.cut = p.cut || cmd == drbdwire.CmdStateChgReply
		}
		p.b.step(replica.Input{Kind: replica.Order, Order: replica.OrderInvalidate, ID: 90})
		p.run()
		p.part()
		p.a.tap = nil
		Expect(p.b.status()).To(HavePrefix("Secondary/Unknown WFConnection UpToDate/"))
		p.b.mustOrder(replica.OrderDetach, false)
		p.join()
		Expect(p.a.status()).To(Equal("Secondary/Secondary Connected UpToDate/Diskless"))
		writes(p)

		By("the other node starts anew, hears of nobody, and goes on alone with its disk")
		p.part()
		p.b.crash()
		p.b.comesUp(func(c *replica.Config) { c.WFCTimeout = time.Second })
		p.wait()
		p.wait()
		p.b.servesAlone()
		p.join()
		Expect(p.a.core.State().Conn).To(Equal(drbdwire.StandAlone), p.a.status())
		Expect(p.a.disk[4096]).To(Equal(byte('x')))
	},
		Entry("its own", func(p *pair) {
			p.a.mustOrder(replica.OrderPrimary, false)
			p.a.mustWrite(1, 8, 'x')
			p.a.mustOrder(replica.OrderSecondary, false)
		}),
		Entry("those of the peer", func(p *pair) {
			p.b.mustOrder(replica.OrderPrimary, false)
			p.b.mustWrite(1, 8, 'x')
			Expect(p.b.core.Generation()).To(Equal(p.a.core.Generation()))
			p.b.mustOrder(replica.OrderSecondary, false)
		}),
	)
})
