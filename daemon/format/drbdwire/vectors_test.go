package drbdwire_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/format/drbdwire"
)

const captures = "testdata/drbd84"

// TestCaptures decodes everything that two kernels said to each other, checks
// it against the lines of another decoder, and encodes it back.
func TestCaptures(t *testing.T) {
	texts, err := filepath.Glob(captures + "/*.txt")
	if err != nil || len(texts) == 0 {
		t.Fatalf("no recordings in %s: %v", captures, err)
	}
	for _, text := range texts {
		for name, want := range linesOf(t, text) {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				g := NewWithT(t)
				packets := packetsOf(t, filepath.Join(captures, name))
				g.Expect(packets).To(HaveLen(len(want)))
				for i, p := range packets {
					line, again, err := describe(p)
					g.Expect(err).NotTo(HaveOccurred())
					g.Expect(line).To(Equal(want[i]))
					g.Expect(again).To(Equal(p.fixed), line)
				}
			})
		}
	}
}

// linesOf reads the lines of packets, by recording. The time, and what only
// the block of a data packet says, are left out.
func linesOf(t *testing.T, path string) map[string][]string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	line := regexp.MustCompile(`^ *\d+ (f\d+) +[0-9.]+ (.* h(?:8|16) .*)$`)
	block := regexp.MustCompile(` (text|fill|head)=.*$`)
	lines, name := map[string][]string{}, ""
	for text := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(text, "== packets of "); ok {
			name, _, _ = strings.Cut(rest, " ")
			continue
		}
		if m := line.FindStringSubmatch(strings.TrimSpace(text)); m != nil {
			lines[name] = append(lines[name], strings.TrimSpace(m[1]+" "+block.ReplaceAllString(m[2], "")))
		}
	}
	return lines
}

// describe decodes a packet into a line like those in testdata, and encodes
// its header and the fixed part of its payload again.
func describe(p packet) (line string, again []byte, err error) {
	h := p.header
	socket := map[drbdwire.SocketSet]string{drbdwire.OnData: "data", drbdwire.OnMeta: "meta"}[drbdwire.Socket(h.Command)]
	direction := "B>A"
	if p.fromA {
		direction = "A>B"
	}
	fields, again, err := describePayload(p, drbdwire.AppendHeader(nil, p.format, h))
	line = fmt.Sprintf("f%d %s c%d %s %s h%d vol=%d len=%d %s", p.frame, direction, p.conn.number, socket,
		strings.TrimPrefix(h.Command.String(), "P_"), p.format.Size(), h.Volume, h.Length, fields)
	return strings.TrimSpace(line), again, err
}

func describePayload(p packet, dst []byte) (fields string, again []byte, err error) {
	switch b := p.fixed[p.format.Size():]; p.header.Command {
	case drbdwire.CmdFeatures:
		f, err := drbdwire.DecodeFeatures(b)
		return fmt.Sprintf("protocol_min=%d feature_flags=%#x protocol_max=%d", f.Min, f.Flags, f.Max), f.Append(dst), err
	case drbdwire.CmdProtocol, drbdwire.CmdProtocolUpdate:
		f, err := drbdwire.DecodeProtocol(b)
		return fmt.Sprintf("protocol=%s after_sb=%d,%d,%d conn_flags=%d two_primaries=%d integrity_alg='%s'", f.Wire,
			f.AfterSB0, f.AfterSB1, f.AfterSB2, f.Flags, digit(f.TwoPrimaries), f.IntegrityAlg), f.Append(dst), err
	case drbdwire.CmdSyncParam89:
		f, err := drbdwire.DecodeSyncParam(b)
		return fmt.Sprintf("resync_rate=%d verify_alg='%s' csums_alg='%s' c_plan_ahead=%d c_delay_target=%d "+
			"c_fill_target=%d c_max_rate=%d", f.Rate, f.VerifyAlg, f.CsumsAlg, f.PlanAhead, f.DelayTarget, f.FillTarget,
			f.MaxRate), f.Append(dst), err
	case drbdwire.CmdSizes:
		f, err := drbdwire.DecodeSizes(b)
		l := f.Limits
		return fmt.Sprintf("d_size=%d u_size=%d c_size=%d max_bio=%d queue_order=%d dds_flags=%d qlim(phys=%d log=%d "+
			"align_off=%d io_min=%d io_opt=%d discard=%d disc_zeroes=%d wsame=%d)", f.Disk, f.User, f.Current, f.MaxBio,
			f.QueueOrder, f.Flags, l.PhysicalBlock, l.LogicalBlock, l.AlignmentOffset, l.IOMin, l.IOOpt,
			digit(l.DiscardEnabled), digit(l.DiscardZeroesData), digit(l.WriteSameCapable)), f.Append(dst), err
	case drbdwire.CmdUUIDs:
		f, err := drbdwire.DecodeUUIDs(b)
		return fmt.Sprintf("current=%016X bitmap=%016X hist=%016X,%016X bits=%d flags=%d", f.Current, f.Bitmap, f.History0,
			f.History1, f.Dirty, f.Flags), f.Append(dst), err
	case drbdwire.CmdSyncUUID:
		f, err := drbdwire.DecodeSyncUUID(b)
		return fmt.Sprintf("uuid=%016X", f.UUID), f.Append(dst), err
	case drbdwire.CmdState:
		s, err := drbdwire.DecodeState(b)
		return describeState(s, 0xffffffff), drbdwire.AppendState(dst, s), err
	case drbdwire.CmdStateChgReq, drbdwire.CmdConnStChgReq:
		f, err := drbdwire.DecodeStateChange(b)
		return fmt.Sprintf("mask=%08x val=%08x -> %s", f.Mask, f.Value,
			describeState(drbdwire.UnpackState(f.Value), f.Mask)), f.Append(dst), err
	case drbdwire.CmdStateChgReply, drbdwire.CmdConnStChgReply:
		f, err := drbdwire.DecodeStateReply(b)
		return fmt.Sprintf("retcode=%d", int32(f.Code)), f.Append(dst), err
	case drbdwire.CmdBarrier:
		f, err := drbdwire.DecodeBarrier(b)
		return fmt.Sprintf("barrier=%x", f.Number), f.Append(dst), err
	case drbdwire.CmdBarrierAck:
		f, err := drbdwire.DecodeBarrierAck(b)
		return fmt.Sprintf("barrier=%x set_size=%d", f.Number, f.SetSize), f.Append(dst), err
	case drbdwire.CmdAuthChallenge, drbdwire.CmdAuthResponse:
		return fmt.Sprintf("bytes=%x", b), append(dst, b...), nil
	case drbdwire.CmdBitmap, drbdwire.CmdCompressedBitmap:
		return describeBitmap(p), append(dst, b...), nil
	case drbdwire.CmdPing, drbdwire.CmdPingAck, drbdwire.CmdUnplugRemote, drbdwire.CmdInitialData, drbdwire.CmdInitialMeta:
		return "", dst, nil
	default:
		return describeBlock(p, b, dst)
	}
}

