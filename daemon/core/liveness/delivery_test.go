package liveness_test

import (
	"fmt"
	"strconv"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/liveness"
	"github.com/optionc/pollux/daemon/format/hbwire"
)

var _ = Describe("Messages of the peer that get lost", func() {
	It("are asked for after 50 to 250 ms, again each 250 ms, and taken when they come", func() {
		n, p := joined()
		lost := p.resource()
		n.hear(p.status("active"))
		Expect(n.core.Snapshot().Peer.Missing).To(Equal(1))
		n.until(n.now + 50*time.Millisecond - 1)
		Expect(n.said("NS_rexmit")).To(BeEmpty())
		n.until(n.now + 200*time.Millisecond)
		asked := n.said("NS_rexmit")
		Expect(asked).To(HaveLen(1))
		Expect(asked[0].Decimal("firstseq")).To(BeEquivalentTo(6))
		Expect(asked[0].Decimal("lastseq")).To(BeEquivalentTo(6))
		Expect(asked[0].Text("dest")).To(Equal("milo2"))
		n.until(n.now + 500*time.Millisecond)
		Expect(n.said("NS_rexmit")).To(HaveLen(2))
		n.hear(lost)
		Expect(n.events()).To(HaveLen(1))
		n.hear(lost)
		n.until(n.now + time.Second)
		Expect(n.events()).To(BeEmpty())
	})

	It("are not asked for when they were merely overtaken", func() {
		n, p := joined()
		late := p.resource()
		n.hear(p.status("active"))
		n.until(n.now + 30*time.Millisecond)
		n.hear(late)
		n.until(n.now + time.Second)
		Expect(n.said("NS_rexmit")).To(BeEmpty())
	})

	It("are asked for as a range when they were many, and given up when the peer has them no more", func() {
		n, p := joined()
		p.seq += 60
		n.hear(p.status("active"))
		n.until(n.now + 250*time.Millisecond)
		asked := n.said("NS_rexmit")
		Expect(len(asked)).To(BeNumerically("<", 10))
		n.hear(p.packet(hbwire.Text("t", "NS_nak_rexmit"), hbwire.Hex("firstseq", 10), hbwire.Text("dest", "milo1")))
		Expect(n.core.Snapshot().Peer.Missing).To(Equal(59))
	})

	It("are forgotten when more than 250 are gone in a row", func() {
		n, p := joined()
		p.seq += 251
		n.hear(p.status("active"))
		Expect(n.core.Snapshot().Peer.Missing).To(BeZero())
		Expect(n.take(liveness.Note)[0].Text).To(ContainSubstring("251 messages of milo2 are lost for good"))
	})

	It("are told of once in a keepalive, however often more are gone", func() {
		n, p := joined()
		for range 3 {
			p.seq += 300
			n.hear(p.status("active"))
		}
		Expect(n.take(liveness.Note)).To(HaveExactElements(
			HaveField("Text", HavePrefix("300 messages of milo2 are lost for good"))))
		n.until(n.now + 5*time.Second - 1)
		Expect(n.take(liveness.Note)).To(BeEmpty())
		n.until(n.now + 1)
		Expect(n.take(liveness.Note)).To(HaveExactElements(And(
			HaveField("Lost", true), HaveField("Text", HavePrefix("600 messages of milo2 are lost for good")))))
	})
})

var _ = Describe("Acknowledgements", func() {
	It("go out once for ten messages, and not while one is missing", func() {
		n, p := joined()
		for range 50 {
			n.hear(p.status("active"))
		}
		acks := n.said("NS_ackmsg")
		Expect(acks).To(HaveLen(5))
		lost := p.resource()
		for range 30 {
			n.hear(p.status("active"))
		}
		Expect(n.said("NS_ackmsg")).To(BeEmpty())
		n.hear(lost)
		acks = n.said("NS_ackmsg")
		Expect(acks).To(HaveLen(1))
		seq, err := acks[0].Hex("ackseq")
		Expect(err).NotTo(HaveOccurred())
		Expect(seq).To(BeNumerically(">", p.seq-10))
	})
})

