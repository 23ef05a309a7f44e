package world

// Slab cuts slices from large ones: one allocation serves many of them.
type Slab[T any] struct{ rest []T }

// slabSize is how many elements are allocated at once.
const slabSize = 4096

// Cut gives a slice of so many zeros, which nobody else has.
func (s *Slab[T]) Cut(n int) []T {
	if n > len(s.rest) {
		s.rest = make([]T, max(n, slabSize))
	}
	out := s.rest[:n:n]
	s.rest = s.rest[n:]
	return out
}
