package heartbeatpeer_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/qemu/cell"
)

// An engine is what runs the cluster on a node.
type engine string

const (
	heartbeat engine = "heartbeat"
	pollux    engine = "pollux"
)

// node is one of the two.
type node struct {
	name   string
	engine engine
	config cell.Config
	pair   *pair
	at     *cell.Cell // nil while it is without power
}

// patience is how long something may take that takes a moment: the machine may be busy with other suites.
const patience = 45 * time.Second

// setup gives a node what the installation of a package would have made.
const setup = `set -e
printf 'root:x:0:0::/root:/bin/sh\nhacluster:x:105:112::/var/lib/heartbeat:/bin/false\nnobody:x:65534:65534::/:/bin/false\n' >/etc/passwd
printf 'root:x:0:\nhaclient:x:112:\nnogroup:x:65534:\n' >/etc/group
rm -rf /var/run
ln -s /run /var/run
mkdir -p /run/heartbeat /var/log
chown hacluster:haclient /run/heartbeat
ln -sf mawk /usr/bin/awk
printf '#!/bin/sh\necho "$(uname -n) reboots" >>/opt/pollux/calls\n' >/usr/sbin/reboot
chmod 755 /usr/sbin/reboot
`

// boot switches the node on; nothing runs yet.
func (n *node) boot(ctx context.Context) {
	GinkgoHelper()
	var err error
	n.at, err = cell.Start(ctx, n.pair, n.config)
	Expect(err).NotTo(HaveOccurred())
	n.sh(ctx, setup)
	for name, content := range n.pair.files {
		mode := os.FileMode(0o600)
		if strings.Contains(name, "resource.d/") {
			mode = 0o755
		}
		Expect(n.at.Put(ctx, name, []byte(content), mode)).To(Succeed())
	}
}

// sh runs a script on the node.
func (n *node) sh(ctx context.Context, script string) string {
	GinkgoHelper()
	out, err := n.at.Shell(ctx, script)
	Expect(err).NotTo(HaveOccurred(), "%s: %s", n.name, script)
	return out
}

// start starts the daemon.
func (n *node) start(ctx context.Context) {
	GinkgoHelper()
	if n.engine == heartbeat {
		n.sh(ctx, "/usr/libexec/heartbeat/heartbeat >>/var/lib/log 2>&1 </dev/null")
		return
	}
	n.sh(ctx, "setsid polluxd --lock-memory no >>/var/lib/log 2>&1 </dev/null &")
}

// stop ends the daemon in an orderly way, and returns when it is gone.
func (n *node) stop(ctx context.Context) {
	GinkgoHelper()
	if n.engine == heartbeat {
		n.sh(ctx, "/usr/libexec/heartbeat/heartbeat -k >>/var/lib/log 2>&1 </dev/null")
		return
	}
	n.sh(ctx, "pkill -TERM -x polluxd; while pgrep -x polluxd >/dev/null; do sleep 0.05; done")
}

// powerOff ends everything on the node at once.
func (n *node) powerOff() {
	GinkgoHelper()
	n.at.Kill()
	n.at = nil
	running, err := filepath.Glob(filepath.Join(n.config.Programs, "running", n.name+".*"))
	Expect(err).NotTo(HaveOccurred())
	for _, file := range running {
		Expect(os.Remove(file)).To(Succeed())
	}
}

// pattern names the daemon's processes.
func (n *node) pattern() string {
	if n.engine == heartbeat {
		return "heartbeat"
	}
	return "polluxd"
}

// freeze stops the daemon, which does not notice.
func (n *node) freeze(ctx context.Context) {
	GinkgoHelper()
	n.sh(ctx, "pkill -STOP "+n.pattern())
}

// thaw lets it go on.
func (n *node) thaw(ctx context.Context) {
	GinkgoHelper()
	n.sh(ctx, "pkill -CONT "+n.pattern())
}

// standby and takeover are what an administrator does. Heartbeat's own commands say nothing about how it ended.
func (n *node) standby(ctx context.Context, set string) {
	GinkgoHelper()
	if n.engine == heartbeat {
		n.order(ctx, "/usr/share/heartbeat/hb_standby "+set)
		return
	}
	n.ask(ctx, cell.ProgramsDir+"/hb_standby "+set)
}

