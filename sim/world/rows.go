package world

import "github.com/optionc/pollux/daemon/core/replica"

// rows are the payloads that a core holds references to: the version of each
// sector instead of its bytes. A row is never changed; who needs it longer
// than the core keeps the slice.
type rows struct {
	// list has the rows in the order of their names, from first on; nil is one that
	// was freed. The oldest, gone of them, are all freed.
	list  [][]uint64
	first replica.Buf
	gone  int
	held  int
}

func (r *rows) add(row []uint64) replica.Buf {
	r.list = append(r.list, row)
	r.held++
	return r.first + replica.Buf(len(r.list)-1)
}

// get is nil for what is not held.
func (r *rows) get(b replica.Buf) []uint64 {
	if at := int(b) - int(r.first); at >= 0 && at < len(r.list) {
		return r.list[at]
	}
	return nil
}

// drop forgets a row, and tells whether there was one.
func (r *rows) drop(b replica.Buf) bool {
	if r.get(b) == nil {
		return false
	}
	r.list[b-r.first] = nil
	r.held--
	for r.gone < len(r.list) && r.list[r.gone] == nil {
		r.gone++
	}
	if r.gone > 32 && r.gone > len(r.list)/2 {
		kept := copy(r.list, r.list[r.gone:])
		clear(r.list[kept:])
		r.list, r.first, r.gone = r.list[:kept], r.first+replica.Buf(r.gone), 0
	}
	return true
}

func (r *rows) reset() { *r = rows{first: max(1, r.first+replica.Buf(len(r.list)))} }
