package drbdwire

import "encoding/binary"

// BlockRequestSize is the length of BlockRequest in bytes, without a digest.
const BlockRequestSize = 24

// BlockRequest starts the payload of P_DATA_REQUEST, P_RS_DATA_REQUEST,
// P_RS_THIN_REQ and P_OV_REQUEST, which have nothing else, and of
// P_CSUM_RS_REQUEST and P_OV_REPLY, where a digest of the sender's block
// follows.
//
//	offset  size  field
//	0       8     Sector
//	8       8     ID    opaque, echoed in the answer
//	16      4     Size  bytes: whole sectors, at most 1 MiB
//	20      4     ignored; 0 from us, anything from a kernel
//	24      -     the digest
//
// A kernel that gets a P_OV_REQUEST locks the block until the P_OV_RESULT about
// it, and a verify ends for it when it has as many results as there are blocks:
// one request and one result for each, and no second look by another request
// (seen with 8.4.11).
//
// Source: DRBD 8.4 wire, sections 8.3 and 11.
type BlockRequest struct {
	Sector uint64 // units of 512 bytes
	ID     BlockID
	Size   uint32 // bytes
}

// Append adds the 24 bytes before the digest to dst.
func (r BlockRequest) Append(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint64(dst, r.Sector)
	dst = append(dst, r.ID[:]...)
	dst = binary.BigEndian.AppendUint32(dst, r.Size)
	return binary.BigEndian.AppendUint32(dst, 0)
}

// DecodeBlockRequest reads the payload of a request; the digest, at most 64
// bytes and none where Split allows none, is b[BlockRequestSize:].
func DecodeBlockRequest(b []byte) (BlockRequest, error) {
	if err := between("block request", b, BlockRequestSize, BlockRequestSize+maxDigest); err != nil {
		return BlockRequest{}, err
	}
	r := BlockRequest{
		Sector: binary.BigEndian.Uint64(b),
		ID:     BlockID(b[8:16]),
		Size:   binary.BigEndian.Uint32(b[16:]),
	}
	if err := wholeSectors("block request", r.Size, MaxData); err != nil {
		return BlockRequest{}, err
	}
	if err := inRange("block request", r.Sector, r.Size); err != nil {
		return BlockRequest{}, err
	}
	return r, nil
}
