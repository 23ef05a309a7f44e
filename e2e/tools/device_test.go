package tools_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/e2e/local"
)

var _ = Describe("The device of a Primary", Ordered, ContinueOnFailure, func() {
	var pair *local.Pair

	BeforeAll(func(ctx SpecContext) {
		pair = local.New(local.Options{})
		pair.Connect(ctx)
		Expect(pair.Milo1.Force(ctx, "primary")).To(Succeed())
	}, limit)

	AfterEach(func(ctx SpecContext) {
		Eventually(pair.Milo1.Users).WithContext(ctx).WithTimeout(10*time.Second).Should(BeZero(), "the tool is gone")
		pair.InSync(ctx)
		Expect(pair.Different()).To(BeEmpty(), "whatever the tool wrote is on both disks")
	}, limit)

	It("takes a copy while the initial sync runs, and gives it back", func(ctx SpecContext) {
		need(libnbd, "nbdcopy")
		there, back := filepath.Join(GinkgoT().TempDir(), "there"), filepath.Join(GinkgoT().TempDir(), "back")
		want := noise(16 << 20)
		clear(want[5<<20 : 9<<20]) // which is sent as zeroes
		Expect(os.WriteFile(there, want, 0o600)).To(Succeed())
		run(ctx, "nbdcopy", "--flush", "--connections=4", "--requests=64", there, pair.Milo1.URI())
		run(ctx, "nbdcopy", "--connections=4", pair.Milo1.URI(), back)
		got, err := os.ReadFile(back)
		Expect(err).NotTo(HaveOccurred())
		Expect(len(got)).To(BeNumerically(">", len(want)))
		Expect(bytes.Equal(got[:len(want)], want)).To(BeTrue(), "what was copied there comes back")
	}, limit)

	It("tells nbdinfo its size and what it can do", func(ctx SpecContext) {
		need(libnbd, "nbdinfo")
		Expect(run(ctx, "nbdinfo", "--size", pair.Milo1.URI())).To(Equal(fmt.Sprintln(pair.DataSize())))
		Expect(run(ctx, "nbdinfo", pair.Milo1.URI())).To(And(
			ContainSubstring("can_flush: true"), ContainSubstring("can_fua: true"), ContainSubstring("can_trim: true"),
			ContainSubstring("can_zero: true"), ContainSubstring("is_read_only: false"),
		))
	}, limit)

	It("obeys qemu-io: FUA, flush, discard and zeroes, alone and many at once", func(ctx SpecContext) {
		need(qemu, "qemu-io")
		out := run(ctx, "qemu-io", "-f", "raw", "-t", "none", pair.Milo1.URI(),
			"-c", "write -P 0x11 0 4M", "-c", "write -f -P 0x22 64k 4k", "-c", "write -P 0x33 512 512",
			"-c", "discard 1M 64k", "-c", "write -z 2M 64k", "-c", "write -z -u 3M 64k", "-c", "flush",
			"-c", "read -P 0x11 0 512", "-c", "read -P 0x33 512 512", "-c", "read -P 0x11 1k 63k",
			"-c", "read -P 0x22 64k 4k", "-c", "read -P 0 1M 64k", "-c", "read -P 0 2M 64k", "-c", "read -P 0 3M 64k",
			"-c", "aio_write -P 5 8M 3M", "-c", "aio_write -f -P 6 12M 64k", "-c", "aio_write -z 13M 1M",
			"-c", "aio_read 0 3M", "-c", "aio_flush", "-c", "read -P 5 8M 3M", "-c", "read -P 6 12M 64k",
			"-c", "read -P 0 13M 1M")
		Expect(out).NotTo(ContainSubstring("verification failed"))
		Expect(out).NotTo(ContainSubstring("rror"))
	}, limit)

	It("holds an image that qemu-img finds unchanged", func(ctx SpecContext) {
		need(qemu, "qemu-img")
		image := filepath.Join(GinkgoT().TempDir(), "image")
		Expect(os.WriteFile(image, noise(int(pair.DataSize())), 0o600)).To(Succeed())
		run(ctx, "qemu-img", "convert", "-n", "-f", "raw", "-O", "raw", image, pair.Milo1.URI())
		Expect(run(ctx, "qemu-img", "compare", "-f", "raw", "-F", "raw", image, pair.Milo1.URI())).To(
			ContainSubstring("Images are identical"))
	}, limit)
})

// noise is that many bytes that compress badly.
func noise(n int) []byte {
	b := make([]byte, n)
	var key [32]byte
	for i := range key {
		key[i] = byte(rand.Uint32())
	}
	_, _ = rand.NewChaCha8(key).Read(b) // it always succeeds
	return b
}
