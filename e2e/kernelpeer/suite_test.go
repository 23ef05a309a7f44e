// Package kernelpeer_test runs polluxd against the DRBD that is in Linux: the
// kernel's driver in a test machine, polluxd in a cell or another machine. What both
// say of themselves and of each other, the kernel's log, and the content of
// both disks as seen from outside decide.
package kernelpeer_test

import (
	"os"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/format"

	"github.com/optionc/pollux/qemu/cable"
	"github.com/optionc/pollux/qemu/cell"
	"github.com/optionc/pollux/qemu/image"
)

func TestKernelPeer(t *testing.T) {
	RegisterFailHandler(Fail)
	format.MaxLength = 0 // logs are what a failure is explained by
	RunSpecs(t, "e2e/kernelpeer")
}

// diskSize is small, so that a full resync under emulation takes seconds.
const diskSize = 32 << 20

var (
	// milo1 begins as the kernel's, milo2 as ours; scenarios of take-over change
	// that.
	milo1 = &node{name: "milo1", address: "192.168.0.1"}
	milo2 = &node{name: "milo2", address: "192.168.0.2"}
	wire  *cable.Switch
)

var _ = BeforeSuite(func(ctx SpecContext) {
	if os.Getenv("POLLUX_E2E") != "1" {
		Skip("boots machines in QEMU: run with POLLUX_E2E=1")
	}
	dir, err := os.MkdirTemp("", "pollux")
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(os.RemoveAll, dir)
	plain, err := image.Plain(ctx, image.DefaultKernel(), programs(ctx, dir))
	Expect(err).NotTo(HaveOccurred())
	wire, err = cable.New(dir, 1, milo1.name, milo2.name)
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(wire.Close)
	for i, n := range []*node{milo1, milo2} {
		n.furnish(dir, plain, i+1)
	}
	milo1.home.inVM, milo2.home.inVM = true, cell.Possible() != nil
	both(func(n *node) { n.boot(ctx) })
}, NodeTimeout(10*time.Minute))

// programs builds what both places need of ours.
func programs(ctx SpecContext, dir string) image.Files {
	files, err := image.Programs(ctx, dir, map[string]string{
		"/usr/sbin/polluxd": "cmd/polluxd", "/usr/bin/pollux": "cmd/pollux", "/usr/bin/blockio": "e2e/kernelpeer/blockio",
		"/usr/bin/" + cell.First: "qemu/cell/first",
	})
	Expect(err).NotTo(HaveOccurred())
	return files
}
