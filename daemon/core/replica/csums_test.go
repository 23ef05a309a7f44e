package replica_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

func withCsums(c *replica.Config) { c.CsumsAlg = "sha1" }

// apart is a pair whose Primary writes four blocks alone, of which the peer
// has one already.
func apart(change ...func(*replica.Config)) *pair {
	GinkgoHelper()
	p := synced(change...)
	p.a.write(1, 800, 's', 4096)
	p.run()
	p.part()
	p.a.write(2, 800, 's', 4096)
	p.a.write(3, 1600, 'd', 8192)
	p.a.step(replica.Input{Kind: replica.Request, Op: replica.OpZero, ID: 4, Sector: 2400, Size: 4096})
	p.run()
	p.a.sent, p.b.sent = nil, nil
	return p
}

func count(list []drbdwire.Command, cmd drbdwire.Command) int {
	n := 0
	for _, c := range list {
		if c == cmd {
			n++
		}
	}
	return n
}

func expectSynced(p *pair) {
	GinkgoHelper()
	Expect(p.a.status()).To(Equal("Primary/Secondary Connected UpToDate/UpToDate"))
	Expect(p.b.status()).To(Equal("Secondary/Primary Connected UpToDate/UpToDate"))
	Expect(p.b.data()).To(Equal(p.a.data()))
	for _, e := range []*end{p.a, p.b} {
		Expect(e.core.Status().OutOfSync).To(BeZero())
		Expect(e.payloads).To(BeEmpty())
	}
}

var _ = Describe("A resync with csums-alg sha1", func() {
	It("sends only what differs", func() {
		p := apart(withCsums)
		before := p.a.core.Status().Stats.Sent
		p.join()
		expectSynced(p)
		Expect(count(p.b.sent, drbdwire.CmdCsumRSRequest)).To(Equal(3))
		Expect(count(p.b.sent, drbdwire.CmdRSDataRequest)).To(BeZero())
		Expect(count(p.a.sent, drbdwire.CmdRSIsInSync)).To(Equal(2), "one block was there, the other reads as zeros")
		Expect(p.a.core.Status().Stats.Sent - before).To(Equal(uint64(8192)))
		Expect(p.b.notes[len(p.b.notes)-1]).To(HaveSuffix("resync done, 8 KiB were equal by checksum"))
	})

	It("does so after a crash only, if so configured", func() {
		p := apart(withCsums, func(c *replica.Config) { c.CsumsAfterCrashOnly = true })
		p.join()
		expectSynced(p)
		Expect(count(p.b.sent, drbdwire.CmdCsumRSRequest)).To(BeZero())
	})

	It("sends what differs with its own digest too", func() {
		p := apart(withCsums, withIntegrity)
		p.join()
		expectSynced(p)
		Expect(count(p.a.sent, drbdwire.CmdRSDataReply)).To(Equal(1))
	})

	It("in protocol A compares only what is on stable storage", func() {
		p := apart(withCsums, func(c *replica.Config) { c.Protocol = drbdwire.ProtocolA })
		p.b.hold[replica.Flush] = true
		p.join()
		Expect(count(p.b.sent, drbdwire.CmdCsumRSRequest)).To(BeZero())
		p.b.release()
		p.wait()
		expectSynced(p)
		Expect(count(p.a.sent, drbdwire.CmdRSIsInSync)).To(Equal(2))
	})

	It("a write that comes while a block is compared is not lost", func() {
		p := apart(withCsums)
		p.a.hold[replica.Digest] = true
		p.join()
		p.a.write(9, 800, 'n', 4096)
		p.run()
		Expect(p.a.done).NotTo(HaveKey(uint64(9)), "it waits for the answer about its block")
		p.a.release()
		p.wait()
		Expect(p.a.done).To(HaveKey(uint64(9)))
		expectSynced(p)
	})

	It("answers one who compares with data, where it has no algorithm itself", func() {
		p := synced()
		b := drbdwire.BlockRequest{Sector: 8, ID: drbdwire.Syncer(), Size: 4096}
		p.a.step(replica.Input{
			Kind: replica.Packet, Conn: p.conns, Command: drbdwire.CmdCsumRSRequest,
			Data: append(b.Append(nil), make([]byte, 20)...),
		})
		p.run()
		Expect(count(p.a.sent, drbdwire.CmdRSDataReply)).To(BeNumerically(">", 0))
		Expect(p.a.status()).To(ContainSubstring("Connected"))
	})

	It("a peer with another algorithm is met once", func() {
		p := newPair(withCsums)
		cfg := config()
		cfg.CsumsAlg, cfg.Seed = "md5", 7
		p.a.core = replica.New(cfg)
		p.a.up()
		p.b.up()
		p.run()
		for range 3 {
			p.wait()
		}
		for e, why := range map[*end]string{p.a: "csums-alg is md5 here and sha1", p.b: "csums-alg is sha1 here and md5"} {
			Expect(e.status()).To(ContainSubstring("StandAlone"))
			Expect(e.core.Status().Note).To(ContainSubstring(why))
		}
	})

	It("follows the peer's administrator while connected", func() {
		p := synced(withCsums)
		change := func(alg string) {
			s := drbdwire.SyncParam{CsumsAlg: alg}
			p.b.step(replica.Input{
				Kind: replica.Packet, Conn: p.conns, Command: drbdwire.CmdSyncParam89, Data: s.Append(nil),
			})
		}
		change("")
		Expect(p.b.core.State().Conn).To(Equal(drbdwire.Connected))
		change("rot13")
		Expect(p.b.core.State().Conn).To(Equal(drbdwire.StandAlone))
		Expect(p.b.core.Status().Note).To(ContainSubstring(`csums-alg: digest algorithm "rot13" is unknown`))
	})
})

