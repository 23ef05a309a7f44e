package node_test

import (
	"testing"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/node"
)

func TestParseSectors(t *testing.T) {
	for text, want := range map[string]uint64{
		"2048": 2048, "2048s": 2048, "1K": 2, "10M": 20480, "1g": 2 << 20, "16T": 32 << 30,
	} {
		got, err := node.ParseSectors(text)
		NewWithT(t).Expect(err).NotTo(HaveOccurred(), text)
		NewWithT(t).Expect(got).To(Equal(want), text)
	}
	for _, text := range []string{"", "K", "10Q", "-1", "1K1", "99999999999G"} {
		_, err := node.ParseSectors(text)
		NewWithT(t).Expect(err).To(HaveOccurred(), text)
	}
}
