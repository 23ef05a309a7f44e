package kernelpeer_test

import (
	"fmt"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/e2e/kernelpeer/workload"
	"github.com/optionc/pollux/qemu/agent"
	"github.com/optionc/pollux/qemu/block"
)

// soon is a limit for what takes a moment on an idle machine.
const soon = 60 * time.Second

// node is one of the two machines, its disk, and the engine that it runs.
type node struct {
	name, address string
	disk          *block.Disk
	growing       bool // the disk can grow
	home          home
	at            place
	engine        engine
	options       options // that it is configured with
}

// engine is an implementation of DRBD on a node. An order that it refuses is an
// error, with what it said.
type engine interface {
	fmt.Stringer
	up(ctx SpecContext)
	down(ctx SpecContext)
	order(ctx SpecContext, verb string, flags ...string) error
	state(ctx SpecContext) state
	generations(ctx SpecContext) []string
	received(ctx SpecContext) int // KiB of data from the peer since it is up
	device() string
	log(ctx SpecContext) string
}

// state is how a node sees itself and its peer, in DRBD's words.
type state struct {
	Conn, Role, Peer, Disk, PeerDisk string
	OutOfSync                        int // KiB
}

// String is what scenarios compare.
func (s state) String() string {
	return fmt.Sprintf("%s %s/%s %s/%s", s.Conn, s.Role, s.Peer, s.Disk, s.PeerDisk)
}

// do gives an order that must be carried out.
func (n *node) do(ctx SpecContext, verb string, flags ...string) {
	GinkgoHelper()
	By(n.name + ": " + verb)
	Expect(n.engine.order(ctx, verb, flags...)).To(Succeed(), "%s on %s", verb, n.name)
}

// is waits until the node says that it is in that state.
func (n *node) is(ctx SpecContext, want string) {
	GinkgoHelper()
	By(n.name + " is " + want)
	Eventually(func() string { return n.engine.state(ctx).String() }).WithContext(ctx).WithTimeout(soon).
		WithPolling(100*time.Millisecond).Should(Equal(want), func() string {
		return fmt.Sprintf("%s (%s) says:\n%s", n.name, n.engine, tail(n.engine.log(ctx)))
	})
}

func tail(text string) string {
	lines := strings.Split(text, "\n")
	return strings.Join(lines[max(0, len(lines)-40):], "\n")
}

// io carries operations out on the node's device.
func (n *node) io(ctx SpecContext, depth int, ops ...workload.Op) {
	GinkgoHelper()
	p := n.startIO(depth, ops...)
	status, err := p.Wait(ctx)
	Expect(err).NotTo(HaveOccurred())
	Expect(status).To(BeZero(), "%s%s\n%s", p.Stdout(), p.Stderr(), tail(n.engine.log(ctx)))
}

func (n *node) startIO(depth int, ops ...workload.Op) *agent.Process {
	GinkgoHelper()
	By(fmt.Sprintf("%s: %d operations, %d at once", n.name, len(ops), depth))
	argv := []string{"blockio", "--depth", fmt.Sprint(depth), n.engine.device()}
	for _, o := range ops {
		argv = append(argv, o.String())
	}
	p, err := n.at.Start(argv...)
	Expect(err).NotTo(HaveOccurred())
	return p
}

// done is how many operations a blockio has reported.
func done(p *agent.Process) int { return strings.Count(p.Stdout(), "done ") }
