package node_test

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/driver/control"
)

// A node that is brought up attaches its disk, then looks for its peer. Users who
// wait for its device, or a group, have it promoted as soon as its disk is there:
// that may come between.
func TestAPromotionWhileANodeIsBroughtUp(t *testing.T) {
	g := NewWithT(t)
	dir := freshPair(t)
	n := startNode(t, dir, "milo1")
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for t.Context().Err() == nil && !n.Order(t.Context(), control.Order{Order: "primary", Resource: "r1", Force: true}).OK {
				continue // until the disk is there
			}
		})
	}
	all.Wait()
	g.Eventually(func() string { return n.Status().Resources[0].Connection }).WithTimeout(patience).
		Should(Equal("WFConnection"))
	g.Expect(n.Status().Resources[0].Role).To(Equal("Primary"))
}

// freshPair is a folder with the drbd.conf of r1 and the empty disks of both nodes.
func freshPair(t *testing.T) (dir string) {
	t.Helper()
	g := NewWithT(t)
	dir = t.TempDir()
	text := "resource r1 {\n protocol C;\n"
	for _, name := range []string{"milo1", "milo2"} {
		disk := filepath.Join(dir, name+".img")
		g.Expect(os.WriteFile(disk, make([]byte, 16<<20), 0o600)).To(Succeed())
		text += fmt.Sprintf(" on %s { device /dev/drbd1; disk %s; address %s; meta-disk internal; }\n", name, disk, freeAddress(t))
	}
	g.Expect(os.WriteFile(filepath.Join(dir, "drbd.conf"), []byte(text+"}\n"), 0o600)).To(Succeed())
	return dir
}
