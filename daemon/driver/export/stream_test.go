package export_test

import (
	"net"
	"os"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"golang.org/x/sys/unix"

	"github.com/optionc/pollux/daemon/driver/buffer"
	"github.com/optionc/pollux/daemon/driver/export"
	"github.com/optionc/pollux/daemon/driver/export/nbd"
)

// connOf makes a connection of one end of a socket pair; dup, if asked for, is
// the same end once more.
func connOf(fd int, dup **os.File) net.Conn {
	f := os.NewFile(uintptr(fd), "socket")
	if dup != nil {
		again, err := unix.Dup(fd)
		Expect(err).NotTo(HaveOccurred())
		*dup = os.NewFile(uintptr(again), "dup")
	}
	c, err := net.FileConn(f)
	Expect(err).NotTo(HaveOccurred())
	Expect(f.Close()).To(Succeed())
	DeferCleanup(func() { _ = c.Close() }) // most are closed by then
	return c
}

var _ = Describe("A stream", func() {
	var (
		m      *memory
		stream *export.Stream
		user   *raw
		next   *os.File // the socket for who comes after the stream
		served chan error
	)

	BeforeEach(func() {
		pool, err := buffer.NewPool(8 << 20)
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(pool.Close)
		m = &memory{pool: pool, data: make([]byte, 1<<20)}
		fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		Expect(err).NotTo(HaveOccurred())
		user = &raw{connOf(fds[0], nil), GinkgoT()}
		stream = export.NewStream(
			export.Config{Pool: pool, Handler: m.handle},
			export.Spec{Name: "r0", Sectors: 2048, LogicalBlock: 512, PhysicalBlock: 4096},
			connOf(fds[1], &next),
		)
		DeferCleanup(next.Close)
	})

	JustBeforeEach(func() {
		s, end := stream, make(chan error, 1)
		served = end
		go func() { end <- s.Serve() }()
	})

	write := func(cookie uint64, payload int) []byte {
		return append(nbd.Request{Command: nbd.CommandWrite, Length: uint32(payload), Cookie: cookie}.Append(nil),
			scribble(payload)...)
	}

	It("takes requests at once", func() {
		user.send(write(1, 4096))
		Expect(user.reply()).To(Equal(nbd.Reply{Cookie: 1}))
		user.send(nbd.Request{Command: nbd.CommandRead, Length: 4096, Cookie: 2}.Append(nil))
		Expect(user.reply()).To(Equal(nbd.Reply{Cookie: 2}))
		Expect(user.take(4096)).To(Equal(scribble(4096)))
	})

	It("ends with its user", func() {
		Expect(user.Close()).To(Succeed())
		Eventually(served).Should(Receive(MatchError("it closed the socket without a good-bye")))
	})

	It("drains when idle, and leaves the socket usable", func() {
		user.send(write(1, 512))
		user.reply()
		stream.Drain()
		Eventually(served).Should(Receive(MatchError(export.ErrDrained)))
		user.send([]byte("later"))
		got := make([]byte, 5)
		Expect(unix.Read(int(next.Fd()), got)).To(Equal(5))
		Expect(string(got)).To(Equal("later"))
	})

	It("drains at the edge of a request that is half there", func() {
		request := write(1, 300<<10)
		user.send(request[:20])
		unread := func() (int, error) { return unix.IoctlGetInt(int(next.Fd()), unix.TIOCINQ) }
		Eventually(unread).Should(BeZero())
		stream.Drain()
		Consistently(served, "50ms").ShouldNot(Receive())
		user.send(request[20:40])
		Consistently(served, "50ms").ShouldNot(Receive())
		sent := make(chan bool)
		go func() { user.send(request[40:], write(2, 512)); close(sent) }()
		Expect(user.reply()).To(Equal(nbd.Reply{Cookie: 1}))
		Eventually(served).Should(Receive(MatchError(export.ErrDrained)))
		Eventually(sent).Should(BeClosed())
		rest := make([]byte, 1000)
		Expect(unix.Read(int(next.Fd()), rest)).To(BeNumerically("<=", 540))
		Expect(rest[:28]).To(Equal(write(2, 512)[:28]), "the next request is untouched")
	})

	Describe("on a resource that takes its time", func() {
		BeforeEach(func() { m.gate = make(chan bool) })

		underWay := func() int { n, _ := m.pool.InUse(); return n }

		It("answers what it has read before it is drained", func() {
			user.send(write(1, 512), write(2, 512))
			Eventually(underWay).Should(Equal(2))
			stream.Drain()
			Consistently(served, "50ms").ShouldNot(Receive())
			close(m.gate)
			Eventually(served).Should(Receive(MatchError(export.ErrDrained)))
			Expect(user.reply().Error).To(BeZero())
			Expect(user.reply().Error).To(BeZero())
		})

		It("is aborted all the same", func() {
			user.send(write(1, 512))
			Eventually(underWay).Should(Equal(1))
			stream.Abort()
			Eventually(served).Should(Receive(MatchError("the device was withdrawn")))
			close(m.gate)
			Eventually(underWay).Should(BeZero())
		})
	})

	It("can grow", func() {
		beyond := nbd.Request{Command: nbd.CommandTrim, Offset: 1 << 20, Length: 512}.Append(nil)
		user.send(beyond)
		Expect(user.reply().Error).To(Equal(nbd.EINVAL))
		m.mu.Lock()
		m.data = make([]byte, 2<<20)
		m.mu.Unlock()
		stream.Resize(4096)
		user.send(beyond)
		Expect(user.reply().Error).To(BeZero())
	})
})
