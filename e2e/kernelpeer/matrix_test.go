package kernelpeer_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

// pairing is a column of the matrix: who is the Primary, and the protocol.
type pairing struct {
	from, to *node // the Primary, the Secondary
	protocol string
}

func (p pairing) String() string {
	if p.from == milo1 {
		return "kernel " + p.protocol
	}
	return "pollux " + p.protocol
}

// full says that all of the matrix is wanted (POLLUX_MATRIX=full): else it is
// some rows, in protocol C.
func full() bool { return os.Getenv("POLLUX_MATRIX") == "full" }

func columns() []pairing {
	protocols := []string{"C"}
	if full() {
		protocols = []string{"C", "B", "A"}
	}
	var all []pairing
	for _, p := range protocols {
		all = append(all, pairing{milo2, milo1, p}, pairing{milo1, milo2, p})
	}
	return all
}

// row is something that the pair goes through. It begins and ends with two
// Secondaries that have the same data.
type row struct {
	name    string
	options options
	fresh   bool // it begins with disks that have never met
	smoke   bool // one of the few that are run when there is little time
	// only names the protocols that it makes a difference for, "" all.
	only string
	body func(ctx SpecContext, p pairing)
}

// rows are those that are wanted, in the order of the table.
func rows() []row {
	all := slices.Concat(syncRows, writeRows, crashRows, splitRows, diskRows, verifyRows, resizeRows, fenceRows,
		congestionRows, changeRows, drivenRows)
	if !full() {
		all = slices.DeleteFunc(all, func(r row) bool { return !r.smoke })
	}
	return all
}

const theMatrix = "The matrix"

var _ = Describe(theMatrix, Label("vm", "matrix"), func() {
	for _, p := range columns() {
		Describe(p.String(), func() {
			for _, r := range rows() {
				if !strings.Contains(r.only, p.protocol) && r.only != "" {
					continue
				}
				It(r.name, func(ctx SpecContext) { r.run(ctx, p) }, SpecTimeout(4*time.Minute))
			}
		})
	}
})

// met is what the pair is configured with if it was left as a row has to leave
// it; nil means that the next row needs a new pair.
var met *options

func (r row) run(ctx SpecContext, p pairing) {
	GinkgoHelper()
	o := r.options
	o.net += " protocol " + p.protocol + ";"
	before := met
	met = nil
	switch {
	case r.fresh:
		fresh(ctx, o)
	case before == nil || before.growing:
		connected(ctx, o)
	case *before != o:
		both(func(n *node) { n.engine.down(ctx) })
		both(func(n *node) { n.configure(ctx, o) })
		both(func(n *node) { n.engine.up(ctx) })
		settled(ctx)
	}
	r.body(ctx, p)
	settled(ctx)
	equal(ctx)
	met = &o
}

// synced waits until a Primary and its Secondary have the same data.
func (p pairing) synced(ctx SpecContext) {
	GinkgoHelper()
	p.from.is(ctx, "Connected Primary/Secondary UpToDate/UpToDate")
	p.to.is(ctx, "Connected Secondary/Primary UpToDate/UpToDate")
}

// promoted makes the first the Primary.
func (p pairing) promoted(ctx SpecContext) {
	GinkgoHelper()
	p.from.do(ctx, "primary")
	p.to.is(ctx, "Connected Secondary/Primary UpToDate/UpToDate")
}

// copied checks that a resync was of so many KiB, as the one who has sent sees
// it. What is written meanwhile may be in it or not.
func copied(ctx SpecContext, n *node, kib int) {
	GinkgoHelper()
	if n.isKernel() {
		Expect(n.engine.log(ctx)).To(ContainSubstring(fmt.Sprintf("will sync %d KB", kib)))
		return
	}
	Expect(n.engine.log(ctx)).To(ContainSubstring(fmt.Sprintf("resync of %d KiB begins", kib)))
}
