package drbdmeta_test

import (
	"testing"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/format/drbdmeta"
)

// fresh64M is what create-md of drbdmeta 9.22.0 wrote at the end of 64 MiB.
var fresh64M = words(
	0, 0, 0, 4, 0, 0, 0, 0,
	0, 0, 0, 0, 0, 0, 0x80, 0x8374026b,
	0x50, 0xffffffc0, 0x101, 0xffffffb8, 0x1000, 0, 1, 8,
)

func block(b []byte) []byte { return append(b, make([]byte, drbdmeta.BlockSize-len(b))...) }

// patched is fresh64M with other bytes at an offset.
func patched(offset int, b ...byte) []byte {
	sb := block(append([]byte(nil), fresh64M...))
	copy(sb[offset:], b)
	return sb
}

func TestDecodeSuperblock(t *testing.T) {
	for name, tc := range map[string]struct {
		block   []byte
		want    drbdmeta.Superblock
		wantErr error
		words   string
	}{
		"fresh meta-data are just created and clean": {
			block: block(fresh64M),
			want: drbdmeta.Superblock{
				UUIDs: drbdmeta.UUIDs{Current: drbdmeta.JustCreated},
				Flags: drbdmeta.MDALClean, Clean: true,
				MDSize: 80, ALOffset: -64, ALExtents: 257, BMOffset: -72, Stripes: 1, StripeSize4k: 8,
			},
		},
		"zeros are no meta-data":  {block: block(nil), wantErr: drbdmeta.ErrNoMetadata, words: "create-md"},
		"half a block is invalid": {block: fresh64M, wantErr: drbdmeta.ErrInvalid, words: "96 bytes, want 4096"},
		"another bitmap is invalid": {
			block: patched(80, 0, 0, 8, 0), wantErr: drbdmeta.ErrInvalid, words: "2048 bytes per bit",
		},
		"DRBD 9 is refused": {block: patched(63, 0x6d), wantErr: drbdmeta.ErrV09, words: "DRBD 9 meta-data"},
		"DRBD 0.7 is refused": {
			block:   block(append(make([]byte, 28), words(0x8374026a, 0x20000, 8, 0x101, 0x48)...)),
			wantErr: drbdmeta.ErrV07, words: "pollux meta convert",
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			got, err := drbdmeta.DecodeSuperblock(tc.block)
			if tc.wantErr != nil {
				g.Expect(err).To(MatchError(tc.wantErr))
				g.Expect(err).To(MatchError(ContainSubstring(tc.words)))
				return
			}
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(got).To(Equal(tc.want))
			g.Expect(got.Append([]byte("x"))).To(Equal(append([]byte("x"), tc.block...)))
		})
	}
}

func TestNeedsReplay(t *testing.T) {
	g := NewWithT(t)
	g.Expect(drbdmeta.Superblock{Clean: true, Flags: drbdmeta.MDALClean}.NeedsReplay()).To(BeFalse())
	g.Expect(drbdmeta.Superblock{Clean: true}.NeedsReplay()).To(BeTrue(), "as 8.3 left it")
	g.Expect(drbdmeta.Superblock{Flags: drbdmeta.MDALClean}.NeedsReplay()).To(BeTrue())
}

func TestFlags(t *testing.T) {
	g := NewWithT(t)
	g.Expect(drbdmeta.Flags(0).String()).To(Equal("none"))
	g.Expect(drbdmeta.Flags(0x93).String()).To(Equal("Consistent,PrimaryInd,WasUpToDate,ALClean"))
	g.Expect(drbdmeta.Flags(0x1000108).String()).To(Equal("FullSync,ALDisabled,0x1000000"))
}

// The values were measured with drbdmeta 9.22.0.
func TestTextForms(t *testing.T) {
	for name, tc := range map[string]struct {
		flags  drbdmeta.Flags
		gi     string
		dstate string
	}{
		"of a Primary":              {0x93, "1:1:1:0:0:0:0", "Consistent"},
		"after outdate":             {0x83, "1:0:1:0:0:0:0", "Outdated"},
		"after invalidate":          {0x8a, "0:0:1:0:1:0:0", "Inconsistent"},
		"with an outdated peer":     {0x35, "1:1:0:1:0:1:0", "UpToDate"},
		"of a Primary that crashed": {0x51, "1:1:0:0:0:0:1", "Consistent"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			s := drbdmeta.Superblock{UUIDs: drbdmeta.UUIDs{Current: 4, History1: 0xabcdef}, Flags: tc.flags}
			g.Expect(s.GetGI()).To(Equal("0000000000000004:0000000000000000:0000000000000000:0000000000ABCDEF:" + tc.gi))
			g.Expect(s.DState()).To(Equal(tc.dstate))
		})
	}
}

func TestV07(t *testing.T) {
	g := NewWithT(t)
	b := append(words(0, 1024, 3, 1, 2, 3, 4), words(0x8374026a, 0x20000, 8, 0x101, 0x48)...)
	got, err := drbdmeta.DecodeV07(b)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(got).To(Equal(drbdmeta.V07{
		Size: 2048, Flags: drbdmeta.MDConsistent | drbdmeta.MDPrimaryInd,
		HumanCount: 1, TimeoutCount: 2, ConnectedCount: 3, ArbitraryCount: 4, ALExtents: 0x101,
	}))
	_, err = drbdmeta.DecodeV07(block(fresh64M))
	g.Expect(err).To(MatchError(drbdmeta.ErrNoMetadata))
	_, err = drbdmeta.DecodeV07(b[:31])
	g.Expect(err).To(MatchError(drbdmeta.ErrNoMetadata))

	at, ok := drbdmeta.V07Offset(300<<11 + 7)
	g.Expect(ok).To(BeTrue())
	g.Expect(at).To(BeEquivalentTo(172 << 20))
	_, ok = drbdmeta.V07Offset(128 << 11)
	g.Expect(ok).To(BeFalse())
}
