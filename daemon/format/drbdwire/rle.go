package drbdwire

import (
	"fmt"
	"math/bits"
)

// The first byte of P_COMPRESSED_BITMAP: the code, which is always runCode, how
// many bits of the last byte are unused, and whether the first run is one of
// set bits. Source: DRBD 8.4 wire, section 7.2.
const (
	runCode   = 2
	codeMask  = 0x0f
	padShift  = 4
	padMask   = 0x07
	firstSet  = 0x80
	wordBits  = 64
	wordBytes = 8
)

// AppendRLE adds a payload of P_COMPRESSED_BITMAP, at most room bytes long, to
// dst. It describes the first size bits of words, from bit from on, up to bit
// next. size is the length of the bitmap in bits; room is as BitmapRoom says.
//
// The payload is the encoding byte and then alternating lengths of runs of
// equal bits in a code of 2 to 64 bits each. If that takes more room than the
// bits themselves ok is false, dst is returned as it was, and next is the
// start of the word that holds from: send plain words from there.
func AppendRLE(dst []byte, words []uint64, size, from uint64, room int) (out []byte, next uint64, ok bool) {
	if from >= size || room < 2 {
		return dst, from &^ (wordBits - 1), false
	}
	table := vliTable()
	set := words[from/wordBits]>>(from%wordBits)&1 == 1
	head := byte(runCode)
	if set {
		head |= firstSet
	}
	w := bitWriter{out: append(dst, head), limit: len(dst) + room}
	for next = from; next < size; set = !set {
		end := runEnd(words, next, size, set)
		if !w.put(encode(&table, end-next)) {
			break
		}
		next = end
	}
	code := len(w.out) - len(dst) - 1
	if next-from < 8*uint64(code) || code == 0 {
		return dst, from &^ (wordBits - 1), false
	}
	w.out[len(dst)] |= byte(w.free) << padShift
	return w.out, next, true
}

// runEnd is where the run of bits like set that starts at from ends, at size
// at the latest.
func runEnd(words []uint64, from, size uint64, set bool) uint64 {
	for at := from; at < size; at = at&^(wordBits-1) + wordBits {
		word := words[at/wordBits]
		if set {
			word = ^word
		}
		if word >>= at % wordBits; word != 0 {
			return min(size, at+uint64(bits.TrailingZeros64(word)))
		}
	}
	return size
}

// DecodeRLE sets the bits in words that a payload of P_COMPRESSED_BITMAP names,
// from bit from on; no bit is cleared. The transfer goes on at bit next; it is
// complete when that is size, the length of the bitmap in bits. set counts the
// bits that were clear before. After an error some bits may have been set.
func DecodeRLE(payload []byte, words []uint64, size, from uint64) (next, set uint64, err error) {
	if err := between("P_COMPRESSED_BITMAP", payload, 2, maxRoom); err != nil {
		return from, 0, err
	}
	head := payload[0]
	if head&codeMask != runCode {
		return from, 0, fmt.Errorf("P_COMPRESSED_BITMAP uses code %d, want %d", head&codeMask, runCode)
	}
	if from >= size {
		return from, 0, fmt.Errorf("P_COMPRESSED_BITMAP at bit %d, want none after bit %d of %d", from, size, size)
	}
	table := vliTable()
	r := bitReader{in: payload[1:], bits: 8*(len(payload)-1) - int(head>>padShift&padMask)}
	run := head&firstSet != 0
	for next = from; r.at < r.bits; run = !run {
		look, have := r.peek()
		length, used := decode(&table, look, have)
		if used == 0 {
			return next, set, fmt.Errorf("P_COMPRESSED_BITMAP ends inside a code word, %d bits after the last whole one",
				r.bits-r.at)
		}
		if length > size-next {
			return next, set, fmt.Errorf("P_COMPRESSED_BITMAP has a run of %d bits at bit %d, want its end at bit %d or before",
				length, next, size)
		}
		if run {
			set += setRange(words, next, next+length)
		}
		r.at += used
		next += length
	}
	return next, set, nil
}

// setRange sets the bits from start up to end, and counts those that were
// clear.
func setRange(words []uint64, start, end uint64) (set uint64) {
	for at := start; at < end; {
		upTo := min(end, at&^(wordBits-1)+wordBits)
		mask := ^uint64(0) >> (wordBits - (upTo - at)) << (at % wordBits)
		word := &words[at/wordBits]
		set += uint64(bits.OnesCount64(mask &^ *word))
		*word |= mask
		at = upTo
	}
	return set
}
