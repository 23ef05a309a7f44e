package liveness_test

import (
	"compress/gzip"
	"io"
	"os"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/liveness"
	"github.com/optionc/pollux/daemon/format/hbwire"
	"github.com/optionc/pollux/daemon/format/pcap"
)

type captured struct {
	at      time.Duration
	data    []byte
	message hbwire.Message
}

// capture reads a recording of heartbeats; times count from the first packet.
func capture(t *testing.T, name string) (packets []captured) {
	t.Helper()
	g := NewWithT(t)
	file, err := os.Open("testdata/" + name + ".pcap.gz")
	g.Expect(err).NotTo(HaveOccurred())
	defer func() { g.Expect(file.Close()).To(Succeed()) }()
	unpacked, err := gzip.NewReader(file)
	g.Expect(err).NotTo(HaveOccurred())
	b, err := io.ReadAll(unpacked)
	g.Expect(err).NotTo(HaveOccurred())
	frames, err := pcap.Read(b)
	g.Expect(err).NotTo(HaveOccurred())
	for _, f := range frames {
		s, ok := f.Segment()
		g.Expect(ok && s.Protocol == pcap.UDP).To(BeTrue(), "frame %d", f.Number)
		p, err := hbwire.Decode(s.Data)
		g.Expect(err).NotTo(HaveOccurred())
		packets = append(packets, captured{at: f.Time.Sub(frames[0].Time), data: s.Data, message: p.Message})
	}
	return packets
}

// The conversations were recorded between two Heartbeat 3.0.6 with keepalive 500ms, deadtime 4, initdead 6. Here one of
// the two is replaced: the core gets what the other one sent, when it was sent.
func TestCapturedPeer(t *testing.T) {
	for name, tc := range map[string]struct {
		file, node, peer string
		events           []liveness.EffectKind
	}{
		"both start, seen from milo1": {
			file: "01-startup-both", node: "milo1", peer: "milo2",
			events: []liveness.EffectKind{liveness.PeerUp, liveness.CommsUp},
		},
		"both start, seen from milo2": {
			file: "01-startup-both", node: "milo2", peer: "milo1",
			events: []liveness.EffectKind{liveness.PeerUp, liveness.CommsUp},
		},
		"milo1 returns, seen by itself": {
			file: "06-return-milo1-failback", node: "milo1", peer: "milo2",
			events: []liveness.EffectKind{liveness.PeerUp, liveness.CommsUp},
		},
		"milo1 restarts itself after a cut, and has asked to be granted 30 s more for it": {
			file: "08-heal", node: "milo2", peer: "milo1",
			events: []liveness.EffectKind{liveness.PeerUp, liveness.PeerLate, liveness.PeerUp, liveness.CommsUp},
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			RegisterTestingT(t)
			packets := capture(t, tc.file)
			cfg := config()
			cfg.Node, cfg.Peer, cfg.Generation = tc.node, tc.peer, 1
			cfg.Keepalive, cfg.Deadtime, cfg.Initdead = 500*time.Millisecond, 4*time.Second, 6*time.Second
			for _, p := range packets {
				if p.message.Text("src") == tc.node {
					cfg.UUID = p.message.UUID("srcuuid")
				}
			}
			n := newNode(cfg)
			n.seen = nil
			heard := 0
			var events []liveness.EffectKind
			for _, p := range packets {
				if p.message.Text("src") != tc.peer {
					continue
				}
				n.until(p.at)
				n.hear(p.data)
				for _, e := range n.seen {
					switch e.Kind {
					case liveness.Heard:
						heard++
					case liveness.Transmit, liveness.Note:
					default:
						events = append(events, e.Kind)
					}
				}
				n.seen = nil
			}
			s := n.core.Snapshot()
			g.Expect(events).To(Equal(tc.events))
			g.Expect(s.State).To(Equal(liveness.Active))
			g.Expect(s.Peer.State).To(Equal(liveness.Active))
			g.Expect(s.Dropped).To(BeZero())
			g.Expect(heard).To(BeNumerically(">", 3))
			g.Expect(s.Peer.Missing).To(BeZero())
		})
	}
}
