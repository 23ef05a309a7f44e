package peerlink_test

import (
	"bytes"
	"net"
	"runtime"
	"strings"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/daemon/driver/peerlink"
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

// dataFields is the fixed part of a P_DATA.
const dataFields = "sector..block-id0001flag"

// send sends a data packet with a block of size times a letter.
func (n *node) send(letter byte, size int) {
	GinkgoHelper()
	buf := n.pool.Get(size)
	copy(n.pool.Bytes(buf), bytes.Repeat([]byte{letter}, size))
	n.Send(1, replica.DataSocket, packet(drbdwire.CmdData, dataFields, size), buf, uint32(size))
	n.pool.Release(buf)
}

// bulks are the first letters and the sizes of the blocks that came.
func (n *node) bulks() (letters string, bytes int) {
	for _, e := range n.heard("packet") {
		if e.bulk != "" {
			letters += e.bulk[:1]
			bytes += len(e.bulk)
		}
	}
	return letters, bytes
}

// rawLink is a node with a link to a peer that is just two sockets.
func rawLink(ctx SpecContext, change ...func(*peerlink.Config)) (a *node, data, meta net.Conn) {
	GinkgoHelper()
	own := address()
	a = newNode(own, address(), 5, change...)
	a.Dial()
	data = say("127.0.0.1", own, initial(drbdwire.CmdInitialData))
	meta = say("127.0.0.1", own, initial(drbdwire.CmdInitialMeta))
	Eventually(a.count("up")).WithContext(ctx).WithTimeout(soon).Should(Equal(1))
	return a, data, meta
}

var _ = Describe("A link", func() {
	It("carries packets of both sockets with their blocks", func(ctx SpecContext) {
		a, b := linked(ctx)
		a.send('x', 4096)
		a.Send(1, replica.MetaSocket, packet(drbdwire.CmdWriteAck, strings.Repeat("a", 24), 0), 0, 0)
		Eventually(b.count("packet")).WithContext(ctx).Should(Equal(2))
		for _, e := range b.heard("packet") {
			Expect(e.conn).To(Equal(uint32(1)))
			if e.socket == replica.MetaSocket {
				Expect(e.header).To(Equal(drbdwire.Header{Command: drbdwire.CmdWriteAck, Length: 24}))
				Expect(e.data).To(Equal(strings.Repeat("a", 24)))
				continue
			}
			Expect(e.header).To(Equal(drbdwire.Header{Command: drbdwire.CmdData, Length: 24 + 4096}))
			Expect(e.data).To(Equal(dataFields))
			Expect(e.bulk).To(Equal(strings.Repeat("x", 4096)))
		}
	})

	It("keeps the order of one socket, whatever the sizes", func(ctx SpecContext) {
		a, b := linked(ctx)
		want, size := "", 0
		for i := range 300 {
			letter, n := byte('a'+i%26), 512<<(i%12)
			a.send(letter, n)
			want, size = want+string(letter), size+n
			if i%7 == 0 {
				a.Send(1, replica.DataSocket, packet(drbdwire.CmdUnplugRemote, "", 0), 0, 0)
			}
		}
		Eventually(func() int { _, n := b.bulks(); return n }).WithContext(ctx).WithTimeout(soon).Should(Equal(size))
		letters, _ := b.bulks()
		Expect(letters).To(Equal(want))
		Expect(b.heard("bad")).To(BeEmpty())
	})

	It("copies what it is to send", func(ctx SpecContext) {
		a, b := linked(ctx)
		again := make([]byte, 0, 100)
		for i := range 100 {
			again = append(again[:0], packet(drbdwire.CmdBarrier, "12345678", 0)...)
			again[len(again)-1] = byte(i)
			a.Send(1, replica.DataSocket, again, 0, 0)
		}
		Eventually(b.count("packet")).WithContext(ctx).Should(Equal(100))
		for i, e := range b.heard("packet") {
			Expect(e.data).To(Equal("1234567" + string([]byte{byte(i)})))
		}
	})

	It("says when all has left", func(ctx SpecContext) {
		a, _ := linked(ctx)
		Expect(a.Queued(1)).To(BeZero())
		a.send('x', 4096)
		Eventually(a.count("sent")).WithContext(ctx).Should(BeNumerically(">=", 1))
		Expect(a.Queued(1)).To(BeZero())
	})

	It("never waits for the peer, and lets acks pass while data are stuck", func(ctx SpecContext) {
		a, _, meta := rawLink(ctx)
		block := a.pool.Get(1 << 20)
		for range 64 {
			a.Send(1, replica.DataSocket, packet(drbdwire.CmdData, dataFields, 1<<20), block, 1<<20)
		}
		a.pool.Release(block)
		Expect(a.Queued(1)).To(BeNumerically(">", 10<<20))
		a.Send(1, replica.MetaSocket, packet(drbdwire.CmdPingAck, "", 0), 0, 0)
		ack := make([]byte, 16)
		Expect(meta.SetReadDeadline(time.Now().Add(soon))).To(Succeed())
		_, err := meta.Read(ack)
		Expect(err).NotTo(HaveOccurred())
		Expect(ack).To(Equal(packet(drbdwire.CmdPingAck, "", 0)))
		Expect(a.Queued(1)).To(BeNumerically(">", 10<<20), "the data are stuck")
	})

	It("lets acks in while the sink is busy with data", func(ctx SpecContext) {
		a, b := linked(ctx)
		gate := b.shut()
		a.send('x', 512)
		a.Send(1, replica.MetaSocket, packet(drbdwire.CmdPing, "", 0), 0, 0)
		gate <- struct{}{}
		gate <- struct{}{}
		Eventually(b.count("packet")).WithContext(ctx).Should(Equal(2))
	})

	It("can be used by many at once", func(ctx SpecContext) {
		a, b := linked(ctx)
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				for range 200 {
					a.Send(1, replica.DataSocket, packet(drbdwire.CmdBarrier, "12345678", 0), 0, 0)
					a.Send(1, replica.MetaSocket, packet(drbdwire.CmdBarrierAck, "12345678", 0), 0, 0)
				}
			})
		}
		all.Wait()
		Eventually(b.count("packet")).WithContext(ctx).WithTimeout(soon).Should(Equal(3200))
		Expect(b.heard("bad")).To(BeEmpty())
	})

	It("knows the digest that the peer announces", func(ctx SpecContext) {
		a, b := linked(ctx)
		protocol := drbdwire.Protocol{Wire: 3, IntegrityAlg: "sha1"}.Append(nil)
		a.Send(1, replica.DataSocket, packet(drbdwire.CmdProtocol, string(protocol), 0), 0, 0)
		digest := strings.Repeat("d", 20)
		block := a.pool.Get(512)
		defer a.pool.Release(block)
		a.Send(1, replica.DataSocket, packet(drbdwire.CmdData, dataFields+digest, 512), block, 512)
		protocol = drbdwire.Protocol{Wire: 3}.Append(nil)
		a.Send(1, replica.DataSocket, packet(drbdwire.CmdProtocolUpdate, string(protocol), 0), 0, 0)
		a.Send(1, replica.DataSocket, packet(drbdwire.CmdData, dataFields, 512), block, 512)
		Eventually(b.count("packet")).WithContext(ctx).Should(Equal(4))
		Expect(b.heard("packet")[1].data).To(Equal(dataFields + digest))
		Expect(b.heard("packet")[3].data).To(Equal(dataFields))
	})
})

