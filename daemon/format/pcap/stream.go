package pcap

import "slices"

// A Conn is one TCP connection of a recording.
type Conn struct {
	Number int         // in order of appearance, from 1
	Ends   [2]Endpoint // the lower one first
	opened uint32      // sequence number of the first SYN
	sides  [2]side     // what each end sent
}

// A side is one direction of a connection.
type side struct {
	started bool
	next    uint32 // sequence number of the next byte
	early   []Segment
}

// maxEarly is how many segments may wait for one that is missing. A recording
// that lost one will not bring it later.
const maxEarly = 4096

// Conns puts the segments of connections in order. The zero value is ready.
type Conns struct {
	known []*Conn
}

// A Piece is the next bytes that one end of a connection sent.
type Piece struct {
	Conn *Conn
	Side int // index into Conn.Ends of who sent it
	// Whole: the stream is known from its first byte on.
	Whole bool
	// Lost is how many bytes before these are not in the recording.
	Lost uint32
	Data []byte
}

// Add takes a TCP segment and gives what it brings in order: nothing, its own
// data, or that of segments that waited for it too.
func (c *Conns) Add(s Segment) []Piece {
	conn, at := c.find(s)
	d := &conn.sides[at]
	switch {
	case s.SYN:
		*d = side{started: true, next: s.Seq + 1}
		return []Piece{{Conn: conn, Side: at, Whole: true}}
	case !d.started: // the recording began on a live connection
		*d = side{started: true, next: s.Seq}
	}
	if len(s.Data) == 0 {
		return nil
	}
	d.early = append(d.early, s)
	slices.SortStableFunc(d.early, func(a, b Segment) int { return int(int32(a.Seq - b.Seq)) })
	pieces := d.ready(nil, 0)
	if len(d.early) > maxEarly {
		lost := d.early[0].Seq - d.next
		d.next = d.early[0].Seq
		pieces = d.ready(pieces, lost)
	}
	for i := range pieces {
		pieces[i].Conn, pieces[i].Side = conn, at
	}
	return pieces
}

// ready takes what is in order off the segments that wait.
func (d *side) ready(pieces []Piece, lost uint32) []Piece {
	for len(d.early) > 0 {
		s := d.early[0]
		ahead := int32(s.Seq - d.next)
		if ahead > 0 {
			break
		}
		d.early = d.early[1:]
		if seen := int(-ahead); seen < len(s.Data) {
			pieces = append(pieces, Piece{Lost: lost, Data: s.Data[seen:]})
			d.next += uint32(len(s.Data) - seen)
			lost = 0
		}
	}
	return pieces
}

// Missing is how many bytes of what an end sent are waited for in vain, at the
// end of a recording.
func (c *Conn) Missing(at int) uint32 {
	if d := &c.sides[at]; len(d.early) > 0 {
		return d.early[0].Seq - d.next
	}
	return 0
}

// find gives the connection of a segment, and which end sent it. A SYN with
// another number than the last begins a new one between the same ends.
func (c *Conns) find(s Segment) (*Conn, int) {
	ends, at := [2]Endpoint{s.From, s.To}, 0
	if s.From.Compare(s.To) > 0 {
		ends, at = [2]Endpoint{s.To, s.From}, 1
	}
	isNew := s.SYN && !s.ACK
	for _, conn := range slices.Backward(c.known) {
		if conn.Ends == ends {
			if isNew && conn.opened != s.Seq {
				break
			}
			return conn, at
		}
	}
	conn := &Conn{Number: len(c.known) + 1, Ends: ends, opened: s.Seq}
	c.known = append(c.known, conn)
	return conn, at
}
