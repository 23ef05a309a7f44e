package failover

// maxGroups is how many groups fit into a groupSet.
const maxGroups = 1024

// wordBits is the size of one word of a groupSet.
const wordBits = 64

// A groupSet is a set of groups by index. It is a value: no two sets share memory, and none needs any of its own.
type groupSet [maxGroups / wordBits]uint64

// only is the set with one group.
func only(i int) (s groupSet) {
	s.add(i)
	return s
}

func (s *groupSet) add(i int)      { s[i/wordBits] |= 1 << (i % wordBits) }
func (s *groupSet) remove(i int)   { s[i/wordBits] &^= 1 << (i % wordBits) }
func (s *groupSet) has(i int) bool { return s[i/wordBits]>>(i%wordBits)&1 == 1 }

func (s groupSet) and(t groupSet) groupSet {
	for i := range s {
		s[i] &= t[i]
	}
	return s
}

func (s groupSet) or(t groupSet) groupSet {
	for i := range s {
		s[i] |= t[i]
	}
	return s
}

func (s groupSet) without(t groupSet) groupSet {
	for i := range s {
		s[i] &^= t[i]
	}
	return s
}

// digits is the set as text: a 1 or a 0 for each group.
func (c *Core) digits(s groupSet) string {
	text := make([]byte, len(c.groups))
	for i := range text {
		text[i] = '0'
		if s.has(i) {
			text[i] = '1'
		}
	}
	return string(text)
}

func (s groupSet) empty() bool { return s == groupSet{} }
