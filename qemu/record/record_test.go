package record_test

import (
	"bytes"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/qemu/record"
)

func file(n int64) []byte {
	var b []byte
	for i := range n {
		b = record.Record{Number: i + 1, At: time.Duration(i) * time.Second}.Append(b)
	}
	return b
}

func TestVerify(t *testing.T) {
	whole := file(3)
	flipped := bytes.Clone(whole)
	flipped[record.Size+20] ^= 1
	for name, tc := range map[string]struct {
		content []byte
		records int
		torn    int
		fails   bool
	}{
		"nothing":                               {},
		"three records":                         {content: whole, records: 3},
		"the last one torn":                     {content: whole[:2*record.Size+7], records: 2, torn: 7},
		"the last one without its line end":     {content: whole[:3*record.Size-1], records: 2, torn: record.Size - 1},
		"the last one still zeroes":             {content: append(file(2), make([]byte, record.Size)...), records: 2, torn: record.Size},
		"a bit flipped before the last one":     {content: flipped, records: 1, fails: true},
		"more than one record of zeroes at end": {content: append(file(2), make([]byte, record.Size+1)...), records: 2, fails: true},
		"a hole":                                {content: append(file(1), file(3)[2*record.Size:]...), records: 1, fails: true},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			records, torn, err := record.Verify(tc.content)
			g.Expect(err != nil).To(Equal(tc.fails), "%v", err)
			g.Expect(records).To(HaveLen(tc.records))
			g.Expect(torn).To(Equal(tc.torn))
		})
	}
}

func TestSize(t *testing.T) {
	NewWithT(t).Expect(record.Record{Number: 1, At: time.Duration(1 << 62)}.Append(nil)).To(HaveLen(record.Size))
}
