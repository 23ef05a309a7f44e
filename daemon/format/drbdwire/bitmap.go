package drbdwire

import (
	"encoding/binary"
	"fmt"
	"math/bits"
)

// A bitmap has one bit for each 4096 bytes of the device, set where the two
// copies may differ: bit i is bit i%64 of word i/64. Bits past the end of the
// device are 0. Source: DRBD 8.4 wire, section 7.

// maxRoom is the longest payload of a bitmap packet, with the short headers.
const maxRoom = 4088

// BitmapRoom is the most bytes of payload that a bitmap packet has: with its
// header it fills 4096 bytes. Both sides must agree on it to the byte.
func BitmapRoom(f HeaderFormat) int { return 4096 - f.Size() }

// AppendWords adds words to dst as P_BITMAP carries them: little endian, as
// they lie on the disk.
func AppendWords(dst []byte, words []uint64) []byte {
	for _, w := range words {
		dst = binary.LittleEndian.AppendUint64(dst, w)
	}
	return dst
}

// MergeWords sets the bits in words that a payload of P_BITMAP has set, which
// starts at word wordOffset; no bit is cleared. set counts the bits that were
// clear before.
func MergeWords(words []uint64, payload []byte, wordOffset uint64) (set uint64, err error) {
	if n := uint64(len(words)); len(payload)%wordBytes != 0 || wordOffset > n ||
		uint64(len(payload)/wordBytes) > n-wordOffset {
		return 0, fmt.Errorf("P_BITMAP of %d bytes at word %d of %d, want whole words that lie inside",
			len(payload), wordOffset, n)
	}
	for i := range len(payload) / wordBytes {
		word := &words[wordOffset+uint64(i)]
		more := binary.LittleEndian.Uint64(payload[i*wordBytes:])
		set += uint64(bits.OnesCount64(more &^ *word))
		*word |= more
	}
	return set, nil
}

// bitmapCursor is how far a transfer has got: a compressed packet goes on at
// bit, a plain one at word. It keeps both as each side of the protocol does.
type bitmapCursor struct{ bit, word uint64 }

// compressed moves on behind a compressed packet; a plain one would repeat the
// word that it ended in.
func (c *bitmapCursor) compressed(next uint64) { *c = bitmapCursor{bit: next, word: next / wordBits} }

// plain moves on behind a plain packet of n words.
func (c *bitmapCursor) plain(n, size uint64) {
	c.word += n
	c.bit = min(c.word*wordBits, size)
}

// plainWords is how many words the next plain packet has.
func (c *bitmapCursor) plainWords(room int, size uint64) uint64 {
	return min(uint64(room/wordBytes), wordsOf(size)-c.word)
}

// wordsOf is how many words hold size bits.
func wordsOf(size uint64) uint64 { return size/wordBits + (size%wordBits+wordBits-1)/wordBits }

// A BitmapSender cuts a bitmap into packets. The bitmap must not change until
// the last one has been made.
type BitmapSender struct {
	words  []uint64
	size   uint64
	cursor bitmapCursor
}

// NewBitmapSender starts with the first of size bits in words.
func NewBitmapSender(words []uint64, size uint64) BitmapSender {
	return BitmapSender{words: words[:wordsOf(size)], size: size}
}

// Next adds the payload of the next packet to dst. room is as BitmapRoom says;
// rle allows P_COMPRESSED_BITMAP where that is shorter. The transfer is over
// with the packet for which done is true; an empty P_BITMAP ends one whose last
// bits were sent plain.
func (s *BitmapSender) Next(room int, rle bool, dst []byte) (cmd Command, payload []byte, done bool) {
	if rle {
		if out, next, ok := AppendRLE(dst, s.words, s.size, s.cursor.bit, room); ok {
			s.cursor.compressed(next)
			return CmdCompressedBitmap, out, next == s.size
		}
	}
	n := s.cursor.plainWords(room, s.size)
	out := AppendWords(dst, s.words[s.cursor.word:s.cursor.word+n])
	s.cursor.plain(n, s.size)
	return CmdBitmap, out, n == 0
}

// A BitmapReceiver merges the packets of a peer's bitmap into the own one.
type BitmapReceiver struct {
	words  []uint64
	size   uint64
	room   int
	cursor bitmapCursor
}

// NewBitmapReceiver starts at the first of size bits in words. room is as
// BitmapRoom says of the headers in use.
func NewBitmapReceiver(words []uint64, size uint64, room int) BitmapReceiver {
	return BitmapReceiver{words: words[:wordsOf(size)], size: size, room: room}
}

// Take merges the payload of one P_BITMAP or P_COMPRESSED_BITMAP. The transfer
// is over when done is true. After an error it can't go on; some bits may have
// been set, which costs only a comparison.
func (r *BitmapReceiver) Take(cmd Command, payload []byte) (done bool, err error) {
	if cmd == CmdCompressedBitmap {
		next, _, err := DecodeRLE(payload, r.words, r.size, r.cursor.bit)
		if err != nil {
			return false, err
		}
		r.cursor.compressed(next)
		return next == r.size, nil
	}
	n := r.cursor.plainWords(r.room, r.size)
	if cmd != CmdBitmap || uint64(len(payload)) != n*wordBytes {
		return false, fmt.Errorf("%s of %d bytes at word %d of %d of a bitmap, want P_BITMAP of %d or P_COMPRESSED_BITMAP",
			cmd, len(payload), r.cursor.word, len(r.words), n*wordBytes)
	}
	_, err = MergeWords(r.words, payload, r.cursor.word)
	if used := r.size % wordBits; used != 0 { // a peer should never set bits past the end
		r.words[len(r.words)-1] &= 1<<used - 1
	}
	r.cursor.plain(n, r.size)
	return n == 0, err
}
