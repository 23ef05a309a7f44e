// Package guests_test runs one node on a real Xen dom0 whose peer is dead: what
// becomes of the guests of its group, and of one that it runs for itself, by
// polluxd, xl and LVM2.
package guests_test

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/qemu/agent"
	"github.com/optionc/pollux/qemu/image"
	"github.com/optionc/pollux/qemu/machine"
	"github.com/optionc/pollux/qemu/record"
)

func TestGuests(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "e2e/guests")
}

const (
	// diskSize has room for the disks of both guests and a memory, in bytes.
	diskSize = 256 << 20
	// soon is a limit for what takes seconds on a machine that is not busy.
	soon = 4 * time.Minute
	// lifetime of a machine that is forgotten.
	lifetime = time.Hour
)

// webFile is the file of the guest that is in a group.
const webFile = "/etc/xen/ha.d/web1.cfg"

// files are the node's. Of 150 MiB that guests can have batch has 80, so that web1
// finds no room beside it.
var files = map[string]string{
	"/etc/ha.d/ha.cf": `node milo1 milo2
keepalive 1
deadtime 10
initdead 10
ucast xen-br0 192.168.0.2
auto_failback on
monitor 5 3 3600
displace milo1 /etc/xen/batch.cfg
`,
	"/etc/ha.d/haresources": "milo1 xenHA\n",
	"/etc/ha.d/authkeys":    "auth 1\n1 sha1 of-this-test\n",
	// Who had to wait until its time to shut down is over would miss every limit here.
	webFile: guestFile("web1", 96, "200ms") +
		"pollux_move = \"save\"\npollux_image = \"/dev/vg/web1_memory\"\npollux_shutdown = 3600\n",
	"/etc/xen/batch.cfg": guestFile("batch", 80, "10s") + "pollux_shutdown = 3600\n",
}

// guestFile configures a guest with so many MiB that writes a record each interval.
func guestFile(name string, memory int, interval string) string {
	return fmt.Sprintf(`name = "%[1]s"
kernel = "/boot/vmlinux"
ramdisk = "/boot/initramfs"
extra = "console=hvc0 quiet mitigations=off recorder.interval=%[3]s"
memory = %[2]d
disk = [ "format=raw,vdev=xvda,access=rw,script=block-quick,target=/dev/vg/%[1]s" ]
`, name, memory, interval)
}

// prepare makes the guests' disks, and starts batch.
const prepare = `set -e
dmesg -n 1
mkdir -p /var/lib/pollux /run/pollux /run/lock/lvm
pvcreate -q /dev/disk/data
vgcreate -q vg /dev/disk/data
lvcreate -q -y --size 32M --name web1 vg
lvcreate -q -y --size 16M --name batch vg
lvcreate -q -y --size 112M --name web1_memory vg
mkfs.ext4 -q /dev/vg/web1
mkfs.ext4 -q /dev/vg/batch
xl create -q /etc/xen/batch.cfg`

// dom0 is the machine, with what it says.
type dom0 struct {
	*machine.Machine
	daemon  *agent.Process
	console *agent.Process // of web1, in all its lives
	batch   *agent.Process // the console of batch
}

// boot boots the machine and prepares it; no daemon runs.
func boot(ctx SpecContext) *dom0 {
	GinkgoHelper()
	dir := GinkgoT().TempDir()
	programs, err := image.Programs(ctx, dir, map[string]string{
		"/usr/sbin/polluxd": "cmd/polluxd", "/usr/bin/pollux": "cmd/pollux",
	})
	Expect(err).NotTo(HaveOccurred())
	agents, err := image.Agents(ctx, "Xen")
	Expect(err).NotTo(HaveOccurred())
	maps.Copy(programs, agents)
	xen, err := image.Dom0(ctx, image.DefaultKernel(), programs)
	Expect(err).NotTo(HaveOccurred())
	config := machine.Config{Name: "milo1", Address: "192.168.0.1/24", Image: xen, Lifetime: lifetime}
	_, err = config.Plug(GinkgoT(), dir, "data", diskSize)
	Expect(err).NotTo(HaveOccurred())
	d := &dom0{}
	d.Machine, err = machine.Boot(ctx, GinkgoT(), config)
	Expect(err).NotTo(HaveOccurred())
	for name, text := range files {
		Expect(d.Put(ctx, filepath.Clean(name), []byte(text), 0o600)).To(Succeed())
	}
	d.shell(ctx, prepare)
	d.console, d.batch = d.follow("web1"), d.follow("batch")
	return d
}

