package drbdwire

import "fmt"

// A Command is the kind of a packet.
type Command uint16

// The commands of protocol 86 to 101. Source: DRBD 8.4 wire, section 12.
const (
	CmdData             Command = 0x00
	CmdDataReply        Command = 0x01
	CmdRSDataReply      Command = 0x02
	CmdBarrier          Command = 0x03
	CmdBitmap           Command = 0x04
	CmdUnplugRemote     Command = 0x07
	CmdDataRequest      Command = 0x08
	CmdRSDataRequest    Command = 0x09
	CmdSyncParam        Command = 0x0a
	CmdProtocol         Command = 0x0b
	CmdUUIDs            Command = 0x0c
	CmdSizes            Command = 0x0d
	CmdState            Command = 0x0e
	CmdSyncUUID         Command = 0x0f
	CmdAuthChallenge    Command = 0x10
	CmdAuthResponse     Command = 0x11
	CmdStateChgReq      Command = 0x12
	CmdPing             Command = 0x13
	CmdPingAck          Command = 0x14
	CmdRecvAck          Command = 0x15
	CmdWriteAck         Command = 0x16
	CmdRSWriteAck       Command = 0x17
	CmdSuperseded       Command = 0x18
	CmdNegAck           Command = 0x19
	CmdNegDReply        Command = 0x1a
	CmdNegRSDReply      Command = 0x1b
	CmdBarrierAck       Command = 0x1c
	CmdStateChgReply    Command = 0x1d
	CmdOVRequest        Command = 0x1e
	CmdOVReply          Command = 0x1f
	CmdOVResult         Command = 0x20
	CmdCsumRSRequest    Command = 0x21
	CmdRSIsInSync       Command = 0x22
	CmdSyncParam89      Command = 0x23
	CmdCompressedBitmap Command = 0x24
	CmdDelayProbe       Command = 0x27
	CmdOutOfSync        Command = 0x28
	CmdRSCancel         Command = 0x29
	CmdConnStChgReq     Command = 0x2a
	CmdConnStChgReply   Command = 0x2b
	CmdRetryWrite       Command = 0x2c
	CmdProtocolUpdate   Command = 0x2d
	CmdTrim             Command = 0x31
	CmdRSThinReq        Command = 0x32
	CmdRSDeallocated    Command = 0x33
	CmdZeroes           Command = 0x36
	CmdInitialMeta      Command = 0xfff1
	CmdInitialData      Command = 0xfff2
	CmdFeatures         Command = 0xfffe
)

// String is the packet's name as DRBD's own documents print it.
func (c Command) String() string {
	names := [...]string{
		CmdData: "P_DATA", CmdDataReply: "P_DATA_REPLY", CmdRSDataReply: "P_RS_DATA_REPLY", CmdBarrier: "P_BARRIER",
		CmdBitmap: "P_BITMAP", CmdUnplugRemote: "P_UNPLUG_REMOTE", CmdDataRequest: "P_DATA_REQUEST",
		CmdRSDataRequest: "P_RS_DATA_REQUEST", CmdSyncParam: "P_SYNC_PARAM", CmdProtocol: "P_PROTOCOL",
		CmdUUIDs: "P_UUIDS", CmdSizes: "P_SIZES", CmdState: "P_STATE", CmdSyncUUID: "P_SYNC_UUID",
		CmdAuthChallenge: "P_AUTH_CHALLENGE", CmdAuthResponse: "P_AUTH_RESPONSE", CmdStateChgReq: "P_STATE_CHG_REQ",
		CmdPing: "P_PING", CmdPingAck: "P_PING_ACK", CmdRecvAck: "P_RECV_ACK", CmdWriteAck: "P_WRITE_ACK",
		CmdRSWriteAck: "P_RS_WRITE_ACK", CmdSuperseded: "P_SUPERSEDED", CmdNegAck: "P_NEG_ACK",
		CmdNegDReply: "P_NEG_DREPLY", CmdNegRSDReply: "P_NEG_RS_DREPLY", CmdBarrierAck: "P_BARRIER_ACK",
		CmdStateChgReply: "P_STATE_CHG_REPLY", CmdOVRequest: "P_OV_REQUEST", CmdOVReply: "P_OV_REPLY",
		CmdOVResult: "P_OV_RESULT", CmdCsumRSRequest: "P_CSUM_RS_REQUEST", CmdRSIsInSync: "P_RS_IS_IN_SYNC",
		CmdSyncParam89: "P_SYNC_PARAM89", CmdCompressedBitmap: "P_COMPRESSED_BITMAP", CmdDelayProbe: "P_DELAY_PROBE",
		CmdOutOfSync: "P_OUT_OF_SYNC", CmdRSCancel: "P_RS_CANCEL", CmdConnStChgReq: "P_CONN_ST_CHG_REQ",
		CmdConnStChgReply: "P_CONN_ST_CHG_REPLY", CmdRetryWrite: "P_RETRY_WRITE",
		CmdProtocolUpdate: "P_PROTOCOL_UPDATE", CmdTrim: "P_TRIM", CmdRSThinReq: "P_RS_THIN_REQ",
		CmdRSDeallocated: "P_RS_DEALLOCATED", CmdZeroes: "P_ZEROES",
	}
	switch {
	case int(c) < len(names) && names[c] != "":
		return names[c]
	case c == CmdInitialMeta:
		return "P_INITIAL_META"
	case c == CmdInitialData:
		return "P_INITIAL_DATA"
	case c == CmdFeatures:
		return "P_CONNECTION_FEATURES"
	default:
		return fmt.Sprintf("packet 0x%04x", uint16(c))
	}
}
