// Package workload is what the scenarios do to a device: a list of operations
// that a program in a test machine carries out, and that the test applies to an
// image of its own. What is on both disks afterwards must be that image.
package workload

import (
	"fmt"
	"strconv"
	"strings"
)

// A Kind is what an operation does.
type Kind string

// The kinds of operations.
const (
	Write    Kind = "write"    // past the page cache
	Sync     Kind = "sync"     // the same, on stable storage before it is done
	Buffered Kind = "buffered" // into the page cache, where there is one
	Trim     Kind = "trim"
	Zero     Kind = "zero"
	Flush    Kind = "flush" // after everything before it is done
	Check    Kind = "check" // read, and compare with what a write of that seed left
	Hold     Kind = "hold"  // keep the device open until a signal comes
)

// Op is one operation on a range of the device, in bytes.
type Op struct {
	Kind           Kind
	Offset, Length int64
	Seed           uint64 // of the content that is written
}

// String is the form that Parse reads.
func (o Op) String() string {
	return fmt.Sprintf("%s:%d:%d:%d", o.Kind, o.Offset, o.Length, o.Seed)
}

// Parse reads what String gave.
func Parse(text string) (Op, error) {
	fields := strings.Split(text, ":")
	if len(fields) != 4 {
		return Op{}, fmt.Errorf("operation %q: want KIND:OFFSET:LENGTH:SEED", text)
	}
	o := Op{Kind: Kind(fields[0])}
	var err error
	if o.Offset, err = strconv.ParseInt(fields[1], 10, 64); err != nil {
		return Op{}, fmt.Errorf("operation %q: offset: %w", text, err)
	}
	if o.Length, err = strconv.ParseInt(fields[2], 10, 64); err != nil {
		return Op{}, fmt.Errorf("operation %q: length: %w", text, err)
	}
	if o.Seed, err = strconv.ParseUint(fields[3], 10, 64); err != nil {
		return Op{}, fmt.Errorf("operation %q: seed: %w", text, err)
	}
	return o, nil
}

const sector = 512

// Fill is the content of a write of that seed at off: it says in each sector
// where it belongs. Both off and len(p) are multiples of 512.
func Fill(p []byte, off int64, seed uint64) {
	for at := 0; at < len(p); at += sector {
		line := fmt.Appendf(nil, "write %d sector %d ", seed, (off+int64(at))/sector)
		s := p[at : at+sector]
		for n := 0; n < len(s); {
			n += copy(s[n:], line)
		}
	}
}

// Apply does to an image of the device what the operation does to the device.
func (o Op) Apply(image []byte) {
	switch o.Kind {
	case Write, Sync, Buffered:
		Fill(image[o.Offset:o.Offset+o.Length], o.Offset, o.Seed)
	case Trim, Zero:
		clear(image[o.Offset : o.Offset+o.Length])
	case Flush, Check, Hold:
	}
}
