package drbdwire

// A vliLevel is one of the ten sizes of code word that a run length can have.
// The word is value-first above the prefix; it goes out lowest bit first.
type vliLevel struct {
	bits, prefixBits, prefix uint8
	first                    uint64 // the shortest run
}

// vliTable has the levels, from short to long runs; a level's longest run is
// one less than the first of the next. Source: DRBD 8.4 wire, section 7.2.
func vliTable() [10]vliLevel {
	return [...]vliLevel{
		{2, 1, 0x00, 1},
		{3, 2, 0x01, 3},
		{5, 3, 0x03, 5},
		{7, 4, 0x07, 9},
		{10, 5, 0x0f, 17},
		{14, 6, 0x1f, 49},
		{21, 8, 0x3f, 305},
		{29, 8, 0x7f, 8497},
		{42, 8, 0xbf, 2105649},
		{64, 8, 0xff, 0x400202131},
	}
}

// encode gives the code word of a run, and its length. The run is not 0, and
// short enough for a word: any that fits on a device is.
func encode(table *[10]vliLevel, run uint64) (word uint64, bits int) {
	l := &table[0]
	for i := 1; i < len(table) && run >= table[i].first; i++ {
		l = &table[i]
	}
	return (run-l.first)<<l.prefixBits | uint64(l.prefix), int(l.bits)
}

// decode reads the code word in the low bits of look, of which have count.
// Prefixes overlap only where the shorter level comes first. bits is 0 if they hold no whole word.
func decode(table *[10]vliLevel, look uint64, have int) (run uint64, bits int) {
	i := 0
	for i < len(table)-1 && look&(1<<table[i].prefixBits-1) != uint64(table[i].prefix) {
		i++ // the prefix of the last level is all that is left
	}
	l := &table[i]
	if int(l.bits) > have {
		return 0, 0
	}
	return look<<(64-l.bits)>>(64-l.bits)>>l.prefixBits + l.first, int(l.bits)
}

// A bitWriter fills bytes from the lowest bit up, and never more than limit.
type bitWriter struct {
	out   []byte
	limit int // the length of out at which it is full
	free  int // bits left in the last byte
}

// put adds the low bits of word, or nothing if they do not fit.
func (w *bitWriter) put(word uint64, bits int) bool {
	if bits > w.free+8*(w.limit-len(w.out)) {
		return false
	}
	for bits > 0 {
		if w.free == 0 {
			w.out = append(w.out, 0)
			w.free = 8
		}
		n := min(bits, w.free)
		w.out[len(w.out)-1] |= byte(word << (8 - w.free))
		word >>= n
		bits -= n
		w.free -= n
	}
	return true
}

// A bitReader is the inverse of bitWriter.
type bitReader struct {
	in   []byte
	at   int // in bits
	bits int // in all
}

// peek gives the next bits, lowest first, and how many of them count.
func (r *bitReader) peek() (look uint64, have int) {
	have = min(64, r.bits-r.at)
	for got := 0; got < have; {
		at := r.at + got
		look |= uint64(r.in[at/8]>>(at%8)) << got
		got += 8 - at%8
	}
	if have < 64 {
		look &= 1<<have - 1
	}
	return look, have
}
