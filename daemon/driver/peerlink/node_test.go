package peerlink_test

import (
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/daemon/driver/buffer"
	"github.com/optionc/pollux/daemon/driver/peerlink"
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

// An event is what a sink heard.
type event struct {
	what    string
	conn    uint32
	resolve bool
	socket  replica.Socket
	header  drbdwire.Header
	data    string
	bulk    string
	err     error
}

// A node is one end of a link, and its sink.
type node struct {
	*peerlink.Peer
	config peerlink.Config
	pool   *buffer.Pool

	mu     sync.Mutex
	events []event
	logs   []string
	// gate, when not nil, is what Packet waits for.
	gate chan struct{}
	// redial: dial again after each LinkDown.
	redial bool
}

// Send sends at once.
func (n *node) Send(conn uint32, socket replica.Socket, data []byte, buf replica.Buf, size uint32) {
	n.Peer.Send(conn, socket, data, buf, size)
	n.Flush()
}

func (n *node) note(e event) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.events = append(n.events, e)
}

func (n *node) Paused() {}

func (n *node) LinkUp(conn uint32, resolve bool) {
	n.note(event{what: "up", conn: conn, resolve: resolve})
}

func (n *node) LinkDown(conn uint32, err error) {
	n.note(event{what: "down", conn: conn, err: err})
	n.mu.Lock()
	again := n.redial
	n.mu.Unlock()
	if again {
		n.Dial()
	}
}

func (n *node) Packet(
	conn uint32, socket replica.Socket, h drbdwire.Header, data []byte, buf replica.Buf, size uint32,
) {
	n.mu.Lock()
	gate := n.gate
	n.mu.Unlock()
	if gate != nil {
		<-gate
	}
	e := event{what: "packet", conn: conn, socket: socket, header: h, data: string(data)}
	if buf != 0 {
		e.bulk = string(n.pool.Bytes(buf)[:size])
		n.pool.Release(buf)
	}
	n.note(e)
}

func (n *node) BadPacket(conn uint32, socket replica.Socket, err error) {
	n.note(event{what: "bad", conn: conn, socket: socket, err: err})
}

func (n *node) Sent(conn uint32) { n.note(event{what: "sent", conn: conn}) }

// heard are all events of a kind.
func (n *node) heard(what string) []event {
	n.mu.Lock()
	defer n.mu.Unlock()
	var found []event
	for _, e := range n.events {
		if e.what == what {
			found = append(found, e)
		}
	}
	return found
}

// count is the number of events of a kind.
func (n *node) count(what string) func() int { return func() int { return len(n.heard(what)) } }

// dialAgain makes the node dial after each LinkDown.
func (n *node) dialAgain() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.redial = true
}

// shut makes Packet wait for one receive each.
func (n *node) shut() chan<- struct{} {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.gate = make(chan struct{})
	return n.gate
}

func (n *node) said() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return append([]string(nil), n.logs...)
}

// newNode makes an end with times that suit a test.
func newNode(local, peer netip.AddrPort, seed uint64, change ...func(*peerlink.Config)) *node {
	GinkgoHelper()
	pool, err := buffer.NewPool(8 << 20)
	Expect(err).NotTo(HaveOccurred())
	n := &node{pool: pool}
	n.config = peerlink.Config{
		Local: local, Peer: peer, ConnectInt: time.Second, PingTimeout: 100 * time.Millisecond,
		SocketCheck: 20 * time.Millisecond, Retry: 20 * time.Millisecond, Rand: rand.New(rand.NewPCG(seed, 1)), Pool: pool,
		Log: func(text string) {
			n.mu.Lock()
			defer n.mu.Unlock()
			n.logs = append(n.logs, text)
		},
	}
	for _, c := range change {
		c(&n.config)
	}
	n.Peer, err = peerlink.New(n.config, n)
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() {
		n.Close()
		buffers, _ := pool.InUse()
		Expect(buffers).To(BeZero(), "every buffer was given back")
	})
	return n
}

// address is a free one on the loopback interface.
func address() netip.AddrPort {
	GinkgoHelper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	Expect(err).NotTo(HaveOccurred())
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).AddrPort()
}

// linked is two nodes with a link between them.
func linked(ctx SpecContext) (a, b *node) {
	GinkgoHelper()
	left, right := address(), address()
	a, b = newNode(left, right, 1), newNode(right, left, 2)
	a.Dial()
	b.Dial()
	Eventually(a.count("up")).WithContext(ctx).WithTimeout(20 * time.Second).Should(Equal(1))
	Eventually(b.count("up")).WithContext(ctx).WithTimeout(20 * time.Second).Should(Equal(1))
	return a, b
}

// packet is the bytes of a packet's header and fixed part.
func packet(command drbdwire.Command, data string, bulk int) []byte {
	h := drbdwire.Header{Command: command, Length: uint32(len(data) + bulk)}
	return append(drbdwire.AppendHeader(nil, drbdwire.H100, h), data...)
}
