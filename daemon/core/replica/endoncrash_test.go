package replica_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

var _ = Describe("A source that crashed when its target had everything", func() {
	// crashes is a pair whose target has noted the end of the resync, and whose source has not.
	crashes := func() *pair {
		p := synced()
		p.part()
		p.a.mustWrite(1, 8, 'x')
		p.a.mustOrder(replica.OrderSecondary, false)
		p.b.tap = func(cmd drbdwire.Command, _ []byte, _ uint32) {
			if cmd == drbdwire.CmdState && p.b.core.State().Conn == drbdwire.Connected && p.b.core.State().Disk == drbdwire.UpToDate {
				p.cut, p.a.hold[replica.MetaWrite] = true, true
			}
		}
		p.join()
		p.b.tap = nil
		p.cut = true
		p.a.crash()
		Expect(p.b.super().UUIDs.Bitmap).To(BeZero())
		Expect(p.a.super().UUIDs.Bitmap).NotTo(BeZero())
		Expect(p.b.super().UUIDs.Current &^ 1).To(Equal(p.a.super().UUIDs.Current &^ 1))
		return p
	}
	copies := func(p *pair) {
		GinkgoHelper()
		p.a.mustOrder(replica.OrderConnect, false)
		p.join()
		Expect(p.a.status()).To(Equal("Secondary/Secondary Connected UpToDate/UpToDate"))
		Expect(p.b.disk[16*512]).To(Equal(byte('z')))
		Expect(p.a.data()).To(Equal(p.b.data()))
	}

	It("still knows that when it is promoted by force", func() {
		p := crashes()
		p.a.mustOrder(replica.OrderAttach, false)
		p.a.mustOrder(replica.OrderPrimary, true)
		p.a.mustWrite(900, 16, 'z')
		p.a.mustOrder(replica.OrderSecondary, false)
		copies(p)
	})

	It("still knows that when it is promoted alone, also after crashes", func() {
		p := crashes()
		for range 3 {
			p.a.crash()
			p.a.comesUp(func(c *replica.Config) { c.WFCTimeout, c.DegrWFCTimeout = time.Second, time.Second })
			p.wait()
			p.wait()
			p.a.servesAlone()
		}
		copies(p)
	})
})
