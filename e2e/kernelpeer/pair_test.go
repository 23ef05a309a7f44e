package kernelpeer_test

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/format/drbdmeta"
	"github.com/optionc/pollux/e2e/kernelpeer/workload"
)

// options are lines of drbd.conf's sections, beside those that all scenarios
// have: limits that an emulated machine keeps while its host is busy.
type options struct {
	net      string
	disk     string
	handlers string
	rate     string // of a resync; "" is one that does not hold it back
	// inVMs puts both nodes into machines, so that each can run either engine.
	inVMs bool
	// growing are disks that can grow.
	growing bool
}

func (o options) file() string {
	if !strings.Contains(o.net, "protocol") {
		o.net += " protocol C;"
	}
	if o.rate == "" {
		o.rate = "resync-rate 100M; c-plan-ahead 0; c-min-rate 0;"
	}
	if !strings.Contains(o.disk, "on-io-error") {
		o.disk += " on-io-error detach;"
	}
	return fmt.Sprintf(`global { usage-count no; }
resource r1 {
  net { timeout 19; connect-int 2; ping-int 2; ping-timeout 30; socket-check-timeout 5; %s }
  handlers { pri-on-incon-degr "echo '!DRBD! pri on incon-degr' > /dev/kmsg"; %s }
  startup { degr-wfc-timeout 90; }
  disk { al-extents 257; %s %s }
  on milo1 { device /dev/drbd1 minor 1; disk %s; address 192.168.0.1:7789; meta-disk internal; }
  on milo2 { device /dev/drbd1 minor 1; disk %s; address 192.168.0.2:7789; meta-disk internal; }
}
`, o.net, o.handlers, o.disk, o.rate, milo1.diskFile(), milo2.diskFile())
}

// content is what the device must hold: scenarios apply to it what they write.
var content []byte

// both calls f with each node.
func both(f func(n *node)) {
	f(milo1)
	f(milo2)
}

// diskNow is the size of the disks in bytes.
var diskNow = diskSize

// deviceSize is the size of the device in bytes.
func deviceSize() int64 {
	layout, err := drbdmeta.Internal(uint64(diskNow/512), 1, 8)
	Expect(err).NotTo(HaveOccurred())
	return int64(layout.DataSectors) * 512
}

// fresh gives both nodes empty disks with fresh metadata, the configuration,
// and their first engines, which are down.
func fresh(ctx SpecContext, o options) {
	GinkgoHelper()
	wire.Heal(milo1.name, milo2.name)
	milo2.moveTo(ctx, o.inVMs)
	both(func(n *node) {
		n.disk.Heal()
		n.clear(ctx)
		n.shape(ctx, o)
	})
	both(func(n *node) { n.configure(ctx, o) })
	milo1.engine, milo2.engine = kernel{milo1}, &pollux{node: milo2}
	kernel{milo1}.must(ctx, "drbdadm", "create-md", "--force", "r1")
	kernel{milo2}.must(ctx, "pollux", "create-md", "r1")
	content = make([]byte, deviceSize())
}

// clear ends all that an earlier scenario has left on a node. One that failed
// may have left what only a new start clears.
func (n *node) clear(ctx SpecContext) {
	GinkgoHelper()
	if n.home.inVM {
		out, err := n.at.Shell(ctx, "killall -9 -q blockio polluxd; timeout 10 drbdadm down r1 >/dev/null 2>&1; "+
			"dmsetup remove --noudevsync data >/dev/null 2>&1; dmesg -c >/dev/null; cat /proc/drbd")
		if err == nil && !strings.Contains(out, "cs:") {
			return
		}
	}
	n.cut()
	n.boot(ctx)
}

func (n *node) configure(ctx SpecContext, o options) {
	GinkgoHelper()
	n.options = o
	Expect(n.at.Put(ctx, "/etc/drbd.conf", []byte(o.file()), 0o644)).To(Succeed())
}

// connected brings both up, with equal disks that no resync has to make equal.
func connected(ctx SpecContext, o options) {
	GinkgoHelper()
	fresh(ctx, o)
	both(func(n *node) { n.engine.up(ctx) })
	skipFirstSync(ctx, milo1)
}

// skipFirstSync has a node declare two disks that have never met equal.
func skipFirstSync(ctx SpecContext, by *node) {
	GinkgoHelper()
	both(func(n *node) { n.is(ctx, "Connected Secondary/Secondary Inconsistent/Inconsistent") })
	by.do(ctx, "new-current-uuid", "--clear-bitmap")
	settled(ctx)
}

