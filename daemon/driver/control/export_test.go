package control

// For tests only.
const MaxBehind = maxBehind

// ServeFor is Serve for the users that permitted names.
var ServeFor = serve

// Listeners is how many clients listen for events.
func (s *Server) Listeners() int {
	s.streams.mu.Lock()
	defer s.streams.mu.Unlock()
	return len(s.streams.queues)
}
