package tools_test

import (
	"bytes"
	"os"
	"path/filepath"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/e2e/local"
)

var _ = Describe("A file system on the device", Ordered, func() {
	var pair *local.Pair
	letter := noise(3 << 20)

	BeforeAll(func(ctx SpecContext) {
		needMount()
		pair = local.New(local.Options{})
		pair.Connect(ctx)
		pair.Sync(ctx)
	}, limit)

	It("is made and filled on milo1", func(ctx SpecContext) {
		device := open(ctx, pair.Milo1)
		run(ctx, "mkfs.ext4", "-q", "-E", "discard", device.file)
		dir := device.mount(ctx)
		Expect(os.MkdirAll(filepath.Join(dir, "home", "milo"), 0o755)).To(Succeed())
		Expect(os.WriteFile(filepath.Join(dir, "home", "milo", "letter"), letter, 0o640)).To(Succeed())
		device.unmount(ctx)
		run(ctx, "e2fsck", "-fn", device.file)
		device.close(ctx)
		Expect(pair.Different()).To(BeEmpty())
	}, limit)

	It("keeps milo1 Primary while it is in use", func(ctx SpecContext) {
		device := open(ctx, pair.Milo1)
		Expect(pair.Milo1.Order(ctx, "secondary")).To(MatchError(ContainSubstring("(nbdfuse)")))
		device.close(ctx)
	}, limit)

	It("is there on milo2 with its files, once milo2 is Primary", func(ctx SpecContext) {
		pair.Switch(ctx)
		device := open(ctx, pair.Milo2)
		run(ctx, "e2fsck", "-fn", device.file)
		dir := device.mount(ctx)
		got, err := os.ReadFile(filepath.Join(dir, "home", "milo", "letter"))
		Expect(err).NotTo(HaveOccurred())
		Expect(bytes.Equal(got, letter)).To(BeTrue(), "the letter reads as it was written on milo1")
		Expect(os.WriteFile(filepath.Join(dir, "answer"), letter, 0o600)).To(Succeed())
		device.unmount(ctx)
		device.close(ctx)
		Expect(pair.Different()).To(BeEmpty())
	}, limit)
})
