package liveness

// random is a splitmix64 sequence: spread enough for delays, and the same for the same seed.
type random struct{ state uint64 }

// stream starts the sequence that one purpose draws from, so that a further purpose leaves the others as they were.
func stream(seed uint64, purpose string) random {
	r := random{state: seed}
	for _, b := range []byte(purpose) {
		r.state = r.next() ^ uint64(b)
	}
	return r
}

func (r *random) next() uint64 {
	r.state += 0x9e3779b97f4a7c15
	z := r.state
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// below draws a number from 0 to n-1.
func (r *random) below(n uint64) uint64 { return r.next() % n }
