package liveness_test

import (
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/liveness"
	"github.com/optionc/pollux/daemon/format/hbwire"
)

func TestLiveness(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "Liveness")
}

var (
	keys  = hbwire.Keys{Current: 1, Keys: [16]hbwire.Key{1: {Method: hbwire.CRC}}}
	uuid1 = hbwire.UUID{1}
	uuid2 = hbwire.UUID{2}
)

// config has the times of the first configuration: keepalive 5, deadtime 90.
func config() liveness.Config {
	return liveness.Config{
		Node: "milo1", Peer: "milo2", UUID: uuid1, Generation: 7, Keepalive: 5 * time.Second, Deadtime: 90 * time.Second,
		Initdead: 120 * time.Second, Keys: keys, Media: []string{"eth0", "eth1"}, Seed: 1,
	}
}

// node is a core with the time and the effects of a story.
type node struct {
	core *liveness.Core
	now  time.Duration
	seen []liveness.Effect // since the last take
}

func newNode(cfg liveness.Config) *node {
	core, err := liveness.New(cfg)
	Expect(err).NotTo(HaveOccurred())
	n := &node{core: core}
	n.step(liveness.Input{Kind: liveness.Start, Unix: 1_700_000_000, Load: "0.10 0.20 0.30 1/100 1"})
	return n
}

func (n *node) step(in liveness.Input) { n.seen = n.core.Step(n.now, in, n.seen) }

// until ticks at each deadline up to a time.
func (n *node) until(at time.Duration) {
	for n.core.Deadline() <= at {
		Expect(n.core.Deadline()).To(BeNumerically(">=", n.now), "%+v", n.core.Snapshot())
		n.now = n.core.Deadline()
		n.step(liveness.Input{Kind: liveness.Tick})
		Expect(n.core.Deadline()).To(BeNumerically(">", n.now), "a tick at the deadline must move it")
	}
	n.now = at
}

// take returns the effects of some kinds since the last take.
func (n *node) take(kinds ...liveness.EffectKind) (effects []liveness.Effect) {
	for _, e := range n.seen {
		for _, kind := range kinds {
			if e.Kind == kind {
				effects = append(effects, e)
			}
		}
	}
	n.seen = nil
	return effects
}

// events are the effects that the failover core gets.
func (n *node) events() []liveness.Effect {
	return n.take(liveness.Heard, liveness.PeerUp, liveness.PeerLate, liveness.PeerDied, liveness.PeerHealed,
		liveness.CommsUp, liveness.Drain)
}

// said is what was transmitted since the last take, of one type.
func (n *node) said(kind string) (messages []hbwire.Message) {
	for _, e := range n.take(liveness.Transmit) {
		p, err := hbwire.Decode(e.Data)
		Expect(err).NotTo(HaveOccurred())
		Expect(keys.Verify(p)).To(Succeed())
		if p.Message.Text(hbwire.FieldType) == kind {
			messages = append(messages, p.Message)
		}
	}
	return messages
}

// milo2 makes the packets of a peer.
type milo2 struct {
	seq, generation, time uint64
}

func (p *milo2) packet(fields ...hbwire.Field) []byte {
	m := hbwire.Message(fields)
	if hbwire.Sequenced(m.Text(hbwire.FieldType)) {
		p.seq++
	}
	p.time++
	return sealed(m, hbwire.Envelope{
		Source: "milo2", SourceUUID: uuid2, Seq: p.seq, Generation: p.generation, Time: p.time, TTL: 3,
	}, hbwire.Netstring)
}

// sealed is the datagram that carries a message.
func sealed(m hbwire.Message, e hbwire.Envelope, encoding hbwire.Encoding) []byte {
	var d hbwire.Draft
	e.Add(d.Add(m))
	data, err := d.Sign(&keys, encoding)
	Expect(err).NotTo(HaveOccurred())
	return data
}

func (p *milo2) status(st string) []byte {
	return p.packet(hbwire.Text("t", "status"), hbwire.Text("st", st), hbwire.Hex("dt", 90_000),
		hbwire.Text("protocol", "1"))
}

func (p *milo2) nodes() []byte {
	return p.packet(hbwire.Text("t", "repnodes"), hbwire.Text("dest", "milo1"), hbwire.Text("nodelist", "milo1 milo2 "))
}

func (p *milo2) resource() []byte {
	return p.packet(hbwire.Text("t", "resource"), hbwire.Text("rsc_hold", "none"))
}

func (n *node) hear(data []byte) {
	n.step(liveness.Input{Kind: liveness.Datagram, Data: data, Medium: "eth0"})
}

// joined is a node that has been active for a moment with a peer of generation 3.
func joined() (*node, *milo2) {
	n, p := newNode(config()), &milo2{generation: 3, time: 1_700_000_000}
	n.hear(p.status("init"))
	n.hear(p.status("up"))
	n.hear(p.nodes())
	n.hear(p.status("active"))
	Expect(n.core.Snapshot().CommsUp).To(BeTrue())
	n.until(5 * time.Second)
	n.hear(p.status("active"))
	n.seen = nil
	return n, p
}
