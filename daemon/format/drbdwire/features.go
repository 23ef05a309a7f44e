package drbdwire

import "encoding/binary"

// FeaturesSize is the length of the payload of P_CONNECTION_FEATURES in bytes.
const FeaturesSize = 72

// The flags of Features. Both sides use what both have.
const (
	// FeatureTrim: P_TRIM may be sent.
	FeatureTrim uint32 = 1
	// FeatureThinResync: P_RS_THIN_REQ and P_RS_DEALLOCATED may be sent.
	FeatureThinResync uint32 = 2
	// FeatureWSame: P_SIZES carries QueueLimits, and a P_TRIM or P_ZEROES may
	// span 128 MiB instead of 4 MiB.
	FeatureWSame uint32 = 4
	// FeatureWZeroes: P_ZEROES may be sent; without it a P_TRIM is to be
	// carried out as a write of zeros.
	FeatureWZeroes uint32 = 8
)

// Features is the payload of P_CONNECTION_FEATURES, the first packet of both
// sides, which is always sent with an H80 header.
//
//	offset  size  field
//	0       4     Min    the lowest protocol version that the sender speaks
//	4       4     Flags
//	8       4     Max    the highest; 0 on the wire is the same as Min
//	12      60    0, ignored
//
// Source: DRBD 8.4 wire, section 3.
type Features struct{ Min, Flags, Max uint32 }

// Append adds the payload to dst.
func (f Features) Append(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint32(dst, f.Min)
	dst = binary.BigEndian.AppendUint32(dst, f.Flags)
	dst = binary.BigEndian.AppendUint32(dst, f.Max)
	return append(dst, make([]byte, FeaturesSize-12)...)
}

// DecodeFeatures reads the payload of P_CONNECTION_FEATURES.
func DecodeFeatures(b []byte) (Features, error) {
	if err := exactly("P_CONNECTION_FEATURES", b, FeaturesSize); err != nil {
		return Features{}, err
	}
	f := Features{
		Min:   binary.BigEndian.Uint32(b),
		Flags: binary.BigEndian.Uint32(b[4:]),
		Max:   binary.BigEndian.Uint32(b[8:]),
	}
	if f.Max == 0 {
		f.Max = f.Min
	}
	return f, nil
}
