package replica_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

var _ = Describe("A Primary that sends again what protocol B has told", func() {
	var p *pair
	BeforeEach(func() {
		p = synced(withFencing(replica.ResourceAndStonith), func(c *replica.Config) { c.Protocol = drbdwire.ProtocolB })
		p.a.fences(1)
		p.b.hold[replica.Write] = true
		p.a.write(1, 8, 'x', 8192)
		p.run()
		p.a.mustWrite(2, 16, 'y') // over the second half of it
		p.breakLinkForGood()
		p.b.release()
		Expect(p.b.disk[8*512]).To(Equal(byte('x')))
		Expect(p.b.disk[16*512]).To(Equal(byte('y')))
	})

	It("sends nothing over a part of which a later write came, for the peer may have to go on in between", func() {
		p.a.tap = func(cmd drbdwire.Command, _ []byte, _ uint32) {
			p.a.hold[replica.Send] = p.a.hold[replica.Send] || cmd == drbdwire.CmdData
		}
		p.heal()
		p.a.tap = nil
		p.a.crash()
		p.b.fences(7)
		p.b.mustOrder(replica.OrderPrimary, false)
		Expect(p.b.disk[16*512]).To(Equal(byte('y')))
	})

	It("copies what it does not send", func() {
		p.join()
		expectSynced(p)
		Expect(p.b.disk[8*512]).To(Equal(byte('x')))
		Expect(p.b.disk[16*512]).To(Equal(byte('y')))
	})
})
