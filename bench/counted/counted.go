// Package counted measures in a machine whose clock is the number of its
// instructions, so that a busy host changes nothing: the same run gives the
// same figures everywhere.
package counted

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/optionc/pollux/qemu/agent"
	"github.com/optionc/pollux/qemu/image"
	"github.com/optionc/pollux/qemu/machine"
)

// kernel is the version of Linux: 6.1 does not boot everywhere this way.
const kernel = "6.12"

// Conditions are what the figures are worth.
const Conditions = "One virtual machine with one processor, Linux " + kernel + ", QEMU `-accel tcg,thread=single -icount " +
	"shift=0,sleep=off`: an instruction takes a nanosecond, whatever the host does. Disks are memory (null_blk) that " +
	"answers after 50 µs. 4 KiB random writes, O_DIRECT, io_submit, one second of the machine's time each."

// setup makes three disks. They are small, so that a first sync is short and all
// of them fit into the machine's memory.
const setup = `set -e
mkdir -p /run/lock /var/lib/milo1 /var/lib/milo2 /var/lib/drbd
dmesg -n 1
modprobe nbd nbds_max=2 max_part=0
modprobe sch_netem
modprobe null_blk nr_devices=0
mount -t configfs none /sys/kernel/config
for disk in nullb0 nullb1 nullb2; do
  mkdir /sys/kernel/config/nullb/$disk
  cd /sys/kernel/config/nullb/$disk
  echo 128 >size; echo 4096 >blocksize; echo 1 >memory_backed; echo 2 >queue_mode; echo 1 >submit_queues
  echo 2 >irqmode; echo 50000 >completion_nsec; echo 1 >power
done
`

// limit is how long one step may take, on a slow host.
const limit = 10 * time.Minute

// host is the machine of one benchmark.
type host struct {
	vm  *machine.Machine
	say func(string)
}

// boot starts the machine; it dies with the owner.
func boot(ctx context.Context, owner *machine.Owner, say func(string)) (*host, error) {
	dir, err := os.MkdirTemp("", "pollux")
	if err != nil {
		return nil, err
	}
	owner.Cleanup(func() { _ = os.RemoveAll(dir) })
	programs, err := image.Programs(ctx, dir, map[string]string{
		"/usr/sbin/polluxd": "cmd/polluxd", "/usr/bin/pollux": "cmd/pollux", "/usr/bin/load": "bench/load",
	})
	if err != nil {
		return nil, err
	}
	plain, err := image.Plain(ctx, kernel, programs)
	if err != nil {
		return nil, err
	}
	say("a machine that counts instructions boots")
	vm, err := machine.Boot(ctx, owner, machine.Config{
		Name: "milo1", Image: plain, Memory: 1024, Counted: true, Lifetime: 3 * time.Hour,
	})
	if err != nil {
		return nil, err
	}
	h := &host{vm: vm, say: say}
	return h, h.shell(ctx, setup)
}

// shell runs a script that must succeed.
func (h *host) shell(ctx context.Context, script string) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	_, err := h.vm.Shell(ctx, script)
	return err
}

// Figure is what one run of the load gave.
type Figure struct {
	Writes  int     `json:"writes"`
	Seconds float64 `json:"seconds"`
	Busy    float64 `json:"busy-seconds"` // of the processor
	P50     float64 `json:"p50-us"`       // µs
}

// IOPS is writes a second.
func (f Figure) IOPS() float64 { return float64(f.Writes) / f.Seconds }

// Instructions is how many a write took, of all that runs in the machine.
func (f Figure) Instructions() float64 { return f.Busy * 1e9 / float64(f.Writes) }

// load writes to a device, so many blocks at a time.
func (h *host) load(ctx context.Context, device string, depth int) (f Figure, err error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	r, err := h.vm.Run(ctx, "load", device, strconv.Itoa(depth), "1", "4096")
	if err == nil && r.Status != 0 {
		err = fmt.Errorf("load %s: exit status %d: %s", device, r.Status, r.Stderr)
	}
	if err != nil {
		return f, err
	}
	err = json.Unmarshal([]byte(r.Stdout), &f)
	h.say(fmt.Sprintf("  %s depth %d: %.0f writes/s, p50 %.0f µs, %.0f instructions a write",
		device, depth, f.IOPS(), f.P50, f.Instructions()))
	return f, err
}

// engine is a polluxd in the machine.
type engine struct {
	h        *host
	name     string
	frontend string
	daemon   *agent.Process
}

// pollux gives the engine an order.
func (e *engine) pollux(ctx context.Context, args string) error {
	return e.h.shell(ctx, fmt.Sprintf("pollux --node %s --run-dir /run/%[1]s %s", e.name, args))
}

// start starts the daemon on fresh metadata and waits until it answers.
func (e *engine) start(ctx context.Context) (err error) {
	if err := e.pollux(ctx, "create-md --force r1"); err != nil {
		return err
	}
	e.daemon, err = e.h.vm.Start("polluxd", "--node", e.name, "--run-dir", "/run/"+e.name,
		"--state-dir", "/var/lib/"+e.name, "--frontend", e.frontend)
	if err != nil {
		return err
	}
	return e.reaches(ctx, `"disk": "Inconsistent"`)
}

// stop ends the daemon.
func (e *engine) stop(ctx context.Context) error {
	if err := e.daemon.Signal(ctx, syscall.SIGTERM); err != nil {
		return err
	}
	_, err := e.daemon.Wait(ctx)
	return err
}

// reaches waits until the engine's status says that.
func (e *engine) reaches(ctx context.Context, words string) error {
	script := fmt.Sprintf(`tries=0
until s=$(pollux --node %s --run-dir /run/%[1]s status --json 2>&1) && echo "$s" | grep -q '%s'; do
  tries=$((tries + 1)); [ $tries -gt 600 ] && echo "$s" && exit 1; usleep 100000
done`, e.name, words)
	if err := e.h.shell(ctx, script); err != nil {
		return fmt.Errorf("%s does not get %s: %w: %s", e.name, words, err, tail(e.daemon.Stderr()))
	}
	return nil
}

// tail is the end of a log.
func tail(log string) string {
	lines := strings.Split(strings.TrimSpace(log), "\n")
	return strings.Join(lines[max(0, len(lines)-10):], "\n")
}