func (n *node) takeover(ctx context.Context, set string) {
	GinkgoHelper()
	if n.engine == heartbeat {
		n.order(ctx, "/usr/share/heartbeat/hb_takeover "+set)
		return
	}
	n.ask(ctx, "pollux takeover "+set)
}

// ask gives an order to pollux, again while it is refused: when packets get lost it can take some time until the peer is
// known to be settled.
func (n *node) ask(ctx context.Context, script string) {
	GinkgoHelper()
	Eventually(func() error {
		_, err := n.at.Shell(ctx, script)
		return err
	}).WithContext(ctx).WithTimeout(patience).Should(Succeed(), n.pair.logs)
}

// order gives an order to Heartbeat, and gives it again for as long as it gets lost on the way: the reader of its FIFO
// may find it empty, and says so.
func (n *node) order(ctx context.Context, script string) {
	GinkgoHelper()
	count := func(text string) (count int) {
		for _, n := range n.pair.nodes() {
			count += strings.Count(n.log(), text)
		}
		return count
	}
	for {
		begun := count("wants to go standby") + count("groups are offered")
		lost := count("Message with zero fields")
		n.sh(ctx, script)
		Eventually(func() bool {
			return count("wants to go standby")+count("groups are offered") > begun || count("Message with zero fields") > lost
		}).WithContext(ctx).WithTimeout(patience).Should(BeTrue(), n.pair.logs)
		if count("wants to go standby")+count("groups are offered") > begun {
			return
		}
	}
}

// clStatus is the command on this node: pollux's is a link of that name.
func (n *node) clStatus() string {
	if n.engine == heartbeat {
		return "/usr/bin/cl_status"
	}
	return cell.ProgramsDir + "/cl_status"
}

// holds is what cl_status says about the node's resources; made for Eventually.
func (n *node) holds(ctx context.Context) (string, error) {
	r, err := n.at.Run(ctx, n.clStatus(), "rscstatus")
	return strings.TrimSpace(r.Stdout + r.Stderr), err
}

// says is all that cl_status has to say, without who, where and when.
func (n *node) says(ctx context.Context, ask string) string {
	GinkgoHelper()
	r, err := n.at.Run(ctx, append([]string{n.clStatus()}, strings.Fields(ask)...)...)
	Expect(err).NotTo(HaveOccurred())
	return fmt.Sprintf("%sstatus %d\n%s", r.Stdout, r.Status, stamp.ReplaceAllString(r.Stderr, ""))
}

// stamp is what a line of a log begins with.
var stamp = regexp.MustCompile(`(?m)^\w+ +\d+ [0-9:]+ \w+ cl_status: \[\d+\]: `)

// sees is what cl_status of the real one says about the other node.
func (n *node) sees(ctx context.Context, args ...string) (string, error) {
	r, err := n.at.Run(ctx, append([]string{n.clStatus()}, args...)...)
	return strings.TrimSpace(r.Stdout), err
}

// log is what the daemons of the node have said.
func (n *node) log() string {
	text, err := os.ReadFile(filepath.Join(n.config.Keep, "log"))
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// furnish makes the folder that outlives the node's power.
func (n *node) furnish(ctx context.Context, dir string, number int) {
	GinkgoHelper()
	keep := filepath.Join(dir, "keep-"+n.name)
	Expect(os.MkdirAll(keep, 0o755)).To(Succeed())
	said, err := exec.CommandContext(ctx, "cp", "-a", filepath.Join(root, "var/lib/heartbeat"), keep).CombinedOutput()
	Expect(err).NotTo(HaveOccurred(), string(said))
	n.config = cell.Config{
		Name: n.name, Address: fmt.Sprintf("192.168.0.%d/24", number), Cable: n.pair.wire.Socket(n.name),
		MAC: fmt.Sprintf("52:54:00:00:00:0%d", number), Programs: dir, Root: root, Keep: keep,
	}
}