// describeBlock is describePayload for the packets about blocks.
func describeBlock(p packet, b, dst []byte) (fields string, again []byte, err error) {
	switch p.header.Command {
	case drbdwire.CmdData, drbdwire.CmdDataReply, drbdwire.CmdRSDataReply:
		f, err := drbdwire.DecodeData(b)
		if err != nil {
			return "", nil, err
		}
		fields = fmt.Sprintf("sector=%d bytes=%d block_id=%x seq=%d flags=%s", f.Sector, len(p.bulk), f.ID, f.Sequence,
			f.Flags)
		dst = f.Append(dst)
		if p.digest > 0 { // made again from the block, not copied
			fields += fmt.Sprintf(" digest=%x", b[drbdwire.DataSize:])
			dst, err = drbdwire.AppendDigest(dst, p.alg, p.bulk)
		}
		return fields, dst, err
	case drbdwire.CmdTrim, drbdwire.CmdZeroes:
		f, err := drbdwire.DecodeTrim(b)
		return fmt.Sprintf("sector=%d size=%d block_id=%x seq=%d flags=%s", f.Sector, f.Size, f.ID, f.Sequence, f.Flags),
			f.Append(dst), err
	case drbdwire.CmdDataRequest, drbdwire.CmdRSDataRequest, drbdwire.CmdOVRequest, drbdwire.CmdOVReply,
		drbdwire.CmdCsumRSRequest:
		f, err := drbdwire.DecodeBlockRequest(b)
		if err != nil {
			return "", nil, err
		}
		fields = fmt.Sprintf("sector=%d block_id=%x blksize=%d", f.Sector, f.ID, f.Size)
		digest := b[drbdwire.BlockRequestSize:]
		if len(digest) > 0 {
			fields += fmt.Sprintf(" digest=%x", digest)
		}
		return fields, append(withPad(f.Append(dst), b[20:24]), digest...), nil
	case drbdwire.CmdOutOfSync:
		f, err := drbdwire.DecodeBlockDesc(b)
		return fmt.Sprintf("sector=%d blksize=%d", f.Sector, f.Size), withPad(f.Append(dst), b[12:]), err
	default:
		f, err := drbdwire.DecodeBlockAck(b)
		verdict := map[drbdwire.BlockID]string{
			drbdwire.VerifiedInSync(): " (in sync)", drbdwire.VerifiedOutOfSync(): " (OUT OF SYNC)",
		}[f.ID]
		return fmt.Sprintf("sector=%d block_id=%x%s blksize=%d seq=%d", f.Sector, f.ID, verdict, f.Size, f.Sequence),
			f.Append(dst), err
	}
}

// withPad puts back the 4 bytes of padding at the end, which the kernel fills
// with whatever was in its memory.
func withPad(b, pad []byte) []byte { return append(b[:len(b)-4], pad...) }

func describeState(s drbdwire.State, mask uint32) string {
	var fields []string
	for _, f := range []struct {
		bits uint32
		text string
	}{
		{0x3, "role=" + s.Role.String()},
		{0xc, "peer=" + s.Peer.String()},
		{0x1f0, "conn=" + s.Conn.String()},
		{0x1e00, "disk=" + s.Disk.String()},
		{0x1e000, "pdsk=" + s.PeerDisk.String()},
	} {
		if mask&f.bits != 0 {
			fields = append(fields, f.text)
		}
	}
	for _, f := range []struct {
		set  bool
		text string
	}{
		{s.Suspended, "susp=1"},
		{s.AfterPause, "aftr_isp=1"},
		{s.PeerPause, "peer_isp=1"},
		{s.UserPause, "user_isp=1"},
		{s.SuspNoData, "susp_nod=1"},
		{s.SuspFencing, "susp_fen=1"},
	} {
		if f.set {
			fields = append(fields, f.text)
		}
	}
	return strings.Join(fields, " ")
}

func digit(set bool) int {
	if set {
		return 1
	}
	return 0
}

// describeBitmap says of a bitmap packet what the recording says. Merging it
// is for TestCapturedBitmaps.
func describeBitmap(p packet) string {
	b := p.payload
	if p.header.Command == drbdwire.CmdBitmap {
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
