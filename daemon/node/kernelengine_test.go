package node_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/config"
	"github.com/optionc/pollux/daemon/driver/command"
	"github.com/optionc/pollux/daemon/driver/control"
	"github.com/optionc/pollux/daemon/format/drbdtext"
	"github.com/optionc/pollux/daemon/format/drbdwire"
	"github.com/optionc/pollux/daemon/node"
)

// module is the kernel's DRBD of one node, as drbd-utils show it.
type module struct {
	mu      sync.Mutex
	state   drbdwire.State
	held    bool // somebody has the device open
	run     []string
	changed chan struct{}
}

func (m *module) set(change func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	change()
	select {
	case m.changed <- struct{}{}:
	default:
	}
}

func (m *module) ran() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]string(nil), m.run...)
}

func (m *module) text() string {
	r := drbdtext.Resource{Name: "r1", Minor: 1, State: m.state, SizeKiB: 1024}
	return r.Exists(drbdtext.Detail{Statistics: true}) + drbdtext.ExistsEnd
}

// Run is the tools.
func (m *module) Run(_ context.Context, p command.Program) (command.Result, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	verb := p.Args[len(p.Args)-min(2, len(p.Args))]
	switch {
	case p.Name == "dmesg":
		return command.Exited(p, 0, []byte("<1>[  910.253805] drbd r1/0 drbd1: Split-Brain detected but unresolved\n"), nil)
	case p.Name == "drbdsetup":
		return command.Exited(p, 0, []byte(m.text()), nil)
	case verb == "get-gi":
		return command.Exited(p, 0, []byte("7635AB33E6C626D3:0:0:0:1:1:0:1:0:0:0\n"), nil)
	case verb == "--version":
		return command.Exited(p, 0, []byte("DRBDADM_VERSION=9.22.0\n"), nil)
	case verb == "secondary" && m.held:
		return command.Exited(p, 11, nil, []byte("1: State change failed: (-12) Device is held open by someone\n"))
	case verb == "primary":
		m.state.Role = drbdwire.Primary
	case verb == "secondary":
		m.state.Role = drbdwire.Secondary
	}
	m.run = append(m.run, verb)
	return command.Exited(p, 0, nil, nil)
}

// Stream is drbdsetup events2.
func (m *module) Stream(ctx context.Context, _ command.Program, f func(string)) error {
	f("exists -")
	for {
		select {
		case <-m.changed:
			f("change resource name:r1 role:Secondary")
		case <-ctx.Done():
			return nil
		}
	}
}

var standing = drbdwire.State{
	Role: drbdwire.Secondary, Peer: drbdwire.Secondary, Conn: drbdwire.Connected, Disk: drbdwire.UpToDate,
	PeerDisk: drbdwire.UpToDate,
}

// startKernelNode runs a node of the seed's files whose disk the kernel
// replicates, and gives a way to look at it, and one to end it.
func startKernelNode(t *testing.T, m *module, cluster bool) (n *node.Node, resource func() node.ResourceStatus, end func() error) {
	t.Helper()
	g := NewWithT(t)
	dir := t.TempDir()
	write := func(name, text string) {
		path := filepath.Join(dir, name)
		g.Expect(os.MkdirAll(filepath.Dir(path), 0o755)).To(Succeed())
		g.Expect(os.WriteFile(path, []byte(text), 0o600)).To(Succeed())
	}
	write("drbd.conf", `resource r1 { engine kernel; protocol C;
	on milo1 { device /dev/drbd1; disk /dev/nowhere; address 127.0.0.1:7789; meta-disk internal; }
	on milo2 { device /dev/drbd1; disk /dev/nowhere; address 127.0.0.2:7789; meta-disk internal; } }`)
	if cluster {
		write("ha.d/ha.cf", fmt.Sprintf("keepalive 100ms\ndeadtime 1\ninitdead 1\nudpport %d\nauto_failback on\n"+
			"ucast lo 127.0.0.2\nnode milo1 milo2\n", netip.MustParseAddrPort(freeAddress(t)).Port()))
		write("ha.d/haresources", "milo1 drbddisk::r1\n")
		write("ha.d/authkeys", "auth 1\n1 crc\n")
	}
	site, err := config.Load(dir, "milo1")
	g.Expect(err).NotTo(HaveOccurred())
	run, err := os.MkdirTemp("", "pollux") //nolint:usetesting // the name of t.TempDir is too long for a socket
	g.Expect(err).NotTo(HaveOccurred())
	n, err = node.New(site, node.Options{
		StateDir: filepath.Join(dir, "state"), RunDir: run, Bind: netip.MustParseAddr("127.0.0.1"),
		Run: m.Run, Stream: m.Stream,
	})
	g.Expect(err).NotTo(HaveOccurred())
	conf, err := os.ReadFile(filepath.Join(run, "r1.drbd.conf"))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(string(conf)).To(And(ContainSubstring("resource r1 {"), Not(ContainSubstring("engine"))))
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	var failed error
	go func() {
		defer close(ended)
		failed = n.Run(ctx)
	}()
	end = func() error {
		stop()
		<-ended
		return errors.Join(failed, os.RemoveAll(run))
	}
	resource = func() node.ResourceStatus { return n.Status().Resources[0] }
	return n, resource, end
}

