package peerlink

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/daemon/driver/buffer"
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

// farewell is how long what is queued at a Hangup may take to leave.
const farewell = time.Second

// lastWords is how long after the end of one socket the other is still read: a
// peer that hangs up closes both, and what it sent before that counts.
const lastWords = 200 * time.Millisecond

// A link is two sockets that stand.
type link struct {
	conn    uint32
	pair    pair
	sink    Sink
	pool    *buffer.Pool
	writers [2]*writer
}

func newLink(conn uint32, found pair, config Config, sink Sink) *link {
	l := &link{conn: conn, pair: found, sink: sink, pool: config.Pool}
	for socket, tcp := range l.sockets() {
		l.writers[socket] = newWriter(tcp, config.Pool, config.SendTimeout)
		// Each only tunes: the link works without.
		_ = tcp.SetNoDelay(true)
		_ = tcp.SetKeepAlive(false)
		if config.SendBuffer > 0 {
			_ = tcp.SetWriteBuffer(config.SendBuffer)
		}
		if config.ReceiveBuffer > 0 {
			_ = tcp.SetReadBuffer(config.ReceiveBuffer)
		}
	}
	return l
}

func (l *link) sockets() [2]*net.TCPConn {
	return [2]*net.TCPConn{replica.DataSocket: l.pair.data, replica.MetaSocket: l.pair.meta}
}

// queued is the number of bytes that wait to be written.
func (l *link) queued() int {
	return l.writers[replica.DataSocket].size() + l.writers[replica.MetaSocket].size()
}

// serve reads and writes until something fails or ctx ends, and says why.
func (l *link) serve(ctx context.Context) error {
	reading, stopReading := context.WithCancel(ctx)
	defer stopReading()
	broken, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	var readers, writers sync.WaitGroup
	for socket, tcp := range l.sockets() {
		socket, w := replica.Socket(socket), l.writers[socket]
		// What finding the peer had set must not end a standing link.
		if err := tcp.SetDeadline(time.Time{}); err != nil {
			fail(fmt.Errorf("%v: %w", setOf(socket), err))
		}
		readers.Go(func() {
			r := newReader(l, socket, tcp)
			if err := r.run(reading); err != nil {
				fail(fmt.Errorf("%v: %w", setOf(socket), err))
			}
		})
		writers.Go(func() {
			if err := w.run(broken, l.ranEmpty); err != nil {
				fail(fmt.Errorf("%v: %w", setOf(socket), err))
			}
		})
	}
	<-broken.Done()
	cause := context.Cause(broken)
	patience := time.Duration(0)
	switch {
	case errors.Is(cause, errHangup):
		patience = farewell
	case errors.Is(cause, errClosed):
		for _, tcp := range l.sockets() {
			_ = tcp.SetReadDeadline(time.Now().Add(lastWords))
		}
		// A full pool may be waiting for just this end.
		late := time.AfterFunc(lastWords, stopReading)
		readers.Wait()
		late.Stop()
		l.pair.close()
	default:
		l.pair.close()
	}
	for _, w := range l.writers {
		w.end(patience)
	}
	writers.Wait()
	l.pair.close()
	stopReading()
	readers.Wait()
	return cause
}

// ranEmpty is called when one of the writers has nothing left to do.
func (l *link) ranEmpty() {
	if l.queued() == 0 {
		l.sink.Sent(l.conn)
	}
}

func setOf(socket replica.Socket) drbdwire.SocketSet {
	if socket == replica.MetaSocket {
		return drbdwire.OnMeta
	}
	return drbdwire.OnData
}
