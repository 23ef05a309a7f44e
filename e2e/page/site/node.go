package site

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/optionc/pollux/daemon/node"
	"github.com/optionc/pollux/qemu/agent"
	"github.com/optionc/pollux/qemu/block"
	"github.com/optionc/pollux/qemu/machine"
)

// Resource is the name of the page's resource, Group that of its volume group.
const (
	Resource = "r1"
	Group    = "vg"
)

// Node is one of the two dom0s.
type Node struct {
	Name, Address string
	// Disk is the disk of the resource, by its name on the page.
	Disk string
	pair *Pair
	// The disks outlive the machine.
	data, state *block.Disk
	config      machine.Config

	vm     *machine.Machine
	daemon *agent.Process

	mu      sync.Mutex
	events  []Event
	printed []promise // of the guests of all boots
}

// prepare makes the machine a dom0 of the page: the disks have its names, and
// what a daemon keeps survives a power loss.
const prepare = `set -e
ln -sf /dev/disk/data %[1]s
if ! mount /dev/disk/state /var/lib/pollux 2>/dev/null; then
  mkfs.ext4 -q /dev/disk/state
  mount /dev/disk/state /var/lib/pollux
fi
mkdir -p /run/pollux /run/lock/lvm
dmesg -n 1
`

// Boot starts the machine. What its guests print is followed from here on.
func (n *Node) Boot(ctx context.Context) error {
	var err error
	if n.vm, err = machine.Boot(ctx, n.pair.test, n.config); err != nil {
		return err
	}
	n.daemon = nil
	if _, err := n.Shell(ctx, "mkdir -p /var/lib/pollux /mnt /etc/xen/ha.d"); err != nil {
		return err
	}
	if _, err := n.Shell(ctx, fmt.Sprintf(prepare, n.Disk)); err != nil {
		return err
	}
	if err := n.configure(ctx, false); err != nil {
		return err
	}
	n.pair.say("%s: has booted", n.Name)
	console, err := n.vm.Start("tail", "-n", "+1", "-F", "/var/log/xen/console/guest-web1.log")
	if err != nil {
		return err
	}
	go n.follow(console, n.hearGuest)
	return nil
}

// follow hands each line that a program prints to hear, as it comes.
func (n *Node) follow(p *agent.Process, hear func(line string)) {
	seen := 0
	ctx := context.Background()
	for ended := false; !ended; {
		short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
		_, err := p.Wait(short)
		cancel()
		ended = !errors.Is(err, context.DeadlineExceeded)
		text := p.Stdout()
		for {
			line, _, whole := strings.Cut(text[seen:], "\n")
			if !whole {
				break
			}
			seen += len(line) + 1
			hear(strings.TrimRight(line, "\r"))
		}
	}
}

// Put writes a file on the node.
func (n *Node) Put(ctx context.Context, name string, content []byte, mode os.FileMode) error {
	if err := n.vm.Put(ctx, name, content, mode); err != nil {
		return fmt.Errorf("%s: %w", n.Name, err)
	}
	return nil
}

// Shell runs a script on the node; it must succeed.
func (n *Node) Shell(ctx context.Context, script string) (string, error) {
	out, err := n.vm.Shell(ctx, script)
	if err != nil {
		return out, fmt.Errorf("%s: %w", n.Name, err)
	}
	return out, nil
}

// Start starts polluxd and waits until it answers.
func (n *Node) Start(ctx context.Context) error {
	var err error
	if n.daemon, err = n.vm.Start("polluxd"); err != nil {
		return fmt.Errorf("%s: %w", n.Name, err)
	}
	return n.answers(ctx)
}

// answers waits until polluxd answers, and follows its events from then on.
func (n *Node) answers(ctx context.Context) error {
	err := Wait(ctx, "polluxd on "+n.Name+" answers", Soon, func() (bool, error) {
		if status, ended := n.ended(); ended {
			return false, fmt.Errorf("polluxd ended with status %d: %s", status, n.daemon.Stderr())
		}
		s, err := n.Status(ctx)
		return err == nil && len(s.Resources) > 0 && s.Resources[0].Disk != "Diskless", err
	})
	if err != nil {
		return err
	}
	events, err := n.vm.Start("pollux", "events")
	if err != nil {
		return err
	}
	go n.follow(events, n.hearEvent)
	return nil
}

// ended tells whether the daemon ended, and how.
func (n *Node) ended() (status int, ended bool) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	status, err := n.daemon.Wait(ctx)
	return status, !errors.Is(err, context.DeadlineExceeded)
}

