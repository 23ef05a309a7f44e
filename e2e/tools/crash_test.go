package tools_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/e2e/local"
)

var _ = Describe("When milo1's daemon is killed while qemu-io writes", Ordered, func() {
	const writes, killAfter = 2000, 400
	var pair *local.Pair
	var acknowledged []int64

	BeforeAll(func(ctx SpecContext) {
		need(qemu, "qemu-io")
		pair = local.New(local.Options{Programs: programs})
		pair.Connect(ctx)
		pair.Sync(ctx)
		acknowledged = writeUntil(ctx, pair.Milo1, writes, killAfter, func() { pair.Milo1.Kill(ctx) })
	}, limit)

	It("some writes were acknowledged, and some were not", func() {
		Expect(len(acknowledged)).To(And(BeNumerically(">=", killAfter), BeNumerically("<", writes)))
	})

	It("every acknowledged one is on milo2", func(ctx SpecContext) {
		Expect(pair.Milo2.Order(ctx, "primary")).To(Succeed())
		args := []string{"-f", "raw", "-t", "none", pair.Milo2.URI()}
		for _, offset := range acknowledged {
			args = append(args, "-c", fmt.Sprintf("read -q -P %d %d %d", pattern(offset), offset, blockSize))
		}
		Expect(run(ctx, "qemu-io", args...)).To(BeEmpty(), "each block reads as it was written")
	}, limit)

	It("only what may differ is sent when milo1 returns", func(ctx SpecContext) {
		run(ctx, "qemu-io", "-f", "raw", "-t", "none", pair.Milo2.URI(), "-c", "write -P 7 20M 64k", "-c", "flush")
		pair.Milo1.Start(ctx)
		pair.InSync(ctx)
		r, err := pair.Milo1.Resource(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(pair.Milo1.Role(ctx)).To(Equal("Secondary"))
		// The two extents of 4 MiB that were hot, and what milo2 wrote.
		Expect(r.Counters.ReceivedBytes).To(And(
			BeNumerically(">=", 64<<10), BeNumerically("<=", 2*(4<<20)+64<<10)))
		Expect(pair.Different()).To(BeEmpty())
	}, limit)
})

// blockSize is what the loads below write at once, in bytes.
const blockSize = 4096

// pattern is the byte that the block at an offset is filled with.
func pattern(offset int64) byte { return byte(1 + offset/blockSize%255) }

// writeUntil lets qemu-io write blocks, each one durable before the next
// begins, and calls kill when some are acknowledged. It gives the offsets of all
// that were.
func writeUntil(ctx context.Context, n *local.Node, writes, killAfter int, kill func()) (acknowledged []int64) {
	GinkgoHelper()
	var orders bytes.Buffer
	for i := range int64(writes) {
		fmt.Fprintf(&orders, "write -f -P %d %d %d\n", pattern(i*blockSize), i*blockSize, blockSize)
	}
	load := exec.CommandContext(ctx, "qemu-io", "-f", "raw", "-t", "none", n.URI())
	load.Stdin = &orders
	out, err := load.StdoutPipe()
	Expect(err).NotTo(HaveOccurred())
	Expect(load.Start()).To(Succeed())
	for lines := bufio.NewScanner(out); lines.Scan(); {
		var size, of int
		var offset int64
		// "qemu-io> wrote 4096/4096 bytes at offset 8192"
		_, text, _ := bytes.Cut(lines.Bytes(), []byte("wrote "))
		if _, err := fmt.Sscanf(string(text), "%d/%d bytes at offset %d", &size, &of, &offset); err != nil {
			continue
		}
		acknowledged = append(acknowledged, offset)
		if len(acknowledged) == killAfter {
			kill()
		}
	}
	_ = load.Wait() // its device went away
	return acknowledged
}

var _ = Describe("When milo1's daemon is killed while a file system is written", Ordered, func() {
	const size = 64 << 20
	var pair *local.Pair
	var synced int

	BeforeAll(func(ctx SpecContext) {
		needMount()
		pair = local.New(local.Options{Programs: programs, DiskSize: size})
		pair.Connect(ctx)
		pair.Sync(ctx)
		device := open(ctx, pair.Milo1)
		run(ctx, "mkfs.ext4", "-q", device.file)
		device.close(ctx)
		// A clean end empties the activity log: what mkfs wrote is not hot later.
		pair.Milo1.Stop(ctx)
		pair.Milo1.Start(ctx)
		pair.InSync(ctx)
		Expect(pair.Milo1.Order(ctx, "primary")).To(Succeed())
		device = open(ctx, pair.Milo1)
		dir := device.mount(ctx)
		synced = fillUntil(dir, 60, func() { pair.Milo1.Kill(ctx) })
		device.drop()
	}, limit)

	It("the file system is clean on milo2 after its journal is replayed", func(ctx SpecContext) {
		Expect(pair.Milo2.Order(ctx, "primary")).To(Succeed())
		device := open(ctx, pair.Milo2)
		device.mount(ctx) // which replays the journal
		device.unmount(ctx)
		run(ctx, "e2fsck", "-fn", device.file)
		device.close(ctx)
	}, limit)

	It("every file that was synced is there, as it was written", func(ctx SpecContext) {
		device := open(ctx, pair.Milo2)
		dir := device.mount(ctx)
		for i := range synced {
			got, err := os.ReadFile(filepath.Join(dir, fileName(i)))
			Expect(err).NotTo(HaveOccurred())
			Expect(bytes.Equal(got, content(i))).To(BeTrue(), "%s of %d synced ones is as it was written", fileName(i), synced)
		}
		device.unmount(ctx)
		device.close(ctx)
	}, limit)

	It("only what may differ is sent when milo1 returns", func(ctx SpecContext) {
		pair.Milo1.Start(ctx)
		pair.InSync(ctx)
		r, err := pair.Milo1.Resource(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(r.Counters.ReceivedBytes).To(And(
			BeNumerically(">", 0), BeNumerically("<", size/2)))
		Expect(pair.Different()).To(BeEmpty())
	}, limit)
})

func fileName(i int) string { return fmt.Sprintf("file-%04d", i) }

// content is what the i-th file holds.
func content(i int) []byte {
	return bytes.Repeat(fmt.Appendf(nil, "%08d", i), 512+i%7*1024)
}

// fillUntil writes files, each one synced, until an error, and calls kill
// while it goes on. It says how many were synced.
func fillUntil(dir string, killAfter int, kill func()) (synced int) {
	GinkgoHelper()
	reached, failed := make(chan struct{}), make(chan error, 1)
	go func() {
		for i := 0; ; i++ {
			if err := fill(dir, i); err != nil {
				failed <- err
				return
			}
			synced = i + 1
			if synced == killAfter {
				close(reached)
			}
		}
	}()
	Eventually(reached).WithTimeout(time.Minute).Should(BeClosed(), "%d files are synced", killAfter)
	kill()
	Eventually(failed).WithTimeout(time.Minute).Should(Receive(HaveOccurred()), "the device is gone")
	return synced
}

// fill writes one file and its name durably.
func fill(dir string, i int) error {
	f, err := os.Create(filepath.Join(dir, fileName(i)))
	if err != nil {
		return err
	}
	if _, err = io.Copy(f, bytes.NewReader(content(i))); err == nil {
		err = f.Sync()
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	err = d.Sync()
	_ = d.Close() // nothing was written through it
	return err
}