func (d *dom0) follow(guest string) *agent.Process {
	GinkgoHelper()
	console, err := d.Start("tail", "-n", "+1", "-F", "/var/log/xen/console/guest-"+guest+".log")
	Expect(err).NotTo(HaveOccurred())
	return console
}

// shell runs a script that must succeed.
func (d *dom0) shell(ctx context.Context, script string) string {
	GinkgoHelper()
	out, err := d.Shell(ctx, script)
	Expect(err).NotTo(HaveOccurred(), d.said)
	return out
}

// start starts polluxd.
func (d *dom0) start() {
	GinkgoHelper()
	var err error
	d.daemon, err = d.Start("polluxd")
	Expect(err).NotTo(HaveOccurred())
}

// leave ends polluxd, which takes its guests down first.
func (d *dom0) leave(ctx context.Context) {
	GinkgoHelper()
	ctx, cancel := context.WithTimeout(ctx, soon)
	defer cancel()
	Expect(d.daemon.End(ctx)).To(Succeed(), d.said)
}

// said is for a person to read when something is wrong.
func (d *dom0) said() string {
	text := d.console.Stdout()
	if d.daemon != nil {
		text = d.daemon.Stderr() + text
	}
	return text
}

// domains are the numbers of the guests that Xen has, by name.
func (d *dom0) domains(ctx context.Context) map[string]int {
	GinkgoHelper()
	found := map[string]int{}
	for line := range strings.Lines(d.shell(ctx, "xl list | tail -n +3")) {
		fields := strings.Fields(line)
		number, err := strconv.Atoi(fields[1])
		Expect(err).NotTo(HaveOccurred(), line)
		found[fields[0]] = number
	}
	return found
}

// runs waits until Xen has that guest and no other; the result is its number.
func (d *dom0) runs(ctx SpecContext, name string) int {
	GinkgoHelper()
	var now map[string]int
	Eventually(func() map[string]int { now = d.domains(ctx); return now }).WithContext(ctx).WithTimeout(soon).
		Should(And(HaveLen(1), HaveKey(name)), d.said)
	return now[name]
}

// goesOn waits until web1 has promised more records than it has now.
func (d *dom0) goesOn(ctx SpecContext) {
	GinkgoHelper()
	before := promised(d.console)
	Eventually(func() int { return promised(d.console) }).WithContext(ctx).WithTimeout(soon).
		Should(BeNumerically(">", before+5), d.said)
}

// boots is how often a guest has booted.
func boots(console *agent.Process) int { return strings.Count(console.Stdout(), "recorder: verified") }

// ends is how often a guest has shut down in order.
func ends(console *agent.Process) int { return strings.Count(console.Stdout(), "recorder: unmounted") }

// promised is how many records a guest has promised.
func promised(console *agent.Process) int {
	n := 0
	for line := range strings.Lines(console.Stdout()) {
		if _, err := record.Parse([]byte(line)); err == nil {
			n++
		}
	}
	return n
}

// skipUnlessAsked skips what takes minutes.
func skipUnlessAsked() {
	GinkgoHelper()
	if os.Getenv("POLLUX_E2E") != "1" {
		Skip("boots a Xen dom0 in QEMU: run with POLLUX_E2E=1 (make e2e)")
	}
}
