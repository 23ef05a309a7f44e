package drbdmeta_test

import (
	"os"
	"path/filepath"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/format/drbdmeta"
)

func TestParseDump(t *testing.T) {
	g := NewWithT(t)
	l, err := drbdmeta.Internal(1<<21, 4, 4)
	g.Expect(err).NotTo(HaveOccurred())
	want := drbdmeta.Superblock{
		Size: 1000000, UUIDs: drbdmeta.UUIDs{Current: 1 << 63, Bitmap: 5, History0: 6, History1: 7}, DeviceUUID: 8,
		Flags: drbdmeta.MDALClean, Clean: true, ALExtents: 1237, PeerMaxBio: 1 << 20,
	}.At(l)
	bitmap := make([]byte, want.BitmapBytes())
	for i := range 5000 {
		bitmap[7*i%len(bitmap)] = byte(i)
	}
	got, err := drbdmeta.ParseDump(drbdmeta.Dump(want, l.Superblock, bitmap))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(got.HasFlags).To(BeFalse())
	g.Expect(got.Bitmap).To(Equal(bitmap))
	g.Expect(got.Super.At(l)).To(Equal(want))

	got, err = drbdmeta.ParseDump(drbdmeta.FlagsComment + "0x13\n" + drbdmeta.Dump(want, l.Superblock, bitmap))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(got.Super.Flags).To(Equal(drbdmeta.Flags(0x93)))
}

func TestParseDumpRefuses(t *testing.T) {
	clean := drbdmeta.Superblock{Size: 80, Flags: drbdmeta.MDALClean, Clean: true}
	whole := drbdmeta.Dump(clean, 1<<20, make([]byte, 4096))
	for name, text := range map[string]string{
		"nothing":           "",
		"half of it":        whole[:len(whole)/2],
		"a dump of v07":     "version \"v07\";\n",
		"unclean meta-data": drbdmeta.Dump(drbdmeta.Superblock{Size: 80}, 1<<20, make([]byte, 4096)),
		"too much bitmap":   whole + "bm {\n 9999999 times 0x1;\n}\n",
		"something else":    "hello;\n",
	} {
		_, err := drbdmeta.ParseDump(text)
		NewWithT(t).Expect(err).To(MatchError(drbdmeta.ErrNotADump), name)
	}
}

func TestDrbdmetaRestoresOurDump(t *testing.T) {
	const size = 64 << 20
	g := NewWithT(t)
	d := newToolDisk(t, size, "v08", "internal")
	d.run("create-md")
	l, err := drbdmeta.Internal(size/512, 0, 0)
	g.Expect(err).NotTo(HaveOccurred())
	want := drbdmeta.Superblock{
		Size: 100000, UUIDs: drbdmeta.UUIDs{Current: 11, Bitmap: 12, History0: 13, History1: 14}, DeviceUUID: 15,
		Flags: drbdmeta.MDALClean, Clean: true, ALExtents: 257,
	}.At(l)
	bitmap := make([]byte, want.BitmapBytes())
	bitmap[100] = 0x81
	file := filepath.Join(t.TempDir(), "dump")
	g.Expect(os.WriteFile(file, []byte(drbdmeta.Dump(want, l.Superblock, bitmap)), 0o600)).To(Succeed())
	d.run("restore-md", file)
	s, err := drbdmeta.DecodeSuperblock(d.read(l.Superblock, drbdmeta.BlockSize))
	g.Expect(err).NotTo(HaveOccurred())
	s.Flags = drbdmeta.MDALClean // which the tool does not restore
	g.Expect(s).To(Equal(want))
	g.Expect(d.read(l.Bitmap, want.BitmapBytes())).To(Equal(bitmap))
	got, err := drbdmeta.ParseDump(d.run("dump-md", "--force"))
	g.Expect(err).To(MatchError(drbdmeta.ErrNotADump), "it needs apply-al first")
	g.Expect(got.Bitmap).To(BeNil())
	d.run("apply-al")
	got, err = drbdmeta.ParseDump(d.run("dump-md"))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(got.Bitmap).To(Equal(bitmap))
	g.Expect(got.Super.At(l)).To(Equal(want))
}

func FuzzParseDump(f *testing.F) {
	f.Add(drbdmeta.Dump(drbdmeta.Superblock{Size: 80, Flags: drbdmeta.MDALClean, Clean: true}, 1<<20, make([]byte, 4096)))
	f.Fuzz(func(t *testing.T, text string) {
		p, err := drbdmeta.ParseDump(text)
		if err != nil || p.Super.Size > 1<<30 {
			return
		}
		again, err := drbdmeta.ParseDump(drbdmeta.Dump(p.Super, 1<<40, p.Bitmap))
		if err != nil || string(again.Bitmap) != string(p.Bitmap) || again.Super.UUIDs != p.Super.UUIDs {
			t.Errorf("parsed %+v, and of its dump %+v: %v", p.Super, again.Super, err)
		}
	})
}
