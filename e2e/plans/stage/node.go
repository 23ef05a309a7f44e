package stage

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"syscall"
	"time"

	nodepkg "github.com/optionc/pollux/daemon/node"
	"github.com/optionc/pollux/qemu/agent"
	"github.com/optionc/pollux/qemu/block"
	"github.com/optionc/pollux/qemu/machine"
)

const resource = "r1"

// node is one machine, its disks, and the daemon on it.
type node struct {
	stage  *Stage
	number int
	name   string
	config machine.Config
	saved  string // the machine when it had just booted

	data, state           *block.Disk
	firstData, firstState *block.Disk // what scenarios begin with

	// life is held by what starts and ends the machine or its daemon.
	life   sync.Mutex
	vm     *machine.Machine
	daemon *agent.Process
}

// save boots the machine, and keeps it as it is before it has seen its disks.
func (n *node) save(ctx context.Context) error {
	vm, err := machine.Boot(ctx, n.stage.test, n.config)
	if err != nil {
		return err
	}
	_, err = vm.Shell(ctx, "mkfs.ext4 -q /dev/disk/state && mkdir -p /run/pollux /var/lib/pollux /var/lib/drbd /etc/ha.d && "+
		"modprobe tcp_diag && dmesg -n 1 && sync && echo 3 > /proc/sys/vm/drop_caches")
	if err != nil {
		return err
	}
	return vm.Save(ctx, n.saved)
}

// restore begins the machine anew, with nothing of what it was but its disks.
// It is paused.
func (n *node) restore(ctx context.Context) (err error) {
	n.daemon = nil
	n.vm, err = machine.Restore(ctx, n.stage.test, n.config, n.saved)
	return err
}

// goOn lets a machine run that was restored. With the cluster it has heartbeats
// and groups.
func (n *node) goOn(ctx context.Context, set settings, cluster bool) error {
	if err := n.vm.Resume(ctx); err != nil {
		return err
	}
	for file, text := range set.files(cluster) {
		if err := n.vm.Put(ctx, file, []byte(text), modeOf(file)); err != nil {
			return fmt.Errorf("%s: %w", n.name, err)
		}
	}
	// Random numbers must not be those of the time before, and who the node is has to outlive it: the clock goes back to
	// where it was when the machine was saved.
	_, err := n.vm.Shell(ctx, "guest reseed && mount /dev/disk/state /var/lib/pollux && "+
		"mkdir -p /var/lib/pollux/heartbeat && ln -sfn pollux/heartbeat /var/lib/heartbeat")
	return err
}

// start starts polluxd, whose log hear is given line by line, and waits until
// it answers.
func (n *node) start(ctx context.Context, hear func(line string)) error {
	var err error
	n.daemon, err = n.vm.Start("polluxd", "--frontend", "nbd-socket", "--record", "0", "--agents", agentsDir)
	if err != nil {
		return fmt.Errorf("%s: %w", n.name, err)
	}
	daemon := n.daemon
	go follow(daemon, daemon.Stderr, hear)
	return wait(ctx, "polluxd on "+n.name+" answers", func() error {
		if ended(daemon) {
			return fmt.Errorf("it has ended: %s", daemon.Stderr())
		}
		_, err := n.replica(ctx)
		return err
	})
}

// serve starts what the groups of the node consist of.
func (n *node) serve(ctx context.Context, set settings, hear func(line string)) error {
	p, err := n.vm.Start("guest", "serve", "/run/pollux/"+resource+".nbd", resource, fmt.Sprint(set.clients), set.think.String(),
		fmt.Sprint(set.fail), fmt.Sprint(set.lie))
	if err != nil {
		return fmt.Errorf("%s: %w", n.name, err)
	}
	go follow(p, p.Stdout, hear)
	return wait(ctx, "the groups of "+n.name+" can be started", func() error {
		if !strings.HasPrefix(p.Stdout(), "ready\n") {
			return errors.New("it is not ready: " + p.Stderr())
		}
		return nil
	})
}

// stop ends polluxd in order.
func (n *node) stop(ctx context.Context) error {
	if err := n.daemon.End(ctx); err != nil {
		return fmt.Errorf("%s: end polluxd: %w", n.name, err)
	}
	return nil
}

// kill ends polluxd without a chance to say anything to anybody, and with it
// what stands on its device.
func (n *node) kill(ctx context.Context) error {
	if err := n.daemon.Signal(ctx, syscall.SIGKILL); err != nil {
		return err
	}
	if _, err := n.daemon.Wait(ctx); err != nil {
		return err
	}
	_, err := n.vm.Output(ctx, "guest", "tell", "all", "drop")
	return err
}

// cut takes the power from the machine and its disks at once.
func (n *node) cut(survives func() bool) {
	n.vm.Kill()
	n.data.PowerLoss(survives)
	n.state.PowerLoss(survives)
}

// order runs `pollux` with these words; a refusal is an error with its reason.
func (n *node) order(ctx context.Context, words ...string) error {
	_, err := n.vm.Output(ctx, append([]string{"pollux"}, words...)...)
	if err != nil {
		return fmt.Errorf("%s: %w", n.name, err)
	}
	return nil
}

// status is what `pollux status --json` says.
func (n *node) status(ctx context.Context) (s nodepkg.Status, err error) {
	ctx, cancel := context.WithTimeout(ctx, soon)
	defer cancel()
	out, err := n.vm.Output(ctx, "pollux", "status", "--json")
	if err == nil {
		err = json.Unmarshal([]byte(out), &s)
	}
	if err == nil && len(s.Resources) != 1 {
		err = fmt.Errorf("found %d resources, want one", len(s.Resources))
	}
	if err != nil {
		return s, fmt.Errorf("%s: %w", n.name, err)
	}
	return s, nil
}

func (n *node) replica(ctx context.Context) (nodepkg.ResourceStatus, error) {
	s, err := n.status(ctx)
	if err != nil {
		return nodepkg.ResourceStatus{}, err
	}
	return s.Resources[0], nil
}

// ended tells whether a program has ended.
func ended(p *agent.Process) bool {
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	_, err := p.Wait(ctx)
	return !errors.Is(err, context.DeadlineExceeded)
}

// follow hands on each line that a program prints, as it comes.
func follow(p *agent.Process, text func() string, hear func(line string)) {
	seen := 0
	for over := false; !over; {
		short, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
		_, err := p.Wait(short)
		cancel()
		over = !errors.Is(err, context.DeadlineExceeded)
		now := text()
		for {
			line, _, whole := strings.Cut(now[seen:], "\n")
			if !whole {
				break
			}
			seen += len(line) + 1
			hear(line)
		}
	}
}
