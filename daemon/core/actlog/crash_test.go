package actlog_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/actlog"
	"github.com/optionc/pollux/daemon/format/drbdmeta"
)

// A write is a request that holds, or waits for, a range of extents.
type write struct {
	first, last uint32
	waited      int // transactions
}

// A model uses a log as a replica does, and knows what a crash may not lose.
type model struct {
	rng     *rand.Rand
	log     *actlog.Log
	stripes uint32
	size    uint32
	disk    []byte // the activity log

	held, waiting []write
	refs          map[uint32]int
	// Bits that a Put left, because the peer has not got the write: in memory,
	// and as far as an eviction made them durable.
	bits, durable map[uint32]bool
	inFlight      []byte
}

func newModel(seed uint64, slots int, stripes, size uint32) *model {
	return &model{
		rng: rand.New(rand.NewPCG(seed, 84)), log: actlog.New(slots, stripes, size), stripes: stripes, size: size,
		disk: bytes.Repeat(drbdmeta.AppendInitialized(nil), int(stripes*size)),
		refs: map[uint32]int{}, bits: map[uint32]bool{}, durable: map[uint32]bool{},
	}
}

func (m *model) get(w write) {
	if !m.log.Get(w.first, w.last) {
		m.waiting = append(m.waiting, w)
		return
	}
	for extent := w.first; extent <= w.last; extent++ {
		m.refs[extent]++
	}
	m.held = append(m.held, w)
}

func (m *model) put() {
	i := m.rng.IntN(len(m.held))
	w := m.held[i]
	m.held = slices.Delete(m.held, i, i+1)
	lost := m.rng.IntN(3) == 0
	for extent := w.first; extent <= w.last; extent++ {
		if m.refs[extent]--; m.refs[extent] == 0 {
			delete(m.refs, extent)
		}
		if lost {
			m.bits[extent] = true
		}
	}
	m.log.Put(w.first, w.last)
}

func (m *model) next() bool {
	var tr drbdmeta.Transaction
	evicted, ok := m.log.Next(&tr)
	if !ok {
		return false
	}
	for _, extent := range evicted {
		Expect(m.refs).NotTo(HaveKey(extent), "evicted with references")
		if m.bits[extent] {
			m.durable[extent] = true
		}
	}
	m.inFlight = tr.Append(nil)
	return true
}

func (m *model) block() []byte { return m.disk[m.log.Block()*drbdmeta.BlockSize:][:drbdmeta.BlockSize] }

func (m *model) commit() {
	copy(m.block(), m.inFlight)
	m.inFlight = nil
	m.log.Committed()
	again := m.waiting
	m.waiting = nil
	for _, w := range again {
		w.waited++
		m.get(w)
	}
}

// crash replays what is on disk, with the transaction in flight not written,
// torn or whole.
func (m *model) crash() {
	m.replay("not written")
	if m.inFlight == nil {
		return
	}
	before := bytes.Clone(m.block())
	sectors := m.rng.IntN(9)
	copy(m.block(), m.inFlight[:sectors*512])
	m.replay(fmt.Sprintf("%d sectors written", sectors))
	copy(m.block(), before)
}

func (m *model) replay(state string) {
	replayed, err := drbdmeta.Replay(drbdmeta.Superblock{
		Flags: drbdmeta.MDPrimaryInd, Stripes: m.stripes, StripeSize4k: m.size,
	}, m.disk)
	Expect(err).NotTo(HaveOccurred(), state)
	hot := map[uint32]bool{}
	for _, extent := range replayed.Hot {
		hot[extent] = true
	}
	for extent := range m.refs {
		Expect(hot[extent]).To(BeTrue(), "extent %d is referenced and cold, transaction %s", extent, state)
	}
	for extent := range m.bits {
		Expect(hot[extent] || m.durable[extent]).To(BeTrue(), "extent %d is dirty and cold, transaction %s", extent, state)
	}
	for _, extent := range m.log.Extents(nil) {
		Expect(hot[extent]).To(BeTrue(), "extent %d is active and cold, transaction %s", extent, state)
	}
}

func (m *model) step() {
	switch m.rng.IntN(5) {
	case 0, 1:
		if len(m.waiting) < 30 {
			first := uint32(m.rng.IntN(40))
			m.get(write{first: first, last: first + uint32(m.rng.IntN(min(2, m.log.Slots())))})
		}
	case 2:
		if len(m.held) > 0 {
			m.put()
		}
	case 3:
		if m.inFlight == nil {
			m.next()
		}
	default:
		if m.inFlight != nil {
			m.commit()
		}
	}
	for _, w := range m.waiting {
		Expect(w.waited).To(BeNumerically("<", 100), "extents %d to %d starve", w.first, w.last)
	}
}

// drain lets everything that waits have its turn.
func (m *model) drain() {
	for range 10000 {
		switch {
		case m.inFlight != nil:
			m.commit()
		case len(m.waiting) == 0:
			return
		case m.next():
		default:
			Expect(m.held).NotTo(BeEmpty(), "%d writes wait for nothing", len(m.waiting))
			m.put()
		}
	}
	Fail("writes wait for ever")
}

var _ = DescribeTable("A crash at any moment finds every extent with references hot, and starves no write",
	func(slots int, stripes, size uint32) {
		for seed := range uint64(12) {
			By(fmt.Sprintf("seed %d", seed))
			m := newModel(seed, slots, stripes, size)
			for range 300 {
				m.step()
				m.crash()
			}
			m.drain()
			m.crash()
		}
	},
	Entry("in a log of one slot", 1, uint32(1), uint32(8)),
	Entry("in a log of two slots", 2, uint32(1), uint32(8)),
	Entry("in a log of five slots", 5, uint32(1), uint32(8)),
	Entry("in a log of 12 slots on stripes", 12, uint32(4), uint32(3)),
	Entry("in a log of 67 slots", 67, uint32(1), uint32(8)),
	Entry("in a log of 1237 slots with a moving context", 1237, uint32(2), uint32(4)),
)
