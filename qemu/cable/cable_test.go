package cable_test

import (
	"encoding/binary"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/faults/link"
	"github.com/optionc/pollux/qemu/cable"
)

// card is a machine that is plugged in and keeps what it hears.
type card struct {
	conn  net.Conn
	heard chan string
}

func plug(t *testing.T, s *cable.Switch, name string) card {
	t.Helper()
	c, err := net.Dial("unix", s.Socket(name))
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	t.Cleanup(func() { _ = c.Close() })
	k := card{conn: c, heard: make(chan string, 1000)}
	go func() {
		for {
			var head [4]byte
			if _, err := io.ReadFull(c, head[:]); err != nil {
				return
			}
			frame := make([]byte, binary.BigEndian.Uint32(head[:]))
			if _, err := io.ReadFull(c, frame); err != nil {
				return
			}
			k.heard <- string(frame)
		}
	}()
	return k
}

func (k card) say(t *testing.T, text string) {
	t.Helper()
	_, err := k.conn.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(text))), text...))
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
}

func pair(t *testing.T) (s *cable.Switch, a, b card) {
	t.Helper()
	s, err := cable.New(t.TempDir(), 1, "a", "b")
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	t.Cleanup(func() { _ = s.Close() })
	a, b = plug(t, s, "a"), plug(t, s, "b")
	NewWithT(t).Eventually(func() bool { // both are plugged in
		a.say(t, "?")
		b.say(t, "?")
		return len(a.heard) > 0 && len(b.heard) > 0
	}).Should(BeTrue())
	hush := func(k card, other string) {
		NewWithT(t).Eventually(func() string { k.say(t, other); return drain(a, b) }).Should(ContainSubstring(other))
	}
	hush(a, "ab")
	hush(b, "ba")
	return s, a, b
}

// drain is the last that either has heard.
func drain(cards ...card) (last string) {
	for _, k := range cards {
		for len(k.heard) > 0 {
			last = <-k.heard
		}
	}
	return last
}

func TestCutOneWay(t *testing.T) {
	g := NewWithT(t)
	s, a, b := pair(t)
	s.Way("a", "b", func(d *link.Direction) { d.Cut() })
	_, before := s.Passed("a", "b")
	a.say(t, "lost")
	g.Eventually(func() int { _, lost := s.Passed("a", "b"); return lost }).Should(Equal(before + 1))
	b.say(t, "the other way")
	g.Eventually(a.heard).Should(Receive(Equal("the other way")))
	s.Heal("a", "b")
	a.say(t, "healed")
	var heard string
	g.Eventually(b.heard).Should(Receive(&heard))
	for heard != "healed" {
		g.Expect(heard).NotTo(Equal("lost"))
		g.Eventually(b.heard).Should(Receive(&heard))
	}
}

// packet is an Ethernet frame that carries IPv4 with that protocol.
func packet(p cable.Protocol, text string) string {
	return strings.Repeat("m", 12) + "\x08\x00" + strings.Repeat("h", 9) + string([]byte{byte(p)}) + text
}

func TestLoseOneProtocol(t *testing.T) {
	g := NewWithT(t)
	s, a, b := pair(t)
	drain(a, b)
	s.Lose("a", "b", cable.TCP, true)
	a.say(t, packet(cable.TCP, "lost"))
	a.say(t, packet(cable.UDP, "passes"))
	g.Eventually(b.heard).Should(Receive(Equal(packet(cable.UDP, "passes"))))
	b.say(t, packet(cable.TCP, "the other way"))
	g.Eventually(a.heard).Should(Receive(Equal(packet(cable.TCP, "the other way"))))
	s.Lose("a", "b", cable.TCP, false)
	a.say(t, packet(cable.TCP, "healed"))
	g.Eventually(b.heard).Should(Receive(Equal(packet(cable.TCP, "healed"))))
}

func TestLatencyKeepsOrder(t *testing.T) {
	g := NewWithT(t)
	s, a, b := pair(t)
	const delay = 30 * time.Millisecond
	s.Both("a", "b", func(d *link.Direction) { d.Latency = delay })
	drain(a, b)
	start := time.Now()
	for _, text := range []string{"1", "2", "3"} {
		a.say(t, text)
	}
	for _, text := range []string{"1", "2", "3"} {
		g.Eventually(b.heard).Should(Receive(Equal(text)))
	}
	g.Expect(time.Since(start)).To(BeNumerically(">=", delay))
}

func TestReplug(t *testing.T) {
	g := NewWithT(t)
	s, a, b := pair(t)
	g.Expect(b.conn.Close()).To(Succeed())
	again := plug(t, s, "b")
	g.Eventually(func() int { a.say(t, "are you back?"); return len(again.heard) }).Should(BeNumerically(">", 0))
}
