package backing_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	. "github.com/onsi/gomega"
	"golang.org/x/sys/unix"

	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/daemon/driver/backing"
	"github.com/optionc/pollux/daemon/driver/buffer"
)

const diskSize = 8 << 20

// newFile is a file of size bytes on the disk where the tests run.
func newFile(t *testing.T, size int64) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "disk")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, size); err != nil {
		t.Fatal(err)
	}
	return path
}

func open(t *testing.T, path string) *backing.Disk {
	t.Helper()
	d, err := backing.Open(path, backing.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

// payload is a pooled, aligned copy of b.
func payload(t *testing.T, b []byte) []byte {
	t.Helper()
	p, err := buffer.NewPool(buffer.MaxSize)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	aligned := p.Bytes(p.Get(len(b)))
	copy(aligned, b)
	return aligned
}

// await submits one operation and waits for its callback.
func await(submit func(done func(error))) error {
	c := make(chan error)
	submit(func(err error) { c <- err })
	return <-c
}

func read(t *testing.T, d *backing.Disk, sector uint64, n int) []byte {
	t.Helper()
	into := payload(t, make([]byte, n))
	if err := await(func(done func(error)) { d.Read(sector, into, done) }); err != nil {
		t.Fatal(err)
	}
	return bytes.Clone(into)
}

func write(t *testing.T, d *backing.Disk, sector uint64, b []byte, fua bool) error {
	t.Helper()
	return await(func(done func(error)) { d.Write(sector, payload(t, b), fua, done) })
}

// scribble is n bytes, none of which is zero.
func scribble(n int) []byte {
	random := rand.New(rand.NewPCG(uint64(n), 7))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(1 + random.IntN(255))
	}
	return b
}

func TestGeometryOfAFile(t *testing.T) {
	g := NewWithT(t)
	d := open(t, newFile(t, diskSize+100))
	g.Expect(d.Sectors()).To(BeEquivalentTo(diskSize/512), "an unfinished sector does not count")
	g.Expect(d.LogicalBlock()).To(BeElementOf(512, 4096))
	g.Expect(d.PhysicalBlock()).To(BeNumerically(">=", d.LogicalBlock()))
	g.Expect(d.Direct() || len(d.Notes()) > 0).To(BeTrue(), "a disk without O_DIRECT says so")
}

// exercise is what every kind of disk must do.
func exercise(t *testing.T, path string) {
	t.Helper()
	d := open(t, path)
	t.Run("what was written is read", func(t *testing.T) {
		g := NewWithT(t)
		for i, fua := range []bool{false, true} {
			b := scribble(64<<10 + i*4096)
			g.Expect(write(t, d, 2048, b, fua)).To(Succeed())
			g.Expect(read(t, d, 2048, len(b))).To(Equal(b))
		}
		g.Expect(await(d.Flush)).To(Succeed())
	})
	for name, erase := range map[string]func(uint64, uint32, bool, func(error)){"Zero": d.Zero, "Trim": d.Trim} {
		t.Run(name+" leaves zeros and touches nothing beside", func(t *testing.T) {
			g := NewWithT(t)
			for _, fua := range []bool{false, true} {
				b := scribble(1 << 20)
				g.Expect(write(t, d, 0, b, false)).To(Succeed())
				g.Expect(await(func(done func(error)) { erase(8, 256<<10, fua, done) })).To(Succeed())
				clear(b[4096 : 4096+256<<10])
				g.Expect(bytes.Equal(read(t, d, 0, len(b)), b)).To(BeTrue())
			}
			g.Expect(await(func(done func(error)) { erase(0, 0, true, done) })).To(Succeed())
		})
	}
	t.Run("metadata of 512 bytes lies anywhere", func(t *testing.T) {
		g := NewWithT(t)
		b := scribble(12 << 10)
		g.Expect(write(t, d, 1024, b, false)).To(Succeed())
		for i, offset := range []int64{0, 512, 3584, 4096, 7168} {
			piece := scribble(512 * (i + 1))
			copy(b[offset:], piece)
			g.Expect(await(func(done func(error)) {
				d.WriteMeta(512<<10+offset, piece, i%2 == 0, done)
				clear(piece) // the disk has a copy
			})).To(Succeed())
		}
		into := make([]byte, 12<<10+1)[1:] // no alignment whatever
		g.Expect(await(func(done func(error)) { d.ReadMeta(512<<10, into, done) })).To(Succeed())
		g.Expect(bytes.Equal(into, b)).To(BeTrue())
		g.Expect(await(func(done func(error)) { d.ReadMeta(512<<10+1536, into[:1024], done) })).To(Succeed())
		g.Expect(into[:1024]).To(Equal(b[1536:2560]))
		g.Expect(backing.Metadata(d)).To(BeZero())
	})
	t.Run("the last sector is the last", func(t *testing.T) {
		g := NewWithT(t)
		last := d.Sectors() - uint64(d.LogicalBlock())/512
		g.Expect(write(t, d, last, scribble(d.LogicalBlock()), true)).To(Succeed())
		g.Expect(write(t, d, d.Sectors(), scribble(d.LogicalBlock()), true)).To(MatchError(
			fmt.Sprintf("write of %d bytes at byte %d of %s: the disk ends at byte %[2]d",
				d.LogicalBlock(), d.Sectors()*512, path),
		))
		g.Expect(write(t, d, 1<<63, scribble(512), true)).To(MatchError(ContainSubstring("the disk ends at")))
	})
}

func TestAFileIsADisk(t *testing.T) { exercise(t, newFile(t, diskSize)) }

func TestAFileWithoutHolesIsADisk(t *testing.T) {
	path := newFile(t, diskSize)
	d := open(t, path)
	backing.Inject(d, &backing.Faults{Before: func(call string, size int) (int, error) {
		if call == "zeroRange" || call == "punchHole" || call == "pwriteDurable" {
			return 0, unix.EOPNOTSUPP
		}
		return size, nil
	}})
	g := NewWithT(t)
	b := scribble(3 << 20)
	for part := range 3 {
		g.Expect(write(t, d, uint64(part)*2048, b[part<<20:(part+1)<<20], true)).To(Succeed())
	}
	g.Expect(await(func(done func(error)) { d.Trim(8, 3<<20-8192, true, done) })).To(Succeed())
	g.Expect(await(func(done func(error)) { d.Zero(0, 4096, true, done) })).To(Succeed())
	g.Expect(read(t, d, 0, 1<<20)).To(Equal(make([]byte, 1<<20)))
	g.Expect(read(t, d, 3*2048-8, 4096)).To(Equal(b[3<<20-4096:]))
}

func TestAFileInMemoryIsADisk(t *testing.T) {
	path := fmt.Sprintf("/dev/shm/pollux-backing-test-%d", os.Getpid())
	if err := os.WriteFile(path, make([]byte, diskSize), 0o600); err != nil {
		t.Skipf("needs a tmpfs on /dev/shm: %v", err)
	}
	t.Cleanup(func() { _ = os.Remove(path) })
	exercise(t, path)
}

func TestMetadataOnADiskOfLargeBlocks(t *testing.T) {
	g := NewWithT(t)
	d := open(t, newFile(t, diskSize))
	backing.SetLogicalBlock(d, 4096)
	b := scribble(16 << 10)
	g.Expect(write(t, d, 0, b, false)).To(Succeed())
	results := make(chan error)
	for i := range 32 { // all at once, eight to a block
		piece := scribble(512)
		piece[0] = byte(i)
		copy(b[i*512:], piece)
		d.WriteMeta(int64(i)*512, piece, false, func(err error) { results <- err })
	}
	for range 32 {
		g.Expect(<-results).To(Succeed())
	}
	g.Expect(bytes.Equal(read(t, d, 0, len(b)), b)).To(BeTrue())
	g.Expect(write(t, d, 1, scribble(4096), false)).To(MatchError(ContainSubstring("want multiples of 4096 bytes")))
}

func TestShortAndInterruptedCallsAreTakenUpAgain(t *testing.T) {
	g := NewWithT(t)
	d := open(t, newFile(t, diskSize))
	interrupted := false
	backing.Inject(d, &backing.Faults{Before: func(_ string, size int) (int, error) {
		if interrupted = !interrupted; interrupted {
			return 0, unix.EINTR
		}
		return min(size, 8192), nil
	}})
	b := scribble(40 << 10)
	g.Expect(write(t, d, 16, b, true)).To(Succeed())
	g.Expect(read(t, d, 16, len(b))).To(Equal(b))
	g.Expect(await(func(done func(error)) { d.Trim(16, uint32(len(b)), false, done) })).To(Succeed())
	g.Expect(read(t, d, 16, len(b))).To(Equal(make([]byte, len(b))))
}

func TestMetadataWithFUAFlushesBeforeAndIsDurableAfter(t *testing.T) {
	g := NewWithT(t)
	d := open(t, newFile(t, diskSize))
	faults := &backing.Faults{}
	backing.Inject(d, faults)
	g.Expect(await(func(done func(error)) { d.WriteMeta(4096, make([]byte, 4096), true, done) })).To(Succeed())
	g.Expect(faults.Calls()).To(Equal([]string{"datasync 0+0", "pwriteDurable 4096+4096"}))
}

func TestAnOldKernelIsFlushedInsteadAndAskedOnce(t *testing.T) {
	g := NewWithT(t)
	d := open(t, newFile(t, diskSize))
	faults := &backing.Faults{Before: func(call string, size int) (int, error) {
		if call == "pwriteDurable" {
			return 0, unix.EOPNOTSUPP
		}
		return size, nil
	}}
	backing.Inject(d, faults)
	g.Expect(write(t, d, 8, make([]byte, 4096), true)).To(Succeed())
	g.Expect(write(t, d, 16, make([]byte, 4096), true)).To(Succeed())
	g.Expect(faults.Calls()).To(Equal([]string{
		"pwriteDurable 4096+4096", "pwrite 4096+4096", "datasync 0+0", "pwrite 8192+4096", "datasync 0+0",
	}))
}

func TestOperationsAreUnderWayTogether(t *testing.T) {
	g := NewWithT(t)
	d := open(t, newFile(t, diskSize))
	arrived, leave := make(chan bool), make(chan bool)
	backing.Inject(d, &backing.Faults{Before: func(_ string, size int) (int, error) {
		arrived <- true
		<-leave
		return size, nil
	}})
	results := make(chan error, 8)
	into := payload(t, make([]byte, 8*4096))
	for i := range 8 {
		d.Read(0, into[i*4096:(i+1)*4096], func(err error) { results <- err })
	}
	for range 8 {
		<-arrived
	}
	closed := make(chan error)
	go func() { closed <- d.Close() }()
	g.Consistently(closed, "50ms").ShouldNot(Receive(), "Close waits for what is under way")
	close(leave)
	for range 8 {
		g.Expect(<-results).To(Succeed())
	}
	g.Expect(<-closed).To(Succeed())
	g.Expect(await(func(done func(error)) { d.WriteMeta(0, make([]byte, 512), true, done) })).To(
		MatchError(backing.ErrClosed),
	)
}

func TestOneWorkerKeepsTheOrder(t *testing.T) {
	g := NewWithT(t)
	d, err := backing.Open(newFile(t, diskSize), backing.Options{Workers: 1})
	g.Expect(err).NotTo(HaveOccurred())
	results := make(chan int, 100)
	into := payload(t, make([]byte, 4096))
	for i := range 100 {
		d.Read(0, into, func(error) { results <- i })
	}
	g.Expect(d.Close()).To(Succeed())
	for i := range 100 {
		g.Expect(<-results).To(Equal(i))
	}
}

func TestSubmittingDoesNotAllocate(t *testing.T) {
	d := open(t, newFile(t, diskSize))
	b := payload(t, make([]byte, 4096))
	meta := make([]byte, 4096)
	results := make(chan error, 1)
	done := func(err error) { results <- err }
	g := NewWithT(t)
	g.Expect(testing.AllocsPerRun(100, func() {
		d.Write(8, b, true, done)
		if <-results == nil {
			d.Read(8, b, done)
		}
		if <-results == nil {
			d.WriteMeta(8192, meta, true, done)
		}
		if <-results == nil {
			d.Trim(32, 4096, false, done)
		}
		if err := <-results; err != nil {
			t.Error(err)
		}
	})).To(BeZero())
}

func BenchmarkWrite(b *testing.B) {
	path := filepath.Join(b.TempDir(), "disk")
	if err := os.WriteFile(path, make([]byte, diskSize), 0o600); err != nil {
		b.Fatal(err)
	}
	d, err := backing.Open(path, backing.Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = d.Close() })
	p, err := buffer.NewPool(buffer.MaxSize)
	if err != nil {
		b.Fatal(err)
	}
	defer p.Close()
	for _, depth := range []int{1, 32} {
		b.Run(fmt.Sprint("QD", depth), func(b *testing.B) {
			slots := make(chan replica.Buf, depth)
			for range depth {
				slots <- p.Get(4096)
			}
			for i := range b.N {
				slot := <-slots
				d.Write(uint64(i)%1024*8, p.Bytes(slot), false, func(err error) {
					if err != nil {
						b.Error(err)
					}
					slots <- slot
				})
			}
			for range depth {
				p.Release(<-slots)
			}
		})
	}
}
