package export

import "net"

// Serve gives s a client on a connection that did not come through the socket
// and returns when that client is gone. s must be exposed.
func Serve(s *Server, socket net.Conn) {
	s.mu.Lock()
	listener := s.listener
	s.mu.Unlock()
	if c := s.admit(listener, socket, "a test"); c != nil {
		s.serve(c)
	}
}

// BudgetLeft is how many bytes of payload may still come under way.
func BudgetLeft(s *Server) int {
	s.backend.budget.mu.Lock()
	defer s.backend.budget.mu.Unlock()
	return s.backend.budget.free
}
