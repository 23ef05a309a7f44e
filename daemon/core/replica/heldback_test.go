package replica_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

var _ = Describe("A node whose lease has ended", func() {
	It("copies what it has told its users to a peer that has lost that, though both are Secondary then", func() {
		withB := func(c *replica.Config) { c.Protocol = drbdwire.ProtocolB }
		p := synced(withB)
		p.b.hold[replica.Write] = true
		p.a.mustWrite(1, 8, 'x') // it is in the peer's memory
		p.a.step(replica.Input{Kind: replica.Hold, Force: true, Text: "the lease is running out"})
		p.b.crash()
		p.a.step(replica.Input{Kind: replica.Hold, Force: true, Failed: true, Text: "the group is stopped"})
		p.a.mustOrder(replica.OrderSecondary, false)
		p.b.comesUp(withB)
		p.wait()
		Expect(p.a.status()).To(Equal("Secondary/Secondary Connected UpToDate/UpToDate"))
		p.b.mustOrder(replica.OrderPrimary, false)
		p.wait()
		Expect(p.b.disk[4096]).To(Equal(byte('x')))
		Expect(p.a.disk[4096]).To(Equal(byte('x')))
		Expect(p.b.data()).To(Equal(p.a.data()))
	})
})
