package replica_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

var _ = Describe("A Primary that steps down while it meets its peer", func() {
	It("decides as what it has told the peer that it is", func() {
		p := synced(func(c *replica.Config) {
			c.AfterSB0, c.AfterSB1 = drbdwire.AfterSBDiscardLeastChanges, drbdwire.AfterSBDiscardSecondary
		})
		p.breakLinkForGood()
		for i := range uint64(3) {
			p.a.mustWrite(1+i, 64*i, 'x')
		}
		p.a.mustOrder(replica.OrderSecondary, false)
		p.b.mustOrder(replica.OrderPrimary, false)
		p.b.mustWrite(1, 8, 'y')
		p.b.tap = func(cmd drbdwire.Command, _ []byte, _ uint32) {
			if cmd == drbdwire.CmdState && p.b.core.State().Conn < drbdwire.Connected {
				p.a.hold[replica.Send] = true
			}
		}
		p.heal()
		Expect(p.b.status()).To(HavePrefix("Primary/Unknown WFReportParams "))
		p.b.mustOrder(replica.OrderSecondary, false)
		p.b.tap = nil
		p.a.release()
		p.wait()
		p.wait()
		Expect(p.a.status()).To(Equal("Secondary/Secondary Connected UpToDate/UpToDate"))
		Expect(p.b.status()).To(Equal("Secondary/Secondary Connected UpToDate/UpToDate"))
		Expect(p.a.data()).To(Equal(p.b.data()))
	})
})

var _ = Describe("A Primary whose users wait for its peer", func() {
	It("does not go on alone by order while it meets that", func() {
		p := synced(withFencing(replica.ResourceAndStonith))
		p.a.mustOrder(replica.OrderSecondary, false)
		p.b.mustOrder(replica.OrderPrimary, false)
		p.b.fences(1)
		p.breakLinkForGood()
		p.b.write(1, 8, 'y', 4096)
		p.b.tap = func(cmd drbdwire.Command, _ []byte, _ uint32) {
			if cmd == drbdwire.CmdState && p.b.core.State().Conn < drbdwire.Connected {
				p.a.hold[replica.Send] = true
			}
		}
		p.heal()
		Expect(p.a.status()).To(Equal("Secondary/Primary Connected UpToDate/UpToDate"))
		Expect(p.b.status()).To(HavePrefix("Primary/Unknown WFReportParams "))
		p.b.mustOrder(replica.OrderResumeIO, false)
		p.b.write(2, 16, 'z', 4096)
		p.run()
		Expect(p.b.done).To(BeEmpty(), "the peer takes itself for as good, and lacks it")
		p.b.tap = nil
		p.a.release()
		Expect(p.b.done).To(HaveLen(2))
		Expect(p.b.status()).To(Equal("Primary/Secondary Connected UpToDate/UpToDate"))
		Expect(p.a.data()).To(Equal(p.b.data()))
	})
})
