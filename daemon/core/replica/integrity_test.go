package replica_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

func withIntegrity(c *replica.Config) { c.IntegrityAlg = "sha1" }

var _ = Describe("With data-integrity-alg sha1", func() {
	It("every block that goes to the peer has its digest, in a resync too", func() {
		p := newPair(withIntegrity)
		copy(p.a.disk, "the data to keep")
		p.a.up()
		p.b.up()
		p.run()
		p.a.mustOrder(replica.OrderPrimary, true)
		p.wait()
		Expect(p.b.status()).To(Equal("Secondary/Primary Connected UpToDate/UpToDate"))
		Expect(p.b.data()).To(Equal(p.a.data()))
		p.a.write(1, 8, 'x', 4096)
		p.run()
		Expect(p.a.done).To(HaveKey(uint64(1)))
		Expect(p.b.disk[4096]).To(Equal(byte('x')))
		Expect(p.a.digest).To(Equal(20), "the harness has cut packets accordingly")
		p.wait()
		Expect(p.a.payloads).To(BeEmpty())
		Expect(p.b.payloads).To(BeEmpty())
	})

	It("a write that arrives damaged is not written; the connection ends, and the resync repairs the block", func() {
		p := synced(withIntegrity)
		p.a.damage = true
		p.cut = true // no other link comes about
		p.a.write(1, 8, 'x', 4096)
		p.cut = false
		for p.b.core.State().Conn == drbdwire.Connected {
			p.queue[0]()
			p.queue = p.queue[1:]
			p.cut = p.b.core.State().Conn != drbdwire.Connected
		}
		p.run()
		Expect(p.b.disk[4096]).To(BeZero())
		Expect(p.b.core.Status().Note).To(Equal(
			"digest integrity check failed: the 4096 bytes of a P_DATA for sector 8 arrived damaged"))
		Expect(p.a.status()).To(Equal("Primary/Unknown WFConnection UpToDate/DUnknown"))
		p.join()
		Expect(p.a.done[1].Failed).To(BeFalse())
		Expect(p.b.status()).To(Equal("Secondary/Primary Connected UpToDate/UpToDate"))
		Expect(p.b.disk[4096]).To(Equal(byte('x')))
		Expect(p.b.payloads).To(BeEmpty())
	})

	It("what a Primary without a disk reads is checked, and read again", func() {
		p := synced(withIntegrity, func(c *replica.Config) { c.SuspendIONoData = true })
		p.a.write(1, 8, 'x', 4096)
		p.run()
		p.a.loseDisk(2)
		p.b.damage = true
		p.a.step(replica.Input{Kind: replica.Request, Op: replica.OpRead, ID: 3, Sector: 8, Size: 4096})
		p.run()
		p.wait()
		Expect(p.a.done[3].Failed).To(BeFalse())
		Expect(p.a.done[3].Data).To(HaveEach(byte('x')))
		Expect(p.b.sent).To(ContainElement(drbdwire.CmdDataReply))
		Expect(p.a.payloads).To(BeEmpty())
		Expect(p.b.payloads).To(BeEmpty())
	})

	It("zeros go as a trim, since a kernel would look for a digest in a P_ZEROES", func() {
		p := synced(withIntegrity)
		p.a.write(1, 8, 'x', 4096)
		p.run()
		p.a.sent = nil
		p.a.step(replica.Input{Kind: replica.Request, Op: replica.OpZero, ID: 2, Sector: 8, Size: 4096})
		p.run()
		Expect(p.a.done).To(HaveKey(uint64(2)))
		Expect(p.a.sent).To(ContainElement(drbdwire.CmdTrim))
		Expect(p.b.disk[4096]).To(BeZero())
	})

	It("a peer without it is met once, and the reason is named", func() {
		p := newPair()
		cfg := config()
		cfg.IntegrityAlg, cfg.Seed = "sha1", 7
		p.a.core = replica.New(cfg)
		p.a.up()
		p.b.up()
		p.run()
		for range 3 {
			p.wait()
		}
		Expect(p.a.status()).To(ContainSubstring("StandAlone"))
		Expect(p.a.core.Status().Note).To(ContainSubstring("data-integrity-alg is sha1 here and none at the peer"))
	})

	It("in protocol B a write is acknowledged on receipt only once it was checked", func() {
		p := synced(withIntegrity, func(c *replica.Config) { c.Protocol = drbdwire.ProtocolB })
		p.b.hold[replica.Digest] = true
		p.a.write(1, 8, 'x', 4096)
		p.run()
		Expect(p.a.done).NotTo(HaveKey(uint64(1)))
		Expect(p.b.sent).NotTo(ContainElement(drbdwire.CmdRecvAck))
		p.b.release()
		Expect(p.a.done).To(HaveKey(uint64(1)))
		Expect(p.b.sent).To(ContainElement(drbdwire.CmdRecvAck))
	})
})

var _ = Describe("A peer that changes its data-integrity-alg", func() {
	It("is believed by the new digest from then on", func() {
		p := synced()
		update := drbdwire.Protocol{Wire: drbdwire.ProtocolC, IntegrityAlg: "crc32c"}
		change := func(alg string) {
			update.IntegrityAlg = alg
			p.b.step(replica.Input{
				Kind: replica.Packet, Conn: p.conns, Command: drbdwire.CmdProtocolUpdate, Data: update.Append(nil),
			})
		}
		change("crc32c")
		block := make([]byte, 4096)
		d := drbdwire.Data{Sector: 8, Flags: drbdwire.FlagSendWriteAck}
		data := append(d.Append(nil), digestOf("crc32c", block)...)
		p.b.sent = nil
		p.b.step(replica.Input{
			Kind: replica.Packet, Conn: p.conns, Command: drbdwire.CmdData, Data: data, Size: 4096,
			Buf: p.b.payload(block),
		})
		p.b.pair.queue[0]() // the digest
		p.b.pair.queue[1]() // the write
		Expect(p.b.sent).To(ContainElement(drbdwire.CmdWriteAck))
		p.b.pair.queue = nil
		change("rot13")
		Expect(p.b.core.Status().Note).To(ContainSubstring(`"rot13" is unknown`))
		Expect(p.b.core.State().Conn).To(Equal(drbdwire.StandAlone))
	})
})
