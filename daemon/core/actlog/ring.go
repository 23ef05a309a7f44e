package actlog

import (
	"fmt"

	"github.com/optionc/pollux/daemon/format/drbdmeta"
)

// AppendRing appends the whole log as it belongs on a disk that has none yet:
// transactions that name every slot, then blocks without content. The next
// transaction follows upon them. References, and Gets that wait, stay.
//
// It panics if a transaction is in flight.
func (l *Log) AppendRing(dst []byte) []byte {
	if len(l.inFlight) > 0 {
		panic(fmt.Errorf("actlog: AppendRing with a transaction in flight: %w", ErrMisuse))
	}
	start := len(dst)
	for range drbdmeta.LogBlocks(l.stripes, l.stripeSize4k) {
		dst = drbdmeta.AppendInitialized(dst)
	}
	l.number, l.window = 0, 0
	for first := 0; first < l.free; first += drbdmeta.ContextSlots {
		t := drbdmeta.Transaction{Number: l.number, Slots: len(l.slots), ContextStart: first}
		for _, s := range l.slots[first:min(first+drbdmeta.ContextSlots, len(l.slots))] {
			t.Context = append(t.Context, s.extent)
		}
		at := start + int(l.Block())*drbdmeta.BlockSize
		t.Append(dst[:at])
		l.number++
	}
	return dst
}
