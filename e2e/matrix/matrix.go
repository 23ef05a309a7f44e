// Package matrix prints what became of a matrix of specs: a line a row, a column
// for each circumstance that the row was run in, and how many seconds it took.
package matrix

import (
	"cmp"
	"fmt"

	"github.com/onsi/ginkgo/v2/types"
)

// A Table is a matrix: specs named as the rows, in containers named as the
// columns, in one container named Container.
type Table struct {
	Container     string
	Title         string
	Rows, Columns []string
}

// Print prints what the report says of the table's specs, if any was run. One
// that was not is a dash.
func (t Table) Print(report types.Report) {
	cells := map[[2]string]string{}
	failed := 0
	for _, s := range report.SpecReports {
		in := s.ContainerHierarchyTexts
		if len(in) != 2 || in[0] != t.Container || !s.State.Is(types.SpecStatePassed|types.SpecStateFailureStates) {
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
	for _, row := range t.Rows {
		width = max(width, len(row))
	}
	fmt.Printf("\n%s; seconds\n%-*s", t.Title, width, "")
	for _, column := range t.Columns {
		fmt.Printf("  %10s", column)
	}
	fmt.Println()
	for _, row := range t.Rows {
		fmt.Printf("%-*s", width, row)
		for _, column := range t.Columns {
			fmt.Printf("  %10s", cmp.Or(cells[[2]string{row, column}], "-"))
		}
		fmt.Println()
	}
	fmt.Printf("%d of %d failed; %.0f s in all\n---\n", failed, len(cells), report.RunTime.Seconds())
}
