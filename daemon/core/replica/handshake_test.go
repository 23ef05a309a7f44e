package replica_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

var _ = Describe("A Primary whose disk fails in a handshake, before the last word of that", func() {
	// meets lets the two meet. What the Primary has asked of its disk fails when it has
	// the generations of its peer, and not yet the state.
	meets := func(p *pair) {
		GinkgoHelper()
		p.a.hold[replica.Write] = true
		p.a.write(2, 16, 'y', 4096)
		p.b.tap = func(cmd drbdwire.Command, _ []byte, _ uint32) {
			if cmd == drbdwire.CmdState && p.b.core.State().Conn == drbdwire.WFReportParams {
				p.b.tap = nil
				p.queue = append(p.queue, func() {
					Expect(p.a.core.State().Conn).To(Equal(drbdwire.WFReportParams))
					p.now += 3 * time.Second
					p.a.step(replica.Input{Kind: replica.Tick})
					Expect(p.a.core.State().Disk).To(Equal(drbdwire.Diskless))
				})
			}
		}
		p.join()
		Expect(p.b.tap).To(BeNil())
	}

	It("does not go on with a copy that is older than what its users have seen", func() {
		p := synced(func(c *replica.Config) { c.DiskTimeout, c.PingTimeout = 3*time.Second, 5*time.Second })
		p.part()
		p.a.mustWrite(1, 8, 'x')
		meets(p)
		Expect(p.a.status()).To(Equal("Primary/Unknown Disconnecting Diskless/DUnknown"))
		p.a.step(replica.Input{Kind: replica.Request, Op: replica.OpRead, ID: 3, Sector: 8, Size: 4096})
		p.run()
		Expect(p.a.done[3].Failed).To(BeTrue())
	})
})
