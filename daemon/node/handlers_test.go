package node_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/driver/control"
	"github.com/optionc/pollux/daemon/node"
)

// fenced are two nodes whose handlers note how they were called, in the file
// that each gives.
func fenced(t *testing.T) (milo1, milo2 *node.Node, calls string) {
	t.Helper()
	g := NewWithT(t)
	dir := t.TempDir()
	calls = filepath.Join(dir, "calls")
	note := func(event, what string) string {
		return fmt.Sprintf("  %s \"echo %s %s >> %s\";\n", event, event, what, calls)
	}
	text := "resource r1 {\n protocol C;\n disk { fencing resource-only; }\n handlers {\n" +
		note("before-resync-target", "$DRBD_RESOURCE $DRBD_MINOR $DRBD_LL_DISK") +
		note("after-resync-target", "$DRBD_VOLUME") +
		fmt.Sprintf("  fence-peer \"echo fence-peer $DRBD_RESOURCE $DRBD_PEERS >> %s; exit 4\";\n }\n", calls)
	for _, name := range []string{"milo1", "milo2"} {
		disk := filepath.Join(dir, name+".img")
		g.Expect(os.WriteFile(disk, make([]byte, 16<<20), 0o600)).To(Succeed())
		text += fmt.Sprintf(" on %s { device /dev/drbd1; disk %s; address %s; meta-disk internal; }\n", name, disk, freeAddress(t))
	}
	g.Expect(os.WriteFile(filepath.Join(dir, "drbd.conf"), []byte(text+"}\n"), 0o600)).To(Succeed())
	return startNode(t, dir, "milo1"), startNode(t, dir, "milo2"), calls
}

func TestTheHandlersOfAResourceAreRun(t *testing.T) {
	g := NewWithT(t)
	milo1, milo2, calls := fenced(t)
	disks := func(n *node.Node) func() string {
		return func() string {
			r := n.Status().Resources[0]
			return r.Connection + " " + r.Disk + "/" + r.PeerDisk
		}
	}
	order := func(n *node.Node, what string, force bool) {
		t.Helper()
		a := n.Order(t.Context(), control.Order{Order: what, Resource: "r1", Force: force})
		g.Expect(a.OK).To(BeTrue(), "%s: %s", what, a.Text)
	}
	g.Eventually(disks(milo1)).WithTimeout(patience).Should(Equal("Connected Inconsistent/Inconsistent"))
	order(milo1, "primary", true)
	g.Eventually(disks(milo1)).WithTimeout(patience).Should(Equal("Connected UpToDate/UpToDate"))
	order(milo1, "secondary", false)
	g.Eventually(func() string { return milo2.Status().Resources[0].PeerRole }).WithTimeout(patience).
		Should(Equal("Secondary"))
	order(milo2, "disconnect", false)
	order(milo2, "primary", false)
	g.Expect(disks(milo2)()).To(Equal("StandAlone UpToDate/Outdated"))
	said := func() (string, error) {
		text, err := os.ReadFile(calls)
		return string(text), err
	}
	g.Eventually(said).WithTimeout(patience).Should(And(
		MatchRegexp(`(?m)^before-resync-target r1 1 .*/milo2\.img$`), MatchRegexp(`(?m)^after-resync-target 0$`),
		MatchRegexp(`(?m)^fence-peer r1 milo1$`),
	))
	var about []string
	for _, d := range milo2.Status().Resources[0].Decisions {
		about = append(about, d.About+" "+d.Outcome)
	}
	g.Expect(about[:2]).To(Equal([]string{"primary allowed", "fencing own disk UpToDate, peer disk Outdated"}), "newest first")
	order(milo2, "secondary", false)
}
