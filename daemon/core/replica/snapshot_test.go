package replica_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/replica"
)

var _ = Describe("A snapshot before a resync", func() {
	resynced := func(policy replica.Snapshot, exit int) *pair {
		p := synced(func(c *replica.Config) { c.Snapshot = policy })
		Expect(p.b.called).NotTo(ContainElement("take-snapshot"), "a fresh disk has nothing to keep")
		p.b.called, p.b.exits = nil, map[string]int{"take-snapshot": exit}
		p.breakLinkForGood()
		p.a.write(1, 8, 'x', 4096)
		p.run()
		p.heal()
		p.wait()
		return p
	}

	It("is dropped after it", func() {
		p := resynced(replica.RequireSnapshot, 0)
		Expect(p.b.called).To(Equal([]string{"take-snapshot", "drop-snapshot"}))
		Expect(p.b.status()).To(Equal("Secondary/Primary Connected UpToDate/UpToDate"))
	})

	It("that can't be taken is a warning", func() {
		p := resynced(replica.TrySnapshot, 1)
		Expect(p.b.status()).To(Equal("Secondary/Primary Connected UpToDate/UpToDate"))
		Expect(p.b.decided).To(ContainElement(ContainSubstring("resync may begin: without a snapshot")))
	})

	It("that can't be taken forbids it, if one is required", func() {
		p := resynced(replica.RequireSnapshot, 1)
		Expect(p.b.status()).To(Equal("Secondary/Unknown StandAlone Outdated/DUnknown"))
		Expect(p.b.core.Status().Note).To(HavePrefix("no resync without a snapshot"))
	})

	It("is taken by nobody who does not want it", func() {
		Expect(resynced(replica.NoSnapshot, 0).b.called).To(BeEmpty())
	})

	It("is not taken of what an interrupted resync has left, and kept until one ends well", func() {
		p := synced(func(c *replica.Config) { c.Snapshot = replica.TrySnapshot })
		p.b.called = nil
		p.breakLinkForGood()
		p.a.write(1, 8, 'x', 4096)
		p.run()
		p.b.hold[replica.Write] = true
		p.heal()
		p.breakLinkForGood()
		Expect(p.b.core.State().Disk.String()).To(Equal("Inconsistent"))
		p.b.release()
		p.heal()
		p.wait()
		Expect(p.b.called).To(Equal([]string{"take-snapshot", "drop-snapshot"}))
	})
})
