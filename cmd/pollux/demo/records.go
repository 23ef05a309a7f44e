package demo

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
)

// recordSize is the size of a record and its place on the device, in bytes.
const recordSize = 4096

// A record is a number, filling, and a checksum over both, so that a torn or
// stale one shows.
func putRecord(b []byte, number uint64) {
	for i := 0; i+8 <= recordSize; i += 8 {
		binary.BigEndian.PutUint64(b[i:], number)
	}
	binary.BigEndian.PutUint32(b[recordSize-4:], crc32.ChecksumIEEE(b[:recordSize-4]))
}

// getRecord gives the number of a record; zero if it is none.
func getRecord(b []byte) uint64 {
	if binary.BigEndian.Uint32(b[recordSize-4:]) != crc32.ChecksumIEEE(b[:recordSize-4]) {
		return 0
	}
	return binary.BigEndian.Uint64(b)
}

// notes is the list of records that were acknowledged, kept outside both
// nodes: what the guest's users were promised.
type notes struct{ file *os.File }

func notesPath(dir string) string { return filepath.Join(dir, "acknowledged") }

func openNotes(dir string) (*notes, error) {
	f, err := os.OpenFile(notesPath(dir), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	return &notes{f}, err
}

func (n *notes) add(number uint64) error {
	_, err := n.file.WriteString(strconv.FormatUint(number, 10) + "\n")
	return err
}

// readNotes gives the last acknowledged number; they come without a gap.
func readNotes(dir string) (last uint64, err error) {
	f, err := os.Open(notesPath(dir))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	defer func() { _ = f.Close() }()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		number, err := strconv.ParseUint(lines.Text(), 10, 64)
		if err != nil {
			return 0, fmt.Errorf("%s: %w", f.Name(), err)
		}
		if number != last+1 {
			return 0, fmt.Errorf("%s: found %d after %d", f.Name(), number, last)
		}
		last = number
	}
	return last, nil
}
