package kernelpeer_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/qemu/agent"
	"github.com/optionc/pollux/qemu/block"
	"github.com/optionc/pollux/qemu/cell"
	"github.com/optionc/pollux/qemu/image"
	"github.com/optionc/pollux/qemu/machine"
)

// place is where a node's programs run: a machine in QEMU, or a cell.
type place interface {
	Get(ctx context.Context, name string) ([]byte, error)
	Put(ctx context.Context, name string, content []byte, mode os.FileMode) error
	Run(ctx context.Context, argv ...string) (agent.Result, error)
	Start(argv ...string) (*agent.Process, error)
	Shell(ctx context.Context, script string) (string, error)
	Kill()
	Pause(ctx context.Context) error
	Resume(ctx context.Context) error
}

// home is what both places of a node are made of. The kernel's DRBD needs a
// machine of its own; polluxd runs quicker in a cell, where there can be one.
type home struct {
	machine machine.Config
	cell    cell.Config
	saved   string // the snapshot of the machine when it had just started
	booted  bool   // saved is there
	inVM    bool
}

// furnish makes both places of a node on the same disk and the same cable.
func (n *node) furnish(dir string, plain image.Image, number int) {
	GinkgoHelper()
	n.disk = block.New(diskSize)
	socket := filepath.Join(dir, "disk-"+n.name)
	Expect(n.disk.Serve(socket)).To(Succeed())
	DeferCleanup(n.disk.Close)
	address, mac := n.address+"/24", fmt.Sprintf("52:54:00:00:00:0%d", number)
	n.home = home{
		machine: machine.Config{
			Name: n.name, Address: address, Image: plain, Cable: wire.Socket(n.name), MAC: mac,
			Disks: []machine.Disk{{Name: "data", Socket: socket}}, Lifetime: 2 * time.Hour,
		},
		cell: cell.Config{
			Name: n.name, Address: address, Cable: wire.Socket(n.name), MAC: mac, Disk: socket, Programs: dir,
		},
		saved: filepath.Join(dir, "saved-"+n.name),
	}
}

// diskFile is the name of the node's disk, where it is now.
func (n *node) diskFile() string {
	switch {
	case n.home.inVM && n.growing:
		return "/dev/mapper/data"
	case n.home.inVM:
		return "/dev/disk/data"
	case n.growing:
		return filepath.Join(n.home.cell.Programs, "disk-file-"+n.name)
	default:
		return cell.DiskFile
	}
}

// boot starts the node's place, with nothing left of what it was before but the
// disk.
func (n *node) boot(ctx SpecContext) {
	GinkgoHelper()
	if n.home.inVM {
		n.at = n.bootMachine(ctx)
		return
	}
	c, err := cell.Start(ctx, suite{}, n.home.cell)
	Expect(err).NotTo(HaveOccurred())
	n.at = c
}

// bootMachine boots the node's machine once; later it goes on from what it was
// then, which takes a tenth of the time.
func (n *node) bootMachine(ctx SpecContext) *machine.Machine {
	GinkgoHelper()
	if !n.home.booted {
		vm, err := machine.Boot(ctx, suite{}, n.home.machine)
		Expect(err).NotTo(HaveOccurred())
		_, err = vm.Shell(ctx, "mkdir -p /run/pollux /var/lib/pollux /var/lib/drbd /var/run/drbd /run/lock /var/lock; "+
			"modprobe drbd usermode_helper=/bin/true; dmesg -n 1; echo 3 > /proc/sys/vm/drop_caches")
		Expect(err).NotTo(HaveOccurred())
		Expect(vm.Save(ctx, n.home.saved)).To(Succeed())
		n.home.booted = true
	}
	vm, err := machine.Restore(ctx, suite{}, n.home.machine, n.home.saved)
	Expect(err).NotTo(HaveOccurred())
	Expect(vm.Resume(ctx)).To(Succeed())
	// Random numbers must not be those of the time before.
	_, err = vm.Output(ctx, "blockio", "--reseed")
	Expect(err).NotTo(HaveOccurred())
	return vm
}

// moveTo gives a node whose engine is down the other kind of place.
func (n *node) moveTo(ctx SpecContext, vm bool) {
	GinkgoHelper()
	vm = vm || cell.Possible() != nil
	if n.home.inVM == vm {
		return
	}
	n.cut()
	n.home.inVM = vm
	n.boot(ctx)
}

// suite keeps a place until the suite's end, whichever scenario boots it.
type suite struct{}

func (suite) Helper() {}

func (suite) Logf(format string, args ...any) { GinkgoWriter.Printf(format+"\n", args...) }

func (suite) Cleanup(f func()) { ended = append(ended, f) }

var ended []func()

// A machine that died has its last words on its console.
var _ = JustAfterEach(func() {
	both(func(n *node) {
		if m, ok := n.at.(*machine.Machine); ok && CurrentSpecReport().Failed() {
			AddReportEntry("console of "+n.name, lastWords(m.Console()))
		}
	})
})

// trouble is how a kernel begins to tell that it can't go on.
var trouble = regexp.MustCompile(`(?m)^.*(BUG:|Oops|cut here|general protection|Kernel panic|traps:)`)

// lastWords is the end of a console, and all since the kernel got into trouble.
func lastWords(console string) string {
	if at := trouble.FindStringIndex(console); at != nil {
		return console[at[0]:]
	}
	return tail(console)
}

var _ = AfterSuite(func() {
	for _, f := range ended {
		f()
	}
})

// cut takes the power from the place and the disk at once.
func (n *node) cut() {
	n.at.Kill()
	n.disk.PowerLoss(block.Nothing)
}
