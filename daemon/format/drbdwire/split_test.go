package drbdwire_test

import (
	"fmt"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/format/drbdwire"
)

// TestSplit has every packet of DRBD 8.4 wire, section 12, with the lengths
// that are just allowed and those that are just not.
func TestSplit(t *testing.T) {
	const data, meta = drbdwire.OnData, drbdwire.OnMeta
	for _, tc := range []struct {
		number    drbdwire.Command
		name      string
		socket    drbdwire.SocketSet
		good, bad []uint32
	}{
		{0x00, "P_DATA", data, []uint32{24, 24 + 512, 24 + 1<<20}, []uint32{23, 25, 24 + 511, 24 + 1<<20 + 512}},
		{0x01, "P_DATA_REPLY", data, []uint32{24 + 512, 24 + 1<<20}, []uint32{23, 24, 24 + 1<<20 + 512}},
		{0x02, "P_RS_DATA_REPLY", data, []uint32{24 + 512, 24 + 1<<20}, []uint32{23, 24, 24 + 1<<20 + 512}},
		{0x03, "P_BARRIER", data, []uint32{8}, []uint32{7, 9}},
		{0x04, "P_BITMAP", data, []uint32{0, 8, 4080, 4088}, []uint32{7, 4081, 4096}},
		{0x05, "packet 0x0005", 0, nil, []uint32{0}},
		{0x06, "packet 0x0006", 0, nil, []uint32{0}},
		{0x07, "P_UNPLUG_REMOTE", data, []uint32{0}, []uint32{1}},
		{0x08, "P_DATA_REQUEST", data, []uint32{24}, []uint32{23, 25}},
		{0x09, "P_RS_DATA_REQUEST", data, []uint32{24}, []uint32{23, 25}},
		{0x0a, "P_SYNC_PARAM", data, []uint32{4, 5, 68}, []uint32{3, 69}},
		{0x0b, "P_PROTOCOL", data, []uint32{25, 88}, []uint32{24, 89}},
		{0x0c, "P_UUIDS", data, []uint32{48}, []uint32{47, 49}},
		{0x0d, "P_SIZES", data, []uint32{32, 56}, []uint32{31, 33, 55, 57}},
		{0x0e, "P_STATE", data, []uint32{4}, []uint32{3, 5}},
		{0x0f, "P_SYNC_UUID", data, []uint32{8}, []uint32{7, 9}},
		{0x10, "P_AUTH_CHALLENGE", data, []uint32{64, 128}, []uint32{63, 129}},
		{0x11, "P_AUTH_RESPONSE", data, []uint32{16, 20, 32, 64}, []uint32{15, 65}},
		{0x12, "P_STATE_CHG_REQ", data, []uint32{8}, []uint32{7, 9}},
		{0x13, "P_PING", meta, []uint32{0}, []uint32{1}},
		{0x14, "P_PING_ACK", meta, []uint32{0}, []uint32{1}},
		{0x15, "P_RECV_ACK", meta, []uint32{24}, []uint32{23, 25}},
		{0x16, "P_WRITE_ACK", meta, []uint32{24}, []uint32{23, 25}},
		{0x17, "P_RS_WRITE_ACK", meta, []uint32{24}, []uint32{23, 25}},
		{0x18, "P_SUPERSEDED", meta, []uint32{24}, []uint32{23, 25}},
		{0x19, "P_NEG_ACK", meta, []uint32{24}, []uint32{23, 25}},
		{0x1a, "P_NEG_DREPLY", meta, []uint32{24}, []uint32{23, 25}},
		{0x1b, "P_NEG_RS_DREPLY", meta, []uint32{24}, []uint32{23, 25}},
		{0x1c, "P_BARRIER_ACK", meta, []uint32{8}, []uint32{7, 9}},
		{0x1d, "P_STATE_CHG_REPLY", meta, []uint32{4}, []uint32{3, 5}},
		{0x1e, "P_OV_REQUEST", data, []uint32{24}, []uint32{23, 25}},
		{0x1f, "P_OV_REPLY", data, []uint32{28, 44, 88}, []uint32{24, 89}},
		{0x20, "P_OV_RESULT", meta, []uint32{24}, []uint32{23, 25}},
		{0x21, "P_CSUM_RS_REQUEST", data, []uint32{28, 44, 88}, []uint32{24, 89}},
		{0x22, "P_RS_IS_IN_SYNC", meta, []uint32{24}, []uint32{23, 25}},
		{0x23, "P_SYNC_PARAM89", data, []uint32{132, 148}, []uint32{131, 147, 149}},
		{0x24, "P_COMPRESSED_BITMAP", data, []uint32{2, 4088}, []uint32{1, 4089}},
		{0x25, "packet 0x0025", 0, nil, []uint32{0}},
		{0x27, "P_DELAY_PROBE", data | meta, []uint32{8}, []uint32{7, 9}},
		{0x28, "P_OUT_OF_SYNC", data, []uint32{16}, []uint32{15, 17}},
		{0x29, "P_RS_CANCEL", meta, []uint32{24}, []uint32{23, 25}},
		{0x2a, "P_CONN_ST_CHG_REQ", data, []uint32{8}, []uint32{7, 9}},
		{0x2b, "P_CONN_ST_CHG_REPLY", meta, []uint32{4}, []uint32{3, 5}},
		{0x2c, "P_RETRY_WRITE", meta, []uint32{24}, []uint32{23, 25}},
		{0x2d, "P_PROTOCOL_UPDATE", data, []uint32{25, 88}, []uint32{24, 89}},
		{0x31, "P_TRIM", data, []uint32{28}, []uint32{24, 27, 29}},
		{0x32, "P_RS_THIN_REQ", data, []uint32{24}, []uint32{23, 25}},
		{0x33, "P_RS_DEALLOCATED", data, []uint32{16}, []uint32{15, 17}},
		{0x34, "packet 0x0034", 0, nil, []uint32{28}},
		{0x36, "P_ZEROES", data, []uint32{28}, []uint32{24, 27, 29}},
		{0x48, "packet 0x0048", 0, nil, []uint32{0}},
		{0xfff1, "P_INITIAL_META", meta, []uint32{0}, []uint32{1}},
		{0xfff2, "P_INITIAL_DATA", data, []uint32{0}, []uint32{1}},
		{0xfffe, "P_CONNECTION_FEATURES", data, []uint32{72}, []uint32{71, 73}},
		{0xffff, "packet 0xffff", 0, nil, []uint32{0}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			g := NewWithT(t)
			g.Expect(tc.number.String()).To(Equal(tc.name))
			g.Expect(drbdwire.Socket(tc.number)).To(Equal(tc.socket))
			for _, length := range tc.good {
				fixed, bulk, err := drbdwire.Split(tc.number, length, 0)
				g.Expect(err).NotTo(HaveOccurred())
				g.Expect(fixed+bulk).To(Equal(length), "%d bytes", length)
				hasBulk := bulk > 0
				g.Expect(hasBulk).To(Equal(strings.Contains(tc.name, "DATA") && length > 24 && tc.number <= 2), "%d bytes", length)
			}
			for _, length := range append(tc.bad, 1<<32-1) {
				_, _, err := drbdwire.Split(tc.number, length, 0)
				g.Expect(err).To(MatchError(HavePrefix(fmt.Sprintf("%s ", tc.name))), "%d bytes", length)
			}
		})
	}
}

func TestSplitWithDigest(t *testing.T) {
	g := NewWithT(t)
	fixed, bulk, err := drbdwire.Split(drbdwire.CmdData, 24+20+4096, 20)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect([]uint32{fixed, bulk}).To(Equal([]uint32{44, 4096}))

	fixed, bulk, err = drbdwire.Split(drbdwire.CmdTrim, 28, 20)
	g.Expect(err).NotTo(HaveOccurred(), "a discard never has a digest")
	g.Expect([]uint32{fixed, bulk}).To(Equal([]uint32{28, 0}))

	for _, tc := range []struct {
		length uint32
		digest int
		err    string
	}{
		{24 + 4096, 20, "P_DATA for 4076 bytes, want a multiple of 512, at most 1048576"},
		{43, 20, "P_DATA of 43 bytes, want at least 44"},
		{24, -1, "digest of -1 bytes"},
		{24 + 65, 65, "digest of 65 bytes, want 0 to 64"},
	} {
		_, _, err = drbdwire.Split(drbdwire.CmdData, tc.length, tc.digest)
		g.Expect(err).To(MatchError(ContainSubstring(tc.err)))
	}
}
