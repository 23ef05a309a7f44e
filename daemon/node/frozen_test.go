package node_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/machine"
	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/daemon/node"
	"github.com/optionc/pollux/daemon/record"
)

// What can't be freezes the device, and the daemon goes on: it says why, and keeps
// the recording, which comes to the same again.
func TestABrokenAssertionFreezesTheDevice(t *testing.T) {
	g := NewWithT(t)
	dir := freshPair(t)
	n := startNode(t, dir, "milo1", func(o *node.Options) { o.Record = record.DefaultLimit })
	frozen := func() string { return n.Status().Resources[0].Frozen }
	g.Eventually(func() string { return n.Status().Resources[0].Disk }).WithTimeout(patience).Should(Equal("Inconsistent"))
	g.Expect(frozen()).To(BeEmpty())

	n.Happens(machine.Input{Part: machine.Replica, Replica: replica.Input{
		Kind: replica.DiskDone, Op: replica.OpWrite, ID: 4711,
	}})
	const why = "an answer of the disk to a request that was not under way"
	g.Eventually(frozen).WithTimeout(patience).Should(Equal(why))

	var kept []string
	g.Eventually(func() []string {
		kept, _ = filepath.Glob(filepath.Join(dir, "milo1", "recording", "frozen-milo1-*.rec"))
		return kept
	}).WithTimeout(patience).Should(HaveLen(1))
	b, err := os.ReadFile(kept[0])
	g.Expect(err).NotTo(HaveOccurred())
	segments, err := record.Read(b)
	g.Expect(err).NotTo(HaveOccurred())
	var told []string
	replay := record.Replay{Tell: func(_ time.Duration, text string) { told = append(told, text) }}
	_, parting, err := replay.Run(&segments[0])
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(parting).To(BeNil())
	g.Expect(told).To(ContainElement(why))
}
