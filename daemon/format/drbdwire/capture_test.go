package drbdwire_test

import (
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"testing"

	"github.com/optionc/pollux/daemon/format/drbdwire"
)

// A packet is one DRBD packet out of a recorded TCP stream.
type packet struct {
	frame   int // of the recording, counted from 1, that completed it
	fromA   bool
	conn    *conn
	format  drbdwire.HeaderFormat
	header  drbdwire.Header
	fixed   []byte // header and fixed part of the payload
	bulk    []byte
	digest  int    // bytes of an integrity digest in fixed
	alg     string // which the digest is made by
	payload []byte // fixed and bulk, without the header
}

// A conn is one recorded TCP connection: a data or a meta socket.
type conn struct {
	number  int    // in order of appearance, from 1
	opened  uint32 // sequence number of the first segment
	streams [2]stream
}

// A stream is one direction of a conn.
type stream struct {
	started bool
	next    uint32            // sequence number of the next byte
	early   map[uint32][]byte // segments that came before their turn
	bytes   []byte            // in order, not yet cut into packets
	alg     string            // integrity algorithm of the last P_PROTOCOL
}

// packetsOf cuts a recording into packets, in the order in which they were
// complete.
func packetsOf(tb testing.TB, path string) []packet {
	tb.Helper()
	file, err := os.Open(path)
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	in, err := gzip.NewReader(file)
	if err != nil {
		tb.Fatal(err)
	}
	var global [24]byte
	if _, err := io.ReadFull(in, global[:]); err != nil || binary.LittleEndian.Uint32(global[:]) != 0xa1b2c3d4 {
		tb.Fatalf("%s starts with %x, want a little-endian pcap: %v", path, global, err)
	}
	var packets []packet
	conns := map[[12]byte]*conn{}
	known := 0
	for frame := 1; ; frame++ {
		var record [16]byte
		if _, err := io.ReadFull(in, record[:]); errors.Is(err, io.EOF) {
			return packets
		} else if err != nil {
			tb.Fatalf("%s: frame %d: %v", path, frame, err)
		}
		b := make([]byte, binary.LittleEndian.Uint32(record[8:]))
		if _, err := io.ReadFull(in, b); err != nil {
			tb.Fatalf("%s: frame %d: %v", path, frame, err)
		}
		s, ok := segmentOf(b)
		if !ok {
			continue
		}
		c := conns[s.ends]
		if c == nil || s.syn && !s.ack && s.seq != c.opened {
			known++
			c = &conn{number: known, opened: s.seq}
			conns[s.ends] = c
		}
		complete, err := c.take(s)
		if err != nil {
			tb.Fatalf("%s: frame %d: %v", path, frame, err)
		}
		for _, p := range complete {
			p.frame, p.fromA, p.conn = frame, s.fromA, c
			packets = append(packets, p)
		}
	}
}

// A segment is what matters of one TCP/IPv4 frame.
type segment struct {
	ends     [12]byte // address and port of A, then of B
	fromA    bool
	syn, ack bool
	seq      uint32
	data     []byte
}

func segmentOf(frame []byte) (segment, bool) {
	if len(frame) < 34 || binary.BigEndian.Uint16(frame[12:]) != 0x0800 || frame[23] != 6 {
		return segment{}, false
	}
	ip := frame[14:]
	ip = ip[:binary.BigEndian.Uint16(ip[2:])]
	tcp := ip[int(ip[0]&15)*4:]
	s := segment{
		fromA: ip[15] == 1,
		syn:   tcp[13]&2 != 0,
		ack:   tcp[13]&16 != 0,
		seq:   binary.BigEndian.Uint32(tcp[4:]),
		data:  tcp[int(tcp[12]>>4)*4:],
	}
	from, to := append(ip[12:16:16], tcp[0:2]...), append(ip[16:20:20], tcp[2:4]...)
	if !s.fromA {
		from, to = to, from
	}
	copy(s.ends[:], from)
	copy(s.ends[6:], to)
	return s, true
}

// take puts a segment in its place and returns the packets it completes.
func (c *conn) take(s segment) ([]packet, error) {
	st := &c.streams[0]
	if !s.fromA {
		st = &c.streams[1]
	}
	switch {
	case s.syn:
		*st = stream{started: true, next: s.seq + 1, early: map[uint32][]byte{}}
		return nil, nil
	case !st.started: // the recording began on a live connection
		*st = stream{started: true, next: s.seq, early: map[uint32][]byte{}}
	}
	if len(s.data) > 0 {
		st.early[s.seq] = s.data
	}
	for moved := true; moved; {
		moved = false
		for seq, data := range st.early {
			if ahead := int32(seq - st.next); ahead > 0 {
				continue
			} else if seen := int(-ahead); seen < len(data) {
				st.bytes = append(st.bytes, data[seen:]...)
				st.next += uint32(len(data) - seen)
				moved = true
			}
			delete(st.early, seq)
		}
	}
	return st.cut()
}

// cut takes all whole packets off the stream, as a receiver would.
func (st *stream) cut() (packets []packet, err error) {
	for len(st.bytes) >= 4 {
		size, err := drbdwire.HeaderSize(st.bytes)
		if err != nil {
			return nil, err
		}
		if len(st.bytes) < size {
			return packets, nil
		}
		h, format, err := drbdwire.DecodeHeader(st.bytes)
		if err != nil {
			return nil, err
		}
		p := packet{header: h, format: format, alg: st.alg}
		if st.alg != "" {
			if p.digest, err = drbdwire.DigestSize(st.alg); err != nil {
				return nil, err
			}
		}
		fixed, bulk, err := drbdwire.Split(h.Command, h.Length, p.digest)
		if err != nil {
			return nil, err
		}
		if fixed+bulk != h.Length {
			return nil, fmt.Errorf("%s of %d bytes is split into %d and %d", h.Command, h.Length, fixed, bulk)
		}
		end := size + int(h.Length)
		if len(st.bytes) < end {
			return packets, nil
		}
		p.fixed, p.bulk, p.payload = st.bytes[:size+int(fixed)], st.bytes[size+int(fixed):end], st.bytes[size:end]
		st.bytes = st.bytes[end:]
		if h.Command == drbdwire.CmdProtocol || h.Command == drbdwire.CmdProtocolUpdate {
			protocol, err := drbdwire.DecodeProtocol(p.payload)
			if err != nil {
				return nil, err
			}
			st.alg = protocol.IntegrityAlg
		}
		packets = append(packets, p)
	}
	return packets, nil
}
