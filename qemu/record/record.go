// Package record is what a guest writes to its disk while the machines under
// it fail: numbered lines with a checksum, each safe on disk before the next is
// begun, and printed only then. So a printed record that is not there later is
// a lost write, and a hole is a reordered one.
package record

import (
	"bytes"
	"fmt"
	"hash/crc32"
	"time"
)

// Size of a record, with its line end, in bytes.
const Size = 53

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Record is one line: "record NUMBER NANOSECONDS CHECKSUM".
type Record struct {
	Number int64         // from 1 on, without holes
	At     time.Duration // the guest's clock, since 1970
}

// Append writes the record after dst.
func (r Record) Append(dst []byte) []byte {
	start := len(dst)
	dst = fmt.Appendf(dst, "record %015d %020d ", r.Number, int64(r.At))
	return fmt.Appendf(dst, "%08x\n", crc32.Checksum(dst[start:], castagnoli))
}

// Parse reads one line, with or without its end.
func Parse(line []byte) (Record, error) {
	var r Record
	var sum uint32
	line = bytes.TrimRight(line, "\r\n")
	if _, err := fmt.Sscanf(string(line), "record %d %d %x", &r.Number, (*int64)(&r.At), &sum); err != nil {
		return Record{}, fmt.Errorf("record %q: want \"record NUMBER NANOSECONDS CHECKSUM\": %w", line, err)
	}
	if again := r.Append(nil); !bytes.Equal(again[:Size-1], line) {
		return Record{}, fmt.Errorf("record %q: want %q", line, again)
	}
	return r, nil
}

// Verify reads a file of records. It may end in part of one that was never
// safe: torn is the length of that part. Anything else that is no record, or
// out of its place, is an error.
func Verify(content []byte) (records []Record, torn int, err error) {
	for at := 0; at < len(content); at += Size {
		line := content[at:min(at+Size, len(content))]
		r, err := Parse(line)
		if err == nil && line[len(line)-1] != '\n' {
			err = fmt.Errorf("record %q: has no line end", line)
		}
		switch {
		case err != nil && len(content)-at <= Size:
			return records, len(content) - at, nil
		case err != nil:
			return records, 0, fmt.Errorf("byte %d of %d: %w", at, len(content), err)
		case r.Number != int64(len(records))+1:
			return records, 0, fmt.Errorf("byte %d of %d: record %d, want %d", at, len(content), r.Number, len(records)+1)
		}
		records = append(records, r)
	}
	return records, 0, nil
}
