package world

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

// wellFormed is broken by a packet that is none, or not what was sent.
const wellFormed = "packets are well formed"

// inlet is one socket of an end where packets are bytes: it cuts them out of
// what has arrived, as the production driver does.
type inlet struct {
	framer drbdwire.Framer
	rest   []byte // the beginning of a packet
}

// open is an end that has sent and received nothing.
func (e *end) open() {
	for socket, on := range [...]drbdwire.SocketSet{replica.DataSocket: drbdwire.OnData, replica.MetaSocket: drbdwire.OnMeta} {
		e.out[socket] = drbdwire.NewFramer(on)
		e.in[socket].framer = drbdwire.NewFramer(on)
	}
}

// pushBytes puts a packet on its way as bytes, cut anywhere.
func (t *network) pushBytes(c *conn, from int, seg segment, head []byte, row []uint64) {
	wire := appendSectors(append(t.buffer(), head...), row)
	luck, rest := t.w.luck.bytes, wire
	for len(rest) > 0 {
		n := len(rest)
		if luck.Below(8) == 0 {
			n = 1 + luck.Below(n)
		}
		seg.stream, seg.data, rest = true, rest[:n], rest[n:]
		if len(rest) == 0 {
			seg.buffer = wire
		}
		t.push(c, from, seg)
	}
}

// buffer is one that carried a packet before, if there is one.
func (t *network) buffer() []byte {
	last := len(t.spare) - 1
	if last < 0 {
		return nil
	}
	b := t.spare[last]
	t.spare = t.spare[:last]
	return b[:0]
}

// receive hands up the packets that are whole with what has arrived.
func (t *network) receive(c *conn, to int, seg segment) {
	n, e := t.w.nodes[to], &c.ends[to]
	in := &e.in[seg.socket]
	b := seg.data
	left := t.w.cfg.ResetAt[to] - n.received
	n.received += len(b)
	if left > 0 && left <= len(b) {
		b = b[:left]
		defer t.sever(c)
	}
	if len(in.rest) > 0 {
		in.rest = append(in.rest, b...)
		b = in.rest
	}
	for n.epoch == c.epoch[to] && e.hears() {
		packet, size, err := in.cut(b, &t.w.slab)
		if err != nil {
			t.w.Fail(wellFormed, "%s finds %v", Name(to), err)
			return
		}
		if size == 0 {
			break
		}
		b = b[size:]
		packet.socket = seg.socket
		if n.paused {
			packet.data = bytes.Clone(packet.data)
		}
		n.hand(c, packet)
	}
	in.rest = append(in.rest[:0], b...)
	if seg.buffer != nil {
		t.spare = append(t.spare, seg.buffer)
	}
}

// sever resets a connection at both ends; what is on its way is lost.
func (t *network) sever(c *conn) {
	for i := range c.ends {
		c.ends[i].late = false
		t.endOf(c, i, "connection reset")
	}
}

// cut takes the packet at the start of b, whose data aliases b; size 0 is that it
// is not whole yet.
func (in *inlet) cut(b []byte, slab *Slab[uint64]) (seg segment, size int, err error) {
	if len(b) < 4 {
		return seg, 0, nil
	}
	head, err := drbdwire.HeaderSize(b)
	if err != nil || len(b) < head {
		return seg, 0, err
	}
	var fixed, bulk uint32
	if seg.header, fixed, bulk, err = in.framer.Cut(b); err != nil {
		return seg, 0, err
	}
	size = head + int(fixed+bulk)
	if len(b) < size {
		return seg, 0, nil
	}
	seg.data = b[head : head+int(fixed)]
	if bulk > 0 {
		seg.row = slab.Cut(int(bulk) / sectorSize)
		if err = decodeSectors(seg.row, b[head+int(fixed):size]); err != nil {
			return seg, 0, err
		}
	}
	in.framer.Learn(seg.header.Command, seg.data)
	return seg, size, nil
}

// A sector that holds a version has words of 8 bytes of which none is there
// twice: the version, three times it, five times it, and so on. Version 0 is
// all zeros.

// appendSectors adds what sectors of these versions hold.
func appendSectors(dst []byte, row []uint64) []byte {
	at := len(dst)
	dst = slices.Grow(dst, len(row)*sectorSize)[:at+len(row)*sectorSize]
	for _, version := range row {
		word := version
		for end := at + sectorSize; at < end; at += 8 {
			binary.LittleEndian.PutUint64(dst[at:], word)
			word += 2 * version
		}
	}
	return dst
}

// decodeSectors finds the versions again. It fails on a sector that holds
// anything else, in part or as a whole.
func decodeSectors(row []uint64, b []byte) error {
	for s := range row {
		sector := b[s*sectorSize : (s+1)*sectorSize]
		version := binary.LittleEndian.Uint64(sector)
		word, differs := version, uint64(0)
		for ; len(sector) >= 8; sector = sector[8:] {
			differs |= binary.LittleEndian.Uint64(sector) ^ word
			word += 2 * version
		}
		if differs != 0 {
			return fmt.Errorf("sector %d of a payload, which is of no version", s)
		}
		row[s] = version
	}
	return nil
}
