// Package page_test plays the page that pollux started from on real Xen dom0s:
// its steps one after the other, and what goes wrong then.
package page_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	"github.com/onsi/ginkgo/v2/types"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/e2e/page/site"
	"github.com/optionc/pollux/qemu/image"
)

func TestPage(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "e2e/page")
}

var (
	pair         *site.Pair
	milo1, milo2 *site.Node
	ready        bool // the cluster runs
)

var _ = BeforeSuite(func(ctx SpecContext) {
	if os.Getenv("POLLUX_E2E") != "1" {
		Skip("boots two Xen dom0s in QEMU: run with POLLUX_E2E=1 (make e2e)")
	}
	began := time.Now()
	say := func(text string) { GinkgoWriter.Printf("[%7.2fs] %s\n", time.Since(began).Seconds(), text) }
	var err error
	pair, err = site.New(ctx, suite{}, image.DefaultKernel(), site.Usual(), say)
	Expect(err).NotTo(HaveOccurred())
	milo1, milo2 = pair.Milo1, pair.Milo2
}, NodeTimeout(15*time.Minute))

// suite keeps machines until the suite's end, whichever scenario boots them.
type suite struct{}

func (suite) Helper() {}

func (suite) Logf(format string, args ...any) { GinkgoWriter.Printf(format+"\n", args...) }

func (suite) Cleanup(f func()) { ended = append(ended, f) }

var ended []func()

var _ = AfterSuite(func() {
	for _, f := range slices.Backward(ended) {
		f()
	}
})

// running makes sure that the guest runs on milo1 under the cluster, whichever
// scenarios ran before.
func running(ctx SpecContext) {
	GinkgoHelper()
	if !ready {
		Expect(pair.Ready(ctx)).To(Succeed(), logs)
		ready = true
	}
	Expect(pair.Runs(ctx, milo1)).To(Succeed(), logs)
	Expect(pair.Synced(ctx)).To(Succeed(), logs)
}

// logs explain a failure.
func logs() string { return milo1.Explain() + "\n" + milo2.Explain() }

// intact checks that all promised records are there, the file system is clean
// and both disks are equal; the result is the longest time without a record.
func intact(ctx context.Context, n *site.Node) (gap time.Duration) {
	GinkgoHelper()
	records, err := pair.Verify(ctx, n)
	Expect(err).NotTo(HaveOccurred(), logs)
	gap = site.LongestGap(records, looked)
	// The guest that runs again begins after this one's.
	looked = int64(len(records)) + 1
	return gap
}

// looked is the first record after the last look.
var looked int64

// took notes how long the phases of a scenario took.
func took(phases ...site.Phase) {
	text := ""
	for _, p := range phases {
		text += fmt.Sprintf("  %s %.1f s", p.Name, p.Took.Seconds())
	}
	AddReportEntry(phasesEntry, text)
}

const (
	phasesEntry = "phases"
	whyEntry    = "why it failed"
)

// What the nodes have to say when a scenario fails stands in the table: the
// failure itself is far above it, behind all that happened meanwhile.
var _ = AfterEach(func() {
	if pair != nil && CurrentSpecReport().Failed() {
		lines := strings.Split(CurrentSpecReport().Failure.Message, "\n") // what went wrong comes last
		AddReportEntry(whyEntry, strings.Join(lines[max(0, len(lines)-10):], "\n")+"\n"+pair.Why())
	}
})

// The table: scenario, kernel, result, seconds by phase; and what explains a failure.
var _ = ReportAfterSuite("table", func(r Report) {
	for _, spec := range r.SpecReports {
		if spec.LeafNodeType != types.NodeTypeIt || spec.State == types.SpecStateSkipped {
			continue
		}
		name := strings.Join(append(spec.ContainerHierarchyTexts[1:], spec.LeafNodeText), " ")
		fmt.Printf("%s\n    Linux %s  %s  %.0f s in all", name, image.DefaultKernel(), spec.State, spec.RunTime.Seconds())
		for _, e := range spec.ReportEntries {
			if e.Name == phasesEntry {
				fmt.Print(e.StringRepresentation())
			}
		}
		fmt.Println()
		for _, e := range spec.ReportEntries {
			if e.Name == whyEntry {
				fmt.Println(e.StringRepresentation())
			}
		}
	}
})
