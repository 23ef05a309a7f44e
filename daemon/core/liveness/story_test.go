package liveness_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/liveness"
	"github.com/optionc/pollux/daemon/format/hbwire"
)

var _ = Describe("A node that starts, with keepalive 5 s and deadtime 90 s", func() {
	It("says init, then up, and asks for 2 s more at first", func() {
		n := newNode(config())
		hello := n.said("status")
		Expect(hello).To(HaveLen(3))
		for i, st := range []string{"init", "up", "up"} {
			Expect(hello[i].Text("st")).To(Equal(st))
			Expect(hello[i].Text("dt")).To(Equal("16760"), "92000 ms")
			Expect(hello[i].Text("protocol")).To(Equal("1"))
			Expect(hello[i].Hex("seq")).To(BeEquivalentTo(i + 1))
		}
		n.until(5 * time.Second)
		Expect(n.said("status")[0].Text("dt")).To(Equal("15f90"), "90000 ms")
		n.until(30 * time.Second)
		Expect(n.said("status")).To(HaveLen(5))
	})

	It("becomes active once it has the peer's node list, and asks for it each second", func() {
		n, p := newNode(config()), &milo2{generation: 3}
		n.hear(p.status("up"))
		Expect(n.said("reqnodes")).To(HaveLen(1))
		n.until(2 * time.Second)
		Expect(n.said("reqnodes")).To(HaveLen(2))
		n.hear(p.nodes())
		Expect(n.events()).To(Equal([]liveness.Effect{{Kind: liveness.CommsUp}}))
		Expect(n.core.Snapshot().State).To(Equal(liveness.Active))
	})

	It("greets a peer that has restarted with a status, before anything else", func() {
		n, p := joined()
		n.seen = nil
		p.generation, p.seq = 4, 0
		n.hear(p.status("init"))
		Expect(n.seen[0].Kind).To(Equal(liveness.Transmit))
		Expect(n.said("status")).To(HaveLen(1))
	})

	It("gives the peer up after initdead, and is active then", func() {
		n := newNode(config())
		n.until(120*time.Second - 1)
		Expect(n.events()).To(BeEmpty())
		n.until(120 * time.Second)
		Expect(n.events()).To(Equal([]liveness.Effect{
			{Kind: liveness.PeerDied, Silent: 120 * time.Second}, {Kind: liveness.CommsUp},
		}))
	})

	It("answers the peer's question for the node list", func() {
		n, p := joined()
		n.hear(p.packet(hbwire.Text("t", "reqnodes"), hbwire.Text("dest", "milo1")))
		Expect(n.said("repnodes")[0].Text("nodelist")).To(Equal("milo1 milo2 "))
	})
})

var _ = Describe("A peer that falls silent", func() {
	It("is late before it is dead, and dies once", func() {
		n, _ := joined()
		n.until(50*time.Second - 1)
		Expect(n.events()).To(BeEmpty())
		n.until(50 * time.Second)
		Expect(n.events()).To(Equal([]liveness.Effect{{Kind: liveness.PeerLate, Silent: 45 * time.Second}}))
		n.until(95 * time.Second)
		Expect(n.events()).To(Equal([]liveness.Effect{{Kind: liveness.PeerDied, Silent: 90 * time.Second}}))
		n.until(500 * time.Second)
		Expect(n.events()).To(BeEmpty())
	})

	It("is kept alive by status messages alone", func() {
		n, p := joined()
		n.until(94 * time.Second)
		n.hear(p.resource())
		n.seen = nil
		n.until(95 * time.Second)
		Expect(n.events()).To(HaveLen(1))
	})

	It("is judged by the deadtime that it asks for itself", func() {
		n, p := joined()
		n.hear(p.packet(hbwire.Text("t", "status"), hbwire.Text("st", "active"), hbwire.Hex("dt", 120_000),
			hbwire.Text("protocol", "1")))
		n.until(125*time.Second - 1)
		n.seen = nil
		n.until(125 * time.Second)
		Expect(n.events()).To(HaveLen(1))
	})

	It("is late, and alive again with its next heartbeat", func() {
		n, p := joined()
		n.until(60 * time.Second)
		Expect(n.core.Snapshot().Peer.Late).To(BeTrue())
		n.hear(p.status("active"))
		Expect(n.core.Snapshot().Peer.Late).To(BeFalse())
		n.seen = nil
		n.until(104 * time.Second)
		Expect(n.events()).To(BeEmpty())
	})

	It("is not brought back by a resent status, nor by anything but a status", func() {
		n, p := joined()
		p.seq++ // lost, and resent after the death
		old := *p
		n.until(200 * time.Second)
		n.seen = nil
		old.seq--
		n.hear(old.resource())
		Expect(n.events()).To(BeEmpty())
		n.hear((&milo2{seq: 1, generation: 3, time: 1}).status("active"))
		Expect(n.events()).To(BeEmpty())
		Expect(n.core.Snapshot().Peer.State).To(Equal(liveness.Dead))
	})

	It("was cut off if it comes back in the same generation", func() {
		n, p := joined()
		n.until(200 * time.Second)
		n.seen = nil
		p.seq += 40
		n.hear(p.status("active"))
		Expect(n.events()).To(Equal([]liveness.Effect{{Kind: liveness.PeerHealed}}))
		n.hear(p.resource())
		Expect(n.events()).To(HaveLen(1))
	})

	It("has restarted if it comes back in a higher one", func() {
		n, _ := joined()
		n.hear((&milo2{generation: 4}).status("init"))
		Expect(n.events()).To(Equal([]liveness.Effect{{Kind: liveness.PeerUp, Restarted: true}}))
	})
})

