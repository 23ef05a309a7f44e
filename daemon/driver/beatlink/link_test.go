package beatlink_test

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/driver/beatlink"
	"github.com/optionc/pollux/daemon/format/haconf"
)

// A node is an end with a sink that remembers.
type node struct {
	*beatlink.Link

	mu     sync.Mutex
	events []string
	logs   []string
	// gate, when not nil, is what Datagram waits for.
	gate chan struct{}
}

func (n *node) Datagram(medium string, data []byte) {
	if n.gate != nil {
		<-n.gate
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.events = append(n.events, fmt.Sprintf("%s: %.20s", medium, data))
}

func (n *node) Drained() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.events = append(n.events, "drained")
}

func (n *node) heard() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return append([]string(nil), n.events...)
}

func (n *node) said() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return append([]string(nil), n.logs...)
}

// free is a UDP port that nobody uses.
func free() int {
	GinkgoHelper()
	conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
	Expect(err).NotTo(HaveOccurred())
	defer func() { _ = conn.Close() }()
	return conn.LocalAddr().(*net.UDPAddr).Port
}

// start opens a node; own is its address when there is no interface.
func start(n *node, own string, devices map[string]string, media ...haconf.Medium) (*node, error) {
	GinkgoHelper()
	c := beatlink.Config{Media: media, Devices: devices, Log: func(text string) {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.logs = append(n.logs, text)
	}}
	if own != "" {
		c.Bind = netip.MustParseAddr(own)
	}
	link, err := beatlink.Open(context.Background(), c, n)
	if err == nil {
		n.Link = link
		DeferCleanup(link.Close)
	}
	return n, err
}

func ucast(port int, address string) haconf.Medium {
	return haconf.Medium{Kind: haconf.Unicast, Device: "xen-br0", Address: address, Port: port}
}

func needIPv6() {
	GinkgoHelper()
	conn, err := net.ListenPacket("udp6", "[::1]:0")
	if err != nil {
		Skip("there is no IPv6: " + err.Error())
	}
	Expect(conn.Close()).To(Succeed())
}

// multicaster is an interface with an IPv6 address that can send to groups.
func multicaster() string {
	GinkgoHelper()
	interfaces, err := net.Interfaces()
	Expect(err).NotTo(HaveOccurred())
	for _, i := range interfaces {
		addresses, err := i.Addrs()
		Expect(err).NotTo(HaveOccurred())
		for _, a := range addresses {
			n, ok := a.(*net.IPNet)
			if ok && n.IP.IsLinkLocalUnicast() && n.IP.To4() == nil && i.Flags&net.FlagMulticast != 0 && i.Flags&net.FlagUp != 0 {
				return i.Name
			}
		}
	}
	Skip("no interface has an IPv6 address")
	return ""
}

var nowhere = map[string]string{"xen-br0": ""}

var _ = Describe("Two nodes with the page's two ucast lines", func() {
	It("hear each other and themselves", func(ctx SpecContext) {
		port := free()
		var nodes [2]*node
		for i, own := range []string{"127.0.0.1", "127.0.0.2"} {
			var err error
			nodes[i], err = start(&node{}, own, nowhere, ucast(port, "127.0.0.1"), ucast(port, "127.0.0.2"))
			Expect(err).NotTo(HaveOccurred())
			Expect(nodes[i].Names()).To(Equal([]string{"xen-br0"}))
		}
		nodes[0].Send([]byte("from 1"))
		nodes[1].Send([]byte("from 2"))
		for _, n := range nodes {
			Eventually(n.heard).WithContext(ctx).Should(ConsistOf("xen-br0: from 1", "xen-br0: from 2"))
			Expect(n.said()).To(BeEmpty())
		}
	})

	It("carry datagrams up to what UDP can", func(ctx SpecContext) {
		port := free()
		n, err := start(&node{}, "127.0.0.1", nowhere, ucast(port, "localhost"))
		Expect(err).NotTo(HaveOccurred())
		n.Send([]byte(strings.Repeat("x", 65507)))
		Eventually(n.heard).WithContext(ctx).Should(HaveLen(1))
	})
})

