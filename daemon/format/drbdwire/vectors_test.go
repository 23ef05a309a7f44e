package drbdwire_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/format/dissect"
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
					line, err := p.Line()
					g.Expect(err).NotTo(HaveOccurred())
					g.Expect(fmt.Sprintf("f%d %s", p.Frame, line)).To(Equal(want[i]))
					again, err := encode(p)
					g.Expect(err).NotTo(HaveOccurred())
					g.Expect(again).To(Equal(append(p.Head, p.Payload[:p.Fixed]...)), line)
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

// encode makes the header and the fixed part of a packet's payload again, from
// what they were decoded to.
func encode(p dissect.Packet) ([]byte, error) {
	dst := drbdwire.AppendHeader(nil, p.Format, p.Header)
	switch b := p.Payload[:p.Fixed]; p.Header.Command {
	case drbdwire.CmdState:
		s, err := drbdwire.DecodeState(b)
		return drbdwire.AppendState(dst, s), err
	case drbdwire.CmdAuthChallenge, drbdwire.CmdAuthResponse, drbdwire.CmdBitmap, drbdwire.CmdCompressedBitmap,
		drbdwire.CmdPing, drbdwire.CmdPingAck, drbdwire.CmdUnplugRemote, drbdwire.CmdInitialData, drbdwire.CmdInitialMeta:
		return append(dst, b...), nil
	case drbdwire.CmdData, drbdwire.CmdDataReply, drbdwire.CmdRSDataReply:
		f, err := drbdwire.DecodeData(b)
		dst = f.Append(dst)
		if p.Digest > 0 && err == nil { // made again from the block, not copied
			dst, err = drbdwire.AppendDigest(dst, p.Alg, p.Payload[p.Fixed:])
		}
		return dst, err
	case drbdwire.CmdDataRequest, drbdwire.CmdRSDataRequest, drbdwire.CmdOVRequest, drbdwire.CmdOVReply,
		drbdwire.CmdCsumRSRequest:
		f, err := drbdwire.DecodeBlockRequest(b)
		return append(withPad(f.Append(dst), b[20:24]), b[drbdwire.BlockRequestSize:]...), err
	case drbdwire.CmdOutOfSync:
		f, err := drbdwire.DecodeBlockDesc(b)
		return withPad(f.Append(dst), b[12:]), err
	default:
		f, err := decodeAny(p.Header.Command, b)
		if err != nil {
			return nil, err
		}
		return f.Append(dst), nil
	}
}

// appender is a payload.
type appender interface{ Append(dst []byte) []byte }

// decodeAny reads the payloads that need nothing but themselves.
func decodeAny(cmd drbdwire.Command, b []byte) (appender, error) {
	switch cmd {
	case drbdwire.CmdFeatures:
		return drbdwire.DecodeFeatures(b)
	case drbdwire.CmdProtocol, drbdwire.CmdProtocolUpdate:
		return drbdwire.DecodeProtocol(b)
	case drbdwire.CmdSyncParam89:
		return drbdwire.DecodeSyncParam(b)
	case drbdwire.CmdSizes:
		return drbdwire.DecodeSizes(b)
	case drbdwire.CmdUUIDs:
		return drbdwire.DecodeUUIDs(b)
	case drbdwire.CmdSyncUUID:
		return drbdwire.DecodeSyncUUID(b)
	case drbdwire.CmdStateChgReq, drbdwire.CmdConnStChgReq:
		return drbdwire.DecodeStateChange(b)
	case drbdwire.CmdStateChgReply, drbdwire.CmdConnStChgReply:
		return drbdwire.DecodeStateReply(b)
	case drbdwire.CmdBarrier:
		return drbdwire.DecodeBarrier(b)
	case drbdwire.CmdBarrierAck:
		return drbdwire.DecodeBarrierAck(b)
	case drbdwire.CmdTrim, drbdwire.CmdZeroes:
		return drbdwire.DecodeTrim(b)
	default:
		return drbdwire.DecodeBlockAck(b)
	}
}

// withPad puts back the 4 bytes of padding at the end, which the kernel fills
// with whatever was in its memory.
func withPad(b, pad []byte) []byte { return append(b[:len(b)-4], pad...) }
