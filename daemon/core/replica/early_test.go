package replica_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

// A kernel pings as soon as it has what it wants of the handshake; the sockets
// are read independently of each other, so the ping may be seen before what was
// sent on the other socket.
var _ = Describe("A ping that overtakes the handshake", func() {
	DescribeTable("is answered when it is known how", func(change ...func(*replica.Config)) {
		p := newPair(change...)
		for _, e := range []*end{p.a, p.b} {
			e.mustOrder(replica.OrderAttach, false)
			e.step(replica.Input{Kind: replica.Order, Order: replica.OrderConnect, ID: 1})
		}
		for p.b.core.State().Conn != drbdwire.WFReportParams {
			p.queue[0]()
			p.queue = p.queue[1:]
		}
		Expect(p.a.core.State().Conn).To(Equal(drbdwire.WFConnection))
		p.a.step(replica.Input{
			Kind: replica.Packet, Conn: p.a.conn, Socket: replica.MetaSocket, Command: drbdwire.CmdPing,
		})
		p.run()
		p.wait()
		Expect(p.a.status()).To(Equal("Secondary/Secondary Connected Inconsistent/Inconsistent"))
		Expect(p.a.sent).To(ContainElement(drbdwire.CmdPingAck))
		Expect(p.a.core.Status().Note).To(BeEmpty())
		Expect(p.conns).To(BeEquivalentTo(1), "the first connection is the one that stands")
	},
		Entry("before the features"),
		Entry("before the end of the authentication", func(c *replica.Config) {
			c.CramAlg, c.SharedSecret = "sha1", "optionc secret"
		}),
	)
})

var _ = Describe("An order to become Primary that comes before the peer's word that it has stepped down", func() {
	It("waits for that word", func() {
		p := synced()
		p.b.step(replica.Input{Kind: replica.Order, Order: replica.OrderPrimary, ID: 90})
		p.run()
		Expect(p.b.answers).NotTo(HaveKey(uint64(90)))
		p.a.mustOrder(replica.OrderSecondary, false)
		p.run()
		Expect(p.b.answers[90].Code).To(Equal(drbdwire.Success))
		Expect(p.b.status()).To(Equal("Primary/Secondary Connected UpToDate/UpToDate"))
	})

	It("is refused when the peer stays Primary for longer than a ping may take", func() {
		p := synced()
		p.b.step(replica.Input{Kind: replica.Order, Order: replica.OrderPrimary, ID: 90})
		p.wait()
		Expect(p.b.answers[90].Code).To(Equal(drbdwire.TwoPrimaries))
	})

	It("is refused when the connection is lost meanwhile: the peer may have gone on", func() {
		p := synced()
		p.b.step(replica.Input{Kind: replica.Order, Order: replica.OrderPrimary, ID: 90})
		p.run()
		p.part()
		Expect(p.b.answers[90].Code).To(Equal(drbdwire.TwoPrimaries))
		Expect(p.b.core.State().Role).To(Equal(drbdwire.Secondary))
	})
})

// On a link that is slow for all that is sent on it.
var _ = Describe("A ping whose answer waits behind data", func() {
	It("does not end the connection while data comes in", func() {
		p := synced()
		p.cut = true
		b := p.b
		sent := len(b.sent)
		p.now = b.core.Deadline() // after ping-int of silence
		b.step(replica.Input{Kind: replica.Tick})
		Expect(b.sent[sent:]).To(ContainElement(drbdwire.CmdPing))
		timeout := b.core.Deadline()
		p.now = timeout - 1
		b.step(replica.Input{
			Kind: replica.Packet, Conn: b.conn, Socket: replica.DataSocket, Command: drbdwire.CmdUnplugRemote,
		})
		p.now = timeout
		b.step(replica.Input{Kind: replica.Tick})
		Expect(b.core.State().Conn).To(Equal(drbdwire.Connected))
		p.now = b.core.Deadline()
		Expect(p.now - timeout).To(BeNumerically("<=", config().PingTimeout))
		b.step(replica.Input{Kind: replica.Tick})
		Expect(b.core.State().Conn).To(BeNumerically("<", drbdwire.Connected))
	})
})
