package hbwire

import (
	"fmt"
	"strings"
)

// An Envelope is what every message carries behind its own fields.
//
//	order  field     value
//	1      destuuid  DestUUID, left out if zero
//	2      src       Source
//	3      srcuuid   SourceUUID, left out if zero: Heartbeat 1.2 knows none
//	4      seq       Seq, not on types that start with NS_
//	5      hg        Generation
//	6      ts        Time
//	7      ld        Load, not on types that start with NS_
//	8      ttl       TTL
//	9      auth      Keys.Sign adds it
//
// Source: Heartbeat wire, section 3.
type Envelope struct {
	DestUUID   UUID
	Source     string // node name; Add and Open turn it into lower case
	SourceUUID UUID
	Seq        uint64 // from 1 at each start of the daemon
	Generation uint64 // the same for one run of the daemon, more for the next
	Time       uint64 // Unix seconds of sending, never 0
	Load       string // text of /proc/loadavg without the line break; for people
	TTL        uint64 // nodes and ping nodes of ha.cf, and hopfudge
}

// Add appends the envelope to a message that has its type and its own fields. A field that the message has already,
// as src in messages of API clients, keeps its place.
func (e *Envelope) Add(d *Draft) {
	sequenced := Sequenced(d.Message.Text(FieldType))
	if e.DestUUID != (UUID{}) {
		d.Bytes(FieldDestUUID, e.DestUUID[:])
	}
	d.Text(FieldSource, strings.ToLower(e.Source))
	if e.SourceUUID != (UUID{}) {
		d.Bytes(FieldSourceUUID, e.SourceUUID[:])
	}
	if sequenced {
		d.Hex(FieldSeq, e.Seq)
	}
	d.Hex(FieldGeneration, e.Generation)
	d.Hex(FieldTime, e.Time)
	if sequenced {
		d.Text(FieldLoad, e.Load)
	}
	d.Decimal(FieldTTL, e.TTL)
}

// Open reads the envelope of a message that has been received. It fails with ErrField if the message lacks what no
// receiver can do without: t, src, a time other than 0, and seq unless its type starts with NS_. Generation and TTL are
// 0 if missing: ping nodes have none. Text that e has already costs no memory.
func (e *Envelope) Open(m Message) error {
	kind := m.Text(FieldType)
	*e = Envelope{
		DestUUID: m.UUID(FieldDestUUID), SourceUUID: m.UUID(FieldSourceUUID),
		Source: strings.ToLower(m.textLike(FieldSource, e.Source)), Load: m.textLike(FieldLoad, e.Load),
	}
	var err error
	switch {
	case kind == "":
		err = fmt.Errorf("field %s: %w: found no text", FieldType, ErrField)
	case e.Source == "":
		err = fmt.Errorf("field %s of %q: %w: found no text", FieldSource, kind, ErrField)
	}
	read := func(name string, base int, required bool) (n uint64) {
		if err == nil && (required || m.index(name) >= 0) {
			n, err = m.number(name, base)
		}
		return n
	}
	e.Seq = read(FieldSeq, 16, Sequenced(kind))
	e.Generation = read(FieldGeneration, 16, false)
	e.Time = read(FieldTime, 16, true)
	e.TTL = read(FieldTTL, 10, false)
	if err == nil && e.Time == 0 {
		err = fmt.Errorf("field %s of %q: %w: found 0, want the time of sending", FieldTime, kind, ErrField)
	}
	return err
}
