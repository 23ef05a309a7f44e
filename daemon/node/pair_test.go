package node_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/config"
	"github.com/optionc/pollux/daemon/driver/control"
	"github.com/optionc/pollux/daemon/driver/export/nbd"
	"github.com/optionc/pollux/daemon/node"
)

// patience is how long two nodes may take for what takes them a moment.
const patience = time.Minute

// pair are two nodes in this process, connected and UpToDate, the first one
// Primary, and a user of its device.
type pair struct {
	user net.Conn
	size int64
	// of one request
	head  [nbd.RequestSize]byte
	reply [nbd.ReplySize]byte
}

func newPair(tb testing.TB, protocol string) *pair {
	tb.Helper()
	g := NewWithT(tb)
	dir := tb.TempDir()
	text := fmt.Sprintf("resource r1 {\n protocol %s;\n", protocol)
	for _, name := range []string{"milo1", "milo2"} {
		disk := filepath.Join(dir, name+".img")
		g.Expect(os.WriteFile(disk, make([]byte, 16<<20), 0o600)).To(Succeed())
		text += fmt.Sprintf(" on %s { device /dev/drbd1; disk %s; address %s; meta-disk internal; }\n", name, disk, freeAddress(tb))
	}
	g.Expect(os.WriteFile(filepath.Join(dir, "drbd.conf"), []byte(text+"}\n"), 0o600)).To(Succeed())
	startNode(tb, dir, "milo2")
	primary := startNode(tb, dir, "milo1")
	states := func() string {
		r := primary.Status().Resources[0]
		return r.Connection + ", " + r.Disk + " here and " + r.PeerDisk + " there"
	}
	g.Eventually(states).WithTimeout(patience).Should(Equal("Connected, Inconsistent here and Inconsistent there"))
	g.Expect(primary.Order(tb.Context(), control.Order{Order: "primary", Resource: "r1", Force: true})).
		To(HaveField("OK", true))
	g.Eventually(states).WithTimeout(patience).Should(Equal("Connected, UpToDate here and UpToDate there"))
	p := &pair{}
	var err error
	p.user, err = net.Dial("unix", filepath.Join(dir, "milo1", "r1.nbd"))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(p.negotiate("r1")).To(Succeed())
	tb.Cleanup(func() {
		_ = p.user.Close() // whoever fails has said so
		NewWithT(tb).Eventually(func() int { return primary.Status().Resources[0].Users }).
			WithTimeout(patience).Should(BeZero())
	})
	return p
}

func freeAddress(tb testing.TB) string {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

func startNode(tb testing.TB, dir, name string, change ...func(*node.Options)) *node.Node {
	tb.Helper()
	g := NewWithT(tb)
	site, err := config.Load(dir, name)
	g.Expect(err).NotTo(HaveOccurred())
	_, err = node.Format(site.Resources[0], 1, node.Striping{})
	g.Expect(err).NotTo(HaveOccurred())
	state := filepath.Join(dir, name)
	options := node.Options{StateDir: state, RunDir: state}
	for _, f := range change {
		f(&options)
	}
	n, err := node.New(site, options)
	g.Expect(err).NotTo(HaveOccurred())
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- n.Run(ctx) }()
	tb.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			tb.Errorf("%s: %v", name, err)
		}
	})
	return n
}

// negotiate opens the export by the oldest option, to which the server answers
// with no more than size and flags.
func (p *pair) negotiate(export string) error {
	b := binary.BigEndian.AppendUint32(nil, nbd.FixedNewstyle|nbd.NoZeroes)
	b = binary.BigEndian.AppendUint64(b, nbd.OptionMagic)
	b = binary.BigEndian.AppendUint32(b, uint32(nbd.OptionExportName))
	b = binary.BigEndian.AppendUint32(b, uint32(len(export)))
	var hello [18]byte
	var info [10]byte
	_, err := io.ReadFull(p.user, hello[:])
	if err == nil {
		_, err = p.user.Write(append(b, export...))
	}
	if err == nil {
		_, err = io.ReadFull(p.user, info[:])
	}
	p.size = int64(binary.BigEndian.Uint64(info[:]))
	return err
}

