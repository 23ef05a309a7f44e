// Package machine boots one test machine in QEMU and gives it up for certain:
// with the test's cleanup, with the death of the test's process, and at the end
// of its lifetime. Orders go to the agent in it, power to QEMU.
//
// KVM is used where booting with it really works, software emulation elsewhere.
package machine

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/anatol/vmtest"
	"golang.org/x/sys/unix"

	"github.com/optionc/pollux/qemu/agent"
	"github.com/optionc/pollux/qemu/debian"
	"github.com/optionc/pollux/qemu/image"
)

// Config is what a machine is made of.
type Config struct {
	Name    string // its host name
	Address string // of its network card, such as 192.168.0.1/24; may be empty
	Image   image.Image
	Memory  int    // MiB; 0 is what the image needs
	Cable   string // socket of a qemu/cable; empty for no network
	MAC     string // of the card; machines on one cable need different ones
	Disks   []Disk
	// Counted makes an instruction of the processor last a nanosecond, and waiting
	// no time of this machine's: for measurements that a busy host can't change.
	Counted bool
	// Watchdog is an Intel 6300ESB, for the module i6300esb.
	Watchdog bool
	// Lifetime is when the machine is killed whatever it does; 0 is 30 minutes.
	Lifetime time.Duration
}

// Disk is one disk of a machine: there it is /dev/disk/NAME.
type Disk struct {
	Name   string // at most 20 letters
	Socket string // of a qemu/block
	// FUA offers the machine writes through the cache; QEMU's virtio-blk can not,
	// so the disk is on SCSI then.
	FUA bool
}

// Test is what of a test a machine needs: testing.TB and GinkgoT() are it.
type Test interface {
	Helper()
	Cleanup(func())
	Logf(format string, args ...any)
}

// Machine is a machine that runs, or ran.
type Machine struct {
	*agent.Client
	config  Config
	folder  string
	vm      *vmtest.Qemu
	control *qmp
	pid     int
	once    sync.Once
}

const (
	lifetime = 30 * time.Minute
	// launch is how long QEMU itself may take to start.
	launch = 30 * time.Second
)

// Boot starts a machine and waits until it takes orders. It dies with the test.
func Boot(ctx context.Context, test Test, config Config) (*Machine, error) {
	test.Helper()
	m, err := start(ctx, test, config, "")
	if err != nil {
		return nil, fmt.Errorf("machine %s: %w", config.Name, err)
	}
	if err := m.Ready(ctx); err != nil {
		return nil, fmt.Errorf("machine %s: %w: its console ends with:\n%s", config.Name, err, m.lastWords())
	}
	return m, nil
}

// start starts QEMU, from a snapshot if one is named.
func start(ctx context.Context, test Test, config Config, snapshot string) (*Machine, error) {
	accelerator := counted
	if !config.Counted {
		var err error
		if accelerator, err = Accelerator(ctx, config.Image.Kernel); err != nil {
			return nil, err
		}
	}
	folder, err := os.MkdirTemp("", "pollux-vm") // short: names of sockets have a limit
	if err != nil {
		return nil, err
	}
	m := &Machine{config: config, folder: folder}
	test.Cleanup(func() {
		m.Kill()
		_ = os.RemoveAll(folder)
	})
	orders, err := net.Listen("unix", m.path("agent"))
	if err != nil {
		return nil, err
	}
	defer func() { _ = orders.Close() }()
	control, err := net.Listen("unix", m.path("qmp"))
	if err != nil {
		return nil, err
	}
	defer func() { _ = control.Close() }()
	o := options(m, accelerator)
	if snapshot != "" {
		o.Params = append(o.Params, "-S", "-incoming", "exec:cat '"+snapshot+"'")
	}
	if err := m.launch(o); err != nil {
		return nil, err
	}
	port, err := accept(orders)
	if err != nil {
		return nil, err
	}
	m.Client = agent.NewClient(port)
	port, err = accept(control)
	if err != nil {
		return nil, err
	}
	m.control, err = newQMP(port)
	return m, err
}

func (m *Machine) path(name string) string { return filepath.Join(m.folder, name) }

// accept takes QEMU's connection, which it makes before the machine starts.
func accept(l net.Listener) (net.Conn, error) {
	if err := l.(*net.UnixListener).SetDeadline(time.Now().Add(launch)); err != nil {
		return nil, err
	}
	return l.Accept()
}

