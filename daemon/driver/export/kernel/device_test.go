package kernel_test

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/driver/buffer"
	"github.com/optionc/pollux/daemon/driver/export"
	"github.com/optionc/pollux/daemon/driver/export/kernel"
	"github.com/optionc/pollux/daemon/driver/export/nbd"
)

// daemon is one run of a daemon with the resource r1.
type daemon struct {
	*kernel.Device
	arrived chan bool // one value for each request
}

// newDaemon makes one. While hold is not closed, requests stay unanswered.
func newDaemon(fake *kernel.Fake, inherited *os.File, hold <-chan bool) daemon {
	pool, err := buffer.NewPool(8 << 20)
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(pool.Close)
	arrived := make(chan bool, 1000)
	handler := func(r *export.Request) {
		arrived <- true
		go func() {
			<-hold
			if r.Buf != 0 {
				pool.Release(r.Buf)
			}
			r.Answer(0, nil).Flush()
		}()
	}
	d := daemon{fake.NewDevice(kernel.Config{
		Resource: "r1", Path: "/dev/drbd1", Index: 1, Pool: pool, Handler: handler, Inherited: inherited,
	}), arrived}
	DeferCleanup(d.Close)
	return d
}

// flush is a request of the kernel's.
func flush(conn net.Conn, cookie uint64) error {
	_, err := conn.Write(nbd.Request{Command: nbd.CommandFlush, Cookie: cookie}.Append(nil))
	return err
}

func answered(conn net.Conn) (uint64, error) {
	var b [nbd.ReplySize]byte
	if err := conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return 0, err
	}
	if _, err := io.ReadFull(conn, b[:]); err != nil {
		return 0, err
	}
	reply, err := nbd.DecodeReply(&b)
	return reply.Cookie, errors.Join(err)
}

