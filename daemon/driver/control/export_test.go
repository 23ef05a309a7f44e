package control

// For tests only.
const MaxBehind = maxBehind

// ServeFor is Serve for callers who may all do the same.
func ServeFor(path string, h Handlers, may right) (*Server, error) {
	return serve(path, h, Readers{}.resolve().open, func(caller) right { return may })
}

// What callers may do.
const (
	Nothing = nothing
	Asks    = asks
	Orders  = orders
)

// May is what a user in a group may do.
func (r Readers) May(uid, gid uint32) right { return r.resolve().of(caller{uid, gid}) }

// Listeners is how many clients listen for events.
func (s *Server) Listeners() int {
	s.streams.mu.Lock()
	defer s.streams.mu.Unlock()
	return len(s.streams.queues)
}
