package main

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/format/drbdmeta"
)

// edit changes the superblock of a disk.
func edit(t *testing.T, path string, at int64, change func(*drbdmeta.Superblock)) {
	t.Helper()
	g := NewWithT(t)
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	g.Expect(err).NotTo(HaveOccurred())
	b := make([]byte, drbdmeta.BlockSize)
	_, err = f.ReadAt(b, at)
	g.Expect(err).NotTo(HaveOccurred())
	s, err := drbdmeta.DecodeSuperblock(b)
	g.Expect(err).NotTo(HaveOccurred())
	change(&s)
	_, err = f.WriteAt(s.Append(nil), at)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(f.Close()).To(Succeed())
}

func TestMetaRestoreUndoesAWipe(t *testing.T) {
	g := NewWithT(t)
	path, l := metaFile(t)
	edit(t, path, l.Superblock, func(s *drbdmeta.Superblock) {
		s.Size, s.UUIDs.Current, s.Flags = 100000, 0xabc0, drbdmeta.MDConsistent|drbdmeta.MDWasUpToDate|drbdmeta.MDALClean
	})
	before, err := os.ReadFile(path)
	g.Expect(err).NotTo(HaveOccurred())
	text, _, err := pollux(t, "meta", "dump", path)
	g.Expect(err).NotTo(HaveOccurred())
	dump := filepath.Join(t.TempDir(), "dump")
	g.Expect(os.WriteFile(dump, []byte(text), 0o600)).To(Succeed())

	_, _, err = pollux(t, "meta", "wipe", path)
	g.Expect(err).To(MatchError(errNotConfirmed), "nobody said yes")
	g.Expect(os.ReadFile(path)).To(Equal(before))
	_, _, err = pollux(t, "meta", "wipe", "--force", path)
	g.Expect(err).NotTo(HaveOccurred())
	_, _, err = pollux(t, "meta", "check", path)
	g.Expect(err).To(MatchError(drbdmeta.ErrNoMetadata))

	_, _, err = pollux(t, "meta", "restore", "--force", dump, path)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(os.ReadFile(path)).To(Equal(before))

	g.Expect(os.Truncate(path, 32<<20)).To(Succeed())
	_, _, err = pollux(t, "meta", "restore", "--force", dump, path)
	g.Expect(err).To(MatchError(ContainSubstring("100000 sectors")))
}

func TestMetaChangesWhatTheDataAreWorth(t *testing.T) {
	g := NewWithT(t)
	path, l := metaFile(t)
	edit(t, path, l.Superblock, func(s *drbdmeta.Superblock) { s.Size, s.Flags = 100000, 0x93 })
	for _, step := range []struct{ verb, state, flags string }{
		{"dstate", "Consistent\n", ":1:1:1:0:0:0:0\n"},
		{"outdate", "Outdated\n", ":1:0:1:0:0:0:0\n"},
		{"invalidate", "Inconsistent\n", ":0:0:1:0:1:0:0\n"},
	} {
		_, _, err := pollux(t, "meta", step.verb, path)
		g.Expect(err).NotTo(HaveOccurred())
		out, _, err := pollux(t, "meta", "dstate", path)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(out).To(Equal(step.state))
		out, _, err = pollux(t, "meta", "get-gi", path)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(out).To(HaveSuffix(step.flags))
		out, _, err = pollux(t, "meta", "show-gi", path)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(out).To(HaveSuffix("last agreed size: 49 MB (100000 sectors)\nlast agreed max bio size: 0 Byte\n"))
	}
}

func TestMetaAppliesTheLogOfACrashedPrimary(t *testing.T) {
	g := NewWithT(t)
	path, l := metaFile(t)
	edit(t, path, l.Superblock, func(s *drbdmeta.Superblock) {
		s.Size, s.Flags, s.Clean = 100000, drbdmeta.MDConsistent|drbdmeta.MDPrimaryInd, false
	})
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	g.Expect(err).NotTo(HaveOccurred())
	tr := drbdmeta.Transaction{Slots: 67, Updates: []drbdmeta.Update{{Slot: 1, Extent: 2}}}
	_, err = f.WriteAt(tr.Append(nil), l.ActivityLog)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(f.Close()).To(Succeed())
	_, _, err = pollux(t, "meta", "apply-al", path)
	g.Expect(err).NotTo(HaveOccurred())
	out, _, err := pollux(t, "meta", "check", path)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(out).To(And(ContainSubstring("log: closed cleanly\n"), ContainSubstring("out of sync: 4096 KiB\n")))
}

func TestMetaConvertsThoseOfDRBD07(t *testing.T) {
	g := NewWithT(t)
	const size = 300 << 20
	path := filepath.Join(t.TempDir(), "disk")
	f, err := os.Create(path)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(f.Truncate(size)).To(Succeed())
	at, _ := drbdmeta.V07Offset(size / 512)
	b := make([]byte, drbdmeta.BlockSize)
	binary.BigEndian.PutUint64(b, 170000) // KiB
	for i, n := range []uint32{1, 3, 2, 7, 5, 0x8374026a, 0x20000, 8, 257, 72} {
		binary.BigEndian.PutUint32(b[8+4*i:], n)
	}
	_, err = f.WriteAt(b, at)
	g.Expect(err).NotTo(HaveOccurred())
	_, err = f.WriteAt([]byte{7}, at+72*512)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(f.Close()).To(Succeed())

	_, _, err = pollux(t, "meta", "check", path)
	g.Expect(err).To(MatchError(drbdmeta.ErrV07))
	g.Expect(err).To(MatchError(ContainSubstring("pollux meta convert")))
	said, _, err := pollux(t, "meta", "convert", path)
	g.Expect(err).To(MatchError(errNotConfirmed))
	g.Expect(said).To(ContainSubstring("170000 KiB, Consistent"))
	_, _, err = pollux(t, "meta", "convert", "--force", path)
	g.Expect(err).NotTo(HaveOccurred())
	out, _, err := pollux(t, "meta", "check", path)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(strings.Split(out, "\n")).To(ContainElements("size: 170000 KiB agreed with the peer", "state: Outdated",
		"generation: 00030002000CBABE:00030002000BBABE:00030002000ABABE:000300020009BABE:1:0:0:0:0:0:0",
		"out of sync: 12 KiB"))
	_, _, err = pollux(t, "meta", "convert", "--force", path)
	g.Expect(err).To(MatchError(drbdmeta.ErrNoMetadata), "there is none of 0.7 any more")
}
