package peerlink

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"

	"golang.org/x/sys/unix"

	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

// readAhead is how much is read at once; bulk data beyond that go straight
// into their buffer.
const readAhead = 32 << 10

// A reader cuts one socket's bytes into packets.
type reader struct {
	link   *link
	socket replica.Socket
	in     *bufio.Reader
	framer drbdwire.Framer
	// data is where the fixed part of a packet is kept during a call.
	data []byte
}

func newReader(l *link, socket replica.Socket, tcp *net.TCPConn) *reader {
	return &reader{
		link: l, socket: socket, in: bufio.NewReaderSize(pausing{tcp, l.sink}, readAhead),
		framer: drbdwire.NewFramer(setOf(socket)),
	}
}

// pausing reads a socket, and tells the sink before that it may have to wait.
type pausing struct {
	tcp  *net.TCPConn
	sink Sink
}

func (p pausing) Read(b []byte) (int, error) {
	p.sink.Paused()
	return p.tcp.Read(b)
}

// errClosed is why a link ends that the peer ends.
var errClosed = errors.New("closed by the peer")

// A garbageError is about bytes that are no packet.
type garbageError struct{ error }

// run reads until the socket fails or ctx ends, which is no failure.
func (r *reader) run(ctx context.Context) error {
	for ctx.Err() == nil {
		if err := r.packet(ctx); err != nil {
			return r.ended(ctx, err)
		}
	}
	return nil
}

// ended says what the end of reading means for the link. Bytes that are no
// packet do not end it: what to do about them is the core's to say.
func (r *reader) ended(ctx context.Context, err error) (failure error) {
	var garbage garbageError
	switch {
	case ctx.Err() != nil:
	case errors.As(err, &garbage):
		r.link.sink.BadPacket(r.link.conn, r.socket, garbage.error)
	case errors.Is(err, io.EOF), errors.Is(err, unix.ECONNRESET):
		failure = errClosed
	default:
		failure = err
	}
	return failure
}

// packet reads one packet and hands it over.
func (r *reader) packet(ctx context.Context) error {
	h, fixed, bulk, err := r.header()
	if err != nil {
		return err
	}
	if cap(r.data) < int(fixed) {
		r.data = make([]byte, fixed)
	}
	r.data = r.data[:fixed]
	if _, err := io.ReadFull(r.in, r.data); err != nil {
		return inside(h.Command.String(), err)
	}
	var buf replica.Buf
	if bulk > 0 {
		if buf, err = r.bulk(ctx, h.Command, bulk); err != nil {
			return err
		}
	}
	r.framer.Learn(h.Command, r.data)
	if ctx.Err() != nil {
		if buf != 0 {
			r.link.pool.Release(buf)
		}
		return ctx.Err()
	}
	r.link.sink.Packet(r.link.conn, r.socket, h, r.data, buf, bulk)
	return nil
}

// header reads a header of any of the formats, and how long what follows is.
func (r *reader) header() (h drbdwire.Header, fixed, bulk uint32, err error) {
	first, err := r.in.Peek(4)
	if err != nil {
		if len(first) > 0 {
			err = inside("header", err)
		}
		return h, 0, 0, err
	}
	size, err := drbdwire.HeaderSize(first)
	if err != nil {
		return h, 0, 0, garbageError{err}
	}
	b, err := r.in.Peek(size)
	if err != nil {
		return h, 0, 0, inside("header", err)
	}
	if h, fixed, bulk, err = r.framer.Cut(b); err != nil {
		return h, 0, 0, garbageError{err}
	}
	_, err = r.in.Discard(size)
	return h, fixed, bulk, err
}

// bulk reads size bytes into a buffer.
func (r *reader) bulk(ctx context.Context, command drbdwire.Command, size uint32) (replica.Buf, error) {
	buf := r.link.pool.TryGet(int(size))
	if buf == 0 {
		r.link.sink.Paused() // what was handed over may hold what is missing
		var err error
		if buf, err = r.link.pool.GetContext(ctx, int(size)); err != nil {
			return 0, err
		}
	}
	if _, err := io.ReadFull(r.in, r.link.pool.Bytes(buf)); err != nil {
		r.link.pool.Release(buf)
		return 0, inside(command.String(), err)
	}
	return buf, nil
}

// inside says what a socket's end cut.
func inside(what string, err error) error {
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("in a %s: %w", what, err)
}
