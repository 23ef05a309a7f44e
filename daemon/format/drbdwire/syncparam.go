package drbdwire

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// SyncParamSize is the length of the payload of P_SYNC_PARAM89 in bytes, from
// version 95 on.
const SyncParamSize = 148

const (
	algSize         = 64 // an algorithm's name, with its NUL
	syncParamRate   = 4  // P_SYNC_PARAM of versions 86 and 87
	syncParamSize89 = 132
)

// SyncParam is the payload of P_SYNC_PARAM89: how resync and verify shall go.
//
//	offset  size  field
//	0       4     Rate         KiB/s, used when PlanAhead is 0
//	4       64    VerifyAlg    up to 63 bytes, then NULs
//	68      64    CsumsAlg     up to 63 bytes, then NULs
//	132     4     PlanAhead    0.1 s
//	136     4     DelayTarget  0.1 s
//	140     4     FillTarget   sectors of 512 bytes
//	144     4     MaxRate      KiB/s
//
// Source: DRBD 8.4 wire, section 5.2.
type SyncParam struct {
	Rate        uint32
	VerifyAlg   string
	CsumsAlg    string
	PlanAhead   uint32
	DelayTarget uint32
	FillTarget  uint32
	MaxRate     uint32
}

// Append adds the payload in its form since version 95 to dst. Names longer
// than 63 bytes are cut.
func (s SyncParam) Append(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint32(dst, s.Rate)
	dst = appendAlg(dst, s.VerifyAlg)
	dst = appendAlg(dst, s.CsumsAlg)
	dst = binary.BigEndian.AppendUint32(dst, s.PlanAhead)
	dst = binary.BigEndian.AppendUint32(dst, s.DelayTarget)
	dst = binary.BigEndian.AppendUint32(dst, s.FillTarget)
	return binary.BigEndian.AppendUint32(dst, s.MaxRate)
}

func appendAlg(dst []byte, name string) []byte {
	var field [algSize]byte
	copy(field[:algSize-1], name)
	return append(dst, field[:]...)
}

// DecodeSyncParam reads the payload of P_SYNC_PARAM89 of versions 95 and up.
func DecodeSyncParam(b []byte) (SyncParam, error) {
	if err := exactly("P_SYNC_PARAM89", b, SyncParamSize); err != nil {
		return SyncParam{}, err
	}
	s, err := decodeSyncParam89(b[:syncParamSize89])
	if err != nil {
		return SyncParam{}, err
	}
	s.PlanAhead = binary.BigEndian.Uint32(b[132:])
	s.DelayTarget = binary.BigEndian.Uint32(b[136:])
	s.FillTarget = binary.BigEndian.Uint32(b[140:])
	s.MaxRate = binary.BigEndian.Uint32(b[144:])
	return s, nil
}

// DecodeSyncParamFor reads the payload of P_SYNC_PARAM (up to version 88) or
// P_SYNC_PARAM89 in the form of the agreed version; fields that the form lacks
// are zero.
//
//	version  bytes    fields
//	to 87    4        Rate
//	88       5 to 68  Rate; VerifyAlg, which ends in a NUL
//	89-94    132      Rate, VerifyAlg, CsumsAlg
//	from 95  148      all
func DecodeSyncParamFor(agreedVersion int, b []byte) (SyncParam, error) {
	switch {
	case agreedVersion >= 95:
		return DecodeSyncParam(b)
	case agreedVersion >= 89:
		return decodeSyncParam89(b)
	case agreedVersion == 88:
		if err := between("P_SYNC_PARAM", b, syncParamRate+1, syncParamRate+algSize); err != nil {
			return SyncParam{}, err
		}
		verify, err := decodeAlg("verify", b[syncParamRate:])
		return SyncParam{Rate: binary.BigEndian.Uint32(b), VerifyAlg: verify}, err
	default:
		if err := exactly("P_SYNC_PARAM", b, syncParamRate); err != nil {
			return SyncParam{}, err
		}
		return SyncParam{Rate: binary.BigEndian.Uint32(b)}, nil
	}
}

func decodeSyncParam89(b []byte) (SyncParam, error) {
	if err := exactly("P_SYNC_PARAM89", b, syncParamSize89); err != nil {
		return SyncParam{}, err
	}
	verify, err := decodeAlg("verify", b[4:68])
	if err != nil {
		return SyncParam{}, err
	}
	csums, err := decodeAlg("checksum", b[68:132])
	if err != nil {
		return SyncParam{}, err
	}
	return SyncParam{Rate: binary.BigEndian.Uint32(b), VerifyAlg: verify, CsumsAlg: csums}, nil
}

// decodeAlg reads a name up to its NUL; what follows that is ignored.
func decodeAlg(what string, field []byte) (string, error) {
	name, _, ended := bytes.Cut(field, []byte{0})
	if !ended {
		return "", fmt.Errorf("%s algorithm %q has no NUL in its %d bytes", what, field, len(field))
	}
	return string(name), nil
}
