package export

import "net"

// Stream serves one user at the other end of a socket, who may send requests
// at once: there is no handshake. It is what a front end needs whose users are
// known before they speak, as the kernel is.
type Stream struct{ connection *connection }

// NewStream makes a stream that reads nothing before Serve. Streams that follow
// each other on a device each have a budget of their own. The socket is the
// Stream's.
func NewStream(config Config, spec Spec, socket net.Conn) *Stream {
	return &Stream{newConnection(newBackend(config), socket, spec, "")}
}

// Serve answers requests until the user leaves or the socket breaks, and
// returns why. Unless it was Abort, all requests are answered then.
func (s *Stream) Serve() error {
	err := s.connection.transmit()
	return s.connection.abort(err)
}

// Drain makes Serve return ErrDrained at a request's edge, once all that came
// before is answered. Then another process may go on with the socket.
func (s *Stream) Drain() { s.connection.edge.drain() }

// Abort makes Serve return at once; what is under way is not answered.
func (s *Stream) Abort() { _ = s.connection.abort(errWithdrawn) }

// Resize lets requests reach that many sectors from now on.
func (s *Stream) Resize(sectors uint64) { s.connection.size.Store(sectors * 512) }
