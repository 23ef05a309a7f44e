package local

import (
	"context"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"syscall"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/gbytes"
	"github.com/onsi/gomega/gexec"

	"github.com/optionc/pollux/daemon/config"
	"github.com/optionc/pollux/daemon/driver/control"
	"github.com/optionc/pollux/daemon/node"
)

// Node is one of the two nodes: a directory, a disk, and a daemon while one
// runs.
type Node struct {
	Name    string
	Address string // on loopback
	Dir     string // of everything that the node has
	Disk    string
	// Log has all that the node's daemons said.
	Log *gbytes.Buffer

	programs *Programs
	daemon   *daemon // the last one; nil before the first
}

// A daemon runs until ended is closed.
type daemon struct {
	stop  func()          // asks it to end cleanly
	kill  func()          // ends it at once
	pid   int             // of its process, which may be the test's own
	ended <-chan struct{} // closed at its end
	err   func() error    // why it ended

	client *control.Client // nil until it first answered
}

// ConfigDir is where the node's files are.
func (n *Node) ConfigDir() string { return filepath.Join(n.Dir, "etc") }

// RunDir is where the node's sockets are.
func (n *Node) RunDir() string { return filepath.Join(n.Dir, "run") }

// StateDir is where the node keeps who it is.
func (n *Node) StateDir() string { return filepath.Join(n.Dir, "state") }

// Device is the socket that the node's device is exported on while the node
// is Primary.
func (n *Node) Device() string { return filepath.Join(n.RunDir(), Resource+".nbd") }

// URI is the node's device for tools that speak NBD.
func (n *Node) URI() string { return "nbd+unix:///" + Resource + "?socket=" + n.Device() }

// PID is the number of the process that the node's daemon is.
func (n *Node) PID() int { return n.daemon.pid }

// Start starts the node's daemon and returns when it answers.
func (n *Node) Start(ctx context.Context) {
	GinkgoHelper()
	if n.programs != nil {
		n.daemon = n.startProcess()
	} else {
		n.daemon = n.startHere()
	}
	Eventually(func() error {
		_, err := n.Status(ctx)
		return err
	}).WithContext(ctx).WithTimeout(patience).Should(Succeed(), "the daemon of %s answers", n.Name)
}

// startHere runs the daemon in the test's own process.
func (n *Node) startHere() *daemon {
	GinkgoHelper()
	site, err := config.Load(n.ConfigDir(), n.Name)
	Expect(err).NotTo(HaveOccurred())
	bind, err := netip.ParseAddr(n.Address)
	Expect(err).NotTo(HaveOccurred())
	shell, err := node.New(site, node.Options{
		StateDir: n.StateDir(), RunDir: n.RunDir(), Bind: bind, Log: slog.New(slog.NewTextHandler(n.sink(), nil)),
	})
	Expect(err).NotTo(HaveOccurred())
	ctx, stop := context.WithCancel(context.Background()) // it ends with the spec: see end
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		err = shell.Run(ctx)
	}()
	return &daemon{
		stop: stop, kill: stop, pid: os.Getpid(), ended: ended,
		err: func() error { return err },
	}
}

// startProcess runs the daemon as a process that dies with the test's.
func (n *Node) startProcess() *daemon {
	GinkgoHelper()
	cmd := n.programs.Polluxd(n)
	cmd.Stderr = n.sink()
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	Expect(cmd.Start()).To(Succeed())
	ended := make(chan struct{})
	var err error
	go func() {
		defer close(ended)
		err = cmd.Wait()
	}()
	send := func(signal os.Signal) func() {
		return func() { _ = cmd.Process.Signal(signal) } // it may have ended already
	}
	return &daemon{
		stop: send(syscall.SIGTERM), kill: send(syscall.SIGKILL), pid: cmd.Process.Pid, ended: ended,
		err: func() error { return err },
	}
}

// Stop asks the daemon to end, and returns when it has done so cleanly.
func (n *Node) Stop(ctx context.Context) {
	GinkgoHelper()
	n.daemon.stop()
	Eventually(n.daemon.ended).WithContext(ctx).WithTimeout(patience).Should(BeClosed(),
		"the daemon of %s leaves its peer and closes its disk", n.Name)
	Expect(n.daemon.err()).To(Succeed())
}

// Kill is kill -9 of the daemon's process.
func (n *Node) Kill(ctx context.Context) {
	GinkgoHelper()
	Expect(n.programs).NotTo(BeNil(), "only a process can be killed: see Options.Programs")
	n.daemon.kill()
	Eventually(n.daemon.ended).WithContext(ctx).WithTimeout(patience).Should(BeClosed(), "the kernel ends the process")
}

// end is for the end of a spec, whatever became of it.
func (n *Node) end(ctx context.Context) {
	if n.daemon == nil {
		return
	}
	n.daemon.kill()
	Eventually(n.daemon.ended).WithContext(ctx).WithTimeout(patience).Should(BeClosed(), "nothing outlives its spec")
}

// sink is where a daemon's log goes: into Log, and before the eyes of whoever
// sees the spec fail.
func (n *Node) sink() io.Writer {
	return io.MultiWriter(n.Log, gexec.NewPrefixedWriter(n.Name+": ", GinkgoWriter))
}

// Twin is a second daemon with the node's files and its disk, but with sockets
// and a state of its own.
func (n *Node) Twin() *Node {
	GinkgoHelper()
	twin := &Node{
		Name: n.Name, Address: n.Address, Dir: GinkgoT().TempDir(), Disk: n.Disk, Log: gbytes.NewBuffer(), programs: n.programs,
	}
	Expect(os.CopyFS(twin.ConfigDir(), os.DirFS(n.ConfigDir()))).To(Succeed())
	DeferCleanup(twin.end)
	return twin
}