var _ = Describe("A link ends", func() {
	It("once on each side when one hangs up, after what was queued", func(ctx SpecContext) {
		a, b := linked(ctx)
		for range 50 {
			a.send('x', 64<<10)
		}
		a.Hangup()
		Eventually(a.count("down")).WithContext(ctx).WithTimeout(soon).Should(Equal(1))
		Eventually(b.count("down")).WithContext(ctx).WithTimeout(soon).Should(Equal(1))
		Expect(a.heard("down")[0].err).To(MatchError("hung up"))
		Expect(b.heard("down")[0].err).To(MatchError(MatchRegexp("(data|meta) socket: closed by the peer")))
		a.Send(1, replica.DataSocket, []byte("late"), 0, 0)
		Expect(a.Queued(1)).To(BeZero())
		Expect(b.heard("bad")).To(BeEmpty())
	})

	It("with all that was queued before a Hangup", func(ctx SpecContext) {
		a, b := linked(ctx)
		for range 50 {
			a.Send(1, replica.DataSocket, packet(drbdwire.CmdBarrier, "12345678", 0), 0, 0)
		}
		a.Hangup()
		Eventually(b.count("down")).WithContext(ctx).WithTimeout(soon).Should(Equal(1))
		Expect(b.heard("packet")).To(HaveLen(50))
	})

	It("when the peer closes either socket", func(ctx SpecContext) {
		for _, which := range []string{"data", "meta"} {
			a, data, meta := rawLink(ctx)
			Expect(map[string]net.Conn{"data": data, "meta": meta}[which].Close()).To(Succeed())
			Eventually(a.count("down")).WithContext(ctx).Should(Equal(1))
			Expect(a.heard("down")[0].err).To(MatchError(which + " socket: closed by the peer"))
		}
	})

	It("when the peer dies in the middle of a packet", func(ctx SpecContext) {
		for _, cut := range []int{2, 10, 20, 100} {
			a, data, _ := rawLink(ctx)
			whole := append(packet(drbdwire.CmdData, dataFields, 512), make([]byte, 512)...)
			_, err := data.Write(whole[:cut])
			Expect(err).NotTo(HaveOccurred())
			Expect(data.Close()).To(Succeed())
			Eventually(a.count("down")).WithContext(ctx).Should(Equal(1))
			Expect(a.heard("down")[0].err).To(MatchError(HaveSuffix("unexpected EOF")))
		}
	})

	It("when the peer takes nothing for the send timeout", func(ctx SpecContext) {
		a, _, _ := rawLink(ctx, func(c *peerlink.Config) { c.SendTimeout = 50 * time.Millisecond })
		block := a.pool.Get(1 << 20)
		for range 64 {
			a.Send(1, replica.DataSocket, packet(drbdwire.CmdData, dataFields, 1<<20), block, 1<<20)
		}
		a.pool.Release(block)
		Eventually(a.count("down")).WithContext(ctx).WithTimeout(soon).Should(Equal(1))
		Expect(a.heard("down")[0].err).To(MatchError("data socket: the peer took nothing for the send timeout of 50ms"))
	})

	It("soon after a Hangup, even when the peer takes nothing", func(ctx SpecContext) {
		a, _, _ := rawLink(ctx)
		block := a.pool.Get(1 << 20)
		for range 64 {
			a.Send(1, replica.DataSocket, packet(drbdwire.CmdData, dataFields, 1<<20), block, 1<<20)
		}
		a.pool.Release(block)
		a.Hangup()
		Eventually(a.count("down")).WithContext(ctx).WithTimeout(soon).Should(Equal(1))
	})

	It("when the peer goes and there is no buffer for its last packet", func(ctx SpecContext) {
		a, data, meta := rawLink(ctx)
		var taken []replica.Buf
		for buf := a.pool.TryGet(1 << 20); buf != 0; buf = a.pool.TryGet(1 << 20) {
			taken = append(taken, buf)
		}
		_, err := data.Write(append(packet(drbdwire.CmdData, dataFields, 512), make([]byte, 512)...))
		Expect(err).NotTo(HaveOccurred())
		Expect(meta.Close()).To(Succeed())
		Eventually(a.count("down")).WithContext(ctx).WithTimeout(soon).Should(Equal(1))
		for _, buf := range taken {
			a.pool.Release(buf)
		}
	})

	It("when it waits for a buffer", func(ctx SpecContext) {
		a, data, _ := rawLink(ctx)
		var taken []replica.Buf
		for buf := a.pool.TryGet(1 << 20); buf != 0; buf = a.pool.TryGet(1 << 20) {
			taken = append(taken, buf)
		}
		_, err := data.Write(append(packet(drbdwire.CmdData, dataFields, 512), make([]byte, 512)...))
		Expect(err).NotTo(HaveOccurred())
		a.Hangup()
		Eventually(a.count("down")).WithContext(ctx).WithTimeout(soon).Should(Equal(1))
		for _, buf := range taken {
			a.pool.Release(buf)
		}
	})

	It("and leaves no goroutine behind", func(ctx SpecContext) {
		a, b := linked(ctx)
		before := runtime.NumGoroutine()
		a.Close()
		b.Close()
		Expect(a.count("down")()).To(Equal(1))
		Expect(b.count("down")()).To(Equal(1))
		Eventually(runtime.NumGoroutine).WithContext(ctx).Should(BeNumerically("<", before))
	})
})

