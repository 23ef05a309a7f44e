package journal

import (
	"hash/crc32"

	"github.com/optionc/pollux/daemon/core/machine"
	"github.com/optionc/pollux/daemon/format/hbwire"
)

// DidOf is an effect in short.
func DidOf(e *machine.Effect) Did {
	switch e.Part {
	case machine.Replica:
		return Did{e.Part, uint8(e.Replica.Kind)}
	case machine.Liveness:
		return Did{e.Part, uint8(e.Liveness.Kind)}
	case machine.Lease:
		return Did{e.Part, uint8(e.Lease.Kind)}
	default:
		return Did{e.Part, uint8(e.Failover.Kind)}
	}
}

// Digest is the same for the same effects: every field of each counts.
func Digest(effects []machine.Effect) uint32 {
	d := digest(14695981039346656037)
	for i := range effects {
		e := &effects[i]
		d.numbers(uint64(e.Part), uint64(e.Resource))
		switch e.Part {
		case machine.Replica:
			r := &e.Replica
			d.numbers(uint64(r.Kind), uint64(r.Order), uint64(r.Socket), uint64(r.Conn), uint64(r.Buf), uint64(r.Size), uint64(r.Code),
				uint64(r.State), r.ID, r.Sector, uint64(r.Offset))
			d.flags(r.FUA, r.Failed, r.Force)
			d.bytes(r.Data)
			d.bytes([]byte(r.Text))
		case machine.Liveness:
			l := &e.Liveness
			d.numbers(uint64(l.Kind), uint64(l.Silent))
			d.flags(l.Own, l.Restarted, l.Lost)
			d.bytes(l.Data)
			d.bytes([]byte(l.Text))
			d.message(l.Message)
		case machine.Failover:
			f := &e.Failover
			d.numbers(uint64(f.Kind), uint64(f.Action), uint64(f.Group), uint64(f.Index), f.ID, uint64(f.Within))
			d.flags(f.OK, f.Watch)
			d.bytes([]byte(f.Text))
			d.message(f.Message)
		case machine.Lease:
			w := &e.Lease
			d.numbers(uint64(w.Kind))
			d.bytes(w.Data)
			d.bytes([]byte(w.Text))
		case machine.All:
		}
	}
	return uint32(d ^ d>>32)
}

type digest uint64

func (d *digest) numbers(values ...uint64) {
	h := *d
	for _, v := range values {
		h = (h ^ digest(v)) * 1099511628211
		h ^= h >> 29
	}
	*d = h
}

func (d *digest) flags(values ...bool) {
	for _, v := range values {
		bit := uint64(0)
		if v {
			bit = 1
		}
		d.numbers(bit)
	}
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func (d *digest) bytes(b []byte) {
	d.numbers(uint64(len(b)), uint64(crc32.Checksum(b, castagnoli)))
}

func (d *digest) message(m hbwire.Message) {
	d.numbers(uint64(len(m)))
	for _, f := range m {
		d.bytes([]byte(f.Name))
		d.numbers(uint64(f.Type))
		d.bytes(f.Value)
	}
}
