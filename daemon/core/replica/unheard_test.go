package replica_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

var _ = Describe("A write that was given up for a peer without a disk, while I/O was suspended by order", func() {
	// marked is a pair whose second node has its disk again, and counts as equal; the first
	// is about to copy what is marked, and nothing of that gets through to the other.
	marked := func(change ...func(*replica.Config)) *pair {
		GinkgoHelper()
		p := synced(change...)
		p.a.fences(1)
		p.b.hold[replica.Write] = true
		p.a.write(1, 8, 'x', 4096)
		p.run()
		p.a.mustOrder(replica.OrderSuspendIO, false)
		p.b.crash()
		p.b.mustOrder(replica.OrderConnect, false)
		Expect(p.a.status()).To(Equal("Primary/Secondary Connected UpToDate/Diskless"))
		p.a.tap = func(cmd drbdwire.Command, _ []byte, _ uint32) {
			p.a.hold[replica.MetaWrite] = p.a.hold[replica.MetaWrite] || cmd == drbdwire.CmdUUIDs
		}
		p.b.mustOrder(replica.OrderAttach, false)
		p.a.tap = nil
		Expect(p.b.status()).To(Equal("Secondary/Primary Connected UpToDate/UpToDate"))
		p.cut = true
		p.a.release()
		Expect(p.b.status()).To(Equal("Secondary/Primary Connected UpToDate/UpToDate"))
		Expect(p.a.done).To(BeEmpty(), "the peer would take over without it")
		return p
	}

	It("is told when the peer knows that it lacks it", func() {
		p := marked()
		p.breakLink()
		p.join()
		Expect(p.a.done).To(HaveKeyWithValue(uint64(1), HaveField("Failed", false)))
		expectSynced(p)
	})

	It("waits for fencing when the connection breaks before", func() {
		p := marked(withFencing(replica.ResourceAndStonith))
		p.breakLink()
		Expect(p.b.status()).To(Equal("Secondary/Unknown WFConnection UpToDate/DUnknown"))
		Expect(p.a.core.State().SuspFencing).To(BeTrue())
		Expect(p.a.done).To(BeEmpty())
		p.a.mustOrder(replica.OrderResumeIO, false)
		Expect(p.a.done).To(HaveKeyWithValue(uint64(1), HaveField("Failed", false)))
	})
})
