package node_test

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/config"
	"github.com/optionc/pollux/daemon/driver/backing"
	"github.com/optionc/pollux/daemon/format/drbdconf"
	"github.com/optionc/pollux/daemon/format/drbdmeta"
	"github.com/optionc/pollux/daemon/node"
)

// resource has its metadata on its disk, or on another one of that size.
func resource(t *testing.T, size, external int64) config.Resource {
	t.Helper()
	g := NewWithT(t)
	dir := t.TempDir()
	volume := &drbdconf.Volume{Disk: filepath.Join(dir, "disk")}
	g.Expect(os.WriteFile(volume.Disk, nil, 0o600)).To(Succeed())
	g.Expect(os.Truncate(volume.Disk, size)).To(Succeed())
	if external > 0 {
		volume.Meta = drbdconf.MetaDisk{Kind: drbdconf.MetaFlexible, Device: filepath.Join(dir, "meta")}
		g.Expect(os.WriteFile(volume.Meta.Device, nil, 0o600)).To(Succeed())
		g.Expect(os.Truncate(volume.Meta.Device, external)).To(Succeed())
	}
	return config.Resource{Conf: &drbdconf.Resource{Name: "r1"}, Volume: volume}
}

func TestFreshMetadataAreFoundWhereTheyWereWritten(t *testing.T) {
	for name, tc := range map[string]struct{ size, external, sectors int64 }{
		"behind the data":                                 {size: 64 << 20, sectors: 64<<11 - 80},
		"on a disk of their own":                          {size: 64 << 20, external: 1 << 20, sectors: 64 << 11},
		"on a disk that is too small for all of the data": {size: 256 << 30, external: 1 << 20, sectors: 1976 << 15},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			r := resource(t, tc.size, tc.external)
			g.Expect(node.Metadata(r)).To(BeEmpty())
			sectors, err := node.Format(r, 7, node.Striping{})
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(sectors).To(BeEquivalentTo(tc.sectors))
			g.Expect(node.Metadata(r)).To(HavePrefix("DRBD 8.4 metadata ("))
		})
	}
}

func TestADiskThatIsTooSmallGetsNoMetadata(t *testing.T) {
	g := NewWithT(t)
	r := resource(t, 64<<10, 0)
	_, err := node.Format(r, 7, node.Striping{})
	g.Expect(err).To(MatchError(drbdmeta.ErrTooSmall))
	_, err = node.Metadata(r)
	g.Expect(err).To(MatchError(drbdmeta.ErrTooSmall))
	g.Expect(os.ReadFile(r.Volume.Disk)).To(Equal(make([]byte, 64<<10)))
}

func TestADiskThatIsInUseGetsNoMetadata(t *testing.T) {
	g := NewWithT(t)
	r := resource(t, 2<<20, 0)
	user, err := backing.Open(r.Volume.Disk, backing.Options{})
	g.Expect(err).NotTo(HaveOccurred())
	defer func() { _ = user.Close() }()
	_, err = node.Format(r, 7, node.Striping{})
	g.Expect(err).To(MatchError(backing.ErrInUse))
	g.Expect(os.ReadFile(r.Volume.Disk)).To(Equal(make([]byte, 2<<20)))
}

// TestMetadataOfDRBD07AreSeen: they are where those of today are not.
func TestMetadataOfDRBD07AreSeen(t *testing.T) {
	g := NewWithT(t)
	const size = 160 << 20
	r := resource(t, size, 0)
	f, err := os.OpenFile(r.Volume.Disk, os.O_WRONLY, 0)
	g.Expect(err).NotTo(HaveOccurred())
	defer func() { _ = f.Close() }()
	super := make([]byte, 32)
	binary.BigEndian.PutUint64(super, 32<<10)          // KiB of data
	binary.BigEndian.PutUint32(super[28:], 0x8374026a) // the magic of 0.7
	_, err = f.WriteAt(super, size-128<<20)
	g.Expect(err).NotTo(HaveOccurred())
	found, err := node.Metadata(r)
	g.Expect(found).To(Equal("DRBD 0.7 metadata"))
	g.Expect(err).To(And(
		MatchError(drbdmeta.ErrV07), MatchError(ContainSubstring("pollux create-md --force r1"))))
}

func TestMetadataOfADiskThatHasGrownAreFoundByDrbdadmsNote(t *testing.T) {
	g := NewWithT(t)
	r := resource(t, 64<<20, 0)
	r.Volume.Minor = 7
	_, err := node.Format(r, 7, node.Striping{})
	g.Expect(err).NotTo(HaveOccurred())
	dir := t.TempDir()
	g.Expect(node.Noted(dir, r.Volume)).To(BeZero())
	note := filepath.Join(dir, "drbd-minor-7.lkbd")
	g.Expect(os.WriteFile(note, []byte("67108864\t/dev/another\n"), 0o600)).To(Succeed())
	g.Expect(node.Noted(dir, r.Volume)).To(BeZero(), "it is about another disk")
	text := "67108864\t" + r.Volume.Disk + "\nuuid:\t0123456789ABCDEF\n"
	g.Expect(os.WriteFile(note, []byte(text), 0o600)).To(Succeed())
	g.Expect(node.Noted(dir, r.Volume)).To(BeEquivalentTo(131072))

	g.Expect(os.Truncate(r.Volume.Disk, 80<<20)).To(Succeed())
	f, err := os.Open(r.Volume.Disk)
	g.Expect(err).NotTo(HaveOccurred())
	defer func() { _ = f.Close() }()
	g.Expect(node.WhereItWas(f, 131072, 163840)).To(HavePrefix("DRBD 8.4 metadata (ALClean) where"))
	g.Expect(node.WhereItWas(f, 131064, 163840)).To(BeEmpty())
	g.Expect(node.WhereItWas(f, 163840, 163840)).To(BeEmpty())
}
