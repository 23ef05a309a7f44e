package peerlink_test

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/daemon/driver/peerlink"
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

const soon = time.Minute

// works waits until pings pass on both sockets, both ways, of the newest links.
// A pair that one side took for good while the other gave it up ends soon.
func works(ctx SpecContext, a, b *node) {
	GinkgoHelper()
	Eventually(func() bool {
		a.ping()
		b.ping()
		return a.pinged() && b.pinged()
	}).WithContext(ctx).WithTimeout(soon).Should(BeTrue())
}

// ping sends a packet on each socket of the newest link.
func (n *node) ping() {
	if ups := n.heard("up"); len(ups) > 0 {
		conn := ups[len(ups)-1].conn
		n.Send(conn, replica.MetaSocket, packet(drbdwire.CmdPing, "", 0), 0, 0)
		n.Send(conn, replica.DataSocket, packet(drbdwire.CmdUnplugRemote, "", 0), 0, 0)
	}
}

// pinged says whether something came on each socket of the newest link.
func (n *node) pinged() bool {
	ups := n.heard("up")
	var on [2]bool
	for _, e := range n.heard("packet") {
		if len(ups) > 0 && e.conn == ups[len(ups)-1].conn {
			on[e.socket] = true
		}
	}
	return on[0] && on[1]
}

// say opens a socket to a node and writes b.
func say(from string, to netip.AddrPort, b []byte) net.Conn {
	GinkgoHelper()
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	var conn net.Conn
	Eventually(func() (err error) {
		conn, err = dialer.Dial("tcp", to.String())
		return err
	}).WithTimeout(soon).Should(Succeed())
	DeferCleanup(func() { _ = conn.Close() })
	_, err := conn.Write(b)
	Expect(err).NotTo(HaveOccurred())
	return conn
}

// closed waits until the other end has closed a socket, and returns what it
// said before.
func closed(conn net.Conn) []byte {
	GinkgoHelper()
	Expect(conn.SetReadDeadline(time.Now().Add(soon))).To(Succeed())
	said, err := io.ReadAll(conn)
	if err != nil {
		Expect(err).NotTo(MatchError(ContainSubstring("timeout")))
	}
	return said
}

func initial(command drbdwire.Command) []byte {
	return drbdwire.AppendHeader(nil, drbdwire.H80, drbdwire.Header{Command: command})
}

var _ = Describe("Two nodes", func() {
	for seed := range uint64(12) {
		It(fmt.Sprintf("find each other when both start at once (%d)", seed), func(ctx SpecContext) {
			left, right := address(), address()
			a, b := newNode(left, right, 2*seed), newNode(right, left, 2*seed+1)
			a.dialAgain()
			b.dialAgain()
			a.Dial()
			b.Dial()
			works(ctx, a, b)
			as, bs := a.heard("up"), b.heard("up")
			Expect(as[len(as)-1].resolve).NotTo(Equal(bs[len(bs)-1].resolve), "one of them accepted the meta socket")
		})
	}

	It("find each other when one comes late", func(ctx SpecContext) {
		left, right := address(), address()
		a, b := newNode(left, right, 1), newNode(right, left, 2)
		a.Dial()
		Eventually(a.said).WithContext(ctx).Should(ContainElement(ContainSubstring("connection refused")))
		b.Dial()
		Eventually(a.count("up")).WithContext(ctx).WithTimeout(soon).Should(Equal(1))
		Eventually(b.count("up")).WithContext(ctx).WithTimeout(soon).Should(Equal(1))
		works(ctx, a, b)
		Expect(a.said()).To(HaveLen(1), "the same reason is told once")
	})

	It("find each other again and again when one is hung up at any moment", func(ctx SpecContext) {
		random := rand.New(rand.NewPCG(7, 7))
		left, right := address(), address()
		a, b := newNode(left, right, 3), newNode(right, left, 4)
		a.dialAgain()
		a.Dial()
		for range 15 {
			b.Dial()
			<-time.After(time.Duration(random.IntN(120)) * time.Millisecond)
			b.Hangup()
		}
		b.dialAgain()
		b.Dial()
		works(ctx, a, b)
	})

	It("get numbers for their links that were never used", func(ctx SpecContext) {
		a, b := linked(ctx)
		a.Hangup()
		Eventually(b.count("down")).WithContext(ctx).Should(Equal(1))
		a.Dial()
		b.Dial()
		Eventually(b.count("up")).WithContext(ctx).WithTimeout(soon).Should(Equal(2))
		Expect(b.heard("up")[0].conn).To(Equal(uint32(1)))
		Expect(b.heard("up")[1].conn).To(Equal(uint32(2)))
	})
})

