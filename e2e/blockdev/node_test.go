package blockdev_test

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"syscall"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	nodepkg "github.com/optionc/pollux/daemon/node"
	"github.com/optionc/pollux/qemu/agent"
)

// soon is a limit for what takes a moment on an idle machine.
const soon = 90 * time.Second

// node is one of the two nodes.
type node struct {
	name, frontend string
	daemon         *agent.Process
	before         string // what daemons before this one said
}

func (n *node) place() []string { return []string{"--node", n.name, "--run-dir", "/run/" + n.name} }

// start runs the daemon until it answers.
func (n *node) start(ctx SpecContext) {
	GinkgoHelper()
	n.before = n.log()
	argv := append([]string{"polluxd", "--state-dir", "/var/lib/" + n.name, "--frontend", n.frontend}, n.place()...)
	var err error
	n.daemon, err = vm.Start(argv...)
	Expect(err).NotTo(HaveOccurred())
	n.eventually(ctx).ShouldNot(Equal(""), n.log)
}

func (n *node) log() string {
	if n.daemon == nil {
		return n.before
	}
	return n.before + n.daemon.Stderr()
}

func (n *node) signal(ctx SpecContext, s syscall.Signal) {
	GinkgoHelper()
	Expect(n.daemon.Signal(ctx, s)).To(Succeed())
}

// end waits until the daemon has ended.
func (n *node) end(ctx SpecContext) int {
	GinkgoHelper()
	status, err := n.daemon.Wait(ctx)
	Expect(err).NotTo(HaveOccurred())
	return status
}

// try gives an order, and returns what was said if it was refused.
func (n *node) try(ctx SpecContext, args ...string) string {
	GinkgoHelper()
	r, err := vm.Run(ctx, append(append([]string{"pollux"}, n.place()...), args...)...)
	Expect(err).NotTo(HaveOccurred())
	if r.Status == 0 {
		return ""
	}
	return fmt.Sprintf("exit status %d: %s%s", r.Status, r.Stdout, r.Stderr)
}

func (n *node) pollux(ctx SpecContext, args ...string) {
	GinkgoHelper()
	Expect(n.try(ctx, args...)).To(BeEmpty(), n.log)
}

func (n *node) status(ctx SpecContext) (s nodepkg.ResourceStatus) {
	GinkgoHelper()
	r, err := vm.Run(ctx, append(append([]string{"pollux"}, n.place()...), "status", "--json")...)
	Expect(err).NotTo(HaveOccurred())
	if r.Status != 0 {
		return s // the daemon is not there yet, or any more
	}
	var all nodepkg.Status
	Expect(json.Unmarshal([]byte(r.Stdout), &all)).To(Succeed())
	return all.Resources[0]
}

// state is a node's view in DRBD's words; "" if it does not answer.
func (n *node) state(ctx SpecContext) string {
	GinkgoHelper()
	s := n.status(ctx)
	if s.Name == "" {
		return ""
	}
	return fmt.Sprintf("%s %s/%s %s/%s", s.Connection, s.Role, s.PeerRole, s.Disk, s.PeerDisk)
}

func (n *node) eventually(ctx SpecContext) AsyncAssertion {
	GinkgoHelper()
	return Eventually(func() string { return n.state(ctx) }).WithContext(ctx).WithTimeout(soon).
		WithPolling(200 * time.Millisecond)
}

func (n *node) is(ctx SpecContext, state string) {
	GinkgoHelper()
	n.eventually(ctx).Should(Equal(state), n.log)
}

// load is a writer on a device.
type load struct{ process *agent.Process }

func write(device string) load {
	GinkgoHelper()
	p, err := vm.Start("writer", device, "8")
	Expect(err).NotTo(HaveOccurred())
	return load{p}
}

// report is what the writer prints.
type report struct {
	Writes, Errors, Lost int
	FirstError           string  `json:"first-error"`
	Worst                float64 `json:"worst-second"`
}

// stop ends the writer and takes its report.
func (l load) stop(ctx SpecContext) (r report) {
	GinkgoHelper()
	Expect(l.process.End(ctx)).To(Succeed())
	Expect(json.Unmarshal([]byte(l.process.Stdout()), &r)).To(Succeed())
	return r
}

// sectors is how much was written to a device of the kernel's so far.
func sectors(ctx SpecContext, device string) int {
	GinkgoHelper()
	fields := strings.Fields(shell(ctx, "cat /sys/block/"+device+"/stat"))
	n := 0
	_, err := fmt.Sscan(fields[6], &n)
	Expect(err).NotTo(HaveOccurred())
	return n
}

func kib(n uint64) string { return fmt.Sprintf("%dK", n) }

// isFlusher reads the flags of a thread: no I/O is started to find memory for
// it. Source: proc(5), section "/proc/pid/stat", field 9.
func isFlusher(flags string) bool {
	n, err := strconv.ParseUint(flags, 10, 64)
	return err == nil && n&0x00080000 != 0
}
