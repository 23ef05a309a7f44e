// Package cell is a test machine without a kernel of its own: processes of this
// machine in namespaces, with a card on a qemu/cable, a disk that is a
// qemu/block, and the agent that a test machine has. It starts in a moment and
// runs at this machine's own speed, so it is the place for what needs no other
// kernel. It needs root, and nbdfuse for its disks.
package cell

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/optionc/pollux/qemu/agent"
)

// Config is what a cell is made of.
type Config struct {
	Name     string // its host name
	Address  string // of its network card, such as 192.168.0.1/24
	Cable    string // socket of a qemu/cable
	MAC      string // of the card
	Disk     string // socket of a qemu/block, "" for none; the cell has it as the file DiskFile
	Programs string // a folder that is the first of its PATH; First is in it
	// Root is a folder that the cell has for its root, as a qemu/debian Quarry; ""
	// is this machine's, with an empty /etc. What the cell changes there is its
	// own and goes with it, but for Keep, a folder that it has as /var/lib.
	Root, Keep string
}

const (
	// DiskFile is where a cell has its disk.
	DiskFile = "/run/disk/data"
	// First is the name that program first has among the programs of a cell.
	First = "first"
	// ProgramsDir is where a cell with a Root has its programs.
	ProgramsDir = "/opt/pollux"
)

// Test is what of a test a cell needs: testing.TB and GinkgoT() are it.
type Test interface {
	Helper()
	Cleanup(func())
}

// Cell is a cell that runs, or ran.
type Cell struct {
	*agent.Client
	config Config
	cmd    *exec.Cmd
	said   *os.File // what its first process says, for a person to read
	once   sync.Once
}

// Possible says why there can be no cells here, nil if there can.
func Possible() error {
	if _, err := exec.LookPath("nbdfuse"); err != nil {
		return fmt.Errorf("%w: install libnbd-bin and fuse3", err)
	}
	return possible("/dev/fuse", "/dev/net/tun")
}

// PossibleWithoutDisk says it of cells that have no disk.
func PossibleWithoutDisk() error { return possible("/dev/net/tun") }

func possible(devices ...string) error {
	if os.Geteuid() != 0 {
		return errors.New("namespaces: not root")
	}
	for _, device := range devices {
		f, err := os.OpenFile(device, os.O_RDWR, 0)
		if err != nil {
			return err
		}
		if err := f.Close(); err != nil {
			return err
		}
	}
	return nil
}

// Start starts a cell and waits until it takes orders. It dies with the test.
func Start(ctx context.Context, test Test, config Config) (*Cell, error) {
	test.Helper()
	c, err := start(config)
	if err != nil {
		return nil, fmt.Errorf("cell %s: %w", config.Name, err)
	}
	test.Cleanup(c.Kill)
	if err := c.Ready(ctx); err != nil {
		return nil, fmt.Errorf("cell %s: %w: it said: %s", config.Name, err, c.words())
	}
	return c, nil
}

func start(config Config) (*Cell, error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	ours, theirs := os.NewFile(uintptr(pair[0]), "agent"), os.NewFile(uintptr(pair[1]), "agent of "+config.Name)
	defer func() { _ = errors.Join(ours.Close(), theirs.Close()) }()
	port, err := net.FileConn(ours)
	if err != nil {
		return nil, err
	}
	c := &Cell{config: config, Client: agent.NewClient(port)}
	if c.said, err = os.CreateTemp("", "pollux-cell"); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	c.cmd = exec.Command(config.Programs+"/"+First, config.Name, config.Address, config.Cable, config.MAC, config.Disk,
		config.Root, config.Keep)
	programs := config.Programs
	if config.Root != "" {
		programs = ProgramsDir
	}
	c.cmd.Env = append(os.Environ(), "PATH="+programs+":"+os.Getenv("PATH")+":/usr/sbin:/usr/bin:/sbin:/bin")
	c.cmd.ExtraFiles = []*os.File{theirs}
	c.cmd.Stderr = c.said
	c.cmd.SysProcAttr = &unix.SysProcAttr{
		Cloneflags: unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWNET | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC,
		Pdeathsig:  unix.SIGKILL,
	}
	if err := c.cmd.Start(); err != nil {
		return nil, errors.Join(err, c.Close(), os.Remove(c.said.Name()))
	}
	return c, nil
}

// Kill ends everything in the cell at once, and its card before it says good-bye
// to anybody. Call PowerLoss of its disk after it.
func (c *Cell) Kill() {
	c.once.Do(func() {
		_ = c.cmd.Process.Kill()
		_ = c.cmd.Wait() // of the namespace's first process: all others are gone then
		_ = errors.Join(c.Close(), c.said.Close(), os.Remove(c.said.Name()))
	})
}

// Pause stops all processes and the card of the cell; they do not notice.
func (c *Cell) Pause(ctx context.Context) error {
	if _, err := c.Shell(ctx, "kill -STOP -1"); err != nil {
		return fmt.Errorf("cell %s: pause: %w", c.config.Name, err)
	}
	return c.cmd.Process.Signal(unix.SIGSTOP)
}

// Resume goes on after Pause.
func (c *Cell) Resume(ctx context.Context) error {
	if err := c.cmd.Process.Signal(unix.SIGCONT); err != nil {
		return err
	}
	if _, err := c.Shell(ctx, "kill -CONT -1"); err != nil {
		return fmt.Errorf("cell %s: resume: %w", c.config.Name, err)
	}
	return nil
}

func (c *Cell) words() string {
	text, err := os.ReadFile(c.said.Name())
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(string(text))
}
