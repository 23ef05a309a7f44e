package demo

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/optionc/pollux/daemon/format/drbdmeta"
)

// verdict compares the disks, and what was promised with what is there.
func (d *demo) verdict() error {
	d.say("")
	d.say("== verdict")
	layout, err := drbdmeta.Internal(uint64(d.diskSize)/512, 1, 8)
	if err != nil {
		return err
	}
	different, err := compare(d.a.disk, d.b.disk, int64(layout.DataSectors)*512)
	if err != nil {
		return err
	}
	acknowledged, err := readNotes(d.dir)
	if err != nil {
		return err
	}
	found, lost, err := count(d.b.disk, acknowledged, layout.DataSectors*512/recordSize)
	if err != nil {
		return err
	}
	d.say("acknowledged %d, found %d, lost %d", acknowledged, found, lost)
	d.say("disks: %d of %d blocks differ", different, layout.DataSectors/8)
	for _, p := range d.phases {
		d.say("%8.2f s  %s", p.took.Seconds(), p.name)
	}
	if lost > 0 || different > 0 {
		return errors.New("data was lost, or the disks differ")
	}
	d.say("OK: nothing lost, both disks equal")
	return nil
}

// compare counts the blocks in which two disks differ.
func compare(a, b string, size int64) (different int, err error) {
	fa, err := os.Open(a)
	if err != nil {
		return 0, err
	}
	defer func() { _ = fa.Close() }()
	fb, err := os.Open(b)
	if err != nil {
		return 0, err
	}
	defer func() { _ = fb.Close() }()
	ra, rb := bufio.NewReaderSize(fa, 1<<20), bufio.NewReaderSize(fb, 1<<20)
	ba, bb := make([]byte, recordSize), make([]byte, recordSize)
	for done := int64(0); done < size; done += recordSize {
		n := min(recordSize, size-done)
		if _, err := io.ReadFull(ra, ba[:n]); err != nil {
			return 0, fmt.Errorf("%s: %w", a, err)
		}
		if _, err := io.ReadFull(rb, bb[:n]); err != nil {
			return 0, fmt.Errorf("%s: %w", b, err)
		}
		if !bytes.Equal(ba[:n], bb[:n]) {
			different++
		}
	}
	return different, nil
}

// count looks for the acknowledged records on a disk.
func count(disk string, last, slots uint64) (found, lost uint64, err error) {
	f, err := os.Open(disk)
	if err != nil {
		return 0, 0, err
	}
	defer func() { _ = f.Close() }()
	block := make([]byte, recordSize)
	for number := uint64(1); number <= last; number++ {
		if number+slots <= last {
			found++ // overwritten by a later one, which is looked for
			continue
		}
		if _, err := f.ReadAt(block, int64(number%slots)*recordSize); err != nil {
			return 0, 0, err
		}
		if getRecord(block) == number {
			found++
			continue
		}
		lost++
	}
	return found, lost, nil
}
