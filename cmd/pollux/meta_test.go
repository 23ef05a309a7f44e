package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/format/drbdmeta"
)

// metaFile is a disk of 64 MiB with fresh internal metadata.
func metaFile(t *testing.T) (string, drbdmeta.Layout) {
	t.Helper()
	g := NewWithT(t)
	const size = 64 << 20
	l, err := drbdmeta.Internal(size/drbdmeta.SectorSize, 0, 0)
	g.Expect(err).NotTo(HaveOccurred())
	path := filepath.Join(t.TempDir(), "disk")
	f, err := os.Create(path)
	g.Expect(err).NotTo(HaveOccurred())
	defer f.Close() //nolint:errcheck // what was written is read again
	g.Expect(f.Truncate(size)).To(Succeed())
	for _, p := range drbdmeta.Create(l, drbdmeta.DefaultALExtents, 7) {
		_, err := f.WriteAt(p.Bytes(), p.Offset)
		g.Expect(err).NotTo(HaveOccurred())
	}
	return path, l
}

func TestMetaDumpIsWhatDrbdmetaPrints(t *testing.T) {
	if _, err := exec.LookPath("drbdmeta"); err != nil {
		t.Skip("no drbdmeta here: install drbd-utils to compare with the tool of DRBD itself")
	}
	g := NewWithT(t)
	path, _ := metaFile(t)
	tool := exec.CommandContext(t.Context(), "drbdmeta", "--force", "0", "v08", path, "internal", "dump-md")
	theirs, err := tool.Output()
	g.Expect(err).NotTo(HaveOccurred())
	ours, _, err := pollux(t, "meta", "dump", path)
	g.Expect(err).NotTo(HaveOccurred())
	_, want, _ := strings.Cut(string(theirs), "\nversion ")
	_, got, _ := strings.Cut(ours, "\nversion ")
	g.Expect(got).To(Equal(want))
	g.Expect(ours).To(HavePrefix("# DRBD meta data dump\n"))
}

func TestMetaCheckNamesTheFault(t *testing.T) {
	g := NewWithT(t)
	path, l := metaFile(t)
	out, _, err := pollux(t, "meta", "check", path)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(out).To(ContainSubstring("no fault found\n"))
	g.Expect(out).To(ContainSubstring("state: Inconsistent\n"))

	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	g.Expect(err).NotTo(HaveOccurred())
	_, err = f.WriteAt(make([]byte, drbdmeta.BlockSize), l.Superblock)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(f.Close()).To(Succeed())
	_, status, err := pollux(t, "meta", "check", path)
	g.Expect(err).To(MatchError(drbdmeta.ErrNoMetadata))
	g.Expect(status).To(Equal(exitFailed))

	g.Expect(os.Truncate(path, 4096)).To(Succeed())
	_, _, err = pollux(t, "meta", "check", path)
	g.Expect(err).To(MatchError(drbdmeta.ErrTooSmall))
}

// TestLVMsDataAreNotWrittenOver: a label stands for a physical volume that LVM
// can't tell anything of.
func TestLVMsDataAreNotWrittenOver(t *testing.T) {
	g := NewWithT(t)
	dir := seed(t)
	disk := filepath.Join(dir, "disk")
	g.Expect(os.WriteFile(disk, append(append(make([]byte, 512), "LABELONE"...), make([]byte, 1<<20-520)...), 0o600)).To(Succeed())
	conf, err := os.ReadFile(filepath.Join(dir, "drbd.conf"))
	g.Expect(err).NotTo(HaveOccurred())
	text := strings.ReplaceAll(string(conf), "/dev/sda3", disk)
	g.Expect(os.WriteFile(filepath.Join(dir, "drbd.conf"), []byte(text), 0o600)).To(Succeed())
	for _, tool := range [][]string{{"create-md"}, {"drbdadm", "--", "create-md"}} {
		line := append(tool, "r1", "--config-dir", dir, "--node", "milo1")
		out, status, err := pollux(t, line...)
		g.Expect(status).NotTo(BeZero(), out)
		g.Expect(out+err.Error()).To(ContainSubstring("The metadata need the last 80 of its 2048 sectors"), strings.Join(line, " "))
	}
	out, _, err := pollux(t, "create-md", "--force", "r1", "--config-dir", dir, "--node", "milo1")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(out).To(ContainSubstring("fresh metadata on " + disk))
}

func TestADirectoryIsNoDisk(t *testing.T) {
	g := NewWithT(t)
	dir := t.TempDir()
	_, _, err := pollux(t, "meta", "check", dir)
	g.Expect(err).To(MatchError("found the directory " + dir + ", want a disk, or a file that holds one"))
}
