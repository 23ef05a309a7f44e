package drbdmeta_test

import (
	"math"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/format/drbdmeta"
)

func TestInternal(t *testing.T) {
	for name, tc := range map[string]struct {
		sectors uint64
		stripes uint32
		size    uint32
		want    drbdmeta.Layout
		wantErr error
		words   string
	}{
		"64 MiB": {sectors: 131072, want: drbdmeta.Layout{
			Superblock: 67104768, ActivityLog: 67072000, ALSize: 32768, Bitmap: 67067904, BitmapSize: 4096,
			DataSectors: 130992, MDSize: 80, Stripes: 1, StripeSize4k: 8,
		}},
		"1 GiB": {sectors: 2097152, stripes: 1, size: 8, want: drbdmeta.Layout{
			Superblock: 1073737728, ActivityLog: 1073704960, ALSize: 32768, Bitmap: 1073672192, BitmapSize: 32768,
			DataSectors: 2097016, MDSize: 136, Stripes: 1, StripeSize4k: 8,
		}},
		"1 GiB and 3.5 KiB ends at the last whole 4 KiB": {sectors: 2097159, want: drbdmeta.Layout{
			// The bitmap is sized for all of it: one more page.
			Superblock: 1073737728, ActivityLog: 1073704960, ALSize: 32768, Bitmap: 1073668096, BitmapSize: 36864,
			DataSectors: 2097008, MDSize: 144, Stripes: 1, StripeSize4k: 8,
		}},
		"a log of 4 stripes of 32 blocks": {sectors: 2097152, stripes: 4, size: 32, want: drbdmeta.Layout{
			Superblock: 1073737728, ActivityLog: 1073737728 - 524288, ALSize: 524288, Bitmap: 1073737728 - 524288 - 32768,
			BitmapSize: 32768, DataSectors: 2097144 - 1024 - 64, MDSize: 1096, Stripes: 4, StripeSize4k: 32,
		}},
		"the smallest device": {sectors: 2048, want: drbdmeta.Layout{
			Superblock: 1044480, ActivityLog: 1011712, ALSize: 32768, Bitmap: 1007616, BitmapSize: 4096,
			DataSectors: 1968, MDSize: 80, Stripes: 1, StripeSize4k: 8,
		}},
		"one sector less": {
			sectors: 2047, wantErr: drbdmeta.ErrTooSmall,
			words: "2047 sectors (1023 KiB): want at least 2048 sectors (1024 KiB)",
		},
		"a log larger than the device": {
			sectors: 2048, stripes: 1, size: 512, wantErr: drbdmeta.ErrTooSmall, words: "want at least 4120 sectors",
		},
		"a log of 7 blocks": {sectors: 2048, stripes: 7, size: 1, wantErr: drbdmeta.ErrInvalid, words: "want 8 to 4194304"},
		"no stripes":        {sectors: 2048, stripes: 0, size: 8, wantErr: drbdmeta.ErrInvalid},
		"no device is so large": {
			sectors: math.MaxUint64, wantErr: drbdmeta.ErrInvalid,
		},
		"a bitmap beyond the offsets of the superblock": {sectors: 1 << 46, wantErr: drbdmeta.ErrInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			got, err := drbdmeta.Internal(tc.sectors, tc.stripes, tc.size)
			if tc.wantErr != nil {
				g.Expect(err).To(MatchError(tc.wantErr))
				g.Expect(err).To(MatchError(ContainSubstring(tc.words)))
				return
			}
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(got).To(Equal(tc.want))
			s := drbdmeta.Superblock{Size: got.DataSectors}.At(got)
			g.Expect(s.Layout(got.Superblock)).To(Equal(got))
			g.Expect(s.Validate(drbdmeta.KindInternal, got.Superblock, tc.sectors)).To(Succeed())
		})
	}
}

func TestExternal(t *testing.T) {
	g := NewWithT(t)
	l, err := drbdmeta.FlexibleExternal(614400, 1<<30, 0, 0)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(l).To(Equal(drbdmeta.Layout{
		Superblock: 0, ActivityLog: 4096, ALSize: 32768, Bitmap: 36864, BitmapSize: 300<<20 - 36864,
		DataSectors: 1 << 30, MDSize: 614400, Stripes: 1, StripeSize4k: 8,
	}))
	s := drbdmeta.Superblock{ALExtents: 257}.At(l)
	g.Expect(s.Append(nil)[64:80]).To(Equal(words(0x96000, 8, 0x101, 0x48)), "measured, 300 MiB")
	g.Expect(s.Validate(drbdmeta.KindFlexible, 0, 614400)).To(Succeed())
	g.Expect(s.Validate(drbdmeta.KindFlexible, 0, 700000)).To(Succeed(), "a device that has grown")

	l, err = drbdmeta.FlexibleExternal(2048, 1<<30, 1, 8)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(l.DataSectors).To(BeEquivalentTo((2048 - 72) * 32768))
	_, err = drbdmeta.FlexibleExternal(2047, 1<<30, 1, 8)
	g.Expect(err).To(MatchError(drbdmeta.ErrTooSmall))
	_, err = drbdmeta.FlexibleExternal(1<<32, 1<<30, 1, 8)
	g.Expect(err).To(MatchError(drbdmeta.ErrInvalid))

	l, err = drbdmeta.Indexed(1, 614400, 1<<40)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(l.Superblock).To(BeEquivalentTo(134217728))
	g.Expect(l.Bitmap).To(BeEquivalentTo(134217728 + 36864))
	g.Expect(l.DataSectors).To(BeEquivalentTo(8587575296))
	s = drbdmeta.Superblock{ALExtents: 257}.At(l)
	g.Expect(s.Append(nil)[64:80]).To(Equal(words(0x40000, 8, 0x101, 0x48)), "measured, slot 1")
	g.Expect(s.Validate(drbdmeta.KindIndexed, l.Superblock, 614400)).To(Succeed())
	_, err = drbdmeta.Indexed(2, 614400, 1<<40)
	g.Expect(err).To(MatchError(ContainSubstring("index 2 on a device of 614400 sectors (307200 KiB): want at least")))
	_, err = drbdmeta.Indexed(-1, 614400, 1<<40)
	g.Expect(err).To(MatchError(drbdmeta.ErrInvalid))
}

