package pingnode

import (
	"context"
	"encoding/hex"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/format/haconf"
	"github.com/optionc/pollux/daemon/format/hbwire"
)

var keys = hbwire.Keys{Current: 1, Keys: [16]hbwire.Key{1: {Method: hbwire.MD5, Secret: hbwire.Secret("s3cret-key")}}}

// told remembers what a Pinger says.
type told struct {
	mu    sync.Mutex
	lines []string
}

func (o *told) add(line string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.lines = append(o.lines, line)
}

func (o *told) all() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return append([]string(nil), o.lines...)
}

func config(o *told, media ...haconf.Medium) Config {
	return Config{
		Media: media, Keepalive: 50 * time.Millisecond, Deadtime: 30 * time.Second, Keys: keys,
		Changed: func(name, state string) { o.add(name + " " + state) }, Log: o.add,
	}
}

// captured is the question that a Heartbeat with "ping 192.168.0.254" sent.
func captured(t *testing.T) []byte {
	t.Helper()
	text, err := os.ReadFile("testdata/echo.hex")
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	b, err := hex.DecodeString(strings.TrimSpace(string(text)))
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return b
}

func gate() *node {
	return &node{
		name: "192.168.0.254", kind: "ping", state: Init, heard: time.Unix(1000, 0),
		hosts: []*host{{name: "192.168.0.254", address: netip.MustParseAddr("192.168.0.254")}},
	}
}

func TestTheQuestionIsHeartbeats(t *testing.T) {
	g := NewWithT(t)
	want := captured(t)
	p := Pinger{cfg: Config{Keys: keys}}
	message, err := p.cfg.Keys.Sign(statusOf(gate(), time.Unix(0x6b034a50, 0)), hbwire.Netstring)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(appendEcho(nil, ip4, 0x6200, 0, message)).To(Equal(want))
}

func TestWhoAnswers(t *testing.T) {
	question := captured(t)
	answer := append([]byte{ip4.answer}, question[1:]...)
	forged := append([]byte(nil), answer...)
	forged[40]++
	own := netip.MustParseAddr("192.168.0.254")
	for name, tc := range map[string]struct {
		packet []byte
		from   netip.Addr
		want   string
	}{
		"the node":                    {answer, own, Alive},
		"somebody else in its name":   {answer, netip.MustParseAddr("192.168.0.3"), Init},
		"the own question":            {question, own, Init},
		"an answer that is none here": {append([]byte{ip6.answer}, question[1:]...), own, Init},
		"a packet that was changed":   {forged, own, Init},
		"one that is cut":             {answer[:7], own, Init},
	} {
		t.Run(name, func(t *testing.T) {
			var o told
			p := Pinger{cfg: config(&o), nodes: []*node{gate()}}
			p.hear(tc.packet, tc.from, time.Unix(1001, 0))
			NewWithT(t).Expect(p.States()).To(Equal([]State{{"192.168.0.254", tc.want}}))
		})
	}
}

func TestSilence(t *testing.T) {
	g := NewWithT(t)
	var o told
	p := Pinger{cfg: config(&o), nodes: []*node{gate()}}
	answer := append([]byte{ip4.answer}, captured(t)[1:]...)
	p.judge(time.Unix(1029, 0))
	g.Expect(p.States()[0].State).To(Equal(Init))
	p.judge(time.Unix(1030, 0))
	g.Expect(p.States()[0].State).To(Equal(Dead))
	p.hear(answer, p.nodes[0].hosts[0].address, time.Unix(1031, 0))
	p.judge(time.Unix(1060, 0))
	g.Expect(p.States()[0].State).To(Equal(Alive))
	p.judge(time.Unix(1061, 0))
	g.Expect(o.all()).To(Equal([]string{"192.168.0.254 dead", "192.168.0.254 ping", "192.168.0.254 dead"}))
}

func TestHostsThatAnswer(t *testing.T) {
	g := NewWithT(t)
	var o told
	c := config(&o,
		haconf.Medium{Kind: haconf.Unicast, Device: "lo", Address: "127.0.0.1"},
		haconf.Medium{Kind: haconf.Ping, Address: "localhost"},
		haconf.Medium{Kind: haconf.PingGroup, Address: "gates", Members: []string{"240.0.0.1", "127.0.0.2"}},
		haconf.Medium{Kind: haconf.Ping, Address: "no-such-host.invalid"},
	)
	c.Deadtime = time.Hour
	p, err := Open(c)
	if err != nil {
		t.Skipf("run as root, or with net.ipv4.ping_group_range, to ping: %v", err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.Run(ctx)
	}()
	g.Eventually(p.States).WithTimeout(time.Minute).Should(Equal([]State{
		{"localhost", Alive}, {"gates", Alive}, {"no-such-host.invalid", Init},
	}))
	g.Eventually(o.all).WithTimeout(time.Minute).Should(
		ContainElement(HavePrefix("ping no-such-host.invalid: ask no-such-host.invalid: ")))
	stop()
	g.Eventually(done).WithTimeout(time.Minute).Should(BeClosed())
}

func TestHostsThatAnswerOverIPv6(t *testing.T) {
	g := NewWithT(t)
	var o told
	c := config(&o,
		haconf.Medium{Kind: haconf.Ping6, Address: "::1"},
		haconf.Medium{Kind: haconf.PingGroup, Address: "gates", Members: []string{"240.0.0.1", "::1"}},
		haconf.Medium{Kind: haconf.Ping6, Address: "127.0.0.1"},
	)
	c.Deadtime = time.Hour
	p, err := Open(c)
	if err != nil {
		t.Skipf("run as root, or with net.ipv4.ping_group_range, to ping: %v", err)
	}
	if err := p.shut[ip6]; err != nil {
		t.Skipf("IPv6 is needed: %v", err)
	}
	if addresses, err := os.ReadFile("/proc/net/if_inet6"); err != nil || !strings.Contains(string(addresses), " lo\n") {
		t.Skip("::1 is needed")
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.Run(ctx)
	}()
	g.Eventually(p.States).WithTimeout(time.Minute).Should(Equal([]State{
		{"::1", Alive}, {"gates", Alive}, {"127.0.0.1", Init},
	}))
	g.Eventually(o.all).WithTimeout(time.Minute).Should(ContainElement(HavePrefix("ping6 127.0.0.1: ask 127.0.0.1: ")))
	stop()
	g.Eventually(done).WithTimeout(time.Minute).Should(BeClosed())
}

func TestNoPingNodes(t *testing.T) {
	g := NewWithT(t)
	p, err := Open(Config{Media: []haconf.Medium{{Kind: haconf.Broadcast, Device: "eth0"}}})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(p.States()).To(BeEmpty())
}
