package drbdwire

import "encoding/binary"

// The lengths of the payloads of P_BARRIER and P_BARRIER_ACK, in bytes.
const (
	BarrierSize    = 8
	BarrierAckSize = 8
)

// Barrier is the payload of P_BARRIER: the end of an epoch of writes.
//
//	offset  size  field
//	0       4     Number  opaque, echoed in the ack
//	4       4     0, ignored
//
// Source: DRBD 8.4 wire, section 10.1.
type Barrier struct{ Number [4]byte }

// Append adds the payload to dst.
func (b Barrier) Append(dst []byte) []byte {
	return append(append(dst, b.Number[:]...), 0, 0, 0, 0)
}

// DecodeBarrier reads the payload of P_BARRIER.
func DecodeBarrier(b []byte) (Barrier, error) {
	if err := exactly("P_BARRIER", b, BarrierSize); err != nil {
		return Barrier{}, err
	}
	return Barrier{Number: [4]byte(b[:4])}, nil
}

// BarrierAck is the payload of P_BARRIER_ACK: all writes of the epoch are on
// stable storage.
//
//	offset  size  field
//	0       4     Number   as in the P_BARRIER
//	4       4     SetSize  writes in the epoch, discards and failed ones too
//
// Acks come in the order of the epochs, with one exception: a kernel whose disk
// has just failed refuses the writes of the next epoch on the spot, and that
// epoch may be acknowledged before the one in which the failed write was (seen
// with 8.4.11 in protocol A).
//
// Source: DRBD 8.4 wire, section 10.1.
type BarrierAck struct {
	Number  [4]byte
	SetSize uint32
}

// Append adds the payload to dst.
func (a BarrierAck) Append(dst []byte) []byte {
	return binary.BigEndian.AppendUint32(append(dst, a.Number[:]...), a.SetSize)
}

// DecodeBarrierAck reads the payload of P_BARRIER_ACK.
func DecodeBarrierAck(b []byte) (BarrierAck, error) {
	if err := exactly("P_BARRIER_ACK", b, BarrierAckSize); err != nil {
		return BarrierAck{}, err
	}
	return BarrierAck{Number: [4]byte(b[:4]), SetSize: binary.BigEndian.Uint32(b[4:])}, nil
}
