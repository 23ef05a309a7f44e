package heartbeatpeer_test

import (
	"fmt"

	. "github.com/onsi/ginkgo/v2"
	"github.com/onsi/ginkgo/v2/types"
)

// The table of the matrix is printed when all is over: a line a row, a column for the digest and the node that pollux
// was, and how many seconds it took.
var _ = ReportAfterSuite("table of the matrix", func(report Report) {
	cells := map[[2]string]string{}
	failed := 0
	for _, s := range report.SpecReports {
		in := s.ContainerHierarchyTexts
		if len(in) != 2 || in[0] != theMatrix || !s.State.Is(types.SpecStatePassed|types.SpecStateFailureStates) {
			continue
		}
		word := "ok"
		if s.Failed() {
			word = "FAIL"
			failed++
		}
		cells[[2]string{s.LeafNodeText, in[1]}] = fmt.Sprintf("%s %.1f", word, s.RunTime.Seconds())
	}
	if len(cells) == 0 {
		return
	}
	width := 0
	for _, r := range rows() {
		width = max(width, len(r.name))
	}
	fmt.Printf("\nPollux and Heartbeat 3.0.6: the digest, and the node that pollux is; seconds\n%-*s", width, "")
	for _, c := range columns() {
		fmt.Printf("  %10s", c)
	}
	fmt.Println()
	for _, r := range rows() {
		fmt.Printf("%-*s", width, r.name)
		for _, c := range columns() {
			fmt.Printf("  %10s", cells[[2]string{r.name, c.String()}])
		}
		fmt.Println()
	}
	fmt.Printf("%d of %d failed; %.0f s in all\n---\n", failed, len(cells), report.RunTime.Seconds())
})
