package drbdwire

import "fmt"

// A SocketSet says on which of the two sockets of a connection something may
// arrive. Source: DRBD 8.4 wire, section 1.
type SocketSet uint8

// The two sockets.
const (
	// OnData: the socket of configuration, requests and blocks.
	OnData SocketSet = 1
	// OnMeta: the socket of acks and pings, which never queue behind blocks.
	OnMeta SocketSet = 2
)

// String is what a socket is called.
func (s SocketSet) String() string {
	switch s {
	case OnData:
		return "data socket"
	case OnMeta:
		return "meta socket"
	default:
		return fmt.Sprintf("sockets(%d)", uint8(s))
	}
}

// Socket says on which socket cmd may arrive; 0 if cmd is no packet that a
// receiver knows. Source: DRBD 8.4 wire, section 12.
func Socket(cmd Command) SocketSet {
	switch cmd {
	case CmdPing, CmdPingAck, CmdRecvAck, CmdWriteAck, CmdRSWriteAck, CmdSuperseded, CmdNegAck, CmdNegDReply,
		CmdNegRSDReply, CmdBarrierAck, CmdStateChgReply, CmdOVResult, CmdRSIsInSync, CmdRSCancel, CmdConnStChgReply,
		CmdRetryWrite, CmdInitialMeta:
		return OnMeta
	case CmdDelayProbe:
		return OnData | OnMeta
	default:
		if _, ok := shapeOf(cmd); ok {
			return OnData
		}
		return 0
	}
}

// Split says of a payload of length bytes how it falls into its fixed part,
// which a core decodes, and the bulk data behind it, which only passes through.
// digest is the length of the sender's integrity digest, in bytes, 0 if it has
// none; it counts with the fixed part of the data packets.
//
// A length that the protocol forbids is an error, so that a reader never makes
// room for more than 1 MiB and 88 bytes. Source: DRBD 8.4 wire, section 12.
func Split(cmd Command, length uint32, digest int) (fixed, bulk uint32, err error) {
	shape, ok := shapeOf(cmd)
	if !ok {
		return 0, 0, fmt.Errorf("%s of %d bytes is no packet of protocol 86 to 101", cmd, length)
	}
	if shape.bulk {
		return splitData(cmd, length, digest)
	}
	low, high := shape.size, shape.size+shape.extra
	switch {
	case length == low || length == high:
	case shape.step == 0:
		if low == high {
			return 0, 0, fmt.Errorf("%s of %d bytes, want %d", cmd, length, low)
		}
		return 0, 0, fmt.Errorf("%s of %d bytes, want %d or %d", cmd, length, low, high)
	case length < low || length > high:
		return 0, 0, fmt.Errorf("%s of %d bytes, want %d to %d", cmd, length, low, high)
	case (length-low)%shape.step != 0:
		return 0, 0, fmt.Errorf("%s of %d bytes, want a multiple of %d", cmd, length, shape.step)
	}
	return length, 0, nil
}

// splitData is Split for the packets that carry a block. Only a P_DATA, which
// can be a flush, may have none.
func splitData(cmd Command, length uint32, digest int) (fixed, bulk uint32, err error) {
	if digest < 0 || digest > maxDigest {
		return 0, 0, fmt.Errorf("%s with a digest of %d bytes, want 0 to %d", cmd, digest, maxDigest)
	}
	fixed = DataSize + uint32(digest)
	if length < fixed {
		return 0, 0, fmt.Errorf("%s of %d bytes, want at least %d", cmd, length, fixed)
	}
	bulk = length - fixed
	if bulk == 0 && cmd == CmdData {
		return fixed, 0, nil
	}
	if err := wholeSectors(cmd.String(), bulk, MaxData); err != nil {
		return 0, 0, err
	}
	return fixed, bulk, nil
}

// A shape is which lengths a payload can have: size or size+extra and, with a
// step, what lies between in steps of it. With bulk, a block follows.
type shape struct {
	size, extra, step uint32
	bulk              bool
}

func shapeOf(cmd Command) (s shape, ok bool) {
	switch cmd {
	case CmdData, CmdDataReply, CmdRSDataReply:
		return shape{bulk: true}, true
	case CmdPing, CmdPingAck, CmdUnplugRemote, CmdInitialMeta, CmdInitialData:
		return shape{}, true
	case CmdState, CmdStateChgReply, CmdConnStChgReply:
		return shape{size: StateSize}, true
	case CmdBarrier, CmdBarrierAck, CmdSyncUUID, CmdStateChgReq, CmdConnStChgReq, CmdDelayProbe:
		return shape{size: 8}, true
	case CmdOutOfSync, CmdRSDeallocated:
		return shape{size: BlockDescSize}, true
	case CmdDataRequest, CmdRSDataRequest, CmdRSThinReq, CmdOVRequest:
		return shape{size: BlockRequestSize}, true
	case CmdCsumRSRequest, CmdOVReply: // and a digest, whose length the core knows
		return shape{size: BlockRequestSize + 1, extra: maxDigest - 1, step: 1}, true
	case CmdRecvAck, CmdWriteAck, CmdRSWriteAck, CmdSuperseded, CmdNegAck, CmdNegDReply, CmdNegRSDReply, CmdOVResult,
		CmdRSIsInSync, CmdRSCancel, CmdRetryWrite:
		return shape{size: BlockAckSize}, true
	case CmdTrim, CmdZeroes:
		return shape{size: TrimSize}, true
	case CmdUUIDs:
		return shape{size: UUIDsSize}, true
	case CmdSizes:
		return shape{size: SizesSize, extra: SizesLimitsSize - SizesSize}, true
	case CmdFeatures:
		return shape{size: FeaturesSize}, true
	case CmdProtocol, CmdProtocolUpdate:
		return shape{size: protocolFixed + 1, extra: algSize - 1, step: 1}, true
	case CmdSyncParam:
		return shape{size: syncParamRate, extra: algSize, step: 1}, true
	case CmdSyncParam89:
		return shape{size: syncParamSize89, extra: SyncParamSize - syncParamSize89}, true
	case CmdAuthChallenge:
		return shape{size: ChallengeSize, extra: maxChallenge - ChallengeSize, step: 1}, true
	case CmdAuthResponse:
		return shape{size: 16, extra: maxDigest - 16, step: 1}, true
	case CmdBitmap:
		return shape{extra: maxRoom, step: 8}, true
	case CmdCompressedBitmap:
		return shape{size: 2, extra: maxRoom - 2, step: 1}, true
	default:
		return shape{}, false
	}
}
