// Package peerlink keeps the two TCP connections that one DRBD connection
// consists of: the data socket, and the meta socket for acks and pings, which
// must never queue behind data.
//
// Both nodes do the same: they listen, and they dial, until both sockets stand
// and the two agree on which ones. Then packets are read into values and
// handed to a Sink, and packets to send are queued and written by a goroutine
// for each socket. Nothing here knows what a packet means, but for one thing:
// from P_PROTOCOL on, the peer's data packets may carry a digest.
//
//	          Dial                 both stand
//	+------+  ------->  +---------+  ------->  +------+
//	| Idle |            | Finding |  LinkUp    | Link |
//	+------+  <-------  +---------+            +------+
//	   ^       Hangup                             |
//	   +------------------------------------------+
//	        an error, or Hangup: LinkDown
//
// Source: DRBD 8.4 wire, sections 1 and 2.
package peerlink

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"sync"
	"time"

	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/daemon/driver/buffer"
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

// A Sink hears what happens. It is called from several goroutines, but never
// by two at once about the same socket. It may block; then that socket waits.
// It must not call Close.
type Sink interface {
	// LinkUp: both sockets stand. conn was never used before; resolve says that
	// this side accepted the meta socket.
	LinkUp(conn uint32, resolve bool)
	// LinkDown: the link is gone. It is the last that is heard of conn, and
	// heard once.
	LinkDown(conn uint32, err error)
	// Packet: h came on socket. data is the fixed part of the payload, valid
	// during the call only. The bulk data of size bytes are in buf, to which the
	// sink now has a reference; zero if there are none.
	Packet(conn uint32, socket replica.Socket, h drbdwire.Header, data []byte, buf replica.Buf, size uint32)
	// Paused: one of the readers is about to wait. Work on the packets that it
	// handed over can be left until then.
	Paused()
	// BadPacket: something came on socket that is no packet. Nothing more is
	// read from it; the link stands until Hangup.
	BadPacket(conn uint32, socket replica.Socket, err error)
	// Sent: the queues of conn ran empty. More may have been queued meanwhile:
	// Queued says.
	Sent(conn uint32)
}

// Config says who the peer is and how long things may take.
type Config struct {
	// Local is where to listen, and the address to dial from.
	Local netip.AddrPort
	// Peer is whom to dial, and the only address to accept from.
	Peer netip.AddrPort
	// ConnectInt is how long dialling may take (connect-int).
	ConnectInt time.Duration
	// PingTimeout is a quarter of what the first packet may take (ping-timeout).
	PingTimeout time.Duration
	// SocketCheck is how long both sockets must stand before they are used
	// (socket-check-timeout); 0 is PingTimeout.
	SocketCheck time.Duration
	// Retry is the pause after an attempt that failed; it is varied by a
	// seventh.
	Retry time.Duration
	// SendTimeout is how long a socket may take no byte at all before the link
	// is given up (timeout times ko-count); 0 is for ever.
	SendTimeout time.Duration
	// SendBuffer and ReceiveBuffer are the sizes of the sockets' buffers, in
	// bytes (sndbuf-size, rcvbuf-size); 0 leaves them to the kernel.
	SendBuffer, ReceiveBuffer int
	// Rand decides who gives in when both dial at the same moment.
	Rand *rand.Rand
	// Pool is where bulk data are kept.
	Pool *buffer.Pool
	// Log hears why finding the peer fails, once for each new reason; may be
	// nil.
	Log func(text string)
}

// The defaults of drbd.conf that this package cares about, and the pace of the
// kernel's driver. Source: DRBD 8.4 wire, section 1.
const (
	DefaultConnectInt  = 10 * time.Second
	DefaultPingTimeout = 500 * time.Millisecond
	DefaultRetry       = time.Second
)

// errHangup is why a link ended that was hung up.
var errHangup = errors.New("hung up")

// Peer is the way to one peer: at any time idle, finding it, or linked.
type Peer struct {
	config Config
	sink   Sink

	mu     sync.Mutex
	closed bool
	// stop ends what goes on now; nil when idle.
	stop context.CancelCauseFunc
	// done is closed when the last finding and its link have ended.
	done chan struct{}
	link *link
	conn uint32
}

