package xen_test

import (
	"os"
	"path/filepath"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/driver/xen"
)

func TestGuestsThatDifferHaveOtherDigests(t *testing.T) {
	h := newHost(t, "web1", "web2")
	digest := func() string {
		d, err := xen.Digest(h.dir)
		h.Expect(err).NotTo(HaveOccurred())
		return d
	}
	same := digest()
	h.Expect(same).To(HaveLen(16))
	h.configure("web1.cfg", "  # what we sell\n\nname = \"web1\"  \r\nmemory = 96")
	h.configure("web1.cfg~", "name = \"old\"")
	h.Expect(digest()).To(Equal(same), "comments, blanks, and what editors leave")

	h.configure("web1.cfg", "name = \"web1\"\nmemory = 128\n")
	h.Expect(digest()).NotTo(Equal(same))
	h.configure("web1.cfg", "name = \"web1\"\nmemory = 96\n")
	h.Expect(digest()).To(Equal(same))
	h.Expect(os.Rename(filepath.Join(h.dir, "web2.cfg"), filepath.Join(h.dir, "web3.cfg"))).To(Succeed())
	h.Expect(digest()).NotTo(Equal(same), "they start in the order of these names")
}

func TestDigestOfNoGuests(t *testing.T) {
	g := NewWithT(t)
	g.Expect(xen.Digest()).To(BeEmpty())
	g.Expect(xen.Digest(t.TempDir())).To(BeEmpty())
	_, err := xen.Digest(t.TempDir() + "/nothing")
	g.Expect(err).To(MatchError(os.ErrNotExist))
}
