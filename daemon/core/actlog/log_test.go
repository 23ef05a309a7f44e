package actlog_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/actlog"
	"github.com/optionc/pollux/daemon/format/drbdmeta"
)

var _ = Describe("A log of al-extents 257 on 8 blocks", func() {
	var (
		log *actlog.Log
		tr  drbdmeta.Transaction
	)
	BeforeEach(func() { log = actlog.New(257, 1, 8) })

	It("holds a write back until its extent is on disk", func() {
		Expect(log.Get(5, 5)).To(BeFalse())
		Expect(log.Active(5)).To(BeFalse())

		evicted, ok := log.Next(&tr)
		Expect(ok).To(BeTrue())
		Expect(evicted).To(BeEmpty())
		Expect(log.Block()).To(BeEquivalentTo(0))
		Expect(tr.Number).To(BeEquivalentTo(0))
		Expect(tr.Slots).To(Equal(257))
		Expect(tr.Updates).To(Equal([]drbdmeta.Update{{Slot: 0, Extent: 5}}))
		Expect(tr.Context).To(HaveLen(257))
		Expect(tr.Context).To(HaveEach(drbdmeta.FreeExtent), "the state before the transaction")
		Expect(log.Get(5, 5)).To(BeFalse(), "in flight is not durable")

		log.Committed()
		Expect(log.Get(5, 5)).To(BeTrue())
		Expect(log.Active(5)).To(BeTrue())
	})

	It("writes nothing for an extent that is active", func() {
		activate(log, 5)
		for range 1000 {
			Expect(log.Get(5, 5)).To(BeTrue())
			log.Put(5, 5)
		}
		_, ok := log.Next(&tr)
		Expect(ok).To(BeFalse())
	})

	It("needs both extents of a write across a 4 MiB border, and takes none alone", func() {
		activate(log, 7)
		Expect(log.Get(7, 8)).To(BeFalse())
		Expect(func() { log.Put(7, 7) }).To(panicWith("Put of extent 7"))
		t, _ := commit(log)
		Expect(t.Updates).To(Equal([]drbdmeta.Update{{Slot: 1, Extent: 8}}))
		Expect(log.Get(7, 8)).To(BeTrue())
		log.Put(7, 8)
	})

	It("batches at most 64 changes into a transaction", func() {
		for extent := range uint32(100) {
			Expect(log.Get(extent, extent)).To(BeFalse())
		}
		t, _ := commit(log)
		Expect(t.Updates).To(HaveLen(64))
		Expect(log.Get(63, 63)).To(BeTrue())
		Expect(log.Get(64, 64)).To(BeFalse())
		t, _ = commit(log)
		Expect(t.Updates).To(HaveLen(36))
		Expect(t.Context[63]).To(BeEquivalentTo(63))
		Expect(t.Context[64]).To(Equal(drbdmeta.FreeExtent))
		Expect(log.Get(99, 99)).To(BeTrue())
		Expect(log.Len()).To(Equal(100))
	})

	It("asks for an extent once however many writes want it", func() {
		for range 3 {
			Expect(log.Get(9, 9)).To(BeFalse())
		}
		t, _ := commit(log)
		Expect(t.Updates).To(HaveLen(1))
		for range 3 {
			Expect(log.Get(9, 9)).To(BeTrue())
		}
		_, ok := log.Next(&tr)
		Expect(ok).To(BeFalse())
	})

	It("goes around the ring of blocks", func() {
		for i := range uint32(20) {
			Expect(log.Get(i, i)).To(BeFalse())
			_, ok := log.Next(&tr)
			Expect(ok).To(BeTrue())
			Expect(tr.Number).To(Equal(i))
			Expect(log.Block()).To(BeEquivalentTo(i % 8))
			log.Committed()
		}
	})

	It("writes one transaction at a time", func() {
		Expect(log.Get(5, 5)).To(BeFalse())
		_, ok := log.Next(&tr)
		Expect(ok).To(BeTrue())
		Expect(log.Get(6, 6)).To(BeFalse())
		_, ok = log.Next(&drbdmeta.Transaction{})
		Expect(ok).To(BeFalse())
		log.Committed()
		t, _ := commit(log)
		Expect(t.Updates).To(Equal([]drbdmeta.Update{{Slot: 1, Extent: 6}}))
		Expect(t.Context[:2]).To(Equal([]uint32{5, drbdmeta.FreeExtent}))
	})

	It("forgets everything on Reset", func() {
		activate(log, 1, 2)
		Expect(log.Get(1, 1)).To(BeTrue())
		Expect(log.Get(3, 3)).To(BeFalse())
		log.Reset()
		Expect(log.Len()).To(BeZero())
		Expect(log.Active(1)).To(BeFalse())
		_, ok := log.Next(&tr)
		Expect(ok).To(BeFalse())
		Expect(log.Get(4, 4)).To(BeFalse())
		t, _ := commit(log)
		Expect(t.Number).To(BeZero())
		Expect(t.Updates).To(Equal([]drbdmeta.Update{{Slot: 0, Extent: 4}}))
	})

	It("names its misuse", func() {
		Expect(func() { log.Put(5, 5) }).To(panicWith("Put of extent 5, which has no reference"))
		Expect(log.Committed).To(panicWith("Committed without a transaction"))
		Expect(func() { log.Get(6, 5) }).To(panicWith("Get of extents 6 to 5"))
		Expect(func() { log.Get(0, 257) }).To(panicWith("from 257 slots"))
		Expect(func() { log.Get(0, drbdmeta.FreeExtent) }).To(panicWith("Get of extents"))
	})
})

var _ = Describe("The size of a log", func() {
	It("is cut to what its blocks can serve", func() {
		Expect(actlog.New(65534, 1, 8).Slots()).To(Equal(7 * 919))
		Expect(actlog.New(6433, 0, 0).Slots()).To(Equal(6433))
		Expect(actlog.New(0, 1, 8).Slots()).To(Equal(1))
	})

	It("of 2000 slots makes the context a window that moves on", func() {
		log := actlog.New(2000, 1, 8)
		for i, start := range []int{0, 919, 1838, 0} {
			Expect(log.Get(uint32(i), uint32(i))).To(BeFalse())
			t, _ := commit(log)
			Expect(t.ContextStart).To(Equal(start))
			Expect(t.Context).To(HaveLen(min(919, 2000-start)))
		}
	})

	It("on stripes spreads the transactions over them", func() {
		log := actlog.New(257, 2, 4)
		var blocks []int64
		for i := range uint32(9) {
			Expect(log.Get(i, i)).To(BeFalse())
			_, ok := log.Next(&drbdmeta.Transaction{})
			Expect(ok).To(BeTrue())
			blocks = append(blocks, log.Block())
			log.Committed()
		}
		Expect(blocks).To(Equal([]int64{0, 4, 1, 5, 2, 6, 3, 7, 0}))
	})
})
