package actlog_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/actlog"
	"github.com/optionc/pollux/daemon/format/drbdmeta"
)

var _ = Describe("A full log of four slots", func() {
	var (
		log *actlog.Log
		tr  drbdmeta.Transaction
	)
	BeforeEach(func() {
		log = actlog.New(4, 1, 8)
		activate(log, 10, 11, 12, 13)
	})

	get := func(extent uint32) {
		GinkgoHelper()
		Expect(log.Get(extent, extent)).To(BeTrue())
	}
	wait := func(extent uint32) {
		GinkgoHelper()
		Expect(log.Get(extent, extent)).To(BeFalse())
	}

	It("evicts the extent left alone for longest, and says so before", func() {
		get(10)
		log.Put(10, 10)
		wait(20)
		t, evicted := commit(log)
		Expect(evicted).To(Equal([]uint32{11}))
		Expect(t.Updates).To(Equal([]drbdmeta.Update{{Slot: 1, Extent: 20}}))
		Expect(t.Context).To(Equal([]uint32{10, 11, 12, 13}))
		Expect(log.Extents(nil)).To(Equal([]uint32{10, 20, 12, 13}))
	})

	It("evicts in the order of the last Put, not of the Get", func() {
		for _, extent := range []uint32{10, 11, 12, 13} {
			get(extent)
		}
		for _, extent := range []uint32{12, 10, 13, 11} {
			log.Put(extent, extent)
		}
		for extent := range uint32(4) {
			wait(extent)
		}
		_, evicted := commit(log)
		Expect(evicted).To(Equal([]uint32{12, 10, 13, 11}))
	})

	It("counts the extent that a transaction in flight evicts as not active", func() {
		wait(20)
		_, ok := log.Next(&tr)
		Expect(ok).To(BeTrue())
		Expect(log.Active(10)).To(BeFalse())
		Expect(log.Extents(nil)).To(Equal([]uint32{11, 12, 13}))
		wait(10)
		log.Committed()
		get(20)
		t, evicted := commit(log)
		Expect(evicted).To(Equal([]uint32{11}))
		Expect(t.Updates).To(Equal([]drbdmeta.Update{{Slot: 1, Extent: 10}}))
		get(10)
	})

	It("never evicts what has references", func() {
		get(10)
		get(12)
		get(12)
		log.Put(12, 12)
		for extent := range uint32(4) {
			wait(extent)
		}
		_, evicted := commit(log)
		Expect(evicted).To(Equal([]uint32{11, 13}))
		get(0)
		get(1)
		_, ok := log.Next(&tr)
		Expect(ok).To(BeFalse())
	})

	It("makes others wait until a Put when every slot is referenced", func() {
		for _, extent := range []uint32{10, 11, 12, 13} {
			get(extent)
		}
		wait(20)
		_, ok := log.Next(&tr)
		Expect(ok).To(BeFalse())
		log.Put(12, 12)
		t, evicted := commit(log)
		Expect(evicted).To(Equal([]uint32{12}))
		Expect(t.Updates).To(Equal([]drbdmeta.Update{{Slot: 2, Extent: 20}}))
		get(20)
	})

	It("lets no stream of writes to busy extents starve a new one", func() {
		for _, extent := range []uint32{10, 11, 12, 13} {
			get(extent)
		}
		wait(20)
		_, ok := log.Next(&tr)
		Expect(ok).To(BeFalse())

		wait(10)
		log.Put(10, 10)
		wait(10)
		_, evicted := commit(log)
		Expect(evicted).To(Equal([]uint32{10}))
		get(20)

		wait(10)
		log.Put(20, 20)
		_, evicted = commit(log)
		Expect(evicted).To(Equal([]uint32{20}))
		get(10)
		get(11)
	})

	It("keeps the first extent of a pair while the second waits for a slot", func() {
		for _, extent := range []uint32{10, 11, 12} {
			get(extent)
		}
		Expect(log.Get(20, 21)).To(BeFalse())
		wait(30)
		_, evicted := commit(log)
		Expect(evicted).To(Equal([]uint32{13}))

		wait(31)
		_, ok := log.Next(&tr)
		Expect(ok).To(BeFalse(), "extent 20 has no reference but is kept for its pair")

		log.Put(11, 11)
		t, evicted := commit(log)
		Expect(evicted).To(Equal([]uint32{11}))
		Expect(t.Updates).To(Equal([]drbdmeta.Update{{Slot: 1, Extent: 21}}))
		Expect(log.Get(20, 21)).To(BeTrue())
	})

	It("admits all writes to a range whose turn it is, while the next waits", func() {
		for _, extent := range []uint32{10, 11, 12} {
			get(extent)
		}
		wait(20)
		wait(21)
		_, evicted := commit(log)
		Expect(evicted).To(Equal([]uint32{13}))
		wait(10)
		get(20)
		get(20)
		_, ok := log.Next(&tr)
		Expect(ok).To(BeFalse())
		log.Put(20, 20)
		wait(20)
		log.Put(20, 20)
		_, evicted = commit(log)
		Expect(evicted).To(Equal([]uint32{20}))
		get(21)
	})

	It("takes a range as large as itself, in as many transactions as it needs", func() {
		log = actlog.New(200, 1, 8)
		activate(log, 150, 500)
		Expect(log.Get(100, 299)).To(BeFalse())
		var updates []int
		for !log.Get(100, 299) {
			t, _ := commit(log)
			updates = append(updates, len(t.Updates))
		}
		Expect(updates).To(Equal([]int{64, 64, 64, 7}))
		log.Put(100, 299)
	})

	It("forgets a range that nobody asks for again", func() {
		wait(20)
		commit(log)
		wait(30)
		_, evicted := commit(log)
		Expect(evicted).To(Equal([]uint32{11}))
		wait(31)
		wait(32)
		wait(33)
		_, evicted = commit(log)
		Expect(evicted).To(Equal([]uint32{12, 13, 20}))
	})
})
