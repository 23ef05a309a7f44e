package buffer

// Waiting is how many callers of Get wait for room.
func Waiting(p *Pool) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for w := p.waiting.head; w != nil; w = w.next {
		n++
	}
	return n
}
