package dissect

import (
	"fmt"
	"strings"

	"github.com/optionc/pollux/daemon/format/drbdwire"
)

// fields are the names and values of what a packet carries.
func (p *Packet) fields() (string, error) {
	switch b := p.Payload[:p.Fixed]; p.Header.Command {
	case drbdwire.CmdFeatures, drbdwire.CmdProtocol, drbdwire.CmdProtocolUpdate, drbdwire.CmdSyncParam,
		drbdwire.CmdSyncParam89, drbdwire.CmdSizes:
		return parameters(p.Header.Command, b)
	case drbdwire.CmdUUIDs:
		f, err := drbdwire.DecodeUUIDs(b)
		return fmt.Sprintf("current=%016X bitmap=%016X hist=%016X,%016X bits=%d flags=%d", f.Current, f.Bitmap, f.History0,
			f.History1, f.Dirty, f.Flags), err
	case drbdwire.CmdSyncUUID:
		f, err := drbdwire.DecodeSyncUUID(b)
		return fmt.Sprintf("uuid=%016X", f.UUID), err
	case drbdwire.CmdState:
		s, err := drbdwire.DecodeState(b)
		return state(s, 0xffffffff), err
	case drbdwire.CmdStateChgReq, drbdwire.CmdConnStChgReq:
		f, err := drbdwire.DecodeStateChange(b)
		return fmt.Sprintf("mask=%08x val=%08x -> %s", f.Mask, f.Value, state(drbdwire.UnpackState(f.Value), f.Mask)), err
	case drbdwire.CmdStateChgReply, drbdwire.CmdConnStChgReply:
		f, err := drbdwire.DecodeStateReply(b)
		return fmt.Sprintf("retcode=%d", int32(f.Code)), err
	case drbdwire.CmdBarrier:
		f, err := drbdwire.DecodeBarrier(b)
		return fmt.Sprintf("barrier=%x", f.Number), err
	case drbdwire.CmdBarrierAck:
		f, err := drbdwire.DecodeBarrierAck(b)
		return fmt.Sprintf("barrier=%x set_size=%d", f.Number, f.SetSize), err
	case drbdwire.CmdAuthChallenge, drbdwire.CmdAuthResponse, drbdwire.CmdDelayProbe:
		return fmt.Sprintf("bytes=%x", b), nil
	case drbdwire.CmdBitmap, drbdwire.CmdCompressedBitmap:
		return p.bitmap(), nil
	case drbdwire.CmdPing, drbdwire.CmdPingAck, drbdwire.CmdUnplugRemote, drbdwire.CmdInitialData, drbdwire.CmdInitialMeta:
		return "", nil
	default:
		return p.block(b)
	}
}

// parameters are what a connection begins with.
func parameters(cmd drbdwire.Command, b []byte) (string, error) {
	switch cmd {
	case drbdwire.CmdFeatures:
		f, err := drbdwire.DecodeFeatures(b)
		return fmt.Sprintf("protocol_min=%d feature_flags=%#x protocol_max=%d", f.Min, f.Flags, f.Max), err
	case drbdwire.CmdProtocol, drbdwire.CmdProtocolUpdate:
		f, err := drbdwire.DecodeProtocol(b)
		return fmt.Sprintf("protocol=%s after_sb=%d,%d,%d conn_flags=%d two_primaries=%d integrity_alg='%s'", f.Wire,
			f.AfterSB0, f.AfterSB1, f.AfterSB2, f.Flags, digit(f.TwoPrimaries), f.IntegrityAlg), err
	case drbdwire.CmdSizes:
		f, err := drbdwire.DecodeSizes(b)
		l := f.Limits
		return fmt.Sprintf("d_size=%d u_size=%d c_size=%d max_bio=%d queue_order=%d dds_flags=%d qlim(phys=%d log=%d "+
			"align_off=%d io_min=%d io_opt=%d discard=%d disc_zeroes=%d wsame=%d)", f.Disk, f.User, f.Current, f.MaxBio,
			f.QueueOrder, f.Flags, l.PhysicalBlock, l.LogicalBlock, l.AlignmentOffset, l.IOMin, l.IOOpt,
			digit(l.DiscardEnabled), digit(l.DiscardZeroesData), digit(l.WriteSameCapable)), err
	default:
		f, err := drbdwire.DecodeSyncParam(b)
		return fmt.Sprintf("resync_rate=%d verify_alg='%s' csums_alg='%s' c_plan_ahead=%d c_delay_target=%d "+
			"c_fill_target=%d c_max_rate=%d", f.Rate, f.VerifyAlg, f.CsumsAlg, f.PlanAhead, f.DelayTarget, f.FillTarget,
			f.MaxRate), err
	}
}