// New makes a Peer that is idle. Times of zero are the defaults.
func New(config Config, sink Sink) (*Peer, error) {
	switch {
	case !config.Local.IsValid() || !config.Peer.IsValid():
		return nil, fmt.Errorf("peer link from %s to %s: both must be ADDRESS:PORT", config.Local, config.Peer)
	case config.Rand == nil || config.Pool == nil:
		return nil, errors.New("peer link needs random numbers and a buffer pool")
	}
	for _, v := range []struct {
		value   *time.Duration
		instead time.Duration
	}{
		{&config.ConnectInt, DefaultConnectInt},
		{&config.PingTimeout, DefaultPingTimeout},
		{&config.SocketCheck, config.PingTimeout},
		{&config.SocketCheck, DefaultPingTimeout},
		{&config.Retry, DefaultRetry},
	} {
		if *v.value <= 0 {
			*v.value = v.instead
		}
	}
	done := make(chan struct{})
	close(done)
	return &Peer{config: config, sink: sink, done: done}, nil
}

// Dial starts to find the peer, and goes on until LinkUp or Hangup. Nothing
// happens if it is being looked for already, or a link stands.
func (p *Peer) Dial() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || p.stop != nil {
		return
	}
	ctx, stop := context.WithCancelCause(context.Background())
	p.stop = stop
	before, done := p.done, make(chan struct{})
	p.done = done
	go func() {
		defer close(done)
		defer stop(nil)
		<-before
		p.run(ctx)
	}()
}

// run finds the peer and serves the link until it ends.
func (p *Peer) run(ctx context.Context) {
	pair, err := p.find(ctx)
	if err != nil {
		// Only Hangup ends a search, and it has forgotten it.
		return
	}
	p.mu.Lock()
	if ctx.Err() != nil {
		p.mu.Unlock()
		pair.close()
		return
	}
	p.conn++
	l := newLink(p.conn, pair, p.config, p.sink)
	p.link = l
	p.mu.Unlock()
	p.sink.LinkUp(l.conn, pair.resolve)
	err = l.serve(ctx)
	p.mu.Lock()
	if p.link == l {
		// It ended by itself: the next Dial is a new one.
		p.link, p.stop = nil, nil
	}
	p.mu.Unlock()
	p.sink.LinkDown(l.conn, err)
}

// Send queues data, then size bytes of buf, for a socket of the link conn; it
// leaves at the next Flush. Send copies data, holds buf until it is written, and
// never waits. What is queued for a link that is gone is dropped.
func (p *Peer) Send(conn uint32, socket replica.Socket, data []byte, buf replica.Buf, size uint32) {
	p.mu.Lock()
	l := p.link
	p.mu.Unlock()
	if l != nil && l.conn == conn {
		l.writers[socket].queue(data, buf, size)
	}
}

// Flush lets leave what was queued. It never waits: what the sockets don't take
// at once follows by itself.
func (p *Peer) Flush() {
	p.mu.Lock()
	l := p.link
	p.mu.Unlock()
	if l == nil {
		return
	}
	for _, w := range l.writers {
		w.flush(l.ranEmpty)
	}
}

// Queued is how many bytes of the link conn wait to be written, on both
// sockets; 0 if the link is gone.
func (p *Peer) Queued(conn uint32) int {
	p.mu.Lock()
	l := p.link
	p.mu.Unlock()
	if l == nil || l.conn != conn {
		return 0
	}
	return l.queued()
}

// Hangup drops the link, or stops to look for the peer. What was queued has a
// moment to leave. If a link stood, LinkDown follows.
func (p *Peer) Hangup() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hangup()
}

func (p *Peer) hangup() {
	if p.stop != nil {
		p.stop(errHangup)
	}
	p.link, p.stop = nil, nil
}

// Close is Hangup for good, and waits until the Sink has heard all.
func (p *Peer) Close() {
	p.mu.Lock()
	p.closed = true
	p.hangup()
	done := p.done
	p.mu.Unlock()
	<-done
}

func (p *Peer) log(err error, last *string) {
	if text := err.Error(); text != *last && p.config.Log != nil {
		*last = text
		p.config.Log(text)
	}
}
