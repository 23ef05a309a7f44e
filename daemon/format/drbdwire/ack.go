package drbdwire

import "encoding/binary"

// The lengths of the answers about blocks, in bytes.
const (
	BlockAckSize  = 24
	BlockDescSize = 16
)

// BlockAck is the payload of every answer on the meta socket that is about a
// block: P_RECV_ACK, P_WRITE_ACK, P_RS_WRITE_ACK, P_SUPERSEDED, P_RETRY_WRITE,
// P_NEG_ACK, P_NEG_DREPLY, P_NEG_RS_DREPLY, P_RS_CANCEL, P_RS_IS_IN_SYNC and
// P_OV_RESULT.
//
//	offset  size  field
//	0       8     Sector    as in the request
//	8       8     ID        as in the request; the verdict in P_OV_RESULT
//	16      4     Size      bytes
//	20      4     Sequence  the sender's next, shared with its P_DATA
//
// The ID of P_RS_IS_IN_SYNC, and of a P_NEG_RS_DREPLY to a P_CSUM_RS_REQUEST,
// is garbage: match those by Sector and Size. Source: DRBD 8.4 wire, section 9.
type BlockAck struct {
	Sector   uint64 // units of 512 bytes
	ID       BlockID
	Size     uint32 // bytes
	Sequence uint32
}

// Append adds the payload to dst.
func (a BlockAck) Append(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint64(dst, a.Sector)
	dst = append(dst, a.ID[:]...)
	dst = binary.BigEndian.AppendUint32(dst, a.Size)
	return binary.BigEndian.AppendUint32(dst, a.Sequence)
}

// DecodeBlockAck reads the payload of an answer about a block.
func DecodeBlockAck(b []byte) (BlockAck, error) {
	if err := exactly("block ack", b, BlockAckSize); err != nil {
		return BlockAck{}, err
	}
	a := BlockAck{
		Sector:   binary.BigEndian.Uint64(b),
		ID:       BlockID(b[8:16]),
		Size:     binary.BigEndian.Uint32(b[16:]),
		Sequence: binary.BigEndian.Uint32(b[20:]),
	}
	if err := inRange("block ack", a.Sector, a.Size); err != nil {
		return BlockAck{}, err
	}
	return a, nil
}

// BlockDesc is the payload of P_OUT_OF_SYNC, a write that only the sender has,
// and of P_RS_DEALLOCATED, a range that reads as zeros.
//
//	offset  size  field
//	0       8     Sector
//	8       4     Size    bytes
//	12      4     ignored; 0 from us, anything from a kernel
//
// Source: DRBD 8.4 wire, sections 8.5 and 11.
type BlockDesc struct {
	Sector uint64 // units of 512 bytes
	Size   uint32 // bytes
}

// Append adds the payload to dst.
func (d BlockDesc) Append(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint64(dst, d.Sector)
	dst = binary.BigEndian.AppendUint32(dst, d.Size)
	return binary.BigEndian.AppendUint32(dst, 0)
}

// DecodeBlockDesc reads the payload of P_OUT_OF_SYNC or P_RS_DEALLOCATED.
func DecodeBlockDesc(b []byte) (BlockDesc, error) {
	if err := exactly("block description", b, BlockDescSize); err != nil {
		return BlockDesc{}, err
	}
	d := BlockDesc{Sector: binary.BigEndian.Uint64(b), Size: binary.BigEndian.Uint32(b[8:])}
	if err := inRange("block description", d.Sector, d.Size); err != nil {
		return BlockDesc{}, err
	}
	return d, nil
}
