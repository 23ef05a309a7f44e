package replica_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/daemon/core/resync"
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

func withVerify(c *replica.Config) { c.VerifyAlg = "sha1" }

// verify orders an online verify of a range, and does not wait for its end.
func (e *end) verify(from, until uint64) replica.Effect {
	orderID++
	e.step(replica.Input{
		Kind: replica.Order, Order: replica.OrderVerify, ID: orderID, Sector: from, Until: until,
	})
	e.pair.run()
	return e.answers[orderID]
}

// slowly makes the first of two nodes verify 10 blocks in 100 ms.
func slowly() func(*replica.Config) {
	first := true
	return func(c *replica.Config) {
		if first {
			c.Resync = resync.Params{Rate: 400}
		}
		first = false
	}
}

// blocks is how many the device of a pair has.
func blocks(p *pair) uint64 { return p.a.core.Status().Size / 8 }

var _ = Describe("An online verify", func() {
	It("finds two copies equal, and says so on both nodes", func() {
		p := synced(withVerify)
		p.a.write(1, 8, 'x', 4096)
		p.wait()
		Expect(p.a.verify(0, 0).Code).To(Equal(drbdwire.Success))
		for _, e := range []*end{p.a, p.b} {
			Expect(e.status()).To(ContainSubstring("Connected UpToDate/UpToDate"))
			Expect(*e.core.Status().Verified).To(Equal(replica.VerifyResult{Compared: blocks(p), Complete: true}))
			Expect(e.core.Status().OutOfSync).To(BeZero())
			Expect(e.payloads).To(BeEmpty())
		}
		Expect(p.a.sent[len(p.a.sent)-1]).To(Equal(drbdwire.CmdState), "the kernel wants to hear that it is over")
	})

	for name, driver := range map[string]func(p *pair) *end{
		"the Primary drives": func(p *pair) *end { return p.a },
		"the other drives":   func(p *pair) *end { return p.b },
	} {
		It("marks what differs on both nodes, names it in ranges, and a resync repairs it, where "+name, func() {
			p := synced(withVerify, func(c *replica.Config) { c.Handlers = []string{replica.HandlerOutOfSync} })
			p.b.disk[80*512]++
			p.b.disk[89*512]++
			p.b.disk[1600*512+5]++
			Expect(driver(p).verify(0, 0).Code).To(Equal(drbdwire.Success))
			for _, e := range []*end{p.a, p.b} {
				Expect(e.core.Status().Verified.OutOfSync).To(Equal(uint64(3)))
				Expect(e.core.Status().OutOfSync).To(Equal(uint64(12)))
				Expect(e.notes).To(ContainElements(
					"online verify: out of sync: sectors 80 to 95 (8 KiB)",
					"online verify: out of sync: sectors 1600 to 1607 (4 KiB)",
					HaveSuffix("online verify done: 8182 blocks of 4 KiB compared, 3 out of sync")))
				Expect(e.called).To(Equal([]string{replica.HandlerOutOfSync}))
			}
			p.part()
			p.join()
			expectSynced(p)
		})
	}

	It("ends with the connection when the peer's disk hangs: users' writes wait for what is compared", func() {
		p := synced(withVerify)
		p.b.hold[replica.Read] = true
		Expect(p.a.verify(0, 0).Code).To(Equal(drbdwire.Success))
		p.a.write(1, 0, 'x', 4096)
		p.pass(40 * time.Second)
		Expect(p.a.done).To(BeEmpty())
		p.cut = true
		p.pass(5 * time.Second)
		Expect(p.a.status()).To(Equal("Primary/Unknown WFConnection UpToDate/DUnknown"))
		Expect(p.a.done).To(HaveKey(uint64(1)))
		Expect(p.a.done[1].Failed).To(BeFalse())
	})

	It("compares all others first while writes are on their way to a slow peer", func() {
		p := synced(withVerify, func(c *replica.Config) { c.Protocol = drbdwire.ProtocolA })
		p.b.hold[replica.Write] = true
		p.a.mustWrite(1, 80, 1)
		p.a.mustWrite(2, 800, 2)
		Expect(p.a.verify(0, 0).Code).To(Equal(drbdwire.Success))
		p.wait()
		Expect(p.a.status()).To(Equal("Primary/Secondary VerifyS UpToDate/UpToDate"))
		Expect(p.a.core.Status().Verify.Done).To(Equal(blocks(p) - 2))
		for p.b.held != nil {
			p.b.doesWhatItHolds()
			p.wait()
		}
		Expect(p.a.status()).To(Equal("Primary/Secondary Connected UpToDate/UpToDate"))
		Expect(*p.b.core.Status().Verified).To(Equal(replica.VerifyResult{Compared: blocks(p), Complete: true}))
	})

	DescribeTable("waits for the own disk when that hangs", func(differs bool) {
		p := synced(withVerify)
		if differs {
			p.b.disk[0]++
		}
		p.a.hold[replica.Read] = true
		Expect(p.a.verify(0, 0).Code).To(Equal(drbdwire.Success))
		for range 60 {
			p.wait()
		}
		Expect(p.a.status()).To(Equal("Primary/Secondary VerifyS UpToDate/UpToDate"))
		p.a.release()
		for range 60 {
			p.wait()
		}
		Expect(p.a.status()).To(Equal("Primary/Secondary Connected UpToDate/UpToDate"))
		Expect(p.conns).To(Equal(uint32(1)))
		Expect(p.a.core.Status().Verified.Complete).To(BeTrue())
	}, Entry("and the copies are equal", false), Entry("and they differ, which takes a second look", true))

	It("leaves what differs as it is when the nodes change places: the good copy may be the old Primary's", func() {
		p := synced(withVerify)
		p.b.disk[80*512]++
		p.a.verify(0, 0)
		Expect(p.a.core.Status().OutOfSync).To(Equal(uint64(4)))
		p.a.mustOrder(replica.OrderSecondary, false)
		p.b.mustOrder(replica.OrderPrimary, false)
		p.wait()
		Expect(p.b.status()).To(Equal("Primary/Secondary Connected UpToDate/UpToDate"))
		Expect(p.a.disk[80*512]).NotTo(Equal(p.b.disk[80*512]))

		By("the node with the good copy is Primary when they connect again")
		p.b.mustOrder(replica.OrderSecondary, false)
		p.a.mustOrder(replica.OrderPrimary, false)
		p.part()
		p.join()
		expectSynced(p)
		Expect(p.b.disk[80*512]).To(BeZero())
	})

	It("compares from where to where it was told, and goes on from there", func() {
		p := synced(withVerify)
		p.b.disk[800*512]++
		p.a.verify(803, 4000)
		Expect(*p.a.core.Status().Verified).To(Equal(replica.VerifyResult{Compared: 400, OutOfSync: 1, Complete: true}))
		Expect(*p.b.core.Status().Verified).To(Equal(replica.VerifyResult{Compared: 400, OutOfSync: 1, Complete: true}))
		p.a.verify(replica.FromLast, 0)
		Expect(p.a.core.Status().Verified.Compared).To(Equal(blocks(p) - 500))
		p.a.verify(replica.FromLast, 0)
		Expect(p.a.core.Status().Verified.Compared).To(Equal(blocks(p)))
	})

	It("shows how far it is, and can be aborted", func() {
		p := synced(withVerify, slowly())
		Expect(p.a.verify(0, 0).Code).To(Equal(drbdwire.Success))
		for range 8 {
			p.wait()
		}
		v := p.a.core.Status().Verify
		Expect(v.Total).To(Equal(blocks(p)))
		Expect(v.Done).To(BeNumerically("~", 800, 20))
		Expect(v.ETA).To(BeNumerically("~", 74*time.Second, 3*time.Second))
		Expect(p.b.core.Status().Verify.Done).To(Equal(v.Done))
		Expect(p.b.order(replica.OrderAbortVerify, false).Text).To(ContainSubstring("abort it there"))
		p.a.mustOrder(replica.OrderAbortVerify, false)
		p.wait()
		Expect(p.b.status()).To(ContainSubstring("Connected"))
		Expect(p.a.core.Status().Verified.Compared).To(BeNumerically("~", 800, 20))
		Expect(p.a.order(replica.OrderAbortVerify, false).Code).To(Equal(drbdwire.NothingToDo))
	})

	It("goes on after a broken connection where it was", func() {
		p := synced(withVerify, slowly())
		p.a.verify(0, 0)
		for range 4 {
			p.wait()
		}
		p.part()
		done := p.a.core.Status().Verified
		Expect(done.Complete).To(BeFalse())
		Expect(p.b.core.Status().Verified.Complete).To(BeFalse())
		p.join()
		p.a.verify(replica.FromLast, 0)
		Expect(p.a.core.Status().Verify.Total).To(Equal(blocks(p) - done.Compared))
	})

	It("is refused where it can't be", func() {
		p := synced()
		Expect(p.a.verify(0, 0).Code).To(Equal(drbdwire.NoVerifyAlg))
		p = synced(withVerify)
		Expect(p.a.verify(sectors, 0).Code).To(Equal(drbdwire.NotSupported))
		Expect(p.a.verify(80, 40).Code).To(Equal(drbdwire.NotSupported))
		p.a.loseDisk(1)
		Expect(p.a.verify(0, 0).Code).To(Equal(drbdwire.NoLocalDisk))
		Expect(p.b.verify(0, 0).Code).To(Equal(drbdwire.NoRemoteDisk))
		p.part()
		Expect(p.b.verify(0, 0).Code).To(Equal(drbdwire.NeedConnection))
		p = apart(withVerify)
		p.a.mustOrder(replica.OrderPauseSync, false)
		p.join()
		Expect(p.a.verify(0, 0).Code).To(Equal(drbdwire.ResyncRunning))
	})

	It("looks again at a block that differs, as a user without a disk would", func() {
		p := synced(withVerify, withIntegrity)
		p.b.disk[800*512]++
		p.b.hold[replica.Digest] = true
		p.a.sent = nil
		p.a.verify(0, 0)
		p.b.disk[800*512]--
		p.b.release()
		Expect(p.a.sent).To(ContainElement(drbdwire.CmdDataRequest))
		Expect(*p.a.core.Status().Verified).To(Equal(replica.VerifyResult{Compared: blocks(p), Complete: true}))
		Expect(*p.b.core.Status().Verified).To(Equal(replica.VerifyResult{Compared: blocks(p), Complete: true}))
		Expect(p.a.payloads).To(BeEmpty())
	})

	It("gives each request for a digest one result: a kernel counts them, and keeps the block locked meanwhile", func() {
		p := synced(withVerify)
		p.b.disk[800*512]++
		p.a.sent = nil
		p.a.verify(0, 0)
		p.wait()
		count := map[drbdwire.Command]int{}
		for _, c := range p.a.sent {
			count[c]++
		}
		Expect(count[drbdwire.CmdOVResult]).To(Equal(int(blocks(p))))
		Expect(count[drbdwire.CmdOVRequest]).To(Equal(int(blocks(p))))
		Expect(p.b.core.Status().OutOfSync).To(Equal(uint64(4)))
	})

	for protocol, letter := range map[drbdwire.WireProtocol]string{
		drbdwire.ProtocolA: "A", drbdwire.ProtocolB: "B", drbdwire.ProtocolC: "C",
	} {
		for name, driver := range map[string]func(p *pair) *end{
			"the Primary drives": func(p *pair) *end { return p.a },
			"the other drives":   func(p *pair) *end { return p.b },
		} {
			It("waits for a write that is not on both disks, in protocol "+letter+", where "+name, func() {
				p := synced(withVerify, func(c *replica.Config) { c.Protocol = protocol })
				p.b.hold[replica.Write] = true
				p.a.write(1, 8, 'x', 4096)
				p.run()
				driver(p).verify(0, 0)
				p.wait()
				Expect(driver(p).core.State().Conn).To(Equal(drbdwire.VerifyS))
				p.b.release()
				p.wait()
				Expect(p.a.done).To(HaveKey(uint64(1)))
				Expect(*driver(p).core.Status().Verified).To(Equal(replica.VerifyResult{Compared: blocks(p), Complete: true}))
			})
		}
	}

	for name, driver := range map[string]func(p *pair) *end{
		"the Primary drives": func(p *pair) *end { return p.a },
		"the other drives":   func(p *pair) *end { return p.b },
	} {
		It("holds writes to a block while it is compared, where "+name, func() {
			p := synced(withVerify)
			p.a.hold[replica.Digest] = true
			driver(p).verify(0, 0)
			p.a.write(1, 8, 'x', 4096)
			p.run()
			Expect(p.a.done).To(BeEmpty())
			p.a.release()
			Expect(p.a.done).To(HaveKey(uint64(1)))
			Expect(driver(p).core.Status().Verified.OutOfSync).To(BeZero())
		})
	}

	It("ends where a disk fails", func() {
		p := synced(withVerify)
		p.b.hold[replica.Read] = true
		p.a.verify(0, 0)
		Expect(p.a.status()).To(ContainSubstring("VerifyS"))
		Expect(p.b.status()).To(ContainSubstring("VerifyT"))
		p.b.bad = true
		p.b.release()
		Expect(p.a.status()).To(Equal("Primary/Secondary Connected UpToDate/Diskless"))
		Expect(p.b.status()).To(Equal("Secondary/Primary Connected Diskless/UpToDate"))
		Expect(p.a.core.Status().Verified.Complete).To(BeFalse())
		Expect(p.a.core.Status().OutOfSync).To(BeZero())
	})

	It("was broken off, as both nodes say, where the disk fails of the one that drives it", func() {
		p := synced(withVerify)
		p.a.hold[replica.Read] = true
		p.a.verify(0, 0)
		p.a.bad = true
		p.a.release()
		Expect(p.b.status()).To(Equal("Secondary/Primary Connected UpToDate/Diskless"))
		Expect(p.a.core.Status().Verified.Complete).To(BeFalse())
		Expect(p.b.core.Status().Verified.Complete).To(BeFalse())
	})

	It("survives results and replies that nobody waits for", func() {
		p := synced(withVerify)
		packet := func(socket replica.Socket, cmd drbdwire.Command, data []byte) {
			p.a.step(replica.Input{Kind: replica.Packet, Conn: p.conns, Socket: socket, Command: cmd, Data: data})
			p.run()
		}
		b := drbdwire.BlockRequest{Sector: 8, ID: drbdwire.Syncer(), Size: 4096}
		packet(replica.DataSocket, drbdwire.CmdOVReply, append(b.Append(nil), make([]byte, 20)...))
		packet(replica.DataSocket, drbdwire.CmdOVRequest, b.Append(nil))
		Expect(p.a.sent).To(ContainElement(drbdwire.CmdOVReply))
		a := drbdwire.BlockAck{Sector: 8, ID: drbdwire.VerifiedInSync(), Size: 4096}
		packet(replica.MetaSocket, drbdwire.CmdOVResult, a.Append(nil))
		Expect(p.a.core.Status().OutOfSync).To(BeZero())
		a.ID = drbdwire.VerifiedOutOfSync()
		packet(replica.MetaSocket, drbdwire.CmdOVResult, a.Append(nil))
		Expect(p.a.core.Status().OutOfSync).To(Equal(uint64(4)))
		Expect(p.a.core.State().Conn).To(Equal(drbdwire.Connected))
	})
})
