package resync

import (
	"cmp"
	"slices"
)

// A span is the blocks from first to end-1.
type span struct{ first, end uint64 }

// spans is a set of blocks, kept as ascending spans with gaps between them.
type spans struct {
	list   []span
	blocks uint64
}

// at gives the index of the first span that ends after block.
func (s *spans) at(block uint64) int {
	i, _ := slices.BinarySearchFunc(s.list, block, func(e span, block uint64) int {
		return cmp.Compare(e.end, block+1)
	})
	return i
}

// until tells whether block is in the set, and where the span or gap that it
// is in ends.
func (s *spans) until(block uint64) (in bool, end uint64) {
	i := s.at(block)
	switch {
	case i == len(s.list):
		return false, ^uint64(0)
	case s.list[i].first <= block:
		return true, s.list[i].end
	default:
		return false, s.list[i].first
	}
}

func (s *spans) add(first, end uint64) {
	if first >= end {
		return
	}
	s.remove(first, end)
	s.blocks += end - first
	i := s.at(first)
	before := i > 0 && s.list[i-1].end == first
	after := i < len(s.list) && s.list[i].first == end
	switch {
	case before && after:
		s.list[i-1].end = s.list[i].end
		s.list = slices.Delete(s.list, i, i+1)
	case before:
		s.list[i-1].end = end
	case after:
		s.list[i].first = first
	default:
		s.list = slices.Insert(s.list, i, span{first, end})
	}
}

func (s *spans) remove(first, end uint64) (gone uint64) {
	if first >= end {
		return 0
	}
	i := s.at(first)
	for i < len(s.list) && s.list[i].first < end {
		e := s.list[i]
		gone += min(e.end, end) - max(e.first, first)
		switch {
		case e.first < first && e.end > end:
			s.list[i].end = first
			s.list = slices.Insert(s.list, i+1, span{end, e.end})
			i = len(s.list)
		case e.first < first:
			s.list[i].end = first
			i++
		case e.end > end:
			s.list[i].first = end
			i = len(s.list)
		default:
			s.list = slices.Delete(s.list, i, i+1)
		}
	}
	s.blocks -= gone
	return gone
}