var _ = Describe("A node that was paused", func() {
	It("hears what its sockets hold before it judges", func() {
		n, p := joined()
		n.now = 300 * time.Second
		n.step(liveness.Input{Kind: liveness.Tick})
		Expect(n.events()).To(Equal([]liveness.Effect{{Kind: liveness.Drain}}))
		p.seq += 58
		n.hear(p.status("active"))
		n.step(liveness.Input{Kind: liveness.Tick, Drained: true})
		n.until(380 * time.Second)
		Expect(n.events()).To(Equal([]liveness.Effect{{Kind: liveness.PeerLate, Silent: 45 * time.Second}}))
	})

	It("gives the peer two keepalives to be heard: a paused machine receives nothing", func() {
		n, _ := joined()
		n.now = 300 * time.Second
		n.step(liveness.Input{Kind: liveness.Tick, Drained: true})
		n.until(310*time.Second - 1)
		Expect(n.take(liveness.PeerDied, liveness.Drain)).To(BeEmpty())
		n.until(310 * time.Second)
		Expect(n.take(liveness.PeerDied)).To(HaveLen(1))
	})

	It("asks again while nobody has emptied the sockets", func() {
		n, _ := joined()
		n.now = 300 * time.Second
		n.step(liveness.Input{Kind: liveness.Tick})
		n.until(320 * time.Second)
		Expect(n.take(liveness.Drain)).To(HaveLen(5))
		Expect(n.core.Snapshot().Peer.State).To(Equal(liveness.Active))
	})

	It("sends one heartbeat at once, not all those it missed", func() {
		n, _ := joined()
		n.now = 300 * time.Second
		n.step(liveness.Input{Kind: liveness.Tick, Drained: true})
		Expect(n.said("status")).To(HaveLen(1))
	})
})

var _ = Describe("Packets that are not believed", func() {
	It("counts them, and keeps quiet about most", func() {
		n, p := joined()
		forged, err := hbwire.Keys{Current: 1, Keys: [16]hbwire.Key{1: {Method: hbwire.MD5, Secret: "other"}}}.Sign(
			hbwire.Message{hbwire.Text("t", "status"), hbwire.Text("src", "milo2")}, hbwire.Netstring,
		)
		Expect(err).NotTo(HaveOccurred())
		for range 100 {
			n.hear(forged)
		}
		Expect(n.take(liveness.Note)).To(HaveLen(7))
		n.hear((&milo2{seq: 100, generation: 2}).status("active"))
		n.hear(sealed(hbwire.Message{hbwire.Text("t", "status")},
			hbwire.Envelope{Source: "milo3", Seq: 1, Generation: 9, Time: 1}, hbwire.Netstring))
		again := p.status("active")
		n.hear(again)
		n.hear(again)
		Expect(n.core.Snapshot().Dropped).To(Equal(liveness.Dropped{
			Unreadable: 100, Outdated: 1, Strangers: 1, Duplicates: 1,
		}))
	})

	It("learns nothing from its own packets but that the link is up", func() {
		n := newNode(config())
		own := n.take(liveness.Transmit)
		before := n.core.Snapshot()
		n.step(liveness.Input{Kind: liveness.Datagram, Data: own[0].Data, Medium: "eth1"})
		after := n.core.Snapshot()
		Expect(after.Links).To(ContainElement(liveness.LinkSnapshot{Node: "milo1", Medium: "eth1", Up: true}))
		after.Links = before.Links
		Expect(after).To(Equal(before))
	})
})

var _ = Describe("A peer that speaks like Heartbeat 1.2", func() {
	It("is answered in the classic encoding, without what it does not know", func() {
		n := newNode(config())
		m := hbwire.Message{hbwire.Text("t", "status"), hbwire.Text("st", "up")}
		n.hear(sealed(m, hbwire.Envelope{Source: "milo2", Seq: 1, Generation: 7, Time: 1}, hbwire.Classic))
		Expect(n.take(liveness.CommsUp)).To(HaveLen(1))
		n.until(5 * time.Second)
		for _, e := range n.take(liveness.Transmit) {
			p, err := hbwire.Decode(e.Data)
			Expect(err).NotTo(HaveOccurred())
			Expect(p.Encoding).To(Equal(hbwire.Classic))
			for _, name := range []string{"srcuuid", "destuuid", "dt", "protocol"} {
				Expect(p.Message.Get(name)).To(BeZero(), name)
			}
		}
	})
})
