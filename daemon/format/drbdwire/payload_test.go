package drbdwire_test

import (
	"fmt"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/format/drbdwire"
)

// A payload is what all payload types have in common.
type payload interface{ Append(dst []byte) []byte }

// A state makes a payload of the State type, which has no Append of its own.
type state struct{ drbdwire.State }

func (s state) Append(dst []byte) []byte { return drbdwire.AppendState(dst, s.State) }

// decoded makes one kind of the many decode functions.
func decoded[T payload](p T, err error) (payload, error) { return p, err }

func decodeState(b []byte) (payload, error) {
	s, err := drbdwire.DecodeState(b)
	return state{s}, err
}

// decoders are all decode functions, by the name of their type.
func decoders() map[string]func(b []byte) (payload, error) {
	return map[string]func(b []byte) (payload, error){
		"features":     func(b []byte) (payload, error) { return decoded(drbdwire.DecodeFeatures(b)) },
		"protocol":     func(b []byte) (payload, error) { return decoded(drbdwire.DecodeProtocol(b)) },
		"sync param":   func(b []byte) (payload, error) { return decoded(drbdwire.DecodeSyncParam(b)) },
		"sizes":        func(b []byte) (payload, error) { return decoded(drbdwire.DecodeSizes(b)) },
		"uuids":        func(b []byte) (payload, error) { return decoded(drbdwire.DecodeUUIDs(b)) },
		"sync uuid":    func(b []byte) (payload, error) { return decoded(drbdwire.DecodeSyncUUID(b)) },
		"state":        decodeState,
		"state change": func(b []byte) (payload, error) { return decoded(drbdwire.DecodeStateChange(b)) },
		"state reply":  func(b []byte) (payload, error) { return decoded(drbdwire.DecodeStateReply(b)) },
		"data":         func(b []byte) (payload, error) { return decoded(drbdwire.DecodeData(b)) },
		"trim":         func(b []byte) (payload, error) { return decoded(drbdwire.DecodeTrim(b)) },
		"request":      func(b []byte) (payload, error) { return decoded(drbdwire.DecodeBlockRequest(b)) },
		"ack":          func(b []byte) (payload, error) { return decoded(drbdwire.DecodeBlockAck(b)) },
		"desc":         func(b []byte) (payload, error) { return decoded(drbdwire.DecodeBlockDesc(b)) },
		"barrier":      func(b []byte) (payload, error) { return decoded(drbdwire.DecodeBarrier(b)) },
		"barrier ack":  func(b []byte) (payload, error) { return decoded(drbdwire.DecodeBarrierAck(b)) },
	}
}

const (
	zeros16 = "00000000 00000000 00000000 00000000"
	zeros64 = zeros16 + zeros16 + zeros16 + zeros16
	handle  = "1122334455667788"
)

func handleID() drbdwire.BlockID {
	return drbdwire.BlockID{0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88}
}