// Upgrade replaces the program of polluxd while it runs.
func (n *Node) Upgrade(ctx context.Context) error {
	n.pair.say("%s: another file becomes /usr/sbin/polluxd; killall -USR2 polluxd", n.Name)
	before := strings.Count(n.log(), runningLine)
	_, err := n.Shell(ctx, "cd /usr/sbin && cp polluxd new && mv new polluxd && killall -USR2 polluxd")
	if err != nil {
		return err
	}
	err = Wait(ctx, "the new polluxd on "+n.Name+" runs", Soon, func() (bool, error) {
		if status, ended := n.ended(); ended {
			return false, fmt.Errorf("polluxd ended with status %d: %s", status, n.log())
		}
		return strings.Count(n.log(), runningLine) > before, nil
	})
	if err != nil {
		return err
	}
	return n.answers(ctx)
}

// runningLine is what polluxd says when it has started.
const runningLine = "msg=running"

// Stop ends polluxd cleanly.
func (n *Node) Stop(ctx context.Context) error {
	if err := n.daemon.End(ctx); err != nil {
		return fmt.Errorf("%s: end polluxd: %w", n.Name, err)
	}
	return nil
}

// KillDaemon kills polluxd alone, without a chance to say anything to anybody.
func (n *Node) KillDaemon(ctx context.Context) error {
	if _, err := n.Shell(ctx, "killall -9 polluxd"); err != nil {
		return err
	}
	_, err := n.daemon.Wait(ctx)
	return err
}

// log is what the last polluxd said.
func (n *Node) log() string {
	if n.daemon == nil {
		return ""
	}
	return n.daemon.Stderr()
}

// explain asks a machine for what explains a failure.
const explain = `xl list; lvs; dmesg | tail -n 20; xl dmesg | tail -n 10
tail -n 30 /var/log/xen/console/guest-web1.log /var/log/xen/xl-web1.log`

// Explain is for a person to read when something is wrong: the last that was
// said by polluxd, Linux, Xen and the guest.
func (n *Node) Explain() string {
	ctx, cancel := context.WithTimeout(context.Background(), Soon)
	defer cancel()
	lines := strings.Split(n.log(), "\n")
	text := fmt.Sprintf("polluxd on %s said last:\n%s\n", n.Name, strings.Join(lines[max(0, len(lines)-40):], "\n"))
	r, err := n.vm.Run(ctx, "/bin/bash", "-c", explain)
	if err != nil {
		return text + err.Error()
	}
	return text + r.Stdout + r.Stderr
}

// PowerLoss takes the power from the machine and its disks at once. Of the
// sectors that they had not flushed, some had reached the medium: luck decides.
func (n *Node) PowerLoss() {
	n.vm.Kill()
	share := rand.IntN(3) // none, every third, or two of three
	survives := func() bool { return rand.IntN(3) < share }
	n.pair.say("%s: POWER LOSS: lost are %d in 3 of %d sectors that were not flushed",
		n.Name, 3-share, n.data.Unflushed()+n.state.Unflushed())
	n.data.PowerLoss(survives)
	n.state.PowerLoss(survives)
}

// Status is what `pollux status --json` says.
func (n *Node) Status(ctx context.Context) (s node.Status, err error) {
	out, err := n.vm.Output(ctx, "pollux", "status", "--json")
	if err == nil {
		err = json.Unmarshal([]byte(out), &s)
	}
	if err != nil {
		return s, fmt.Errorf("%s: %w", n.Name, err)
	}
	return s, nil
}

// Resource is the status of the one resource.
func (n *Node) Resource(ctx context.Context) (node.ResourceStatus, error) {
	s, err := n.Status(ctx)
	if err == nil && len(s.Resources) != 1 {
		err = fmt.Errorf("%s: found %d resources, want one", n.Name, len(s.Resources))
	}
	if err != nil {
		return node.ResourceStatus{}, err
	}
	return s.Resources[0], nil
}

// Order runs `pollux` with these words; a refusal is an error with its reason.
func (n *Node) Order(ctx context.Context, words ...string) error {
	n.pair.say("%s: pollux %s", n.Name, strings.Join(words, " "))
	if _, err := n.vm.Output(ctx, append([]string{"pollux"}, words...)...); err != nil {
		return fmt.Errorf("%s: %w", n.Name, err)
	}
	return nil
}

// Guests are the guests that Xen runs on the node, one a line.
func (n *Node) Guests(ctx context.Context) (string, error) {
	return n.Shell(ctx, "xl list | tail -n +3")
}