// block is for the packets about blocks.
func (p *Packet) block(b []byte) (string, error) {
	switch p.Header.Command {
	case drbdwire.CmdData, drbdwire.CmdDataReply, drbdwire.CmdRSDataReply:
		f, err := drbdwire.DecodeData(b)
		text := fmt.Sprintf("sector=%d bytes=%d block_id=%x seq=%d flags=%s", f.Sector, len(p.Payload)-p.Fixed, f.ID,
			f.Sequence, f.Flags)
		if p.Digest > 0 && err == nil {
			text += fmt.Sprintf(" digest=%x", b[drbdwire.DataSize:])
		}
		return text, err
	case drbdwire.CmdTrim, drbdwire.CmdZeroes:
		f, err := drbdwire.DecodeTrim(b)
		return fmt.Sprintf("sector=%d size=%d block_id=%x seq=%d flags=%s", f.Sector, f.Size, f.ID, f.Sequence, f.Flags), err
	case drbdwire.CmdDataRequest, drbdwire.CmdRSDataRequest, drbdwire.CmdOVRequest, drbdwire.CmdOVReply,
		drbdwire.CmdCsumRSRequest, drbdwire.CmdRSThinReq:
		f, err := drbdwire.DecodeBlockRequest(b)
		text := fmt.Sprintf("sector=%d block_id=%x blksize=%d", f.Sector, f.ID, f.Size)
		if err == nil && len(b) > drbdwire.BlockRequestSize {
			text += fmt.Sprintf(" digest=%x", b[drbdwire.BlockRequestSize:])
		}
		return text, err
	case drbdwire.CmdOutOfSync, drbdwire.CmdRSDeallocated:
		f, err := drbdwire.DecodeBlockDesc(b)
		return fmt.Sprintf("sector=%d blksize=%d", f.Sector, f.Size), err
	default:
		f, err := drbdwire.DecodeBlockAck(b)
		verdict := map[drbdwire.BlockID]string{
			drbdwire.VerifiedInSync(): " (in sync)", drbdwire.VerifiedOutOfSync(): " (OUT OF SYNC)",
		}[f.ID]
		return fmt.Sprintf("sector=%d block_id=%x%s blksize=%d seq=%d", f.Sector, f.ID, verdict, f.Size, f.Sequence), err
	}
}

// state names what is in the mask.
func state(s drbdwire.State, mask uint32) string {
	var fields []string
	add := func(on bool, text string) {
		if on {
			fields = append(fields, text)
		}
	}
	add(mask&0x3 != 0, "role="+s.Role.String())
	add(mask&0xc != 0, "peer="+s.Peer.String())
	add(mask&0x1f0 != 0, "conn="+s.Conn.String())
	add(mask&0x1e00 != 0, "disk="+s.Disk.String())
	add(mask&0x1e000 != 0, "pdsk="+s.PeerDisk.String())
	add(s.Suspended, "susp=1")
	add(s.AfterPause, "aftr_isp=1")
	add(s.PeerPause, "peer_isp=1")
	add(s.UserPause, "user_isp=1")
	add(s.SuspNoData, "susp_nod=1")
	add(s.SuspFencing, "susp_fen=1")
	return strings.Join(fields, " ")
}

func digit(set bool) int {
	if set {
		return 1
	}
	return 0
}

// bitmap tells the beginning of a part of a bitmap.
func (p *Packet) bitmap() string {
	b := p.Payload
	if p.Header.Command == drbdwire.CmdBitmap {
		words := make([]uint64, len(b)/8)
		set, _ := drbdwire.MergeWords(words, b, 0)
		return fmt.Sprintf("raw_bytes=%d bits_set=%d first=%x", len(b), set, b[:min(16, len(b))])
	}
	first := "unset"
	if b[0]&0x80 != 0 {
		first = "set"
	}
	return fmt.Sprintf("encoding=%d first_run=%s pad_bits=%d code=%x", b[0]&15, first, b[0]>>4&7, b[1:min(33, len(b))])
}