// settled waits until both are Secondary and have the same data.
func settled(ctx SpecContext) {
	GinkgoHelper()
	both(func(n *node) { n.is(ctx, "Connected Secondary/Secondary UpToDate/UpToDate") })
}

// complaint is what the kernel's driver prints when its peer breaks the
// protocol, or it finds itself in a state that can't be.
// That it could not receive ReportState is what it says of every handshake that
// it gives up.
var complaint = regexp.MustCompile(`(?m)^.*(ASSERT|\bBAD\b|Logic BUG|unexpected|Unexpected|bogus|magic|ProtocolError|` +
	`error receiving [^R]|expected [A-Z]|FIXME|asender|not allowed|Could not find|WARNING|BUG:).*$`)

// brokenOff is what it says of a packet that its sender, or the network, did not
// get to finish.
var (
	brokenOff = regexp.MustCompile(`error receiving \w+, e: -5 `)
	linkLost  = regexp.MustCompile(`short read|(sock was|connection) (shut down|reset) by peer|PingAck did not arrive in time|` +
		`conn\( \w+ -> Disconnecting \)`)
)

// ownMistake is what Linux says of its own driver: when fence-peer has answered
// and I/O goes on, it writes the new generation down where it must not sleep.
// Linux warns of it, whoever the peer is.
var ownMistake = regexp.MustCompile(`WARNING: .* rcu_note_context_switch`)

func complaints(log string) []string {
	all := complaint.FindAllString(log, -1)
	if strings.Contains(log, "w_after_conn_state_ch") {
		all = slices.DeleteFunc(all, ownMistake.MatchString)
	}
	if linkLost.MatchString(log) {
		all = slices.DeleteFunc(all, brokenOff.MatchString)
	}
	return all
}

// equal checks what must be true whenever two nodes are connected and no
// resync runs: both have the same generations, nothing is marked, and both disks
// hold what was written.
func equal(ctx SpecContext) {
	GinkgoHelper()
	both(func(n *node) {
		Eventually(func() int { return n.engine.state(ctx).OutOfSync }).WithContext(ctx).WithTimeout(soon).
			Should(BeZero(), "KiB out of sync on %s", n.name)
	})
	a, b := milo1.engine.generations(ctx), milo2.engine.generations(ctx)
	Expect(withoutRole(a)).To(Equal(withoutRole(b)), "generations of both nodes")
	same()
	both(func(n *node) {
		if n.isKernel() {
			log := n.engine.log(ctx)
			Expect(complaints(log)).To(BeEmpty(), func() string { return tail(log) })
		}
		if p, ok := n.engine.(*pollux); ok {
			Expect(p.log(ctx)).NotTo(Or(ContainSubstring("frozen"), ContainSubstring("ProtocolError")))
		}
	})
}

// withoutRole drops the marks of a Primary, which each node has for itself.
func withoutRole(generations []string) []uint64 {
	GinkgoHelper()
	var values []uint64
	for _, g := range generations {
		v, err := strconv.ParseUint(g, 16, 64)
		Expect(err).NotTo(HaveOccurred())
		values = append(values, v&^1)
	}
	return values
}

// same compares both disks with what was written.
func same() {
	GinkgoHelper()
	both(func(n *node) {
		got := make([]byte, len(content))
		n.read(got)
		if bytes.Equal(got, content) {
			return
		}
		for at := 0; at < len(got); at += 512 {
			if !bytes.Equal(got[at:at+512], content[at:at+512]) {
				Fail(fmt.Sprintf("disk of %s, sector %d: %.40q, want %.40q", n.name, at/512, got[at:at+512], content[at:at+512]))
			}
		}
	})
}

// wrote carries operations out and keeps what they must have done.
func (n *node) wrote(ctx SpecContext, depth int, ops ...workload.Op) {
	GinkgoHelper()
	n.io(ctx, depth, ops...)
	for _, o := range ops {
		o.Apply(content)
	}
}

// eachWay is a scenario twice: with the kernel as the first node and polluxd as
// the second, and the other way round.
func eachWay(body func(from, to *node)) func() {
	return func() {
		Describe("the kernel as the first", Ordered, func() { body(milo1, milo2) })
		Describe("pollux as the first", Ordered, func() { body(milo2, milo1) })
	}
}
