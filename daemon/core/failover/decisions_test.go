package failover_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/failover"
)

// last is the newest decision of a machine.
func (m *machine) last() failover.Decision {
	all := m.fail.Snapshot().Decisions
	Expect(all).NotTo(BeEmpty())
	return all[len(all)-1]
}

var _ = Describe("Why", func() {
	It("a group was started in place of a dead peer", func() {
		w, milo1, milo2 := started()
		milo1.crash()
		w.pass(100 * time.Second)
		Expect(milo2.last().String()).To(Equal("drbddisk::r1 starts here: milo1 counts as dead [milo1 is not heard; 0 of 3 " +
			"resources run here; the data here may be used; the data there are fit] instead of: to wait for its return, with " +
			"the group down"))
	})

	It("a group stays down, named once however long that lasts", func() {
		w, milo1, milo2 := started()
		milo2.mayStart[0] = false
		milo1.crash()
		w.pass(300 * time.Second)
		Expect(milo2.last().Outcome).To(Equal("stays as it is"))
		Expect(milo2.last().Rule).To(Equal("the data of this node may not be used: it is Inconsistent"))
		Expect(milo2.fail.Snapshot().Decisions).To(HaveLen(1))
	})

	It("an order was refused, and what else there was", func() {
		w, milo1, _ := started()
		milo1.mayGive[0] = false
		for range 3 {
			milo1.order(1, failover.OrderStandby, failover.All, false)
		}
		Expect(milo1.last().Outcome).To(Equal("refused"))
		Expect(milo1.last().Times).To(Equal(3))
		Expect(milo1.last().Instead).To(Equal("to give it to milo2"))
		w.pass(time.Second)
	})

	It("is kept of the last 64 alone", func() {
		w, milo1, _ := started()
		for i := range 100 {
			milo1.mayGive[0] = i%2 == 0
			milo1.order(uint64(i), failover.OrderStandby, failover.All, false)
			w.pass(20 * time.Second)
			milo1.order(uint64(i), failover.OrderTakeover, failover.All, false)
			w.pass(20 * time.Second)
		}
		Expect(len(milo1.fail.Snapshot().Decisions)).To(BeNumerically("<=", 64))
	})
})