func TestPayloads(t *testing.T) {
	for name, tc := range map[string]struct {
		decode, bytes string
		want          payload
	}{
		"features of a kernel": {
			"features", "00000056 0000000f 00000065 00000000" + zeros16 + zeros16 + zeros16 + "00000000 00000000",
			drbdwire.Features{Min: 86, Flags: 15, Max: 101},
		},
		"protocol C, all default": {
			"protocol", "00000003" + zeros16 + "00000000 00", drbdwire.Protocol{Wire: drbdwire.ProtocolC},
		},
		"protocol A, all else": {
			"protocol", "00000001 00000001 00000006 0000000a 00000003 00000001 73686131 00",
			drbdwire.Protocol{
				Wire: drbdwire.ProtocolA, AfterSB0: drbdwire.AfterSBDiscardYoungerPrimary,
				AfterSB1: drbdwire.AfterSBDiscardRemote, AfterSB2: drbdwire.AfterSBViolently,
				Flags: drbdwire.DiscardMyData | drbdwire.DryRun, TwoPrimaries: true, IntegrityAlg: "sha1",
			},
		},
		"the defaults of a resync": {
			"sync param", "000000fa" + zeros64 + zeros64 + "00000014 0000000a 00000064 00019000",
			drbdwire.SyncParam{Rate: 250, PlanAhead: 20, DelayTarget: 10, FillTarget: 100, MaxRate: 102400},
		},
		"sizes without limits": {
			"sizes", "00000000001fffb8 0000000000000000 00000000001fffb8 00100000 0000 0000",
			drbdwire.Sizes{Disk: 2097080, Current: 2097080, MaxBio: 1 << 20},
		},
		"sizes with limits": {
			"sizes", "0000000000000001 0000000000000002 0000000000000003 00100000 0000 0002" +
				"00001000 00000200 00000000 00001000 00100000 01 00 01 00",
			drbdwire.Sizes{
				Disk: 1, User: 2, Current: 3, MaxBio: 1 << 20, Flags: drbdwire.SizesNoResync, HasLimits: true,
				Limits: drbdwire.QueueLimits{
					PhysicalBlock: 4096, LogicalBlock: 512, IOMin: 4096, IOOpt: 1 << 20,
					DiscardEnabled: true, WriteSameCapable: true,
				},
			},
		},
		"uuids": {
			"uuids", "86ba488fe120d549 0000000000000004 0000000000000001 0000000000000002 00000000000000f6 0000000000000005",
			drbdwire.UUIDs{
				Current: 0x86ba488fe120d549, Bitmap: 4, History0: 1, History1: 2, Dirty: 246,
				Flags: drbdwire.UUIDDiscardMyData | drbdwire.UUIDInconsistent,
			},
		},
		"a resync's uuid": {"sync uuid", "773e231e8a412743", drbdwire.SyncUUID{UUID: 0x773e231e8a412743}},
		"a source of a resync": {
			"state", "00009109",
			state{drbdwire.State{
				Role: drbdwire.Primary, Peer: drbdwire.Secondary, Conn: drbdwire.SyncSource,
				Disk: drbdwire.UpToDate, PeerDisk: drbdwire.Inconsistent,
			}},
		},
		"a promotion": {"state change", "00000003 00000001", drbdwire.StateChange{Mask: 3, Value: 1}},
		"consent":     {"state reply", "00000001", drbdwire.StateReply{Code: drbdwire.Success}},
		"a refusal":   {"state reply", "ffffffff", drbdwire.StateReply{Code: drbdwire.TwoPrimaries}},
		"a write keeps its handle byte for byte": {
			"data", "0000000000000008" + handle + "00000007 00000102",
			drbdwire.Data{
				Sector: 8, ID: handleID(), Sequence: 7, Flags: drbdwire.FlagSendWriteAck | drbdwire.FlagSync,
			},
		},
		"a discard of 12 MiB": {
			"trim", "0000000000000800" + handle + "00000023 00000142 00c00000",
			drbdwire.Trim{
				Data: drbdwire.Data{
					Sector: 2048, ID: handleID(), Sequence: 35,
					Flags: drbdwire.FlagSync | drbdwire.FlagDiscard | drbdwire.FlagSendWriteAck,
				},
				Size: 12 << 20,
			},
		},
		"a resync's request": {
			"request", "0000000000000000 ffffffffffffffff 000f6000 00000000",
			drbdwire.BlockRequest{ID: drbdwire.Syncer(), Size: 1007616},
		},
		"an ack": {
			"ack", "0000000000000008" + handle + "00001000 00000003",
			drbdwire.BlockAck{Sector: 8, ID: handleID(), Size: 4096, Sequence: 3},
		},
		"a write that the peer did not get": {
			"desc", "0000000000000b00 00004000 00000000", drbdwire.BlockDesc{Sector: 2816, Size: 16384},
		},
		"an epoch's end": {"barrier", "2a000000 00000000", drbdwire.Barrier{Number: [4]byte{0x2a}}},
		"an epoch of three done": {
			"barrier ack", "2a000000 00000003", drbdwire.BarrierAck{Number: [4]byte{0x2a}, SetSize: 3},
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			b := unhex(t, tc.bytes)
			g.Expect(decoders()[tc.decode](b)).To(Equal(tc.want))
			g.Expect(tc.want.Append([]byte("-"))).To(Equal(append([]byte("-"), b...)))
		})
	}
}

func TestWhatDecodersForgive(t *testing.T) {
	g := NewWithT(t)
	features := drbdwire.Features{Min: 86}.Append(nil)
	g.Expect(drbdwire.DecodeFeatures(features)).To(Equal(drbdwire.Features{Min: 86, Max: 86}), "no maximum is the minimum")
	features[71] = 1
	g.Expect(drbdwire.DecodeFeatures(features)).To(HaveField("Min", uint32(86)), "reserved fields may be used one day")
	g.Expect(drbdwire.DecodeState([]byte{0xff, 0x81, 0x10, 0xaa})).To(HaveField("Conn", drbdwire.Connected),
		"bits 23 to 31 may be used one day")
	g.Expect(drbdwire.DecodeBarrier([]byte("\x2a\x00\x00\x00pad!"))).To(HaveField("Number", [4]byte{0x2a}))
	g.Expect(drbdwire.DecodeData(make([]byte, 24+20))).To(Equal(drbdwire.Data{}), "a digest follows")
	long := drbdwire.SyncParam{VerifyAlg: string(make([]byte, 62)) + "xyz"}.Append(nil)
	g.Expect(long).To(HaveLen(148))
	g.Expect(long[64:69]).To(Equal([]byte{0, 0, 'x', 0, 0}), "a name is cut before its NUL")
}

