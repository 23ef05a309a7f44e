package oracle

// The most that a node may hold at once: users are limited to 4096 requests
// and as many that wait for the peer, the peer to 8192 pieces of work, and each
// may have one payload more on its way.
const (
	mostRequests = 2 * 4096
	mostWork     = 8192
	mostPayloads = mostRequests + mostWork + 1024
)

// Bounds checks that nothing grows.
func (o *Oracle) Bounds() {
	for n := range 2 {
		node := o.w.Node(n)
		if !node.Alive() {
			continue
		}
		o.Counts.Bounds++
		s := node.Core().Resource(0).Stats()
		if s.Queued > mostRequests || s.Unacked > mostWork || node.Rows() > mostPayloads {
			o.w.Fail(promise12, "%s holds %d requests, %d pieces of work for its peer and %d payloads", name(n),
				s.Queued, s.Unacked, node.Rows())
		}
	}
}

// Idle tells whether neither node has anything under way: protocol A may be
// far behind what it has acknowledged.
func (o *Oracle) Idle() bool {
	for n := range 2 {
		if node := o.w.Node(n); node.Alive() {
			s := node.Core().Resource(0).Stats()
			if s.Queued+s.Unacked > 0 {
				return false
			}
		}
	}
	return true
}

// Leaks checks that nodes with nothing to do hold nothing.
func (o *Oracle) Leaks() {
	for n := range 2 {
		node := o.w.Node(n)
		s := node.Core().Resource(0).Stats()
		if s.Queued+s.Unacked+node.Rows() > 0 {
			o.w.Fail(promise12, "%s has nothing to do and holds %d requests, %d pieces of work for its peer and %d payloads",
				name(n), s.Queued, s.Unacked, node.Rows())
		}
	}
}
