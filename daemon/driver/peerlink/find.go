package peerlink

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/optionc/pollux/daemon/format/drbdwire"
)

// A pair is the two sockets of a link, or what is found of them.
type pair struct {
	data, meta *net.TCPConn
	// resolve: this side accepted the meta socket.
	resolve bool
}

func (s *pair) complete() bool { return s.data != nil && s.meta != nil }

func (s *pair) close() {
	drop(&s.data)
	drop(&s.meta)
}

// drop closes a socket that is not wanted any more.
func drop(conn **net.TCPConn) {
	if *conn != nil {
		_ = (*conn).Close()
		*conn = nil
	}
}

// prune drops the sockets that the peer has closed.
func (s *pair) prune() {
	for _, conn := range []**net.TCPConn{&s.data, &s.meta} {
		if *conn != nil && !alive(*conn) {
			drop(conn)
		}
	}
}

// find returns when both sockets stand; the only error is the end of ctx.
//
// It dials and accepts in turns. Who dials first gets the data socket, and
// mostly the other one dials the meta socket. When both dialled, each drops its
// own socket for the other's, so both are lost; a coin then decides who dials
// again and who waits.
func (p *Peer) find(ctx context.Context) (pair, error) {
	var reason string
	for {
		found, err := p.meet(ctx, &reason)
		if err == nil {
			return found, nil
		}
		if ctx.Err() != nil {
			return pair{}, context.Cause(ctx)
		}
		p.log(err, &reason)
		if !pause(ctx, p.vary(p.config.Retry)) {
			return pair{}, context.Cause(ctx)
		}
	}
}

// meet finds the peer with one listener. It fails if there can't be one.
func (p *Peer) meet(ctx context.Context, reason *string) (found pair, err error) {
	listener, err := p.listen(ctx)
	if err != nil {
		return pair{}, fmt.Errorf("listen on %s: %w", p.config.Local, err)
	}
	defer func() { _ = listener.Close() }()
	defer context.AfterFunc(ctx, func() { _ = listener.Close() })()
	defer func() {
		if err != nil {
			found.close()
		}
	}()
	for ctx.Err() == nil {
		began := time.Now()
		if err := p.dial(ctx, &found); err != nil {
			p.log(fmt.Errorf("dial %s: %w", p.config.Peer, err), reason)
		}
		if p.stands(ctx, &found) {
			return found, nil
		}
		// Over a slow network both dial longer, and cross more often.
		wait := p.config.Retry + 2*time.Since(began)
		for p.accept(ctx, listener, &found, p.vary(wait), reason) && p.config.Rand.IntN(2) == 1 {
			// Crossed, and it is for the other side to dial.
			continue
		}
		if p.stands(ctx, &found) {
			return found, nil
		}
	}
	return found, context.Cause(ctx)
}

// stands waits a moment if both sockets are there, and says whether they still
// are after it.
func (p *Peer) stands(ctx context.Context, found *pair) bool {
	if !found.complete() || !pause(ctx, p.config.SocketCheck) {
		return false
	}
	found.prune()
	return found.complete()
}

// vary makes d longer or shorter by up to a seventh.
func (p *Peer) vary(d time.Duration) time.Duration {
	return d - d/7 + time.Duration(p.config.Rand.Int64N(int64(2*d/7)+1))
}

// pause waits; false means that ctx ended.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}

func (p *Peer) listen(ctx context.Context) (*net.TCPListener, error) {
	var config net.ListenConfig
	config.SetMultipathTCP(false)
	listener, err := config.Listen(ctx, "tcp", p.config.Local.String())
	if err != nil {
		return nil, err
	}
	tcp, ok := listener.(*net.TCPListener)
	if !ok {
		return nil, errors.Join(fmt.Errorf("listener of type %T, want TCP", listener), listener.Close())
	}
	return tcp, nil
}

