package drbdwire

import (
	"encoding/binary"
	"fmt"
	"strings"
)

// DataSize is the length of Data in bytes, without digest and block.
const DataSize = 24

// MaxData is the most block data that one packet carries, in bytes.
const MaxData = 1 << 20

// A BlockID is the requester's own handle of a block in flight. It is opaque:
// whoever answers copies it byte for byte.
type BlockID [8]byte

// Syncer is the handle of blocks that a resync or a verify asks for.
func Syncer() BlockID { return BlockID{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff} }

// IsSyncer says whether the block belongs to a resync or a verify.
func (id BlockID) IsSyncer() bool { return id == Syncer() }

// VerifiedInSync is the handle in a P_OV_RESULT that found no difference: 4711.
func VerifiedInSync() BlockID { return BlockID{6: 0x12, 7: 0x67} }

// VerifiedOutOfSync is the handle in a P_OV_RESULT that found one: 4712.
func VerifiedOutOfSync() BlockID { return BlockID{6: 0x12, 7: 0x68} }

// DataFlags say how a write is to be carried out and answered.
type DataFlags uint32

// The flags of a write. Source: DRBD 8.4 wire, section 8.1.
const (
	FlagHardBarrier DataFlags = 1 // obsolete
	// FlagSync: somebody waits for this write; a hint.
	FlagSync DataFlags = 2
	// FlagMaySetInSync: the sender is in a resync; whole blocks that this write
	// covers are in sync once it is on disk.
	FlagMaySetInSync DataFlags = 4
	FlagUnplug       DataFlags = 8 // obsolete
	// FlagFUA: on stable storage before it counts as written.
	FlagFUA DataFlags = 16
	// FlagFlush: everything written before goes to stable storage first.
	FlagFlush DataFlags = 32
	// FlagDiscard: no data; the range is given up.
	FlagDiscard DataFlags = 64
	// FlagSendReceiveAck: answer with P_RECV_ACK on receipt (protocol B).
	FlagSendReceiveAck DataFlags = 128
	// FlagSendWriteAck: answer with P_WRITE_ACK once it is on disk (protocol C).
	FlagSendWriteAck DataFlags = 256
	FlagWriteSame    DataFlags = 512 // obsolete
	// FlagZeroes: no data; the range is to read as zeros.
	FlagZeroes DataFlags = 1024
)

// String is the flags' names, joined by bars.
func (f DataFlags) String() string {
	if f == 0 {
		return "0"
	}
	var set []string
	for bit, name := range [...]string{
		"HARDBARRIER", "SYNC", "MAY_SET_IN_SYNC", "UNPLUG", "FUA", "FLUSH", "DISCARD", "RECV_ACK", "WRITE_ACK",
		"WSAME", "ZEROES",
	} {
		if f>>bit&1 == 1 {
			set = append(set, name)
		}
	}
	if rest := f &^ (FlagZeroes<<1 - 1); rest != 0 {
		set = append(set, fmt.Sprintf("%#x", uint32(rest)))
	}
	return strings.Join(set, "|")
}

// Data starts the payload of P_DATA, a write on its way to the peer, and of
// P_DATA_REPLY and P_RS_DATA_REPLY, answers to reads, whose Sequence and Flags
// are 0.
//
//	offset  size  field
//	0       8     Sector
//	8       8     ID        opaque, echoed in the ack
//	16      4     Sequence  orders writes against acks of the other socket
//	20      4     Flags
//	24      -     the digest of the block, if the sender has an integrity algorithm
//	        -     the block: whole sectors, at most 1 MiB, up to the end of the payload
//
// Source: DRBD 8.4 wire, section 8.1.
type Data struct {
	Sector   uint64 // units of 512 bytes
	ID       BlockID
	Sequence uint32
	Flags    DataFlags
}

// Append adds the 24 bytes before the digest to dst.
func (d Data) Append(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint64(dst, d.Sector)
	dst = append(dst, d.ID[:]...)
	dst = binary.BigEndian.AppendUint32(dst, d.Sequence)
	return binary.BigEndian.AppendUint32(dst, uint32(d.Flags))
}

// DecodeData reads the fixed part of a data packet, as Split cuts it: the
// digest, at most 64 bytes, is b[DataSize:].
func DecodeData(b []byte) (Data, error) {
	if err := between("data packet without its block", b, DataSize, DataSize+maxDigest); err != nil {
		return Data{}, err
	}
	d := decodeData(b)
	if err := inRange("data packet", d.Sector, 0); err != nil {
		return Data{}, err
	}
	return d, nil
}

func decodeData(b []byte) Data {
	return Data{
		Sector:   binary.BigEndian.Uint64(b),
		ID:       BlockID(b[8:16]),
		Sequence: binary.BigEndian.Uint32(b[16:]),
		Flags:    DataFlags(binary.BigEndian.Uint32(b[20:])),
	}
}