func TestOldSyncParams(t *testing.T) {
	rate := "000000fa"
	for name, tc := range map[string]struct {
		version int
		bytes   string
		want    drbdwire.SyncParam
		err     string
	}{
		"86":                {version: 86, bytes: rate, want: drbdwire.SyncParam{Rate: 250}},
		"87 with more":      {version: 87, bytes: rate + "00", err: "P_SYNC_PARAM of 5 bytes, want 4"},
		"88":                {version: 88, bytes: rate + "6d643500", want: drbdwire.SyncParam{Rate: 250, VerifyAlg: "md5"}},
		"88 without a NUL":  {version: 88, bytes: rate + "6d6435", err: `verify algorithm "md5" has no NUL in its 3 bytes`},
		"88 without a name": {version: 88, bytes: rate, err: "P_SYNC_PARAM of 4 bytes, want 5 to 68"},
		"94":                {version: 94, bytes: rate + zeros64 + zeros64, want: drbdwire.SyncParam{Rate: 250}},
		"94 with version 95's fields": {
			version: 94, bytes: rate + zeros64 + zeros64 + zeros16, err: "P_SYNC_PARAM89 of 148 bytes, want 132",
		},
		"95": {
			version: 95, bytes: rate + zeros64 + zeros64 + zeros16, want: drbdwire.SyncParam{Rate: 250},
		},
		"95 without its fields": {
			version: 95, bytes: rate + zeros64 + zeros64, err: "P_SYNC_PARAM89 of 132 bytes, want 148",
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			got, err := drbdwire.DecodeSyncParamFor(tc.version, unhex(t, tc.bytes))
			if tc.err != "" {
				g.Expect(err).To(MatchError(tc.err))
				return
			}
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(got).To(Equal(tc.want))
		})
	}
}

// TestLengths: every decoder names what it got when a byte is missing or over.
func TestLengths(t *testing.T) {
	for name, lengths := range map[string][]int{
		"features": {72}, "protocol": {25, 88}, "sync param": {148}, "sizes": {32, 56}, "uuids": {48}, "sync uuid": {8},
		"state": {4}, "state change": {8}, "state reply": {4}, "data": {24, 88}, "trim": {28}, "request": {24, 88},
		"ack": {24}, "desc": {16}, "barrier": {8}, "barrier ack": {8},
	} {
		low, high := lengths[0], lengths[len(lengths)-1]
		for _, n := range []int{0, low - 1, high + 1, 4096} {
			_, err := decoders()[name](make([]byte, n))
			NewWithT(t).Expect(err).To(MatchError(MatchRegexp(fmt.Sprintf(`of %d bytes, want .*%d`, n, low))), name)
		}
	}
}

func TestMalformedPayloads(t *testing.T) {
	flags := zeros16 + "00000000"
	protocolC := "00000003" + flags
	at := func(sector string) string { return sector + handle + "00000001 00000000" }
	for name, tc := range map[string]struct{ decode, bytes, err string }{
		"protocol D":                 {"protocol", "00000004" + flags + "00", "protocol 4, want 1 (A), 2 (B) or 3 (C)"},
		"five primaries":             {"protocol", "00000003" + zeros16 + "00000005 00", "5 for two primaries, want 0 or 1"},
		"an algorithm without end":   {"protocol", protocolC + "736861", `"sha", want one NUL`},
		"an algorithm with two ends": {"protocol", protocolC + "73006100", `"s\x00a\x00", want one NUL`},
		"an algorithm of 64 bytes": {
			"sync param", "000000fa" + zeros64 + strings.Repeat("61", 64) + zeros16, `checksum algorithm "aaaaaaaaa`,
		},
		"a verify algorithm of 64": {
			"sync param", "000000fa" + strings.Repeat("61", 64) + zeros64 + zeros16, `verify algorithm "aaaaaaaaa`,
		},
		"a disk of 2^63 sectors": {
			"sizes", "8000000000000000" + zeros16 + "00000000 00000000", "with 9223372036854775808 sectors, want at most",
		},
		"a role that is none":     {"state", "00000003", "want states that have a name"},
		"a peer that is none":     {"state", "0000000c", "0000000c says Unknown/role(3) StandAlone Diskless/"},
		"conn 24":                 {"state", "00000180", "conn(24)"},
		"disk 9":                  {"state", "00001200", "disk(9)"},
		"peer disk 15":            {"state", "0001e000", "disk(15)"},
		"a write behind any disk": {"data", at("0040000000000001"), "sector 18014398509481985, want it to end at"},
		"a discard of nothing":    {"trim", at("0000000000000000") + "00000000", "for 0 bytes, want a multiple of 512"},
		"half a sector":           {"trim", at("0000000000000000") + "00000100", "discard for 256 bytes"},
		"129 MiB":                 {"trim", at("0000000000000000") + "08100000", "at most 134217728"},
		"a discard that wraps":    {"trim", at("ffffffffffffffff") + "00000200", "at sector 18446744073709551615"},
		"a read of nothing":       {"request", at("0000000000000000")[:32] + "00000000 00000000", "request for 0 bytes"},
		"a read of 2 MiB":         {"request", "0000000000000000" + handle + "00200000 00000000", "at most 1048576"},
		"a read that wraps":       {"request", "ffffffffffffffff" + handle + "00001000 00000000", "18446744073709551615"},
		"an ack that wraps":       {"ack", "ffffffffffffffff" + handle + "00001000 00000000", "block ack of 4096 bytes at"},
		"a mark that wraps":       {"desc", "ffffffffffffffff 00001000 00000000", "block description of 4096 bytes at"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := decoders()[tc.decode](unhex(t, tc.bytes))
			NewWithT(t).Expect(err).To(MatchError(ContainSubstring(tc.err)))
		})
	}
}

