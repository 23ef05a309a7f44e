package replica_test

import (
	"bytes"
	"slices"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/daemon/format/drbdmeta"
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

// onPeersDisk is a pair whose Primary has lost its disk and has written since.
func onPeersDisk(change ...func(*replica.Config)) *pair {
	GinkgoHelper()
	p := synced(change...)
	p.a.loseDisk(1)
	p.a.bad = false
	p.a.mustWrite(2, 64, 'n')
	return p
}

// isWhole expects that both copies are good and equal, and that users can write.
func (p *pair) isWhole() {
	GinkgoHelper()
	p.wait()
	Expect(p.a.status()).To(Equal("Primary/Secondary Connected UpToDate/UpToDate"))
	Expect(p.b.status()).To(Equal("Secondary/Primary Connected UpToDate/UpToDate"))
	Expect(bytes.Equal(p.a.data(), p.b.data())).To(BeTrue(), "both copies are equal")
	p.a.mustWrite(999, 24000, 'e')
	Expect(p.a.disk[24000*512]).To(Equal(byte('e')))
	Expect(p.b.disk[24000*512]).To(Equal(byte('e')))
}

var _ = Describe("A Primary that lives on the peer's disk", func() {
	DescribeTable("attaches its old one without losing the connection, and fetches what it lacks", func(protocol drbdwire.WireProtocol) {
		p := onPeersDisk(func(c *replica.Config) { c.Protocol = protocol })
		conn := p.a.conn
		p.a.sent = nil
		p.a.mustOrder(replica.OrderAttach, false)
		p.isWhole()
		Expect(p.a.conn).To(Equal(conn))
		Expect(p.a.disk[64*512]).To(Equal(byte('n')))
		asked := slices.DeleteFunc(p.a.sent, func(c drbdwire.Command) bool { return c != drbdwire.CmdRSDataRequest })
		Expect(len(asked)).To(BeNumerically("<", 5), "a full sync asks for 32 MiB")
	}, Entry("A", drbdwire.ProtocolA), Entry("B", drbdwire.ProtocolB), Entry("C", drbdwire.ProtocolC))

	It("attaches one that was let go by order", func() {
		p := synced()
		p.a.mustOrder(replica.OrderDetach, false)
		p.a.write(2, 64, 'n', 4096)
		p.run()
		p.a.mustOrder(replica.OrderAttach, false)
		p.isWhole()
	})

	DescribeTable("attaches a new one, and fetches everything", func(size uint64) {
		p := onPeersDisk()
		p.a.disk = freshDisk(size)
		p.a.mustOrder(replica.OrderAttach, false)
		p.isWhole()
	}, Entry("of the same size", uint64(sectors)), Entry("that is larger", uint64(sectors+4096)))

	It("attaches none that is too small for the device", func() {
		p := onPeersDisk()
		p.a.disk = freshDisk(sectors - 8192)
		Expect(p.a.order(replica.OrderAttach, false).Text).To(ContainSubstring("users of this Primary have seen"))
		Expect(p.a.status()).To(Equal("Primary/Secondary Connected Diskless/UpToDate"))
	})

	It("attaches none with data that its users have not seen, and the peer is not asked", func() {
		p := onPeersDisk()
		served := p.a.core.Generation()
		p.a.has(drbdmeta.UUIDs{Current: 0xF00, Bitmap: served})
		p.b.notes = nil
		Expect(p.a.order(replica.OrderAttach, false).Text).To(ContainSubstring("users of this Primary have seen the peer's data"))
		Expect(p.a.status()).To(Equal("Primary/Secondary Connected Diskless/UpToDate"))
		Expect(p.b.notes).To(BeEmpty())
		Expect(p.a.core.Generation()).To(Equal(served))
		p.part()
		p.join()
		Expect(p.a.status()).To(Equal("Primary/Secondary Connected Diskless/UpToDate"))
	})

	It("lets its users wait meanwhile, from when the last writes are on the peer's disk", func() {
		p := onPeersDisk()
		p.b.hold[replica.Write] = true
		p.a.write(3, 128, 'w', 4096)
		p.run()
		p.a.order(replica.OrderAttach, false)
		Expect(p.a.core.State().Disk).To(Equal(drbdwire.Diskless))
		p.a.write(4, 136, 'v', 4096)
		p.run()
		p.a.hold[replica.MetaRead] = true
		p.b.release()
		Expect(p.a.core.State().Disk).To(Equal(drbdwire.Attaching))
		Expect(p.a.done).To(HaveKey(uint64(3)))
		Expect(p.a.done).NotTo(HaveKey(uint64(4)))
		p.a.release()
		p.isWhole()
		Expect(p.a.done[4].Failed).To(BeFalse())
	})

	DescribeTable("goes on over the peer's disk when the attach fails", func(kind replica.EffectKind) {
		p := onPeersDisk()
		p.a.hold[kind] = true
		p.a.order(replica.OrderAttach, false)
		p.a.write(3, 128, 'w', 4096)
		p.a.bad = true
		p.a.release()
		Expect(p.a.answers[orderID].Code).To(BeNumerically("<", drbdwire.Success))
		Expect(p.a.status()).To(Equal("Primary/Secondary Connected Diskless/UpToDate"))
		Expect(p.a.done[3].Failed).To(BeFalse())
		p.part()
		p.join()
		Expect(p.a.status()).To(Equal("Primary/Secondary Connected Diskless/UpToDate"))
		p.a.bad = false
		p.a.mustOrder(replica.OrderAttach, false)
		p.isWhole()
	}, Entry("while it is read", replica.MetaRead), Entry("while its log is emptied", replica.MetaWrite))

	DescribeTable("has its users back on the peer's disk when the connection breaks meanwhile", func(hold func(p *pair)) {
		p := onPeersDisk()
		hold(p)
		p.a.order(replica.OrderAttach, false)
		p.part()
		Expect(p.a.answers[orderID].Code).To(BeNumerically("<", drbdwire.Success))
		p.a.release()
		p.b.release()
		p.join()
		Expect(p.a.status()).To(Equal("Primary/Secondary Connected Diskless/UpToDate"))
		p.a.mustOrder(replica.OrderAttach, false)
		p.isWhole()
	},
		Entry("while it waits for a write", func(p *pair) {
			p.b.hold[replica.Write] = true
			p.a.write(3, 128, 'w', 4096)
			p.run()
		}),
		Entry("while the disk is read", func(p *pair) { p.a.hold[replica.MetaRead] = true }),
		Entry("while the log is emptied", func(p *pair) { p.a.hold[replica.MetaWrite] = true }),
		Entry("while the peer decides", func(p *pair) {
			p.wait()
			p.b.hold[replica.Send] = true
		}),
	)

	It("decides by the peer's answer, and by no state that crosses the question", func() {
		p := onPeersDisk()
		p.wait()
		p.b.hold[replica.Send] = true
		p.a.order(replica.OrderAttach, false)
		Expect(p.a.core.State().Disk).To(Equal(drbdwire.Negotiating))
		crossing := p.b.core.State()
		crossing.PeerDisk, crossing.Conn = drbdwire.UpToDate, drbdwire.Connected
		p.a.step(replica.Input{
			Kind: replica.Packet, Conn: p.a.conn, Command: drbdwire.CmdState, Data: drbdwire.AppendState(nil, crossing),
		})
		p.run()
		Expect(p.a.core.State().Disk).To(Equal(drbdwire.Negotiating))
		p.b.release()
		p.isWhole()
	})

	It("has its disk marked as a target's when it crashes then", func() {
		p := onPeersDisk()
		p.b.hold[replica.Read] = true
		p.a.mustOrder(replica.OrderAttach, false)
		Expect(p.a.status()).To(Equal("Primary/Secondary SyncTarget Inconsistent/UpToDate"))
		p.a.mustWrite(3, 24000, 'w')
		p.a.crash()
		p.b.release()
		p.a.up()
		p.join()
		Expect(p.a.status()).To(Equal("Secondary/Secondary Connected UpToDate/UpToDate"))
		Expect(p.a.data()).To(Equal(p.b.data()))
		Expect(p.a.disk[24000*512]).To(Equal(byte('w')))
	})
})
