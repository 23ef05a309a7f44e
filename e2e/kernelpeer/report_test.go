package kernelpeer_test

import (
	"fmt"
	"slices"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	"github.com/onsi/ginkgo/v2/types"

	"github.com/optionc/pollux/qemu/image"
)

// The table of the matrix is printed when all is over: a line a row, a column
// for who is the Primary in which protocol, and how many seconds it took.
var _ = ReportAfterSuite("table of the matrix", func(report Report) {
	var lines, heads []string
	cells := map[[2]string]string{}
	failed := 0
	for _, s := range report.SpecReports {
		if len(s.ContainerHierarchyTexts) != 2 || s.ContainerHierarchyTexts[0] != theMatrix || !s.State.Is(types.SpecStatePassed|types.SpecStateFailureStates) {
			continue
		}
		line, head := s.LeafNodeText, s.ContainerHierarchyTexts[1]
		if !slices.Contains(lines, line) {
			lines = append(lines, line)
		}
		if !slices.Contains(heads, head) {
			heads = append(heads, head)
		}
		word := "ok"
		if s.Failed() {
			word = "FAIL"
			failed++
		}
		cells[[2]string{line, head}] = fmt.Sprintf("%s %.1f", word, s.RunTime.Seconds())
	}
	if len(lines) == 0 {
		return
	}
	fmt.Printf("\nPollux and the DRBD of Linux %s; the columns say who is Primary, and the protocol\n", image.DefaultKernel())
	width := 0
	for _, l := range lines {
		width = max(width, len(l))
	}
	fmt.Printf("%-*s", width, "")
	for _, h := range heads {
		fmt.Printf("  %10s", h)
	}
	fmt.Println()
	for _, l := range lines {
		fmt.Printf("%-*s", width, l)
		for _, h := range heads {
			fmt.Printf("  %10s", cells[[2]string{l, h}])
		}
		fmt.Println()
	}
	fmt.Printf("%d of %d failed, %.0f s in all\n%s\n", failed, len(cells), report.RunTime.Seconds(), strings.Repeat("-", 40))
})
