package drbdwire

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// A WireProtocol says when a write counts as done: A when it was sent, B when
// the peer has received it, C when it is on the peer's disk.
type WireProtocol uint32

// The wire protocols.
const (
	ProtocolA WireProtocol = 1
	ProtocolB WireProtocol = 2
	ProtocolC WireProtocol = 3
)

// String is the letter of the protocol.
func (w WireProtocol) String() string {
	if w >= ProtocolA && w <= ProtocolC {
		return string('A' + rune(w-ProtocolA))
	}
	return fmt.Sprintf("protocol(%d)", uint32(w))
}

// An AfterSB says what to do about a split brain.
type AfterSB uint32

// The policies after a split brain. Both nodes must be configured alike, but
// for AfterSBDiscardLocal and AfterSBDiscardRemote, which mirror each other.
const (
	AfterSBDisconnect            AfterSB = 0
	AfterSBDiscardYoungerPrimary AfterSB = 1
	AfterSBDiscardOlderPrimary   AfterSB = 2
	AfterSBDiscardZeroChanges    AfterSB = 3
	AfterSBDiscardLeastChanges   AfterSB = 4
	AfterSBDiscardLocal          AfterSB = 5
	AfterSBDiscardRemote         AfterSB = 6
	AfterSBConsensus             AfterSB = 7
	AfterSBDiscardSecondary      AfterSB = 8
	AfterSBCallPriLost           AfterSB = 9
	AfterSBViolently             AfterSB = 10
)

// String is the word for the policy in drbd.conf.
func (a AfterSB) String() string {
	if a > AfterSBViolently {
		return fmt.Sprintf("after-sb(%d)", uint32(a))
	}
	return nameOf("after-sb", uint8(a), "disconnect", "discard-younger-primary", "discard-older-primary",
		"discard-zero-changes", "discard-least-changes", "discard-local", "discard-remote", "consensus",
		"discard-secondary", "call-pri-lost-after-sb", "violently-as0p")
}

// ConnFlags are the wishes of one side for one connection.
type ConnFlags uint32

// The connection flags.
const (
	// DiscardMyData: in a split brain, the sender's data shall lose.
	DiscardMyData ConnFlags = 1
	// DryRun: tell who would resync whom, then part.
	DryRun ConnFlags = 2
)

// protocolFixed is where the algorithm starts in the payload of P_PROTOCOL.
const protocolFixed = 24

// Protocol is the payload of P_PROTOCOL, with which each side tells how it is
// configured, and of P_PROTOCOL_UPDATE, which the other side adopts.
//
//	offset  size  field
//	0       4     Wire          1 A, 2 B, 3 C
//	4       4     AfterSB0      policy with no Primary
//	8       4     AfterSB1      policy with one Primary
//	12      4     AfterSB2      policy with two Primaries
//	16      4     Flags
//	20      4     TwoPrimaries  0 or 1
//	24      -     IntegrityAlg  up to 63 bytes, then a NUL
//
// From this packet on the sender's data packets carry a digest by
// IntegrityAlg; none if it is empty. Source: DRBD 8.4 wire, section 5.1.
type Protocol struct {
	Wire         WireProtocol
	AfterSB0     AfterSB
	AfterSB1     AfterSB
	AfterSB2     AfterSB
	Flags        ConnFlags
	TwoPrimaries bool
	IntegrityAlg string
}

// Append adds the payload to dst.
func (p Protocol) Append(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint32(dst, uint32(p.Wire))
	dst = binary.BigEndian.AppendUint32(dst, uint32(p.AfterSB0))
	dst = binary.BigEndian.AppendUint32(dst, uint32(p.AfterSB1))
	dst = binary.BigEndian.AppendUint32(dst, uint32(p.AfterSB2))
	dst = binary.BigEndian.AppendUint32(dst, uint32(p.Flags))
	two := uint32(0)
	if p.TwoPrimaries {
		two = 1
	}
	dst = binary.BigEndian.AppendUint32(dst, two)
	dst = append(dst, p.IntegrityAlg...)
	return append(dst, 0)
}

// DecodeProtocol reads the payload of P_PROTOCOL or P_PROTOCOL_UPDATE of
// versions 87 and up. A policy that this package has no name for passes: it is
// a difference in configuration, not a broken packet.
func DecodeProtocol(b []byte) (Protocol, error) {
	if err := between("P_PROTOCOL", b, protocolFixed+1, protocolFixed+algSize); err != nil {
		return Protocol{}, err
	}
	p := Protocol{
		Wire:     WireProtocol(binary.BigEndian.Uint32(b)),
		AfterSB0: AfterSB(binary.BigEndian.Uint32(b[4:])),
		AfterSB1: AfterSB(binary.BigEndian.Uint32(b[8:])),
		AfterSB2: AfterSB(binary.BigEndian.Uint32(b[12:])),
		Flags:    ConnFlags(binary.BigEndian.Uint32(b[16:])),
	}
	if p.Wire < ProtocolA || p.Wire > ProtocolC {
		return Protocol{}, fmt.Errorf("P_PROTOCOL asks for protocol %d, want 1 (A), 2 (B) or 3 (C)", uint32(p.Wire))
	}
	switch two := binary.BigEndian.Uint32(b[20:]); two {
	case 0:
	case 1:
		p.TwoPrimaries = true
	default:
		return Protocol{}, fmt.Errorf("P_PROTOCOL has %d for two primaries, want 0 or 1", two)
	}
	alg := b[protocolFixed:]
	if end := bytes.IndexByte(alg, 0); end != len(alg)-1 {
		return Protocol{}, fmt.Errorf("P_PROTOCOL names the integrity algorithm %q, want one NUL, at its end", alg)
	}
	p.IntegrityAlg = string(alg[:len(alg)-1])
	return p, nil
}
