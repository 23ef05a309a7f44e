package export

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/optionc/pollux/daemon/driver/buffer"
)

const (
	// defaultBudget lets 32 of the largest requests be under way.
	defaultBudget = 32 << 20
	// maxConnections is far above what one user needs for speed.
	maxConnections = 64
	// handshakeTime is what a client gets to come to the point.
	handshakeTime = 10 * time.Second
)

// Config is what a Server needs.
type Config struct {
	// Socket is the path of the unix socket; only its owner may connect.
	Socket string
	// Pool has the payloads.
	Pool *buffer.Pool
	// Handler gets the requests.
	Handler Handler
	// Paused is called on a Handler's goroutine when it may have to wait for the
	// next request: work on those before can be left until then. It may be nil.
	Paused func()
	// Budget is how much of Pool the users may take at once, in bytes, at least
	// MaxRequest; 0 is 32 MiB.
	Budget int
	// Log hears about users who come and go; nil is silence.
	Log *slog.Logger
}

// Server is a Frontend that speaks NBD on a unix socket. It listens while the
// device is exposed and not otherwise.
type Server struct {
	config  Config
	backend *backend

	mu       sync.Mutex
	spec     Spec
	listener *net.UnixListener    // nil while not exposed
	clients  map[*connection]bool // true once it is a user
	running  sync.WaitGroup
}

var _ Frontend = (*Server)(nil)

// NewServer makes a Server that does not listen yet.
func NewServer(c Config) *Server {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return &Server{config: c, backend: newBackend(c), clients: make(map[*connection]bool)}
}

// Expose listens on the socket. A socket that a dead daemon left is replaced;
// one that answers is an error.
func (s *Server) Expose(spec Spec) error {
	if err := s.expose(spec); err != nil {
		return fmt.Errorf("expose %s: %w", spec.Name, err)
	}
	return nil
}

func (s *Server) expose(spec Spec) error {
	if err := check(spec); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listener != nil {
		if users := s.users(); users > 0 && spec.Sectors < s.spec.Sectors {
			return fmt.Errorf("it cannot shrink from %d to %d sectors under %s",
				s.spec.Sectors, spec.Sectors, s.clientsText(users))
		}
		s.spec = spec
		return nil
	}
	listener, err := listen(s.config.Socket)
	if err != nil {
		return err
	}
	s.spec, s.listener = spec, listener
	s.running.Go(func() { s.accept(listener) })
	return nil
}

func check(spec Spec) error {
	logical, physical := spec.LogicalBlock, spec.PhysicalBlock
	if logical < 512 || logical > 4096 || logical&(logical-1) != 0 {
		return fmt.Errorf("logical block of %d bytes, want 512, 1024, 2048 or 4096", logical)
	}
	if physical < logical || physical > MaxRequest || physical&(physical-1) != 0 {
		return fmt.Errorf("physical block of %d bytes, want a power of two from %d to %d",
			physical, logical, MaxRequest)
	}
	if unit := uint64(logical / 512); spec.Sectors%unit != 0 || spec.Sectors > 1<<53 {
		return fmt.Errorf("size of %d sectors, want a multiple of %d up to 2^53", spec.Sectors, unit)
	}
	return nil
}

// listen makes the socket, in place of a stale one.
func listen(path string) (*net.UnixListener, error) {
	address := &net.UnixAddr{Name: path, Net: "unix"}
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, err
	case info.Mode().Type() != fs.ModeSocket:
		return nil, fmt.Errorf("%s is in the way: it is no socket", path)
	default:
		probe, err := net.DialUnix("unix", nil, address)
		if err == nil {
			return nil, errors.Join(fmt.Errorf("somebody serves on %s already", path), probe.Close())
		}
		if !errors.Is(err, unix.ECONNREFUSED) {
			return nil, fmt.Errorf("is the socket in use? %w", err)
		}
		if err := os.Remove(path); err != nil {
			return nil, err
		}
	}
	listener, err := net.ListenUnix("unix", address)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	return listener, nil
}

