package tools_test

import (
	"os"
	"path/filepath"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/record"
	"github.com/optionc/pollux/e2e/local"
)

var _ = Describe("What happened on a pair that wrote while a daemon was killed", Ordered, func() {
	var pair *local.Pair

	BeforeAll(func(ctx SpecContext) {
		need(qemu, "qemu-io")
		pair = local.New(local.Options{Programs: programs, Cluster: true})
		pair.Connect(ctx)
		pair.Sync(ctx)
		writeUntil(ctx, pair.Milo1, 400, 100, func() { pair.Milo1.Kill(ctx) })
		Eventually(pair.Milo2.Connection).WithContext(ctx).WithTimeout(patience).Should(Equal("WFConnection"))
	}, limit)

	// replayed gives how many inputs and effects a recording has, all of which
	// the cores come to again.
	replayed := func(b []byte) (inputs, effects int) {
		GinkgoHelper()
		segments, err := record.Read(b)
		Expect(err).NotTo(HaveOccurred())
		for i := range segments {
			n, parting, err := record.Replay{}.Run(&segments[i])
			Expect(err).NotTo(HaveOccurred())
			Expect(parting).To(BeNil(), "%v", parting)
			inputs, effects = inputs+len(segments[i].Entries), effects+n
		}
		return inputs, effects
	}

	It("is saved by an order, and replayed", func(ctx SpecContext) {
		file := filepath.Join(GinkgoT().TempDir(), "milo2.rec")
		Expect(pair.Milo2.Save(ctx, file)).To(Succeed())
		b, err := os.ReadFile(file)
		Expect(err).NotTo(HaveOccurred())
		inputs, effects := replayed(b)
		Expect(inputs).To(BeNumerically(">", 100))
		Expect(effects).To(BeNumerically(">", inputs/2))
	}, limit)

	It("is on the disk of the one that was killed", func() {
		rings, err := filepath.Glob(filepath.Join(pair.Milo1.StateDir(), "recording", "milo1-*.rec"))
		Expect(err).NotTo(HaveOccurred())
		Expect(rings).To(HaveLen(1))
		b, err := os.ReadFile(rings[0])
		Expect(err).NotTo(HaveOccurred())
		inputs, _ := replayed(b)
		Expect(inputs).To(BeNumerically(">", 100))
	})
})