var _ = Describe("A thin resync", func() {
	It("punches holes where the source is all zeros", func() {
		p := apart(func(c *replica.Config) { c.RSDiscardGranularity = 4096 })
		p.join()
		expectSynced(p)
		Expect(count(p.b.sent, drbdwire.CmdRSThinReq)).To(Equal(4))
		Expect(count(p.a.sent, drbdwire.CmdRSDeallocated)).To(Equal(1))
		Expect(count(p.a.sent, drbdwire.CmdRSDataReply)).To(Equal(3))
	})

	It("asks in plain words for what is not of that size", func() {
		p := apart(func(c *replica.Config) { c.RSDiscardGranularity = 8192 })
		p.join()
		expectSynced(p)
		Expect(count(p.b.sent, drbdwire.CmdRSThinReq)).To(Equal(1))
		Expect(count(p.b.sent, drbdwire.CmdRSDataRequest)).To(Equal(2))
	})
})

var _ = Describe("A paused resync", func() {
	It("goes on when the last pause ends", func() {
		p := apart()
		p.a.mustOrder(replica.OrderPauseSync, false)
		p.join()
		Expect(p.a.status()).To(Equal("Primary/Secondary PausedSyncS UpToDate/Inconsistent"))
		Expect(p.b.status()).To(Equal("Secondary/Primary PausedSyncT Inconsistent/UpToDate"))
		Expect(p.b.core.Status().Resync).NotTo(BeNil())
		p.b.mustOrder(replica.OrderPauseSync, false)
		Expect(p.b.order(replica.OrderPauseSync, false).Code).To(Equal(drbdwire.NothingToDo))
		p.a.mustOrder(replica.OrderResumeSync, false)
		Expect(p.b.status()).To(ContainSubstring("PausedSyncT"))
		Expect(count(p.b.sent, drbdwire.CmdRSDataRequest)).To(BeZero())
		p.a.write(9, 4000, 'm', 4096)
		p.run()
		Expect(p.b.disk[4000*512]).To(Equal(byte('m')), "new writes are mirrored all the same")
		p.b.mustOrder(replica.OrderResumeSync, false)
		p.wait()
		expectSynced(p)
	})

	It("takes what was under way already", func() {
		p := apart()
		p.a.hold[replica.Read] = true
		p.join()
		Expect(p.b.status()).To(ContainSubstring("SyncTarget"))
		p.b.mustOrder(replica.OrderPauseSync, false)
		p.a.release()
		Expect(p.b.core.Status().OutOfSync).To(BeZero())
		p.b.mustOrder(replica.OrderResumeSync, false)
		p.wait()
		expectSynced(p)
	})
})