// launch starts QEMU. vmtest waits without end for a QEMU that ended well
// before it connected: so its start has a limit here.
func (m *Machine) launch(o *vmtest.QemuOptions) error {
	if err := tether(); err != nil {
		return err
	}
	type started struct {
		vm  *vmtest.Qemu
		err error
	}
	done := make(chan started, 1)
	go func() {
		vm, err := vmtest.NewQemu(o)
		done <- started{vm, err}
	}()
	var s started
	select {
	case s = <-done:
	case <-time.After(launch):
		s.err = fmt.Errorf("QEMU has not started in %s", launch)
	}
	if pid, err := os.ReadFile(m.path("pid")); err == nil {
		m.pid, _ = strconv.Atoi(strings.TrimSpace(string(pid)))
	}
	m.vm = s.vm
	if s.err != nil {
		m.killProcess()
		said, _ := os.ReadFile(m.path("qemu.stderr"))
		return fmt.Errorf("QEMU: %w: %s", s.err, said)
	}
	return nil
}

// tethered is the name under which vmtest finds QEMU: a script that has the
// kernel kill QEMU when the test's process dies, however it dies.
const tethered = "x86_64-tethered"

// tetherScript also keeps what QEMU says, which vmtest drops: beside its log.
const tetherScript = `#!/bin/sh
for word; do
  [ "$last" = -D ] && log=$word
  last=$word
done
exec setpriv --pdeathsig KILL -- qemu-system-x86_64 "$@" 2>"$log.stderr"
`

var tetherOnce = sync.OnceValue(func() error {
	for _, program := range []string{"qemu-system-x86_64", "setpriv"} {
		if _, err := exec.LookPath(program); err != nil {
			return fmt.Errorf("%w: install qemu-system-x86 and util-linux", err)
		}
	}
	cache, err := debian.CacheDir()
	if err != nil {
		return err
	}
	dir := filepath.Join(cache, "bin")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := debian.WriteFile(filepath.Join(dir, "qemu-system-"+tethered), []byte(tetherScript), 0o755); err != nil {
		return err
	}
	return os.Setenv("PATH", dir+":"+os.Getenv("PATH"))
})

func tether() error { return tetherOnce() }

// Kill takes the power away at once. Call PowerLoss of its disks after it.
func (m *Machine) Kill() {
	m.once.Do(func() {
		m.killProcess()
		m.bury()
	})
}

// bury waits for the end of QEMU, which is dead or about to be, and lets go of
// its channels.
func (m *Machine) bury() {
	if m.vm != nil {
		m.vm.Kill()
	}
	if m.Client != nil {
		_ = m.Close()
	}
	if m.control != nil {
		_ = m.control.Close()
	}
}

func (m *Machine) killProcess() {
	if m.pid > 0 {
		_ = unix.Kill(m.pid, unix.SIGKILL)
	}
}

// PowerOff ends the machine in an orderly way and waits until it is off.
func (m *Machine) PowerOff(ctx context.Context) error {
	if err := m.Client.PowerOff(ctx); err != nil {
		return fmt.Errorf("machine %s: %w", m.config.Name, err)
	}
	if err := m.control.gone(ctx); err != nil {
		return fmt.Errorf("machine %s: power off: %w", m.config.Name, err)
	}
	m.once.Do(m.bury)
	return nil
}

// Ended waits until the machine is off by itself, and is the events that QEMU told
// of, in its words. One that restarts is off too: QEMU ends then.
func (m *Machine) Ended(ctx context.Context) ([]string, error) {
	if err := m.control.gone(ctx); err != nil {
		return nil, fmt.Errorf("machine %s: its end: %w", m.config.Name, err)
	}
	m.once.Do(m.bury)
	return m.control.events, nil
}

// Pause stops the machine's processor; it does not notice.
func (m *Machine) Pause(ctx context.Context) error { return m.order(ctx, "stop") }

// Resume goes on after Pause.
func (m *Machine) Resume(ctx context.Context) error { return m.order(ctx, "cont") }

func (m *Machine) order(ctx context.Context, command string) error {
	if _, err := m.control.execute(ctx, command, nil); err != nil {
		return fmt.Errorf("machine %s: %w", m.config.Name, err)
	}
	return nil
}

// Console is all that kernel and hypervisor have printed: for a person to read
// when something is wrong.
func (m *Machine) Console() string {
	text, err := os.ReadFile(m.path("console"))
	if err != nil {
		return err.Error()
	}
	return string(text)
}

func (m *Machine) lastWords() string {
	text := m.Console()
	return text[max(0, len(text)-3000):]
}

// ErrOff says that a machine is off.
var ErrOff = errors.New("QEMU has ended")

// PID is the number of QEMU's process.
func (m *Machine) PID() int { return m.pid }