var _ = Describe("A medium", func() {
	It("that can't send says so once, and when it works again", func(ctx SpecContext) {
		n, err := start(&node{}, "127.0.0.1", nowhere, ucast(free(), "127.0.0.1"))
		Expect(err).NotTo(HaveOccurred())
		n.Send(make([]byte, 100_000))
		n.Send(make([]byte, 100_000))
		n.Send([]byte("fits"))
		Eventually(n.heard).WithContext(ctx).Should(HaveLen(1))
		Expect(n.said()).To(HaveExactElements(ContainSubstring("message too long"), HaveSuffix("works again")))
	})

	It("can be bound to an interface", func(ctx SpecContext) {
		if os.Geteuid() != 0 {
			Skip("run as root to bind sockets to an interface")
		}
		port := free()
		n, err := start(&node{}, "", map[string]string{"xen-br0": "lo"}, ucast(port, "127.0.0.1"))
		Expect(err).NotTo(HaveOccurred())
		n.Send([]byte("hello"))
		Eventually(n.heard).WithContext(ctx).Should(Equal([]string{"xen-br0: hello"}))
	})

	It("can be the broadcast address of an interface", func(ctx SpecContext) {
		port := free()
		n, err := start(&node{}, "", nil, haconf.Medium{Kind: haconf.Broadcast, Device: "lo", Port: port})
		Expect(err).NotTo(HaveOccurred())
		n.Send([]byte("all"))
		Eventually(n.heard).WithContext(ctx).Should(Equal([]string{"lo: all"}))
	})

	It("can be a multicast group, next to others of the same port", func(ctx SpecContext) {
		port := free()
		group := haconf.Medium{
			Kind: haconf.Multicast, Device: "lo", Address: "239.1.2.3", Port: port, TTL: 1, Loop: true,
		}
		n, err := start(&node{}, "127.0.0.1", nowhere, ucast(port, "127.0.0.1"), group)
		Expect(err).NotTo(HaveOccurred())
		Expect(n.Names()).To(Equal([]string{"xen-br0", "lo"}))
		n.Send([]byte("hello"))
		Eventually(n.heard).WithContext(ctx).Should(ConsistOf("xen-br0: hello", "lo: hello"))
	})

	It("can be IPv6, next to one of IPv4 with the same port", func(ctx SpecContext) {
		needIPv6()
		port := free()
		six := haconf.Medium{Kind: haconf.Unicast6, Device: "eth1", Address: "::1", Port: port}
		n, err := start(&node{}, "127.0.0.1", map[string]string{"xen-br0": "", "eth1": ""}, ucast(port, "127.0.0.1"), six)
		Expect(err).NotTo(HaveOccurred())
		n.Send([]byte("hello"))
		Eventually(n.heard).WithContext(ctx).Should(ConsistOf("xen-br0: hello", "eth1: hello"))
		Expect(n.said()).To(BeEmpty())
	})

	It("can be a multicast group of IPv6, which each interface has for itself", func(ctx SpecContext) {
		device := multicaster()
		n, err := start(&node{}, "", nil, haconf.Medium{
			Kind: haconf.Multicast6, Device: device, Address: "ff02::6:94", Port: free(), TTL: 0, Loop: true,
		})
		Expect(err).NotTo(HaveOccurred())
		n.Send([]byte("hello"))
		Eventually(n.heard).WithContext(ctx).Should(Equal([]string{device + ": hello"}))
	})

	DescribeTable("is refused with a reason", func(m haconf.Medium, want string) {
		m.Port = free()
		_, err := start(&node{}, "127.0.0.1", nowhere, ucast(m.Port, "127.0.0.1"), m)
		Expect(err).To(MatchError(ContainSubstring(want)))
		_, err = start(&node{}, "127.0.0.1", nowhere, ucast(m.Port, "127.0.0.1"))
		Expect(err).NotTo(HaveOccurred(), "the other media were closed again")
	},
		Entry("no IPv6 group", haconf.Medium{Kind: haconf.Multicast6, Device: "lo", Address: "fd00::1"}, "no IPv6 multicast"),
		Entry("no host of IPv6", haconf.Medium{Kind: haconf.Unicast6, Device: "xen-br0", Address: "no-such-host.invalid"},
			"address of no-such-host.invalid"),
		Entry("none", haconf.Medium{}, "it is no medium"),
		Entry("no interface", haconf.Medium{Kind: haconf.Broadcast, Device: "no-such-if0"},
			`network interface "no-such-if0"`),
		Entry("no interface for a group", haconf.Medium{
			Kind: haconf.Multicast, Device: "no-such-if0", Address: "239.1.2.3",
		}, "network interface no-such-if0"),
		Entry("no group", haconf.Medium{Kind: haconf.Multicast, Device: "lo", Address: "10.0.0.1"}, "no IPv4 multicast"),
		Entry("no host", haconf.Medium{Kind: haconf.Unicast, Device: "xen-br0", Address: "no-such-host.invalid"},
			"address of no-such-host.invalid"),
	)

	It("names the interface that is missing", func() {
		if os.Geteuid() != 0 {
			Skip("run as root to bind sockets to an interface")
		}
		_, err := start(&node{}, "", nil, ucast(free(), "127.0.0.1"))
		Expect(err).To(MatchError(ContainSubstring("there is no network interface xen-br0; 'ip link' shows them")))
	})

	It("is needed", func() {
		_, err := start(&node{}, "", nil)
		Expect(err).To(MatchError(ContainSubstring("there are none")))
		_, err = start(&node{}, "", nil, haconf.Medium{Kind: haconf.Ping, Address: "10.0.0.1"})
		Expect(err).To(MatchError(ContainSubstring("there are none")))
	})

	It("of a second daemon is refused", func() {
		port := free()
		_, err := start(&node{}, "127.0.0.1", nowhere, ucast(port, "127.0.0.1"))
		Expect(err).NotTo(HaveOccurred())
		_, err = start(&node{}, "127.0.0.1", nowhere, ucast(port, "127.0.0.1"))
		Expect(err).To(MatchError(ContainSubstring("address already in use")))
	})
})

var _ = Describe("A drain", func() {
	It("comes after all that lay in the sockets", func(ctx SpecContext) {
		n := &node{gate: make(chan struct{})}
		n, err := start(n, "127.0.0.1", nowhere, ucast(free(), "127.0.0.1"))
		Expect(err).NotTo(HaveOccurred())
		for i := range 50 {
			n.Send(fmt.Appendf(nil, "%d", i))
		}
		n.Drain()
		close(n.gate)
		Eventually(n.heard).WithContext(ctx).Should(ContainElement("drained"))
		events := n.heard()
		Expect(events).To(HaveLen(51))
		Expect(events[50]).To(Equal("drained"))
		for i := range 50 {
			Expect(events[i]).To(Equal(fmt.Sprintf("xen-br0: %d", i)))
		}
	})

	It("of empty sockets ends at once, and several may end as one", func(ctx SpecContext) {
		n, err := start(&node{}, "127.0.0.1", nowhere, ucast(free(), "127.0.0.1"))
		Expect(err).NotTo(HaveOccurred())
		n.Drain()
		n.Drain()
		n.Drain()
		Eventually(n.heard).WithContext(ctx).Should(ContainElement("drained"))
	})
})