var _ = Describe("Own messages that get lost", func() {
	ask := func(p *milo2, first, last uint64) []byte {
		return p.packet(hbwire.Text("t", "NS_rexmit"), hbwire.Text("dest", "milo1"),
			hbwire.Text("firstseq", strconv.FormatUint(first, 10)), hbwire.Text("lastseq", strconv.FormatUint(last, 10)))
	}
	say := func(n *node) []byte {
		n.seen = nil
		n.step(liveness.Input{Kind: liveness.Say, Message: hbwire.Message{hbwire.Text("t", "starting")}})
		return n.take(liveness.Transmit)[0].Data
	}

	It("are resent byte for byte, but not twice within 240 ms", func() {
		n, p := joined()
		data := say(n)
		seq := n.core.Snapshot().Seq
		n.until(n.now + time.Second)
		n.seen = nil
		n.hear(ask(p, seq, seq))
		n.hear(ask(p, seq, seq+5))
		Expect(n.take(liveness.Transmit)).To(Equal([]liveness.Effect{{Kind: liveness.Transmit, Data: data}}))
		n.until(n.now + 240*time.Millisecond)
		n.hear(ask(p, seq, seq))
		Expect(n.take(liveness.Transmit)).To(HaveLen(1))
	})

	It("are refused when they are too old, and ignored when the peer has them", func() {
		n, p := joined()
		for range 600 {
			say(n)
		}
		n.hear(ask(p, 1, 2))
		Expect(n.said("NS_nak_rexmit")).To(HaveLen(2))
		last := n.core.Snapshot().Seq
		n.hear(p.packet(hbwire.Text("t", "NS_ackmsg"), hbwire.Text("dest", "milo1"), hbwire.Hex("ackseq", last)))
		Expect(n.core.Snapshot().Acked).To(Equal(last))
		n.until(n.now + time.Second)
		n.seen = nil
		n.hear(ask(p, last, last))
		Expect(n.take(liveness.Transmit)).To(BeEmpty())
	})

	It("are not resent when they are reports of what this node holds, and a newer one was said", func() {
		n, p := joined()
		report := func(holds string) uint64 {
			n.step(liveness.Input{Kind: liveness.Say, Message: hbwire.Message{
				hbwire.Text("t", "resource"), hbwire.Text("rsc_hold", holds), hbwire.Text("rtype", "full"),
			}})
			return n.core.Snapshot().Seq
		}
		old, newest := report("all"), report("none")
		n.until(n.now + time.Second)
		for range 2 {
			n.seen = nil
			n.hear(ask(p, old, newest))
			var said []string
			for _, e := range n.take(liveness.Transmit) {
				packet, err := hbwire.Decode(e.Data)
				Expect(err).NotTo(HaveOccurred())
				m := packet.Message
				said = append(said, m.Text("t")+" "+m.Text("firstseq")+m.Text("rsc_hold"))
			}
			Expect(said).To(Equal([]string{fmt.Sprintf("NS_nak_rexmit %x", old), "resource none"}))
			n.until(n.now + time.Second)
		}
	})

	It("are resent 50 at most for one request", func() {
		n, p := joined()
		for range 100 {
			say(n)
		}
		n.until(n.now + time.Second)
		n.seen = nil
		n.hear(ask(p, 1, 1<<60))
		Expect(n.take(liveness.Transmit)).To(HaveLen(50))
	})
})

var _ = Describe("Messages of local programs", func() {
	It("are sent, and heard by this node too", func() {
		n, _ := joined()
		n.step(liveness.Input{Kind: liveness.Say, Loop: true, Message: hbwire.Message{
			hbwire.Text("t", "hb_takeover"), hbwire.Text("rsc_hold", "all"),
		}})
		Expect(n.seen).To(HaveLen(2))
		Expect(n.seen[1].Own).To(BeTrue())
		Expect(n.seen[1].Message.Text("src")).To(Equal("milo1"))
	})

	It("cannot pretend to be heartbeats", func() {
		n, _ := joined()
		for _, kind := range []string{"", "status", "NS_ackmsg", "reqnodes"} {
			n.step(liveness.Input{Kind: liveness.Say, Message: hbwire.Message{hbwire.Text("t", kind)}})
		}
		Expect(n.said("status")).To(BeEmpty())
	})
})
