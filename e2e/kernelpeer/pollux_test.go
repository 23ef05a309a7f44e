package kernelpeer_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"syscall"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	nodepkg "github.com/optionc/pollux/daemon/node"
	"github.com/optionc/pollux/qemu/agent"
)

// pollux is polluxd.
type pollux struct {
	*node
	args   []string // of polluxd, beside what all have
	daemon *agent.Process
	before string // what daemons before it said
}

func (*pollux) String() string { return "pollux" }

func (*pollux) device() string { return "nbd:/run/pollux/r1.nbd:r1" }

func (p *pollux) up(ctx SpecContext) {
	GinkgoHelper()
	if p.daemon != nil {
		p.before += p.daemon.Stderr()
	}
	var err error
	p.daemon, err = p.at.Start(append([]string{"polluxd", "--frontend", "nbd-socket"}, p.args...)...)
	Expect(err).NotTo(HaveOccurred())
	Eventually(func() string {
		if s := p.daemon.Stderr(); !strings.Contains(s, "level=INFO") && strings.Contains(s, "polluxd:") {
			StopTrying(s).Now()
		}
		return p.state(ctx).Disk
	}).WithContext(ctx).WithTimeout(soon).
		ShouldNot(Or(BeEmpty(), Equal("Diskless"), Equal("Attaching")), func() string { return p.log(ctx) })
}

func (p *pollux) down(ctx SpecContext) {
	GinkgoHelper()
	Expect(p.daemon.Signal(ctx, syscall.SIGTERM)).To(Succeed())
	status, err := p.daemon.Wait(ctx)
	Expect(err).NotTo(HaveOccurred())
	Expect(status).To(BeZero(), p.log(ctx))
}

// kill ends the daemon without a chance to say anything to anybody.
func (p *pollux) kill(ctx SpecContext) {
	GinkgoHelper()
	Expect(p.daemon.Signal(ctx, syscall.SIGKILL)).To(Succeed())
	Expect(p.daemon.Wait(ctx)).Error().NotTo(HaveOccurred())
}

func (p *pollux) order(ctx SpecContext, verb string, flags ...string) error {
	r, err := p.at.Run(ctx, append(append([]string{"pollux", verb}, flags...), "r1")...)
	if err == nil && r.Status != 0 {
		err = fmt.Errorf("exit status %d: %s%s", r.Status, r.Stdout, r.Stderr)
	}
	return err
}

func (p *pollux) status(ctx SpecContext) (s nodepkg.ResourceStatus) {
	GinkgoHelper()
	r, err := p.at.Run(ctx, "pollux", "status", "--json")
	Expect(err).NotTo(HaveOccurred())
	if r.Status != 0 {
		return s // the daemon is not there yet, or any more
	}
	var all nodepkg.Status
	Expect(json.Unmarshal([]byte(r.Stdout), &all)).To(Succeed())
	if len(all.Resources) > 0 {
		s = all.Resources[0]
	}
	return s
}

func (p *pollux) state(ctx SpecContext) state {
	GinkgoHelper()
	s := p.status(ctx)
	return state{
		Conn: s.Connection, Role: s.Role, Peer: s.PeerRole, Disk: s.Disk, PeerDisk: s.PeerDisk,
		OutOfSync: int(s.OutOfSyncKiB),
	}
}

func (p *pollux) generations(ctx SpecContext) []string {
	GinkgoHelper()
	g := p.status(ctx).Generations
	return g[:]
}

func (p *pollux) received(ctx SpecContext) int {
	GinkgoHelper()
	return int(p.status(ctx).Counters.ReceivedBytes / kib)
}

func (p *pollux) log(SpecContext) string {
	if p.daemon == nil {
		return ""
	}
	return p.before + p.daemon.Stderr()
}
