package world

import "github.com/optionc/pollux/daemon/core/replica"

// rows are the payloads that a core holds references to: the version of each
// sector instead of its bytes. A row is never changed; who needs it longer
// than the core keeps the slice.
type rows struct {
	live map[replica.Buf][]uint64
	last replica.Buf
}

func (r *rows) add(row []uint64) replica.Buf {
	r.last++
	r.live[r.last] = row
	return r.last
}

func (r *rows) reset() { r.live = map[replica.Buf][]uint64{} }