// Withdraw stops listening and removes the socket.
func (s *Server) Withdraw(force bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listener == nil {
		return nil
	}
	if users := s.users(); users > 0 && !force {
		return fmt.Errorf("withdraw %s: in use by %s", s.spec.Name, s.clientsText(users))
	}
	err := s.listener.Close()
	s.listener = nil
	for c := range s.clients {
		_ = c.abort(errWithdrawn)
		delete(s.clients, c)
	}
	if err != nil {
		return fmt.Errorf("withdraw %s: %w", s.spec.Name, err)
	}
	return nil
}

var errWithdrawn = errors.New("the device was withdrawn")

// Users is how many clients got through the handshake and are not yet gone
// with all their requests answered.
func (s *Server) Users() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.users()
}

// Holder names one of the clients.
func (s *Server) Holder() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.holder()
}

// Close withdraws by force and waits until no Handler is being called.
func (s *Server) Close() error {
	err := s.Withdraw(true)
	s.running.Wait()
	return err
}

func (s *Server) users() int {
	n := 0
	for _, ready := range s.clients {
		if ready {
			n++
		}
	}
	return n
}

func (s *Server) holder() string {
	for c, ready := range s.clients {
		if ready {
			return c.peer
		}
	}
	return ""
}

func (s *Server) clientsText(users int) string {
	if users == 1 {
		return s.holder()
	}
	return fmt.Sprintf("%d clients, one of them %s", users, s.holder())
}

func (s *Server) accept(listener *net.UnixListener) {
	for {
		socket, err := listener.AcceptUnix()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // out of descriptors or memory: the next try waits for a client again
			s.config.Log.Warn("a client of the device could not be accepted", "socket", s.config.Socket, "cause", err)
			time.Sleep(100 * time.Millisecond)
			continue
		}
		if c := s.admit(listener, socket, peerOf(socket)); c != nil {
			s.running.Go(func() { s.serve(c) })
		}
	}
}

// admit makes a client known, so that Withdraw can reach it; nil if there are
// too many, or the device is gone.
func (s *Server) admit(listener *net.UnixListener, socket net.Conn, peer string) *connection {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listener != listener || len(s.clients) >= maxConnections {
		s.config.Log.Warn("a client of the device was turned away", "device", s.spec.Name, "client", peer,
			"clients", len(s.clients))
		_ = socket.Close() // it was never used
		return nil
	}
	c := newConnection(s.backend, socket, s.spec, peer)
	c.opens = s.opens
	s.clients[c] = false
	return c
}

// serve is the life of one client.
func (s *Server) serve(c *connection) {
	err := c.negotiate()
	if err == nil {
		s.config.Log.Info("a client opened the device", "device", c.spec.Name, "client", c.peer)
		err = c.transmit()
	}
	err = c.abort(err)
	s.config.Log.Info("a client of the device is gone", "device", c.spec.Name, "client", c.peer, "cause", err)
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.clients, c)
}

// opens makes c a user, before c may know that it is one. It fails if the
// device was withdrawn meanwhile.
func (s *Server) opens(c *connection) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, known := s.clients[c]; !known {
		return errWithdrawn
	}
	s.clients[c] = true
	return nil
}

// peerOf says who is at the other end.
func peerOf(socket *net.UnixConn) string {
	raw, err := socket.SyscallConn()
	if err != nil {
		return "an unknown process"
	}
	var who *unix.Ucred
	if raw.Control(func(fd uintptr) {
		who, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	}) != nil || err != nil {
		return "an unknown process"
	}
	name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", who.Pid))
	if err != nil {
		return fmt.Sprintf("process %d", who.Pid)
	}
	return fmt.Sprintf("process %d (%s)", who.Pid, strings.TrimSpace(string(name)))
}
