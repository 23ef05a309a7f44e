package drbdwire

import "encoding/binary"

// TrimSize is the length of the payload of P_TRIM and P_ZEROES in bytes.
const TrimSize = 28

// MaxTrim is the most that one P_TRIM or P_ZEROES spans, in bytes, if
// FeatureWSame was agreed. Otherwise senders keep to MaxTrimPlain; receivers
// take MaxTrim always.
const (
	MaxTrim      = 128 << 20
	MaxTrimPlain = 4 << 20
)

// Trim is the payload of P_TRIM and P_ZEROES: a write without data. It is
// acked like P_DATA and counts in its epoch, but never carries a digest.
//
//	offset  size  field
//	0       24    Data
//	24      4     Size  bytes: whole sectors, at most 128 MiB
//
//	packet    flags               meaning
//	P_TRIM    Discard             discard; as zeros unless FeatureWZeroes was agreed
//	P_ZEROES  Zeroes and Discard  write zeros, space may be given back
//	P_ZEROES  Zeroes              write zeros, space is to stay allocated
//
// Source: DRBD 8.4 wire, section 8.2.
type Trim struct {
	Data
	Size uint32
}

// Append adds the payload to dst.
func (t Trim) Append(dst []byte) []byte {
	return binary.BigEndian.AppendUint32(t.Data.Append(dst), t.Size)
}

// DecodeTrim reads the payload of P_TRIM or P_ZEROES.
func DecodeTrim(b []byte) (Trim, error) {
	if err := exactly("discard", b, TrimSize); err != nil {
		return Trim{}, err
	}
	t := Trim{Data: decodeData(b), Size: binary.BigEndian.Uint32(b[24:])}
	if err := wholeSectors("discard", t.Size, MaxTrim); err != nil {
		return Trim{}, err
	}
	if err := inRange("discard", t.Sector, t.Size); err != nil {
		return Trim{}, err
	}
	return t, nil
}
