// Package dissect takes a recorded conversation of two DRBD nodes apart: both
// TCP connections, packet by packet, each with the names and values of its
// fields. Heartbeats on their way meanwhile are told too.
//
// A and B are the two hosts; A is the one with the lower address.
package dissect

import (
	"fmt"
	"strings"
	"time"

	"github.com/optionc/pollux/daemon/format/drbdwire"
	"github.com/optionc/pollux/daemon/format/pcap"
)

// A Packet is one DRBD packet of a recording.
type Packet struct {
	Frame int // that completed it
	Time  time.Time
	Conn  *pcap.Conn
	FromA bool

	Format drbdwire.HeaderFormat
	Header drbdwire.Header
	Head   []byte // the bytes of the header
	// Payload is what follows the header. The first Fixed bytes are fields, the
	// rest is a block.
	Payload []byte
	Fixed   int
	// Digest is how many of the fixed bytes are an integrity digest, made by
	// Alg.
	Digest int
	Alg    string
}

// A Trouble is a stretch of a connection that could not be read.
type Trouble struct {
	Frame int
	Time  time.Time
	Conn  *pcap.Conn
	FromA bool
	Err   error
}

// A Sink takes what is found, in the order in which it was complete.
type Sink struct {
	Packet    func(Packet)
	Trouble   func(Trouble)
	Heartbeat func(f pcap.Frame, s pcap.Segment)
}

// A stream is what one end of a connection has sent and is not yet cut into
// packets.
type stream struct {
	conn  *pcap.Conn
	side  int
	bytes []byte
	alg   string // integrity algorithm of the last P_PROTOCOL
	whole bool   // known from its first byte on, so it begins with a header
	found bool   // a header was found in it
	other bool   // it is no DRBD, or was given up
}

// Frames takes a recording apart.
func Frames(frames []pcap.Frame, to Sink) {
	var conns pcap.Conns
	var streams []*stream
	for _, f := range frames {
		s, ok := f.Segment()
		switch {
		case !ok:
			continue
		case s.Protocol == pcap.UDP:
			if isHeartbeat(s.Data) {
				to.Heartbeat(f, s)
			}
			continue
		}
		for _, piece := range conns.Add(s) {
			st := find(&streams, piece)
			if piece.Whole {
				*st = stream{conn: st.conn, side: st.side, whole: true}
			}
			st.take(f, piece, to)
		}
	}
	end(frames, streams, to)
}

// end tells what is left: bytes that a lost frame would have made a packet of.
func end(frames []pcap.Frame, streams []*stream, to Sink) {
	if len(frames) == 0 {
		return
	}
	last := frames[len(frames)-1]
	for _, st := range streams {
		if missing := st.conn.Missing(st.side); missing > 0 && st.found && !st.other {
			st.give(last, to, fmt.Errorf("%d bytes are not in the recording, and what follows them can't be read", missing))
		}
	}
}

func find(streams *[]*stream, p pcap.Piece) *stream {
	for _, st := range *streams {
		if st.conn == p.Conn && st.side == p.Side {
			return st
		}
	}
	st := &stream{conn: p.Conn, side: p.Side}
	*streams = append(*streams, st)
	return st
}

// take appends what was sent, and tells of the packets that it completes.
func (st *stream) take(f pcap.Frame, p pcap.Piece, to Sink) {
	if st.other {
		return
	}
	if p.Lost > 0 {
		st.bytes, st.whole = nil, false
		if st.found {
			to.Trouble(st.trouble(f, fmt.Errorf("%d bytes are not in the recording", p.Lost)))
		}
	}
	st.bytes = append(st.bytes, p.Data...)
	if !st.whole {
		st.seek()
	}
	for {
		packet, ok, err := st.cut()
		if err != nil {
			st.give(f, to, err)
			return
		}
		if !ok {
			return
		}
		st.found = true
		packet.Frame, packet.Time = f.Number, f.Time
		to.Packet(packet)
	}
}

// give gives a stream up; one in which no packet was ever found is another
// protocol's.
func (st *stream) give(f pcap.Frame, to Sink, err error) {
	st.other = true
	if st.found {
		to.Trouble(st.trouble(f, err))
	}
}

func (st *stream) trouble(f pcap.Frame, err error) Trouble {
	return Trouble{Frame: f.Number, Time: f.Time, Conn: st.conn, FromA: st.side == 0, Err: err}
}

// seek drops what stands before the first header of a stream whose beginning
// was not recorded.
func (st *stream) seek() {
	for i := range st.bytes {
		h, _, err := drbdwire.DecodeHeader(st.bytes[i:])
		if err != nil {
			continue
		}
		if _, _, err := drbdwire.Split(h.Command, h.Length, 0); err == nil {
			st.bytes, st.whole = st.bytes[i:], true
			return
		}
	}
}

// cut takes one packet off a stream, as a receiver would.
func (st *stream) cut() (p Packet, ok bool, err error) {
	if !st.whole || len(st.bytes) < 4 {
		return p, false, nil
	}
	size, err := drbdwire.HeaderSize(st.bytes)
	if err != nil || len(st.bytes) < size {
		return p, false, err
	}
	p = Packet{Conn: st.conn, FromA: st.side == 0, Alg: st.alg}
	if p.Header, p.Format, err = drbdwire.DecodeHeader(st.bytes); err != nil {
		return p, false, err
	}
	if st.alg != "" {
		if p.Digest, err = drbdwire.DigestSize(st.alg); err != nil {
			return p, false, err
		}
	}
	fixed, _, err := drbdwire.Split(p.Header.Command, p.Header.Length, p.Digest)
	end := size + int(p.Header.Length)
	if err != nil || len(st.bytes) < end {
		return p, false, err
	}
	p.Head, p.Payload, p.Fixed = st.bytes[:size:size], st.bytes[size:end:end], int(fixed)
	st.bytes = st.bytes[end:]
	if c := p.Header.Command; c == drbdwire.CmdProtocol || c == drbdwire.CmdProtocolUpdate {
		protocol, err := drbdwire.DecodeProtocol(p.Payload)
		if err != nil {
			return p, false, err
		}
		st.alg = protocol.IntegrityAlg
	}
	return p, true, nil
}

// Line is the packet in one line, without its number and time. socket is the
// one that its command belongs on; some belong on both.
func (p *Packet) Line() (string, error) {
	socket := map[drbdwire.SocketSet]string{
		drbdwire.OnData: "data", drbdwire.OnMeta: "meta", drbdwire.OnData | drbdwire.OnMeta: "both",
	}[drbdwire.Socket(p.Header.Command)]
	fields, err := p.fields()
	line := fmt.Sprintf("%s c%d %s %s h%d vol=%d len=%d %s", direction(p.FromA), p.Conn.Number, socket,
		strings.TrimPrefix(p.Header.Command.String(), "P_"), p.Format.Size(), p.Header.Volume, p.Header.Length, fields)
	return strings.TrimSpace(line), err
}

// Line is the trouble in one line.
func (t *Trouble) Line() string {
	return fmt.Sprintf("%s c%d UNREADABLE from here on: %s", direction(t.FromA), t.Conn.Number, t.Err)
}

func direction(fromA bool) string {
	if fromA {
		return "A>B"
	}
	return "B>A"
}