var _ = Describe("The device of resource r1", func() {
	spec := export.Spec{Name: "r1", Sectors: 8 << 20, LogicalBlock: 512, PhysicalBlock: 4096}
	free := make(chan bool)
	close(free)
	var (
		fake *kernel.Fake
		d    daemon
	)

	BeforeEach(func() {
		fake = kernel.NewFake(GinkgoT().TempDir())
		d = newDaemon(fake, nil, free)
	})

	file := func(name string) string {
		b, err := os.ReadFile(filepath.Join(fake.Root, name))
		Expect(err).NotTo(HaveOccurred())
		return string(b)
	}
	link := func(name string) string {
		to, err := os.Readlink(filepath.Join(fake.Root, name))
		if err != nil {
			return ""
		}
		return to
	}
	serves := func() {
		GinkgoHelper()
		Expect(flush(fake.Conn(1), 7)).To(Succeed())
		Expect(answered(fake.Conn(1))).To(BeEquivalentTo(7))
	}

	It("is not there before it is exposed, and gone after it is withdrawn", func() {
		Expect(fake.Conn(1)).To(BeNil())
		Expect(d.Withdraw(false)).To(Succeed())
		Expect(d.Expose(spec)).To(Succeed())
		serves()
		Expect(d.Withdraw(false)).To(Succeed())
		Expect(fake.Conn(1)).To(BeNil())
		Expect(link("dev/drbd1")).To(BeEmpty())
		Expect(link("dev/pollux/r1")).To(BeEmpty())
		Expect(d.Expose(spec)).To(Succeed())
		serves()
	})

	It("has the name in drbd.conf, and one by resource", func() {
		Expect(d.Expose(spec)).To(Succeed())
		Expect(d.Path()).To(Equal("/dev/drbd1"))
		Expect(link("dev/drbd1")).To(Equal("/dev/nbd1"))
		Expect(link("dev/pollux/r1")).To(Equal("/dev/nbd1"))
	})

	It("is described to the driver", func() {
		Expect(d.Expose(spec)).To(Succeed())
		size, block, flags, dead := fake.Told(1)
		Expect(size).To(BeEquivalentTo(4 << 30))
		Expect(block).To(Equal(512))
		Expect(flags).To(Equal(nbd.HasFlags | nbd.SendFlush | nbd.SendFUA | nbd.SendTrim | nbd.SendWriteZeroes))
		Expect(dead).To(Equal(10 * time.Minute))
		Expect(file("sys/block/nbd1/queue/io_timeout")).To(Equal("10000"))
		Expect(file("sys/block/nbd1/queue/max_sectors_kb")).To(Equal("1024"))
		Expect(file("sys/block/nbd1/queue/scheduler")).To(Equal("none"))
	})

	It("does not trim if the disk below does not", func() {
		s := spec
		s.NoTrim = true
		Expect(d.Expose(s)).To(Succeed())
		_, _, flags, _ := fake.Told(1)
		Expect(flags & nbd.SendTrim).To(BeZero())
	})

	It("takes another index if its own is in use", func() {
		fake.SetBusy(1, true)
		Expect(d.Expose(spec)).To(Succeed())
		Expect(link("dev/drbd1")).To(Equal("/dev/nbd0"))
	})

	It("replaces a link that somebody left", func() {
		Expect(os.MkdirAll(filepath.Join(fake.Root, "dev"), 0o755)).To(Succeed())
		Expect(os.Symlink("/dev/nbd9", filepath.Join(fake.Root, "dev/drbd1"))).To(Succeed())
		Expect(d.Expose(spec)).To(Succeed())
		Expect(link("dev/drbd1")).To(Equal("/dev/nbd1"))
	})

	It("does not replace a real device, and leaves nothing behind", func() {
		fake.Place("dev/drbd1", "")
		Expect(d.Expose(spec)).To(MatchError(And(
			HavePrefix("expose r1: "), ContainSubstring("dev/drbd1 is in the way: it is no symbolic link of pollux's"),
		)))
		Expect(fake.Conn(1)).To(BeNil())
		Expect(d.Withdraw(false)).To(Succeed())
	})

	It("grows while it is exposed", func() {
		Expect(d.Expose(spec)).To(Succeed())
		larger := spec
		larger.Sectors *= 2
		Expect(d.Expose(larger)).To(Succeed())
		size, _, _, _ := fake.Told(1)
		Expect(size).To(BeEquivalentTo(8 << 30))
		serves()
	})

	It("comes back when the driver drops the connection", func() {
		Expect(d.Expose(spec)).To(Succeed())
		dropped := fake.Conn(1)
		Expect(fake.Drop(1)).To(Succeed())
		Eventually(func() net.Conn { return fake.Conn(1) }).WithTimeout(10 * time.Second).ShouldNot(BeIdenticalTo(dropped))
		serves()
		Eventually(func() string { return file("sys/block/nbd1/queue/io_timeout") }).
			Should(Equal("10000"), "a reconfigure has set it back")
	})

	Describe("in use", func() {
		BeforeEach(func() { Expect(d.Expose(spec)).To(Succeed()) })

		DescribeTable("is not withdrawn, and says by whom",
			func(who string, use func()) {
				use()
				Expect(d.Withdraw(false)).To(MatchError("withdraw r1: in use by " + who))
				serves()
				Expect(link("dev/drbd1")).To(Equal("/dev/nbd1"))
				Expect(d.Withdraw(true)).To(Succeed(), "but by force")
				Expect(fake.Conn(1)).To(BeNil())
			},
			Entry("a logical volume", "logical volume my_vg/web-1", func() {
				fake.SetBusy(1, true)
				fake.Place("sys/block/nbd1/holders/dm-0", "")
				fake.Place("sys/block/dm-0/dm/name", "my_vg-web--1\n")
				fake.Place("sys/block/dm-0/dm/uuid", "LVM-abc\n")
			}),
			Entry("another device-mapper device", "device-mapper crypt", func() {
				fake.SetBusy(1, true)
				fake.Place("sys/block/nbd1/holders/dm-0", "")
				fake.Place("sys/block/dm-0/dm/name", "crypt\n")
			}),
			Entry("a partition's user", "block device md0", func() {
				fake.SetBusy(1, true)
				fake.Place("sys/block/nbd1/nbd1p2/holders/md0", "")
				fake.Place("sys/block/nbd1/nbd1p2/dev", "43:34\n")
			}),
			Entry("a mount", "the mount on /srv/my data", func() {
				fake.SetBusy(1, true)
				fake.Place("proc/1/mountinfo", "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n"+
					`36 22 43:32 / /srv/my\040data rw,relatime shared:5 - ext4 /dev/nbd1 rw`+"\n")
			}),
			Entry("a guest, which holds it without saying so", "the guest with domain number 3 (vbd-3-51712)", func() {
				fake.Place("sys/bus/xen-backend/devices/vbd-3-51712/physical_device", "2b:20\n")
			}),
			Entry("a process that may write", "process 77 (qemu-system-x86)", func() {
				fake.Place("proc/77/comm", "qemu-system-x86\n")
				fake.Place("proc/77/fdinfo/5", "pos:\t0\nflags:\t0140002\nmnt_id:\t5\n")
				Expect(os.MkdirAll(filepath.Join(fake.Root, "proc/77/fd"), 0o755)).To(Succeed())
				Expect(os.Symlink("/dev/nbd1", filepath.Join(fake.Root, "proc/77/fd/5"))).To(Succeed())
			}),
			Entry("nobody knows whom", "somebody who has it for himself", func() { fake.SetBusy(1, true) }),
		)

		It("counts who holds it, without opening it", func() {
			Expect(d.Users()).To(BeZero())
			Expect(d.Holder()).To(BeEmpty())
			fake.Place("sys/block/nbd1/holders/md0", "")
			Expect(d.Users()).To(Equal(1))
			Expect(d.Holder()).To(Equal("block device md0"))
		})

		It("does not shrink", func() {
			fake.Place("sys/block/nbd1/holders/md0", "")
			smaller := spec
			smaller.Sectors /= 2
			Expect(d.Expose(smaller)).To(MatchError(
				"expose r1: it cannot shrink from 8388608 to 4194304 sectors under block device md0"))
		})

		It("is taken from those who only read", func() {
			fake.Place("proc/78/comm", "blkid\n")
			fake.Place("proc/78/fdinfo/3", "pos:\t0\nflags:\t0100000\n")
			Expect(os.MkdirAll(filepath.Join(fake.Root, "proc/78/fd"), 0o755)).To(Succeed())
			Expect(os.Symlink("/dev/nbd1", filepath.Join(fake.Root, "proc/78/fd/3"))).To(Succeed())
			Expect(d.Withdraw(false)).To(Succeed())
		})

		It("is no other device's: not every number that looks alike", func() {
			fake.Place("proc/1/mountinfo", "36 22 43:320 / /srv rw - ext4 /dev/nbd10 rw\n")
			fake.Place("sys/bus/xen-backend/devices/vbd-3-51712/physical_device", "2b:200\n")
			Expect(d.Withdraw(false)).To(Succeed())
		})
	})

	Describe("when its daemon ends", func() {
		BeforeEach(func() { Expect(d.Expose(spec)).To(Succeed()) })

		It("waits for the next one, which goes on with it", func() {
			Expect(d.Close()).To(Succeed())
			conn := fake.Conn(1)
			Expect(conn).NotTo(BeNil())
			Expect(link("dev/drbd1")).To(Equal("/dev/nbd1"))
			next := newDaemon(fake, nil, free)
			Expect(next.Waiting()).To(BeTrue())
			Expect(next.Expose(spec)).To(Succeed())
			Expect(next.Waiting()).To(BeFalse())
			Expect(fake.Conn(1)).NotTo(BeIdenticalTo(conn))
			serves()
			Expect(file("sys/block/nbd1/queue/io_timeout")).To(Equal("10000"))
		})

		It("is given up when the data has changed meanwhile", func() {
			Expect(d.Close()).To(Succeed())
			next := newDaemon(fake, nil, free)
			Expect(next.Abandon()).To(Succeed())
			Expect(fake.Conn(1)).To(BeNil())
			Expect(link("dev/drbd1")).To(BeEmpty())
			Expect(next.Waiting()).To(BeFalse())
			Expect(next.Abandon()).To(Succeed(), "there is nothing left to do")
			fake.Place("sys/block/nbd1/backend", "pollux:r1\n")
			Expect(next.Waiting()).To(BeFalse(), "users who hold it do not wait")
		})

		It("is not given up by the daemon that serves it", func() {
			Expect(d.Abandon()).To(Succeed())
			serves()
		})

		It("is not taken from a daemon that lives", func() {
			next := newDaemon(fake, nil, free)
			Expect(next.Expose(spec)).To(MatchError("expose r1: /dev/nbd1 is served by another process"))
			serves()
		})
	})

	Describe("when its daemon is replaced in place", func() {
		It("passes the socket on, and loses nothing", func(ctx SpecContext) {
			Expect(d.Expose(spec)).To(Succeed())
			conn := fake.Conn(1)
			for cookie := range uint64(100) {
				Expect(flush(conn, cookie)).To(Succeed())
			}
			socket, err := d.Handover(ctx)
			Expect(err).NotTo(HaveOccurred())
			Expect(d.Close()).To(Succeed())
			Expect(d.Withdraw(false)).To(Succeed(), "it is not this one's any more")
			Expect(flush(conn, 100)).To(Succeed(), "the kernel notices nothing")

			next := newDaemon(fake, socket, free)
			Expect(next.Waiting()).To(BeTrue())
			Expect(next.Expose(spec)).To(Succeed())
			seen := map[uint64]bool{}
			for range 101 {
				cookie, err := answered(conn)
				Expect(err).NotTo(HaveOccurred())
				Expect(seen).NotTo(HaveKey(cookie))
				seen[cookie] = true
			}
			Expect(fake.Conn(1)).To(BeIdenticalTo(conn))
		})

		It("lets the driver send again what does not end in time", func(ctx SpecContext) {
			hold := make(chan bool)
			defer close(hold)
			d = newDaemon(fake, nil, hold)
			Expect(d.Expose(spec)).To(Succeed())
			Expect(flush(fake.Conn(1), 1)).To(Succeed())
			Eventually(d.arrived).Should(Receive())
			late := errors.New("too late")
			ended, cancel := context.WithCancelCause(ctx)
			time.AfterFunc(50*time.Millisecond, func() { cancel(late) })
			_, err := d.Handover(ended)
			Expect(err).To(MatchError(late))
			Expect(fake.Conn(1).Read(make([]byte, 1))).Error().To(MatchError(io.EOF))
			Expect(d.Waiting()).To(BeTrue())
		})

		It("has to be exposed", func(ctx SpecContext) {
			_, err := d.Handover(ctx)
			Expect(err).To(MatchError("hand r1 over: it is not exposed"))
		})

		It("is not confused by a socket whose device is gone", func(ctx SpecContext) {
			Expect(d.Expose(spec)).To(Succeed())
			socket, err := d.Handover(ctx)
			Expect(err).NotTo(HaveOccurred())
			Expect(newDaemon(fake, nil, free).Abandon()).To(Succeed())
			next := newDaemon(fake, socket, free)
			Expect(next.Expose(spec)).To(Succeed())
			serves()
		})
	})

	It("is not mistaken for another resource's", func() {
		fake.Place("sys/block/nbd0/backend", "pollux:r10\n")
		fake.Place("sys/block/nbd"+strconv.Itoa(7)+"/backend", "somebody else\n")
		Expect(d.Waiting()).To(BeFalse())
	})
})
