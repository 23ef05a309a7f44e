package replica_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

// With on-io-error pass_on a disk is kept that failed a write in a resync. The block
// may be on its way meanwhile, or compared.
var _ = Describe("A write that fails in a resync on one of two disks that are kept", func() {
	withPassOn := func(c *replica.Config) { c.PassOn = true }
	var p *pair

	It("has the target copied anew, where the source's disk failed and the target's is slower than the resync", func() {
		p = synced(withPassOn)
		p.part()
		p.a.mustWrite(1, 8, 'b')
		p.b.hold[replica.Write] = true
		p.join()
		Expect(p.a.status()).To(Equal("Primary/Secondary SyncSource UpToDate/Inconsistent"))
		p.a.badData = true
		p.a.write(2, 8, 'x', 4096)
		p.run()
		p.a.badData = false
		p.b.doesWhatItHolds() // what the block was before; the write is behind that
		p.wait()
		p.b.release()
		p.wait()
		p.wait()
		Expect(p.a.done).To(HaveKey(uint64(2)))
		Expect(p.b.disk[8*512]).To(Equal(p.a.disk[8*512]))
		Expect(p.a.done[2].Failed).To(BeTrue(), "the source's disk has not got it")
		expectSynced(p)
	})
})