var _ = Describe("Bytes that are no packet", func() {
	DescribeTable("are told, and end nothing", func(ctx SpecContext, onMeta bool, b []byte, want string) {
		a, data, meta := rawLink(ctx)
		socket, on := replica.DataSocket, data
		if onMeta {
			socket, on = replica.MetaSocket, meta
		}
		_, err := on.Write(b)
		Expect(err).NotTo(HaveOccurred())
		Eventually(a.count("bad")).WithContext(ctx).Should(Equal(1))
		Expect(a.heard("bad")[0].socket).To(Equal(socket))
		Expect(a.heard("bad")[0].err).To(MatchError(ContainSubstring(want)))
		Expect(a.heard("down")).To(BeEmpty())
		a.Hangup()
		Eventually(a.count("down")).WithContext(ctx).Should(Equal(1))
	},
		Entry("no magic", false, []byte("GET / HTTP/1.1\r\n"), "want the magic"),
		Entry("a pad that is not zero", true, append(packet(drbdwire.CmdPing, "", 0)[:15], 1), "want 0"),
		Entry("a length that asks for 4 GiB", false, packet(drbdwire.CmdData, "", 0xffffffff), "P_DATA for 4294967271 bytes"),
		Entry("a length that is too short", false, packet(drbdwire.CmdState, "", 3), "P_STATE of 3 bytes"),
		Entry("an unknown command", false, packet(0x1234, "", 0), "packet 0x1234"),
		Entry("an ack among the data", false, packet(drbdwire.CmdPing, "", 0), "does not belong on the data socket"),
		Entry("data among the acks", true, packet(drbdwire.CmdData, "", 536), "does not belong on the meta socket"),
	)
})