// write writes a block and waits for the answer.
func (p *pair) write(block []byte, offset int64) error {
	r := nbd.Request{Command: nbd.CommandWrite, Offset: uint64(offset), Length: uint32(len(block))}
	r.Append(p.head[:0])
	if _, err := p.user.Write(p.head[:]); err != nil {
		return err
	}
	if _, err := p.user.Write(block); err != nil {
		return err
	}
	if _, err := io.ReadFull(p.user, p.reply[:]); err != nil {
		return err
	}
	answer, err := nbd.DecodeReply(&p.reply)
	if err == nil && answer.Error != 0 {
		err = answer.Error
	}
	return err
}

// A write passes two nodes: their cores, disks, sockets and the user's. None of
// them may leave work for the garbage collector, which would stop all of them
// at a moment of its own, and need memory when there is none.
func TestAWriteAllocatesNothingOnEitherNode(t *testing.T) {
	if underRace {
		t.Skip("the race detector allocates on its own")
	}
	for _, protocol := range []string{"A", "B", "C"} {
		t.Run("protocol "+protocol, func(t *testing.T) {
			g := NewWithT(t)
			p := newPair(t, protocol)
			block := make([]byte, 4096)
			at := int64(0)
			write := func() {
				at = (at + 5*4096) % (p.size &^ 4095)
				if err := p.write(block, at); err != nil {
					t.Fatal(err)
				}
			}
			for range 2000 { // what is kept for the next one is made once
				write()
			}
			// What else the process does is less than one allocation in a write.
			g.Expect(testing.AllocsPerRun(2000, write)).To(BeZero())
		})
	}
}

func BenchmarkWrite(b *testing.B) {
	runtime.GOMAXPROCS(8) // as in polluxd
	for _, protocol := range []string{"C", "A"} {
		for _, depth := range []int{1, 32, 128} {
			b.Run(fmt.Sprintf("protocol-%s-depth-%d", protocol, depth), func(b *testing.B) {
				p := newPair(b, protocol)
				b.ReportAllocs()
				var used [2]syscall.Rusage
				_ = syscall.Getrusage(syscall.RUSAGE_SELF, &used[0])
				b.ResetTimer()
				if err := p.writeMany(b.N, depth); err != nil {
					b.Fatal(err)
				}
				b.StopTimer()
				_ = syscall.Getrusage(syscall.RUSAGE_SELF, &used[1])
				spent := time.Duration(used[1].Utime.Nano() + used[1].Stime.Nano() - used[0].Utime.Nano() - used[0].Stime.Nano())
				b.ReportMetric(float64(spent.Nanoseconds())/float64(b.N), "cpu-ns/op")
			})
		}
	}
}

// writeMany writes n blocks, so many at a time.
func (p *pair) writeMany(n, depth int) error {
	const size = 4096
	request := make([]byte, nbd.RequestSize+size)
	replies := make([]byte, nbd.ReplySize*depth)
	at := int64(0)
	sent, done, have := 0, 0, 0
	for done < n {
		for ; sent < n && sent-done < depth; sent++ {
			at = (at + 5*size) % (p.size &^ (size - 1))
			nbd.Request{Command: nbd.CommandWrite, Offset: uint64(at), Length: size}.Append(request[:0])
			if _, err := p.user.Write(request); err != nil {
				return err
			}
		}
		got, err := p.user.Read(replies[have:])
		if err != nil {
			return err
		}
		have += got
		at := 0
		for ; have-at >= nbd.ReplySize; at += nbd.ReplySize {
			answer, err := nbd.DecodeReply((*[nbd.ReplySize]byte)(replies[at:]))
			if err == nil && answer.Error != 0 {
				err = answer.Error
			}
			if err != nil {
				return err
			}
			done++
		}
		have = copy(replies, replies[at:have])
	}
	return nil
}