var _ = Describe("A node", func() {
	var (
		a          *node
		own, other netip.AddrPort
	)
	BeforeEach(func() {
		own, other = address(), address()
		a = newNode(own, other, 5)
	})

	It("links with a peer that only accepts, and does not resolve conflicts then", func(ctx SpecContext) {
		listener, err := net.Listen("tcp", other.String())
		Expect(err).NotTo(HaveOccurred())
		defer func() { _ = listener.Close() }()
		a.Dial()
		for _, want := range []drbdwire.Command{drbdwire.CmdInitialData, drbdwire.CmdInitialMeta} {
			conn, err := listener.Accept()
			Expect(err).NotTo(HaveOccurred())
			defer func() { _ = conn.Close() }()
			first := make([]byte, 8)
			_, err = io.ReadFull(conn, first)
			Expect(err).NotTo(HaveOccurred())
			Expect(first).To(Equal(initial(want)))
		}
		Eventually(a.count("up")).WithContext(ctx).WithTimeout(soon).Should(Equal(1))
		Expect(a.heard("up")[0].resolve).To(BeFalse())
	})

	It("links with a peer that only dials, and resolves conflicts then", func(ctx SpecContext) {
		a.Dial()
		say("127.0.0.1", own, initial(drbdwire.CmdInitialData))
		say("127.0.0.1", own, initial(drbdwire.CmdInitialMeta))
		Eventually(a.count("up")).WithContext(ctx).WithTimeout(soon).Should(Equal(1))
		Expect(a.heard("up")[0].resolve).To(BeTrue())
	})

	It("takes the newer of two data sockets", func(ctx SpecContext) {
		a.Dial()
		old := say("127.0.0.1", own, initial(drbdwire.CmdInitialData))
		say("127.0.0.1", own, initial(drbdwire.CmdInitialData))
		Expect(closed(old)).To(BeEmpty())
		say("127.0.0.1", own, initial(drbdwire.CmdInitialMeta))
		Eventually(a.count("up")).WithContext(ctx).WithTimeout(soon).Should(Equal(1))
	})

	It("does not link with a data socket that died meanwhile", func(ctx SpecContext) {
		a.Dial()
		Expect(say("127.0.0.1", own, initial(drbdwire.CmdInitialData)).Close()).To(Succeed())
		say("127.0.0.1", own, initial(drbdwire.CmdInitialMeta))
		Consistently(a.count("up")).WithContext(ctx).WithTimeout(200 * time.Millisecond).Should(BeZero())
		say("127.0.0.1", own, initial(drbdwire.CmdInitialData))
		Eventually(a.count("up")).WithContext(ctx).WithTimeout(soon).Should(Equal(1))
	})

	DescribeTable("closes a socket whose first packet is not one of the two", func(ctx SpecContext, first []byte) {
		a.Dial()
		Expect(closed(say("127.0.0.1", own, first))).To(BeEmpty())
		Eventually(a.said).WithContext(ctx).Should(ContainElement(ContainSubstring("first packet")))
		say("127.0.0.1", own, initial(drbdwire.CmdInitialData))
		say("127.0.0.1", own, initial(drbdwire.CmdInitialMeta))
		Eventually(a.count("up")).WithContext(ctx).WithTimeout(soon).Should(Equal(1))
	},
		Entry("a web browser", []byte("GET / HTTP/1.1\r\n")),
		Entry("another packet", packet(drbdwire.CmdPing, "", 0)),
		Entry("a payload", drbdwire.AppendHeader(nil, drbdwire.H80, drbdwire.Header{
			Command: drbdwire.CmdInitialData, Length: 8,
		})),
		Entry("another header", drbdwire.AppendHeader(nil, drbdwire.H95, drbdwire.Header{
			Command: drbdwire.CmdInitialData,
		})),
		Entry("nothing for too long", []byte{0x83}),
	)

	It("accepts from the peer's address only", func(ctx SpecContext) {
		a.Dial()
		Expect(closed(say("127.0.0.2", own, initial(drbdwire.CmdInitialData)))).To(BeEmpty())
		Eventually(a.said).WithContext(ctx).Should(ContainElement(ContainSubstring("not the peer, which is 127.0.0.1")))
	})

	It("says why it can't listen, and goes on when it can", func(ctx SpecContext) {
		taken, err := net.Listen("tcp", own.String())
		Expect(err).NotTo(HaveOccurred())
		a.Dial()
		Eventually(a.said).WithContext(ctx).Should(ContainElement(ContainSubstring("address already in use")))
		Expect(taken.Close()).To(Succeed())
		say("127.0.0.1", own, initial(drbdwire.CmdInitialData))
		say("127.0.0.1", own, initial(drbdwire.CmdInitialMeta))
		Eventually(a.count("up")).WithContext(ctx).WithTimeout(soon).Should(Equal(1))
	})

	It("stops looking at a Hangup, and hears nothing of it", func() {
		a.Dial()
		a.Dial()
		conn := say("127.0.0.1", own, nil)
		a.Hangup()
		closed(conn)
		a.Close()
		a.Dial()
		Expect(a.heard("up")).To(BeEmpty())
		Expect(a.heard("down")).To(BeEmpty())
		_, err := net.Dial("tcp", own.String())
		Expect(err).To(HaveOccurred())
	})

	It("needs two addresses, random numbers and buffers", func() {
		for _, config := range []peerlink.Config{
			{Local: own, Rand: a.config.Rand, Pool: a.pool},
			{Local: own, Peer: other, Pool: a.pool},
			{Local: own, Peer: other, Rand: a.config.Rand},
		} {
			_, err := peerlink.New(config, a)
			Expect(err).To(HaveOccurred())
		}
	})
})
