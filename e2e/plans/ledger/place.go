package ledger

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
)

// What a guest writes to: places of PlaceSize bytes each, Places of them, all
// over the device.
const (
	Places    = 256
	PlaceSize = 16 << 10
	sector    = 512
)

// Offset is where a place begins on a device of that size, in bytes.
func Offset(place int, size int64) int64 {
	stride := size / Places / 4096 * 4096
	return int64(place) * stride
}

// A Number is what a write is known by. Numbers of a later run of the guest are
// higher than all that it found: the run stands before the count.
type Number uint64

// NewNumber is the count-th write of a run; both begin at 1.
func NewNumber(run, count uint32) Number { return Number(run)<<32 | Number(count) }

// Run is the run of the guest that the write belongs to.
func (n Number) Run() uint32 { return uint32(n >> 32) }

// String is RUN.COUNT.
func (n Number) String() string { return fmt.Sprintf("%d.%d", n.Run(), uint32(n)) }

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Fill makes p the content of a write to a place: each sector says which write
// it is of, and where it belongs.
func Fill(p []byte, place int, n Number) {
	for i := 0; i*sector < len(p); i++ {
		s := p[i*sector : (i+1)*sector]
		head := binary.BigEndian.AppendUint64(s[:0], uint64(n))
		head = binary.BigEndian.AppendUint32(head, uint32(place))
		head = binary.BigEndian.AppendUint32(head, uint32(i))
		head = binary.BigEndian.AppendUint32(head, crc32.Checksum(head, castagnoli))
		for at := len(head); at < sector; at += copy(s[at:], head) {
		}
	}
}

// Oldest reads what Fill made, of one write or of several: a write under way at
// a power loss may have reached some sectors. The result is the oldest of them;
// zeros are older than all. What nobody has written there is an error.
func Oldest(p []byte, place int) (Number, error) {
	oldest, last := ^Number(0), Number(0)
	want := make([]byte, len(p)) // what last would have left
	for i := 0; i*sector < len(p); i++ {
		s := p[i*sector : (i+1)*sector]
		n := Number(binary.BigEndian.Uint64(s))
		switch n {
		case last:
		case 0:
			clear(want)
		default:
			Fill(want, place, n)
		}
		last = n
		if !bytes.Equal(s, want[i*sector:(i+1)*sector]) {
			return 0, fmt.Errorf("place %d, sector %d: %x..., which nobody wrote there", place, i, s[:20])
		}
		oldest = min(oldest, n)
	}
	return oldest, nil
}
