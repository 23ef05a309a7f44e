// Package tools_test lets tools that we did not write use the device of a
// Primary, while everything they do is replicated.
package tools_test

import (
	"context"
	"fmt"
	"os/exec"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/e2e/local"
)

func TestTools(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "e2e/tools")
}

var programs *local.Programs

var _ = BeforeSuite(func(ctx SpecContext) { programs = local.Build(ctx) }, limit)

// limit is how long a part of a story may take on a machine that is busy.
const limit = NodeTimeout(2 * time.Minute)

// need skips what can't run without a program.
func need(debian string, names ...string) {
	GinkgoHelper()
	for _, name := range names {
		if _, err := exec.LookPath(name); err != nil {
			Skip(fmt.Sprintf("needs %s: apt-get install %s", name, debian))
		}
	}
}

// patience is how long something may take that takes a moment.
const patience = time.Minute

// run runs a program that must succeed, and gives what it says.
func run(ctx context.Context, name string, args ...string) string {
	GinkgoHelper()
	out, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	Expect(err).NotTo(HaveOccurred(), "%s %v:\n%s", name, args, out)
	return string(out)
}

// packages that Debian has the tools in.
const (
	libnbd = "libnbd-bin"
	qemu   = "qemu-utils"
	ext4   = "e2fsprogs"
	fuse   = "fuse3"
)
