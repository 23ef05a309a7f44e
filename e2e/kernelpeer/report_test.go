package kernelpeer_test

import (
	. "github.com/onsi/ginkgo/v2"

	"github.com/optionc/pollux/e2e/matrix"
	"github.com/optionc/pollux/qemu/image"
)

// The table of the matrix is printed when all is over: a column for who is the
// Primary in which protocol.
var _ = ReportAfterSuite("table of the matrix", func(report Report) {
	t := matrix.Table{
		Container: theMatrix,
		Title:     "Pollux and the DRBD of Linux " + image.DefaultKernel() + ": who is Primary, and the protocol",
	}
	for _, r := range rows() {
		t.Rows = append(t.Rows, r.name)
	}
	for _, c := range columns() {
		t.Columns = append(t.Columns, c.String())
	}
	t.Print(report)
})
