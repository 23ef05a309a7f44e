package replica_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

var _ = Describe("A target that had everything, was Primary since and crashed", func() {
	again := func(c *replica.Config) { c.Protocol = drbdwire.ProtocolA }

	DescribeTable("is no target again because its source has crashed as well, and had not noted the end", func(leaves func(*pair)) {
		p := synced(again)
		p.part()
		p.a.mustWrite(1, 8, 'x')
		leaves(p)
		p.b.tap = func(cmd drbdwire.Command, _ []byte, _ uint32) {
			if cmd == drbdwire.CmdState && p.b.core.State().Conn == drbdwire.Connected && p.b.core.State().Disk == drbdwire.UpToDate {
				p.a.hangDisk()
			}
		}
		p.join()
		p.b.tap = nil
		Expect(p.a.status()).To(Equal("Secondary/Secondary Connected UpToDate/UpToDate"))
		Expect(p.a.super().UUIDs.Bitmap).NotTo(BeZero())
		p.b.mustOrder(replica.OrderPrimary, false)
		p.b.mustWrite(2, 8, 'y')

		By("both lose power")
		p.cut = true
		p.b.hangDisk()
		p.a.crash()
		p.b.crash()
		p.a.comesUp(again)
		p.b.comesUp(again)
		p.join()
		Expect(p.a.status()).To(Equal("Secondary/Secondary Connected UpToDate/UpToDate"))
		Expect(p.b.disk[4096]).To(Equal(byte('y')))
		Expect(p.a.disk[4096]).To(Equal(byte('y')))
	}, Entry("", func(p *pair) { p.a.mustOrder(replica.OrderSecondary, false) }),
		Entry("and had crashed as a Primary before", func(p *pair) {
			p.a.crash()
			p.a.comesUp(again)
		}))
})
