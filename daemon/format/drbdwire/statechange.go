package drbdwire

import (
	"encoding/binary"
	"fmt"
)

// The lengths of the payloads that carry a state, in bytes.
const (
	StateSize       = 4 // P_STATE
	StateChangeSize = 8 // P_STATE_CHG_REQ, P_CONN_ST_CHG_REQ
	StateReplySize  = 4 // P_STATE_CHG_REPLY, P_CONN_ST_CHG_REPLY
)

// AppendState adds the payload of P_STATE to dst.
func AppendState(dst []byte, s State) []byte { return binary.BigEndian.AppendUint32(dst, s.Pack()) }

// DecodeState reads the payload of P_STATE. Unlike UnpackState, which takes
// masks too, it refuses values that name no state.
func DecodeState(b []byte) (State, error) {
	if err := exactly("P_STATE", b, StateSize); err != nil {
		return State{}, err
	}
	v := binary.BigEndian.Uint32(b)
	s := UnpackState(v)
	if max(s.Role, s.Peer) > Secondary || s.Conn > Behind || max(s.Disk, s.PeerDisk) > UpToDate {
		return State{}, fmt.Errorf("P_STATE %08x says %s/%s %s %s/%s, want states that have a name",
			v, s.Role, s.Peer, s.Conn, s.Disk, s.PeerDisk)
	}
	return s, nil
}

// StateChange is the payload of P_STATE_CHG_REQ (one volume) and of
// P_CONN_ST_CHG_REQ (all volumes): the bits of Mask shall become those of
// Value, both packed as State and seen from the sender.
//
//	offset  size  field
//	0       4     Mask
//	4       4     Value
//
// Source: DRBD 8.4 wire, section 6.
type StateChange struct{ Mask, Value uint32 }

// Append adds the payload to dst.
func (c StateChange) Append(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint32(dst, c.Mask)
	return binary.BigEndian.AppendUint32(dst, c.Value)
}

// DecodeStateChange reads the payload of P_STATE_CHG_REQ or P_CONN_ST_CHG_REQ.
func DecodeStateChange(b []byte) (StateChange, error) {
	if err := exactly("state change request", b, StateChangeSize); err != nil {
		return StateChange{}, err
	}
	return StateChange{Mask: binary.BigEndian.Uint32(b), Value: binary.BigEndian.Uint32(b[4:])}, nil
}

// StateReply is the payload of P_STATE_CHG_REPLY and P_CONN_ST_CHG_REPLY: 4
// bytes, signed. Source: DRBD 8.4 wire, section 6.
type StateReply struct{ Code Code }

// Append adds the payload to dst.
func (r StateReply) Append(dst []byte) []byte {
	return binary.BigEndian.AppendUint32(dst, uint32(r.Code))
}

// DecodeStateReply reads the payload of P_STATE_CHG_REPLY or
// P_CONN_ST_CHG_REPLY.
func DecodeStateReply(b []byte) (StateReply, error) {
	if err := exactly("state change reply", b, StateReplySize); err != nil {
		return StateReply{}, err
	}
	return StateReply{Code: Code(binary.BigEndian.Uint32(b))}, nil
}
