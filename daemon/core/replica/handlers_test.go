package replica_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

// withHandlers configures handlers on both nodes.
func withHandlers(names ...string) func(*replica.Config) {
	return func(c *replica.Config) { c.Handlers = names }
}

var _ = Describe("Handlers", func() {
	resyncs := withHandlers("before-resync-source", "before-resync-target", "after-resync-target")

	It("are called before a resync on both nodes, and after it on the target", func() {
		p := synced(resyncs)
		Expect(p.a.called).To(Equal([]string{"before-resync-source"}))
		Expect(p.b.called).To(Equal([]string{"before-resync-target", "after-resync-target"}))
	})

	It("hold the resync back until they have ended", func() {
		p := synced(resyncs)
		p.breakLinkForGood()
		p.a.write(1, 8, 'x', 4096)
		p.run()
		p.b.called, p.b.hold[replica.Call] = nil, true
		p.heal()
		p.wait()
		Expect(p.b.status()).To(Equal("Secondary/Primary WFSyncUUID Outdated/UpToDate"))
		p.b.release()
		p.wait()
		Expect(p.b.status()).To(Equal("Secondary/Primary Connected UpToDate/UpToDate"))
		Expect(p.b.called).To(Equal([]string{"before-resync-target", "after-resync-target"}))
	})

	It("forbid a resync that would overwrite what somebody wants to keep", func() {
		p := synced(resyncs)
		p.breakLinkForGood()
		p.a.write(1, 8, 'x', 4096)
		p.run()
		p.b.exits = map[string]int{"before-resync-target": 1}
		p.heal()
		p.wait()
		Expect(p.b.status()).To(Equal("Secondary/Unknown StandAlone Outdated/DUnknown"))
		Expect(p.b.core.Status().Note).To(Equal("the handler before-resync-target forbids the resync with exit status 1"))
		Expect(p.b.data()[8*512]).NotTo(Equal(byte('x')))
	})

	It("of a source that say 3 do not keep it from being one", func() {
		p := newPair(resyncs)
		p.a.exits = map[string]int{"before-resync-source": 3}
		p.a.up()
		p.b.up()
		p.a.mustOrder(replica.OrderPrimary, true)
		p.wait()
		Expect(p.a.status()).To(Equal("Primary/Secondary Connected UpToDate/UpToDate"))
	})

	It("whose answer comes after the connection broke are not listened to", func() {
		p := synced(resyncs)
		p.breakLinkForGood()
		p.a.write(1, 8, 'x', 4096)
		p.run()
		p.b.hold[replica.Call] = true
		p.heal()
		p.wait()
		late := p.b.held
		p.b.held, p.b.exits = nil, map[string]int{"before-resync-target": 1}
		p.breakLink()
		p.wait()
		for _, answer := range late {
			answer()
		}
		p.run()
		Expect(p.b.status()).To(Equal("Secondary/Primary WFSyncUUID Outdated/UpToDate"), "the second call is not answered")
	})

	It("hear of a split brain", func() {
		p := synced(withHandlers("initial-split-brain", "split-brain"))
		p.breakLinkForGood()
		p.a.write(1, 8, 'x', 4096)
		p.b.mustOrder(replica.OrderPrimary, false)
		p.b.write(2, 16, 'y', 4096)
		p.run()
		p.heal()
		p.wait()
		Expect(p.a.called).To(Equal([]string{"initial-split-brain", "split-brain"}))
		Expect(p.b.called).To(Equal([]string{"initial-split-brain", "split-brain"}))
	})

	It("hear of a Primary that has no good copy any more", func() {
		p := synced(withHandlers("pri-on-incon-degr"))
		p.a.bad = true
		p.a.write(1, 8, 'x', 4096)
		p.run()
		Expect(p.a.called).To(BeEmpty(), "the peer's copy serves")
		p.breakLinkForGood()
		Expect(p.a.called).To(Equal([]string{"pri-on-incon-degr"}))
	})
})

var _ = Describe("What a replica decided", func() {
	It("is kept with its rule and its evidence", func() {
		p := synced()
		p.breakLinkForGood()
		p.b.mustOrder(replica.OrderOutdate, false)
		Expect(p.b.order(replica.OrderPrimary, false).Code).To(Equal(drbdwire.NoUpToDateDisk))
		ds := p.b.core.Status().Decisions
		last := ds[len(ds)-1]
		Expect(last.String()).To(Equal("primary refused: Need access to UpToDate data: the peer went on without this node " +
			"and has newer data [Secondary/Unknown WFConnection Outdated/DUnknown]"))
		Expect(ds[len(ds)-2].String()).To(HavePrefix("own data counts as Outdated: ordered"))
	})

	It("names the rule of a handshake and both sides", func() {
		p := synced()
		ds := p.b.core.Status().Decisions
		Expect(ds).To(ContainElement(And(
			HaveField("About", "handshake"), HaveField("Outcome", "this node is the target of a full resync"),
			HaveField("Rule", HavePrefix("rule 20, ")), HaveField("Inputs", MatchRegexp("^own 0+4:.*; peer .* Primary UpToDate$")),
		)))
	})

	It("is told once, however often it is decided", func() {
		p := synced()
		p.breakLinkForGood()
		p.b.mustOrder(replica.OrderOutdate, false)
		p.b.decided = nil
		for range 100 {
			p.b.order(replica.OrderPrimary, false)
		}
		Expect(p.b.decided).To(HaveLen(1))
		ds := p.b.core.Status().Decisions
		Expect(ds[len(ds)-1].Times).To(Equal(100))
	})

	It("does not grow", func() {
		p := synced()
		for range 100 {
			p.b.order(replica.OrderOutdate, false)
			p.b.order(replica.OrderAttach, false)
			p.breakLink()
			p.wait()
		}
		ds := p.b.core.Status().Decisions
		Expect(len(ds)).To(BeNumerically("<=", 64))
	})
})