// dial opens the socket that is missing, the data socket first.
func (p *Peer) dial(ctx context.Context, found *pair) error {
	found.prune()
	if found.complete() {
		return nil
	}
	from := net.TCPAddr{IP: p.config.Local.Addr().AsSlice(), Zone: p.config.Local.Addr().Zone()}
	dialer := net.Dialer{Timeout: p.config.ConnectInt, LocalAddr: &from}
	dialer.SetMultipathTCP(false)
	conn, err := dialer.DialContext(ctx, "tcp", p.config.Peer.String())
	if err != nil {
		return err
	}
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return errors.Join(fmt.Errorf("connection of type %T, want TCP", conn), conn.Close())
	}
	role := drbdwire.CmdInitialData
	if found.data != nil {
		role = drbdwire.CmdInitialMeta
	}
	first := drbdwire.AppendHeader(nil, drbdwire.H80, drbdwire.Header{Command: role})
	err = tcp.SetWriteDeadline(time.Now().Add(p.config.ConnectInt))
	if err == nil {
		_, err = tcp.Write(first)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("send %s: %w", role, err), tcp.Close())
	}
	if role == drbdwire.CmdInitialData {
		found.data = tcp
	} else {
		found.meta, found.resolve = tcp, false
	}
	return nil
}

// accept takes one socket from the peer, within a time, and puts it where its
// first packet says. It says whether that crossed with a socket that was
// dialled. What others send is dropped.
func (p *Peer) accept(
	ctx context.Context, listener *net.TCPListener, found *pair, within time.Duration, reason *string,
) (crossed bool) {
	until := time.Now().Add(within)
	for {
		err := listener.SetDeadline(until)
		var conn *net.TCPConn
		if err == nil {
			conn, err = listener.AcceptTCP()
		}
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return false
		}
		if err != nil {
			p.log(fmt.Errorf("accept on %s: %w", p.config.Local, err), reason)
			pause(ctx, within)
			return false
		}
		role, err := p.first(ctx, conn)
		if err != nil {
			p.log(fmt.Errorf("socket from %s: %w", conn.RemoteAddr(), err), reason)
			drop(&conn)
			continue
		}
		found.prune()
		place := &found.data
		if role == drbdwire.CmdInitialMeta {
			place = &found.meta
			found.resolve = true
		}
		crossed = *place != nil
		drop(place)
		*place = conn
		return crossed
	}
}

// first reads the packet that says what a socket is for.
func (p *Peer) first(ctx context.Context, conn *net.TCPConn) (drbdwire.Command, error) {
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	from, ok := conn.RemoteAddr().(*net.TCPAddr)
	if !ok || from.AddrPort().Addr().Unmap() != p.config.Peer.Addr().Unmap() {
		return 0, fmt.Errorf("not the peer, which is %s", p.config.Peer.Addr())
	}
	if err := conn.SetReadDeadline(time.Now().Add(4 * p.config.PingTimeout)); err != nil {
		return 0, err
	}
	b := make([]byte, drbdwire.H80.Size())
	if _, err := io.ReadFull(conn, b); err != nil {
		return 0, fmt.Errorf("first packet: %w", err)
	}
	h, format, err := drbdwire.DecodeHeader(b)
	switch {
	case err != nil:
		return 0, fmt.Errorf("first packet: %w", err)
	case format != drbdwire.H80 || h.Length != 0,
		h.Command != drbdwire.CmdInitialData && h.Command != drbdwire.CmdInitialMeta:
		return 0, fmt.Errorf("first packet is %s of %d bytes, want %s or %s of none", h.Command, h.Length,
			drbdwire.CmdInitialData, drbdwire.CmdInitialMeta)
	}
	return h.Command, nil
}

// alive peeks whether the peer has closed a socket.
func alive(conn *net.TCPConn) bool {
	raw, err := conn.SyscallConn()
	if err != nil {
		return false
	}
	ok := false
	var b [1]byte
	err = raw.Control(func(fd uintptr) {
		n, _, err := unix.Recvfrom(int(fd), b[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
		ok = err == nil && n > 0 || errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR)
	})
	return err == nil && ok
}
