package heartbeatpeer_test

import (
	. "github.com/onsi/ginkgo/v2"

	"github.com/optionc/pollux/e2e/matrix"
)

// The table of the matrix is printed when all is over: a column for the digest and the node that pollux was.
var _ = ReportAfterSuite("table of the matrix", func(report Report) {
	t := matrix.Table{
		Container: theMatrix, Title: "Pollux and Heartbeat 3.0.6: the digest, and the node that pollux is",
	}
	for _, r := range rows() {
		t.Rows = append(t.Rows, r.name)
	}
	for _, c := range columns() {
		t.Columns = append(t.Columns, c.String())
	}
	t.Print(report)
})