// TestNoAllocation: what happens for every block must not make garbage.
func TestNoAllocation(t *testing.T) {
	buf := make([]byte, 0, 128)
	allocs := testing.AllocsPerRun(100, func() {
		b := drbdwire.AppendHeader(buf, drbdwire.H100, drbdwire.Header{Command: drbdwire.CmdWriteAck, Length: 24})
		b = drbdwire.BlockAck{Sector: 8, ID: drbdwire.Syncer(), Size: 4096}.Append(b)
		h, _, _ := drbdwire.DecodeHeader(b)
		_, _, _ = drbdwire.Split(h.Command, h.Length, 0)
		_, _ = drbdwire.DecodeBlockAck(b[16:])
		_ = h.Command.String()
	})
	NewWithT(t).Expect(allocs).To(BeZero())
}

func TestState(t *testing.T) {
	const secondary, primary = drbdwire.Secondary, drbdwire.Primary
	for want, s := range map[uint32]drbdwire.State{
		0x0000d082: {Role: secondary, Conn: drbdwire.WFConnection, Disk: drbdwire.UpToDate, PeerDisk: drbdwire.DUnknown},
		0x0000d081: {Role: primary, Conn: drbdwire.WFConnection, Disk: drbdwire.UpToDate, PeerDisk: drbdwire.DUnknown},
		0x0000c882: {Role: secondary, Conn: drbdwire.WFConnection, Disk: drbdwire.Inconsistent, PeerDisk: drbdwire.DUnknown},
		0x000110aa: {
			Role: secondary, Peer: secondary, Conn: drbdwire.Connected, Disk: drbdwire.UpToDate, PeerDisk: drbdwire.UpToDate,
		},
		0x00010916: {
			Role: secondary, Peer: primary, Conn: drbdwire.SyncTarget, Disk: drbdwire.Inconsistent, PeerDisk: drbdwire.UpToDate,
		},
		1 << 17: {Suspended: true},
		1 << 18: {AfterPause: true},
		1 << 19: {PeerPause: true},
		1 << 20: {UserPause: true},
		1 << 21: {SuspNoData: true},
		1 << 22: {SuspFencing: true},
	} {
		g := NewWithT(t)
		g.Expect(fmt.Sprintf("%08x", s.Pack())).To(Equal(fmt.Sprintf("%08x", want)))
		g.Expect(drbdwire.UnpackState(want)).To(Equal(s))
	}
}

func TestNames(t *testing.T) {
	g := NewWithT(t)
	for want, value := range map[string]fmt.Stringer{
		"C": drbdwire.ProtocolC, "protocol(7)": drbdwire.WireProtocol(7),
		"discard-zero-changes": drbdwire.AfterSBDiscardZeroChanges, "violently-as0p": drbdwire.AfterSBViolently,
		"after-sb(267)": drbdwire.AfterSB(267), "SYNC|FUA|0x8000": drbdwire.FlagSync | drbdwire.FlagFUA | 0x8000,
		"0": drbdwire.DataFlags(0), "PausedSyncT": drbdwire.PausedSyncT, "Negotiating": drbdwire.Negotiating,
		"Secondary": drbdwire.Secondary, "role(3)": drbdwire.Role(3), "conn(31)": drbdwire.ConnMask,
		"State change was refused by peer node": drbdwire.FailedByPeer, "state change code -99": drbdwire.Code(-99),
		"state change code 0": drbdwire.Code(0), "state change code -3": drbdwire.Code(-3), "Success": drbdwire.CWSuccess,
	} {
		g.Expect(value.String()).To(Equal(want))
	}
	g.Expect(drbdwire.Syncer().IsSyncer()).To(BeTrue())
	g.Expect(drbdwire.VerifiedInSync().IsSyncer()).To(BeFalse())
	g.Expect(drbdwire.Code(-1 << 31).String()).To(Equal("state change code -2147483648"))
}
