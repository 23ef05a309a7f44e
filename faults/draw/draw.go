// Package draw has the random numbers of fault models and simulations: streams
// that depend on nothing but a seed and a name, so that a change in what one
// part draws does not change the luck of the others.
package draw

import "time"

// Stream is a sequence of numbers. It is splitmix64: equal seeds and names
// give equal sequences, on every machine.
type Stream struct{ state uint64 }

// New makes the stream of that name under a seed.
func New(seed uint64, name string) *Stream {
	h := uint64(14695981039346656037)
	for i := range len(name) {
		h = (h ^ uint64(name[i])) * 1099511628211
	}
	s := &Stream{state: seed ^ h}
	s.Uint64()
	return s
}

// Uint64 is the next number.
func (s *Stream) Uint64() uint64 {
	s.state += 0x9e3779b97f4a7c15
	z := s.state
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// Below is a number from 0 to n-1; n must be above 0.
func (s *Stream) Below(n int) int { return int(s.Uint64() % uint64(n)) }

// Chance is true in so many of a million cases.
func (s *Stream) Chance(perMillion int) bool { return s.Below(1_000_000) < perMillion }

// Between is a time from low to high, both included.
func (s *Stream) Between(low, high time.Duration) time.Duration {
	if high <= low {
		return low
	}
	return low + time.Duration(s.Uint64()%uint64(high-low+1))
}
