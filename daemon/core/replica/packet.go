package replica

import (
	"fmt"

	"github.com/optionc/pollux/daemon/core/planted"
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

// packet takes one packet of the link that stands; what a dead link still
// delivers is thrown away.
func (r *Resource) packet(in Input) {
	if in.Conn != r.link.conn && !planted.On(planted.StaleLink) || r.link.conn == 0 {
		r.free(in.Buf)
		return
	}
	r.link.heard = r.now
	if in.Socket == MetaSocket || r.link.pinged != Never && in.Command == drbdwire.CmdPingAck {
		r.link.pinged = Never
	}
	r.stats.Received += uint64(in.Size)
	var err error
	switch {
	case r.link.phase == phaseParting:
		r.free(in.Buf)
	case in.Volume != 0:
		err = fmt.Errorf("%s for volume %d, but only volume 0 is configured", in.Command, in.Volume)
	case in.Command == drbdwire.CmdPing:
		r.pingArrived()
	case r.link.phase == phaseFeatures && in.Command != drbdwire.CmdFeatures:
		err = fmt.Errorf("%s came where the features were expected", in.Command)
	case r.link.phase == phaseAuth:
		r.authArrived(in.Command, in.Data)
	default:
		err = r.dispatch(in)
	}
	if err != nil {
		r.free(in.Buf)
		r.dropLink(drbdwire.ProtocolError, err.Error())
	}
}

// dispatch hands a packet to whoever knows it. A handler that takes the
// payload over frees it; one that fails leaves it to the caller.
func (r *Resource) dispatch(in Input) error {
	switch in.Command {
	case drbdwire.CmdFeatures:
		r.featuresArrived(in.Data)
		return nil
	case drbdwire.CmdAuthChallenge:
		r.giveUp("the peer wants authentication, and this node has no cram-hmac-alg")
		return nil
	case drbdwire.CmdPingAck:
		r.pingAnswered()
		return nil
	case drbdwire.CmdUnplugRemote, drbdwire.CmdDelayProbe:
		return nil
	case drbdwire.CmdProtocol, drbdwire.CmdProtocolUpdate, drbdwire.CmdSyncParam89, drbdwire.CmdSizes, drbdwire.CmdUUIDs, drbdwire.CmdState:
		return r.parameter(in.Command, in.Data)
	case drbdwire.CmdStateChgReq, drbdwire.CmdConnStChgReq:
		return r.peerWants(in.Command, in.Data)
	case drbdwire.CmdStateChgReply, drbdwire.CmdConnStChgReply:
		return r.peerAnswered(in.Data)
	case drbdwire.CmdBitmap, drbdwire.CmdCompressedBitmap:
		return r.bitmapArrived(in.Command, in.Data)
	default:
	}
	if r.state.Conn < drbdwire.Connected {
		return fmt.Errorf("%s came before the handshake was over", in.Command)
	}
	switch in.Command {
	case drbdwire.CmdData:
		return r.dataArrived(in)
	case drbdwire.CmdTrim, drbdwire.CmdZeroes:
		return r.trimArrived(in)
	case drbdwire.CmdBarrier:
		return r.barrierArrived(in.Data)
	case drbdwire.CmdDataRequest:
		return r.readWanted(in.Data)
	case drbdwire.CmdOutOfSync:
		return r.outOfSyncArrived(in.Data)
	case drbdwire.CmdSyncUUID:
		return r.syncUUIDArrived(in.Data)
	case drbdwire.CmdRSDataRequest, drbdwire.CmdRSThinReq, drbdwire.CmdCsumRSRequest:
		return r.blockWanted(in.Command, in.Data)
	case drbdwire.CmdOVRequest:
		return r.digestWanted(in.Data)
	case drbdwire.CmdOVReply:
		return r.digestArrived(in.Data)
	case drbdwire.CmdOVResult:
		return r.resultArrived(in.Data)
	case drbdwire.CmdRSDataReply:
		return r.blockArrived(in)
	case drbdwire.CmdRSDeallocated:
		return r.deallocatedArrived(in.Data)
	case drbdwire.CmdDataReply:
		return r.readAnswered(in)
	case drbdwire.CmdBarrierAck:
		return r.barrierAcked(in.Data)
	case drbdwire.CmdRecvAck, drbdwire.CmdWriteAck, drbdwire.CmdRSWriteAck, drbdwire.CmdNegAck,
		drbdwire.CmdNegDReply, drbdwire.CmdNegRSDReply, drbdwire.CmdRSIsInSync, drbdwire.CmdRSCancel:
		return r.blockAcked(in.Command, in.Data)
	default:
		return fmt.Errorf("%s has no handler", in.Command)
	}
}

// inside checks that a range the peer named lies on the device.
func (r *Resource) inside(sector uint64, size uint32) error {
	if size == 0 || size%512 != 0 || sector > r.size || uint64(size)/512 > r.size-sector {
		return fmt.Errorf("sector %d with %d bytes is not on this device of %d sectors", sector, size, r.size)
	}
	return nil
}
