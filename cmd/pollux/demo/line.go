package demo

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"
)

// line is a network between some programs that can be cut: what passes it is
// carried by this process. While it is cut, datagrams are lost, a connection
// carries nothing and waits, as TCP does, and nobody gets a new one.
type line struct {
	mu     sync.Mutex
	whole  chan struct{} // closed while the line is whole
	closer []func()
	work   sync.WaitGroup
}

func newLine() *line {
	l := &line{whole: make(chan struct{})}
	close(l.whole)
	return l
}

func (l *line) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.isWhole() {
		l.whole = make(chan struct{})
	}
}

func (l *line) heal() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.isWhole() {
		close(l.whole)
	}
}

// isWhole needs the lock.
func (l *line) isWhole() bool { return isClosed(l.whole) }

// state is a channel that is closed when the line is whole.
func (l *line) state() chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.whole
}

// end closes all sockets, and waits until nothing is carried any more.
func (l *line) end() {
	l.heal()
	l.mu.Lock()
	for _, f := range l.closer {
		f()
	}
	l.mu.Unlock()
	l.work.Wait()
}

func (l *line) atEnd(f func() error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closer = append(l.closer, func() { _ = f() })
}

// datagrams carries what comes at one address to another.
func (l *line) datagrams(at, to netip.AddrPort) error {
	conn, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(at))
	if err != nil {
		return err
	}
	l.atEnd(conn.Close)
	l.work.Go(func() {
		b := make([]byte, 64<<10)
		for {
			n, err := conn.Read(b)
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err == nil && isClosed(l.state()) {
				_, _ = conn.WriteToUDPAddrPort(b[:n], to) // nobody may be there
			}
		}
	})
	return nil
}

// connections carries connections to one address to another; there they come
// from the address from.
func (l *line) connections(at netip.AddrPort, from netip.Addr, to netip.AddrPort) error {
	listener, err := net.ListenTCP("tcp4", net.TCPAddrFromAddrPort(at))
	if err != nil {
		return err
	}
	l.atEnd(listener.Close)
	dialer := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(from, 0)), Timeout: 10 * time.Second}
	l.work.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			l.atEnd(conn.Close)
			l.work.Go(func() { l.connect(conn, &dialer, to) })
		}
	})
	return nil
}

// connect carries one connection.
func (l *line) connect(here net.Conn, dialer *net.Dialer, to netip.AddrPort) {
	defer func() { _ = here.Close() }()
	if whole := l.state(); !isClosed(whole) {
		<-whole // who calls meanwhile hears nothing, and is not heard later
		return
	}
	there, err := dialer.DialContext(context.Background(), "tcp4", to.String())
	if err != nil {
		return
	}
	l.atEnd(there.Close)
	var both sync.WaitGroup
	both.Go(func() { l.carry(there, here) })
	l.carry(here, there)
	both.Wait()
}

// carry copies one direction. When that ends, so does the other.
func (l *line) carry(to, from net.Conn) {
	defer func() { _ = to.Close() }()
	b := make([]byte, 256<<10)
	for {
		n, err := from.Read(b)
		<-l.state()
		if n > 0 {
			if _, err := to.Write(b[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}
