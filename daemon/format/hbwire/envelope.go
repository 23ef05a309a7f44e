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
func (e Envelope) Add(m *Message) {
	sequenced := Sequenced(m.Text(FieldType))
	if e.DestUUID != (UUID{}) {
		m.Set(Bytes(FieldDestUUID, e.DestUUID[:]))
	}
	m.Set(Text(FieldSource, strings.ToLower(e.Source)))
	if e.SourceUUID != (UUID{}) {
		m.Set(Bytes(FieldSourceUUID, e.SourceUUID[:]))
	}
	if sequenced {
		m.Set(Hex(FieldSeq, e.Seq))
	}
	m.Set(Hex(FieldGeneration, e.Generation))
	m.Set(Hex(FieldTime, e.Time))
	if sequenced {
		m.Set(Text(FieldLoad, e.Load))
	}
	m.Set(Decimal(FieldTTL, e.TTL))
}

// Open reads the envelope of a message that has been received. It fails with ErrField if the message lacks what no
// receiver can do without: t, src, a time other than 0, and seq unless its type starts with NS_. Generation and TTL are
// 0 if missing: ping nodes have none.
func Open(m Message) (Envelope, error) {
	e := Envelope{
		DestUUID: m.UUID(FieldDestUUID), SourceUUID: m.UUID(FieldSourceUUID),
		Source: strings.ToLower(m.Text(FieldSource)), Load: m.Text(FieldLoad),
	}
	for _, name := range []string{FieldType, FieldSource} {
		if m.Text(name) == "" {
			return Envelope{}, fmt.Errorf("field %s of %q: %w: found no text", name, m.Text(FieldType), ErrField)
		}
	}
	for _, number := range [...]struct {
		name     string
		to       *uint64
		decimal  bool
		required bool
	}{
		{FieldSeq, &e.Seq, false, Sequenced(m.Text(FieldType))},
		{FieldGeneration, &e.Generation, false, false},
		{FieldTime, &e.Time, false, true},
		{FieldTTL, &e.TTL, true, false},
	} {
		if m.index(number.name) < 0 && !number.required {
			continue
		}
		read := Message.Hex
		if number.decimal {
			read = Message.Decimal
		}
		var err error
		if *number.to, err = read(m, number.name); err != nil {
			return Envelope{}, err
		}
	}
	if e.Time == 0 {
		return Envelope{}, fmt.Errorf("field %s of %q: %w: found 0, want the time of sending", FieldTime,
			m.Text(FieldType), ErrField)
	}
	return e, nil
}
