package replica_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

var _ = Describe("A node whose lease has ended", func() {
	var p *pair
	withB := func(c *replica.Config) { c.Protocol = drbdwire.ProtocolB }

	BeforeEach(func() {
		p = synced(withB)
		p.b.hold[replica.Write] = true
		p.a.mustWrite(1, 8, 'x') // it is in the peer's memory
		p.a.step(replica.Input{Kind: replica.Hold, Force: true, Text: "the lease is running out"})
		p.b.crash()
	})

	ends := func() {
		GinkgoHelper()
		p.a.step(replica.Input{Kind: replica.Hold, Force: true, Failed: true, Text: "the group is stopped"})
		p.a.mustOrder(replica.OrderSecondary, false)
	}
	isCopied := func() {
		GinkgoHelper()
		Expect(p.a.status()).To(Equal("Secondary/Secondary Connected UpToDate/UpToDate"))
		p.b.mustOrder(replica.OrderPrimary, false)
		p.wait()
		Expect(p.b.disk[4096]).To(Equal(byte('x')))
		Expect(p.a.disk[4096]).To(Equal(byte('x')))
		Expect(p.b.data()).To(Equal(p.a.data()))
	}

	It("copies what it has told its users to a peer that has lost that, though both are Secondary then", func() {
		ends()
		p.b.comesUp(withB)
		p.wait()
		isCopied()
	})

	It("does so also when its lease ends while it meets the peer, which was told of nothing", func() {
		p.b.tap = func(cmd drbdwire.Command, _ []byte, _ uint32) {
			p.b.hold[replica.Send] = p.b.hold[replica.Send] || cmd == drbdwire.CmdProtocol // what comes next is late
		}
		p.b.comesUp(withB)
		p.b.tap = nil
		Expect(p.a.core.State().Conn).To(Equal(drbdwire.WFReportParams))
		ends()
		p.b.release()
		p.wait()
		p.wait()
		isCopied()
	})
})

var _ = Describe("What protocol B has told, and only the memory of a Secondary has when its Primary dies", func() {
	withB := func(c *replica.Config) { c.Protocol = drbdwire.ProtocolB }
	for _, order := range []replica.OrderKind{replica.OrderShutdown, replica.OrderDetach} {
		It("is written before the disk is let go, order "+order.String(), func() {
			p := synced(withB)
			p.b.hold[replica.Write] = true
			p.a.mustWrite(1, 8, 'x')
			p.a.mustWrite(2, 8, 'y') // which waits there until the first one is written
			p.cut = true
			p.a.crash()
			p.b.step(replica.Input{Kind: replica.Order, Order: order, ID: 70})
			p.run()
			p.b.release()
			p.wait()
			Expect(p.b.answers).To(HaveKeyWithValue(uint64(70), HaveField("Code", drbdwire.Success)))
			Expect(p.b.disk[4096]).To(Equal(byte('y')))
		})
	}

	It("is written before the disk is let go by order, though the Primary is back without its own", func() {
		p := synced(withB)
		p.b.hold[replica.Write] = true
		p.a.mustWrite(1, 8, 'x')
		p.a.mustWrite(2, 8, 'y')
		p.a.crash()
		cfg := config()
		withB(&cfg)
		p.a.core = replica.New(cfg)
		p.a.mustOrder(replica.OrderConnect, false)
		Expect(p.b.status()).To(HavePrefix("Secondary/Secondary Connected "))
		p.b.step(replica.Input{Kind: replica.Order, Order: replica.OrderDetach, ID: 70})
		p.run()
		p.b.release()
		p.wait()
		Expect(p.b.answers).To(HaveKeyWithValue(uint64(70), HaveField("Code", drbdwire.Success)))
		Expect(p.b.disk[4096]).To(Equal(byte('y')))
	})
})
