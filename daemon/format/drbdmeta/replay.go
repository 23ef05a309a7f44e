package drbdmeta

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
)

// ErrLogLost is an activity log of a crashed Primary that tells nothing: any
// block of the data may differ from the peer's.
var ErrLogLost = errors.New("activity log lost")

// Replayed is what an activity log tells after a crash.
type Replayed struct {
	// Hot holds the extents that may differ from the peer's, ascending: all
	// their bits are to be set. It is empty unless the node was Primary.
	Hot []uint32
	// Torn counts the blocks that are not whole. One is the write that the
	// crash interrupted; more are worth a warning.
	Torn int
}

// Replay reads the activity log of a disk with superblock s. log holds
// Layout.ALSize bytes from Layout.ActivityLog on.
//
// What follows has an order, each step durable before the next: set the bits
// of the hot extents in the bitmap on disk, write the log anew with
// AppendInitialized, write the superblock with MDALClean and Clean. MDPrimaryInd
// stays: it tells the attach that a Primary crashed.
//
// It fails with ErrLogLost if a Primary's log has no whole block or no
// transaction besides torn blocks: then every bit is to be set, or the peer
// to be synced from in full. The log of 8.3 and 0.7 is read too.
// Source: DRBD meta-data, sections 6.3 and 6.4.
func Replay(s Superblock, log []byte) (Replayed, error) {
	var (
		slots table
		torn  int
		err   error
	)
	if s.hasOldLog(log) {
		slots = replayOldRing(s, log)
	} else {
		slots, torn, err = replayRing(s, log)
	}
	switch {
	case s.Flags&MDPrimaryInd == 0:
		// A Secondary's data are the peer's to judge, its log counts for nothing.
		return Replayed{Torn: torn}, nil
	case err != nil:
		return Replayed{Torn: torn}, err
	}
	var hot []uint32
	for _, extent := range slots {
		if extent != FreeExtent {
			hot = append(hot, extent)
		}
	}
	slices.Sort(hot)
	return Replayed{Hot: slices.Compact(hot), Torn: torn}, nil
}

// hasOldLog decides the format of the log as the tools of DRBD do.
func (s Superblock) hasOldLog(log []byte) bool {
	stripes, stripeSize4k := s.striping()
	if !s.Clean || stripes != defaultStripes || stripeSize4k != defaultStripe {
		return false
	}
	for at := 0; at < 2*BlockSize && at+4 <= len(log); at += BlockSize {
		if binary.BigEndian.Uint32(log[at:]) == logMagic {
			return false
		}
	}
	return true
}

// A table holds the extent of each slot, FreeExtent for none.
type table []uint32

func (t *table) set(slot int, extent uint32) {
	for len(*t) <= slot {
		*t = append(*t, FreeExtent)
	}
	(*t)[slot] = extent
}

// replayRing reads the log of 8.4.
func replayRing(s Superblock, log []byte) (t table, torn int, err error) {
	stripes, stripeSize4k := s.striping()
	blocks := min(int64(len(log))/BlockSize, int64(stripes)*int64(stripeSize4k))
	block := func(i int64) []byte {
		if at := ALBlock(uint32(i), stripes, stripeSize4k) * BlockSize; at+BlockSize <= int64(len(log)) {
			return log[at : at+BlockSize]
		}
		return nil
	}
	var r ring
	firstTorn := int64(0)
	for i := range blocks {
		tr, err := DecodeTransaction(block(i))
		switch {
		case errors.Is(err, ErrInitialized):
			r.initialized++
		case err != nil:
			if r.torn++; r.torn == 1 {
				firstTorn = i
			}
		default:
			r.note(i, tr.Number)
		}
	}
	if r.updates == 0 {
		// The first transaction ever may be the one that is torn.
		if r.initialized > 0 && (r.torn == 0 || r.torn == 1 && firstTorn == 0) {
			return nil, r.torn, nil
		}
		return nil, r.torn, fmt.Errorf("%d of %d activity log blocks are whole and none is a transaction: %w",
			r.initialized, blocks, ErrLogLost)
	}
	r.walk(blocks, func(i int64) {
		tr, err := DecodeTransaction(block(i))
		if err != nil {
			return
		}
		for k, extent := range tr.Context {
			if slot := tr.ContextStart + k; extent != FreeExtent || slot < tr.Slots {
				t.set(slot, extent)
			}
		}
		for _, u := range tr.Updates {
			t.set(int(u.Slot), u.Extent)
		}
	})
	return t, r.torn, nil
}

// A ring finds the oldest and the newest transaction of a log.
type ring struct {
	updates, initialized, torn int
	oldest, newest             int64
	oldestNumber, newestNumber uint32
}

// note is called for every transaction. Numbers run free, so the sign of a
// difference tells which is older.
func (r *ring) note(i int64, number uint32) {
	if r.updates == 0 || int32(number-r.oldestNumber) < 0 {
		r.oldest, r.oldestNumber = i, number
	}
	if r.updates == 0 || int32(number-r.newestNumber) >= 0 {
		r.newest, r.newestNumber = i, number
	}
	r.updates++
}

// walk visits the places from the oldest to the newest transaction.
func (r *ring) walk(blocks int64, visit func(i int64)) {
	for i := r.oldest; ; i = (i + 1) % blocks {
		visit(i)
		if i == r.newest {
			return
		}
	}
}
