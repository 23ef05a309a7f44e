package replica

// hold is whether this node may serve its users at all: the machine says no
// when the lease of a group is about to end, or has ended.
type hold struct {
	on bool
	// failing: nothing uses the device any more that could be saved, so what
	// waits ends with an error, and the node can be demoted.
	failing bool
	ordered bool // an administrator has suspended I/O
}

// holdBack takes the machine's word. While it lasts no request of a user is
// carried out, and none alone; a request that both disks have is answered.
func (r *Resource) holdBack(in Input) {
	r.hold.on, r.hold.failing = in.Force, in.Force && in.Failed
	next := r.state
	next.Suspended = r.hold.on || r.hold.ordered
	r.set(next, in.Text)
}

// failWaiting ends what waits for the peer: it is not told as done.
func (r *Resource) failWaiting() {
	for i := range r.requests.list {
		q := &r.requests.list[i]
		if !q.started {
			q.started = true
		}
		r.tell(q)
	}
}

// Ahead tells whether this node's data has gone on without the peer's, as far
// as is on record here.
func (r *Resource) Ahead() bool { return r.hasChanges() }