func newModule(s drbdwire.State) *module { return &module{state: s, changed: make(chan struct{}, 1)} }

const soon = 2 * time.Minute

func TestTheKernelsDRBDIsDriven(t *testing.T) {
	g := NewWithT(t)
	alone := standing
	alone.Conn, alone.Peer, alone.PeerDisk = drbdwire.WFConnection, drbdwire.RoleUnknown, drbdwire.DUnknown
	m := newModule(alone)
	n, resource, end := startKernelNode(t, m, false)
	order := func(verb string) control.Answer {
		return n.Order(t.Context(), control.Order{Order: verb, Resource: "r1"})
	}
	g.Eventually(func() string { return resource().Connection }, soon).Should(Equal("WFConnection"))
	g.Expect(resource().Disk).To(Equal("Consistent"), "its peer was not met yet")
	g.Expect(order("primary")).To(HaveField("Code", int(drbdwire.NoUpToDateDisk)))
	g.Expect(m.ran()).To(Equal([]string{"adjust"}), "the kernel was not even asked")

	m.set(func() { m.state = standing })
	g.Eventually(func() string { return resource().Disk }, soon).Should(Equal("UpToDate"))
	g.Expect(order("primary")).To(Equal(control.Answer{OK: true, Code: 1}))
	g.Expect(resource()).To(And(HaveField("Role", "Primary"), HaveField("Device", "/dev/drbd1"), HaveField("SizeKiB",
		BeEquivalentTo(1024))), "it is known as soon as the order is through")

	g.Expect(order("adjust")).To(HaveField("OK", true))
	g.Expect(m.ran()).To(Equal([]string{"adjust", "primary", "adjust"}), "drbdadm finds out what has changed")
	m.set(func() { m.held = true })
	g.Expect(order("secondary")).To(And(HaveField("Code", int(drbdwire.DeviceInUse)),
		HaveField("Text", ContainSubstring("Device is held open by someone"))))
	g.Expect(order("down")).To(HaveField("OK", true))
	g.Expect(end()).To(Succeed())
	g.Expect(m.ran()).To(Equal([]string{"adjust", "primary", "adjust", "down"}), "what is Primary stays so without the daemon")
}

func TestWhyTheKernelGaveItsPeerUp(t *testing.T) {
	g := NewWithT(t)
	m := newModule(standing)
	_, resource, end := startKernelNode(t, m, false)
	g.Eventually(func() string { return resource().Connection }, soon).Should(Equal("Connected"))
	g.Expect(resource().Note).To(BeEmpty())
	m.set(func() { m.state.Conn, m.state.Peer, m.state.PeerDisk = drbdwire.StandAlone, 0, drbdwire.DUnknown })
	g.Eventually(func() string { return resource().Note }, soon).Should(ContainSubstring("Split-Brain detected"))
	g.Expect(end()).To(Succeed())

	t.Log("a connect that is over before anybody looks")
	alone := standing
	alone.Conn, alone.Peer, alone.PeerDisk = drbdwire.StandAlone, 0, drbdwire.DUnknown
	m = newModule(alone)
	n, resource, end := startKernelNode(t, m, false)
	g.Expect(n.Order(t.Context(), control.Order{Order: "connect", Resource: "r1"})).To(HaveField("OK", true))
	g.Expect(resource().Note).To(ContainSubstring("Split-Brain detected"))
	g.Expect(end()).To(Succeed())
}

func TestAGroupRunsOnTheKernelsDRBD(t *testing.T) {
	g := NewWithT(t)
	m := newModule(standing)
	n, resource, end := startKernelNode(t, m, true)
	g.Eventually(func() string { return resource().Role }, soon).Should(Equal("Primary"),
		"the peer counts as dead, and this copy is good")
	g.Eventually(func() string { return n.Status().Cluster.Groups[0].State }, soon).Should(Equal("running"))
	g.Expect(end()).To(Succeed())
	g.Expect(m.ran()).To(Equal([]string{"adjust", "primary", "secondary"}), "it gives its group up")
}