func TestValidate(t *testing.T) {
	internal := drbdmeta.Superblock{MDSize: 80, ALOffset: -64, BMOffset: -72, Size: 130992}
	external := drbdmeta.Superblock{MDSize: 262144, ALOffset: 8, BMOffset: 72, Size: 130992}
	with := func(s drbdmeta.Superblock, change func(s *drbdmeta.Superblock)) drbdmeta.Superblock {
		change(&s)
		return s
	}
	for name, tc := range map[string]struct {
		s     drbdmeta.Superblock
		kind  drbdmeta.Kind
		at    int64
		words string // of the error, "" for none
	}{
		"8.3 knew no stripes": {s: internal, at: 67104768},
		"one stripe without a size": {
			s: with(internal, func(s *drbdmeta.Superblock) { s.Stripes = 1 }), at: 67104768, words: "1 stripes of 0 blocks",
		},
		"external where internal is configured": {s: external, at: 67104768, words: "want less than 0"},
		"internal where external is configured": {s: internal, kind: drbdmeta.KindFlexible, words: "want 8 for external"},
		"a bitmap behind the log": {
			s: with(internal, func(s *drbdmeta.Superblock) { s.BMOffset = -56 }), at: 67104768, words: "want it before",
		},
		"a log of another size than its stripes": {
			s: with(internal, func(s *drbdmeta.Superblock) { s.Stripes, s.StripeSize4k = 2, 8 }), at: 67104768,
			words: "activity log of 64 sectors, want 128",
		},
		"a bitmap between the blocks": {
			s: with(internal, func(s *drbdmeta.Superblock) { s.BMOffset = -73 }), at: 67104768, words: "multiple of 8",
		},
		"a bitmap before the device":     {s: internal, at: 4096, words: "do not lie on the device"},
		"a superblock behind the device": {s: internal, at: 67108864, words: "do not lie on the device"},
		"meta-data larger than the device": {
			s: with(internal, func(s *drbdmeta.Superblock) { s.MDSize = 131073 }), at: 67104768, words: "do not lie",
		},
		"a bitmap too small for the data": {
			s: with(internal, func(s *drbdmeta.Superblock) { s.Size = 8*32768 + 1 }), at: 67104768,
			words: "covers 262144 sectors, the last agreed size is 262145",
		},
		"an external bitmap before the log": {
			s: with(external, func(s *drbdmeta.Superblock) { s.BMOffset = 0 }), kind: drbdmeta.KindFlexible,
			words: "want it after",
		},
		"an external area larger than the device": {
			s: external, kind: drbdmeta.KindFlexible, words: "do not lie on the device",
		},
		"an index with another size": {
			s: with(external, func(s *drbdmeta.Superblock) { s.MDSize = 80 }), kind: drbdmeta.KindIndexed, words: "want 262144",
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			err := tc.s.Validate(tc.kind, tc.at, 131072)
			if tc.words == "" {
				g.Expect(err).NotTo(HaveOccurred())
				return
			}
			g.Expect(err).To(MatchError(drbdmeta.ErrInvalid))
			g.Expect(err).To(MatchError(ContainSubstring(tc.words)))
		})
	}
}

func TestAgreedSize(t *testing.T) {
	for name, tc := range map[string]struct {
		own, peer, last, configured uint64
		want                        uint64
		wantErr                     error
	}{
		"nothing is known":                           {},
		"the smaller disk decides":                   {own: 4000, peer: 2000, last: 3000, want: 2000},
		"both may grow beyond the last size":         {own: 4000, peer: 5000, last: 3000, want: 4000},
		"alone the last size stays":                  {own: 4000, last: 3000, want: 3000},
		"alone on a smaller disk":                    {own: 2000, last: 3000, want: 2000},
		"diskless with a peer":                       {peer: 2000, last: 3000, want: 2000},
		"a fresh disk alone":                         {own: 4000, want: 4000},
		"without any disk the last size is all":      {last: 3000, want: 3000},
		"a configured size is taken":                 {own: 4000, peer: 5000, configured: 1000, want: 1000},
		"a configured size that fits exactly":        {own: 4000, configured: 4000, want: 4000},
		"a configured size that is too big is named": {own: 4000, configured: 4001, want: 4000, wantErr: drbdmeta.ErrTooBig},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			got, err := drbdmeta.AgreedSize(tc.own, tc.peer, tc.last, tc.configured)
			g.Expect(got).To(Equal(tc.want))
			if tc.wantErr == nil {
				g.Expect(err).NotTo(HaveOccurred())
			} else {
				g.Expect(err).To(MatchError(tc.wantErr))
			}
		})
	}
}
