// Package heartbeatpeer_test runs polluxd beside a real Heartbeat 3.0.6, each in namespaces of its own with a network
// between them that can be cut. In what order the scripts of the resources were called on both nodes, and what the real
// cl_status says, decide.
package heartbeatpeer_test

import (
	"os"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/format"

	"github.com/optionc/pollux/qemu/cell"
	"github.com/optionc/pollux/qemu/debian"
	"github.com/optionc/pollux/qemu/image"
)

func TestHeartbeatPeer(t *testing.T) {
	RegisterFailHandler(Fail)
	format.MaxLength = 0 // logs are what a failure is explained by
	RunSpecs(t, "e2e/heartbeatpeer")
}

var (
	// programs is a folder with the programs of ours, which all nodes see.
	programs string
	// root has the files of Debian's package and of what it needs.
	root string
)

var _ = BeforeSuite(func(ctx SpecContext) {
	if os.Getenv("POLLUX_E2E") != "1" {
		Skip("fetches Heartbeat and makes namespaces: run with POLLUX_E2E=1")
	}
	if err := cell.PossibleWithoutDisk(); err != nil {
		Skip(err.Error())
	}
	archive, err := debian.Open()
	Expect(err).NotTo(HaveOccurred())
	quarry, err := archive.Tools(ctx, "heartbeat", "bash", "coreutils", "dash", "debianutils", "findutils", "grep",
		"hostname", "iproute2", "iputils-ping", "mawk", "procps", "sed", "util-linux")
	Expect(err).NotTo(HaveOccurred())
	root = quarry.Dir
	programs = build(ctx)
}, NodeTimeout(10*time.Minute))

// build builds what the nodes need of ours.
func build(ctx SpecContext) string {
	GinkgoHelper()
	dir, err := os.MkdirTemp("", "pollux")
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(os.RemoveAll, dir)
	_, err = image.Programs(ctx, dir, map[string]string{
		"polluxd": "cmd/polluxd", "pollux": "cmd/pollux", cell.First: "qemu/cell/first",
	})
	Expect(err).NotTo(HaveOccurred())
	return dir
}
