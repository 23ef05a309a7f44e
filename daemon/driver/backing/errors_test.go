package backing_test

import (
	"fmt"
	"testing"

	. "github.com/onsi/gomega"
	"golang.org/x/sys/unix"

	"github.com/optionc/pollux/daemon/driver/backing"
)

func TestErrorsSayWhatAndWhere(t *testing.T) {
	path := newFile(t, diskSize)
	page := payload(t, make([]byte, 4096))
	type submit func(d *backing.Disk, done func(error))
	read := func(d *backing.Disk, done func(error)) { d.Read(8, page, done) }
	write := func(fua bool) submit {
		return func(d *backing.Disk, done func(error)) { d.Write(8, page, fua, done) }
	}
	readMeta := func(offset int64, size int) submit {
		return func(d *backing.Disk, done func(error)) { d.ReadMeta(offset, page[:size], done) }
	}
	writeMeta := func(size int) submit {
		return func(d *backing.Disk, done func(error)) { d.WriteMeta(4096, page[:size], true, done) }
	}
	for name, tc := range map[string]struct {
		submit submit
		fails  string // the call that returns err; without err it moves nothing
		err    error
		want   string
	}{
		"a read": {read, "pread", unix.EIO, "read of 4096 bytes at byte 4096 of %s: input/output error"},
		"a file that became shorter": {
			read, "pread", nil, "read of 4096 bytes at byte 4096 of %s: unexpected EOF",
		},
		"a write to a full file system": {
			write(false), "pwrite", unix.ENOSPC, "write of 4096 bytes at byte 4096 of %s: no space left on device",
		},
		"a write that gets nowhere": {
			write(false), "pwrite", nil, "write of 4096 bytes at byte 4096 of %s: short write",
		},
		"a durable write": {
			write(true), "pwriteDurable", unix.EIO, "write of 4096 bytes at byte 4096 of %s: input/output error",
		},
		"a flush": {(*backing.Disk).Flush, "datasync", unix.EIO, "flush of %s: input/output error"},
		"a trim": {
			func(d *backing.Disk, done func(error)) { d.Trim(8, 8192, false, done) },
			"punchHole", unix.EIO, "trim of 8192 bytes at byte 4096 of %s: input/output error",
		},
		"a zero": {
			func(d *backing.Disk, done func(error)) { d.Zero(8, 8192, false, done) },
			"zeroRange", unix.EIO, "zero of 8192 bytes at byte 4096 of %s: input/output error",
		},
		"a read of metadata": {
			readMeta(512, 1024), "pread", unix.EIO, "metadata read of 1024 bytes at byte 512 of %s: input/output error",
		},
		"metadata whose flush before fails is not written": {
			writeMeta(512), "datasync", unix.EIO, "metadata write of 512 bytes at byte 4096 of %s: input/output error",
		},
		"metadata of an odd size": {
			writeMeta(100), "", nil, "metadata write of 100 bytes at byte 4096 of %s: want multiples of 512 bytes",
		},
		"metadata before the start": {
			readMeta(-512, 512), "", nil, "metadata read of 512 bytes at byte -512 of %s: the disk ends at byte 8388608",
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			d, err := backing.Open(path, backing.Options{})
			g.Expect(err).NotTo(HaveOccurred())
			faults := &backing.Faults{Before: func(call string, size int) (int, error) {
				if call == tc.fails {
					return 0, tc.err
				}
				return size, nil
			}}
			backing.Inject(d, faults)
			g.Expect(await(func(done func(error)) { tc.submit(d, done) })).To(MatchError(fmt.Sprintf(tc.want, path)))
			g.Expect(faults.Calls()).NotTo(ContainElement(HavePrefix("pwriteDurable 4096+512")))
			g.Expect(backing.Metadata(d)).To(BeZero())
			g.Expect(d.Close()).To(Succeed())
		})
	}
}
