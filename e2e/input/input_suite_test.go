// Package input_test gives the shipped commands what is wrong: files, disks,
// peers and packets. Each is refused with the reason and the way out; nothing
// is written, and what runs goes on.
package input_test

import (
	"os/exec"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/gexec"

	"github.com/optionc/pollux/e2e/local"
)

func TestInput(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "e2e/input")
}

// limit is how long a part of a story may take on a machine that is busy.
const limit = NodeTimeout(2 * time.Minute)

// moment is how long a thing may take that happens at once.
const moment = 30 * time.Second

// Exit statuses. Source: the help of polluxd and pollux; drbdsetup's for a
// refused order.
const (
	exitFailed  = 1
	exitConfig  = 2
	exitRefused = 11
	exitNoData  = 17
)

var programs *local.Programs

var _ = BeforeSuite(func(ctx SpecContext) { programs = local.Build(ctx) }, limit)

// end runs a program to its end.
func end(ctx SpecContext, cmd *exec.Cmd) *gexec.Session {
	GinkgoHelper()
	s := start(cmd)
	Eventually(s).WithContext(ctx).WithTimeout(moment).Should(gexec.Exit(), "%v ends", cmd.Args)
	return s
}

// start starts a program, which ends with the spec.
func start(cmd *exec.Cmd) *gexec.Session {
	GinkgoHelper()
	s, err := gexec.Start(cmd, GinkgoWriter, GinkgoWriter)
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() { s.Kill().Wait(moment) })
	return s
}
