package replica_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

var _ = Describe("A write that the target gets in one resync, and its disk does in the next", func() {
	var p *pair
	var slow, says func() // let the disk do it, or the target say so

	BeforeEach(func() {
		p = synced(func(c *replica.Config) {
			c.Protocol, c.Handlers = drbdwire.ProtocolA, []string{replica.HandlerBeforeResyncSource}
		})
		says = p.answers(drbdwire.CmdRSWriteAck)
		p.b.hold[replica.Write] = true
		p.a.mustOrder(replica.OrderInvalidateRemote, false)
		p.b.doesWhatItHolds()
		p.a.mustWrite(1, 0, 1) // to a block that is there already
		last := len(p.b.held) - 1
		slow = p.b.held[last]
		p.b.held = p.b.held[:last]
		for p.b.held != nil {
			p.b.doesWhatItHolds()
			p.wait()
		}
		Expect(p.a.status()).To(Equal("Primary/Secondary Connected UpToDate/UpToDate"))

		p.a.hold[replica.Call] = true
		p.a.mustOrder(replica.OrderInvalidateRemote, false)
		p.a.mustWrite(2, 0, 2)
		Expect(p.a.status()).To(Equal("Primary/Secondary StartingSyncS UpToDate/Consistent"))
		p.a.release()
		Expect(p.b.status()).To(Equal("Secondary/Primary SyncTarget Inconsistent/UpToDate"))
	})

	It("says nothing about the marks of that: the source has newer data", func() {
		slow()
		p.run()
		p.b.release()
		p.wait()
		Expect(p.a.status()).To(Equal("Primary/Secondary Connected UpToDate/UpToDate"))
		Expect(p.b.data()[:4096]).To(HaveEach(byte(2)))
	})

	It("leaves the source's marks, too, when a target says that it may take them away", func() {
		says()
		marked, known := p.a.core.OutOfSync(0, 4096)
		Expect(known).To(BeTrue())
		Expect(marked).To(BeTrue())
	})
})
