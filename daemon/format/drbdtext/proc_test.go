package drbdtext_test

import (
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/driver/command/recorded"
	"github.com/optionc/pollux/daemon/format/drbdtext"
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

var (
	stateLine = regexp.MustCompile(`^ ?(\d+): cs:(\w+) ro:(\w+)/(\w+) ds:(\w+)/(\w+) ([ABC ]) ....(.)(.)$`)
	countLine = regexp.MustCompile(`^    ns:(\d+) nr:(\d+) dw:(\d+) dr:(\d+) al:(\d+) bm:(\d+) lo:(\d+) pe:(\d+) ua:(\d+) ap:(\d+) ep:(\d+) wo:f oos:(\d+)$`)
	barLine   = regexp.MustCompile(`\((\d+)/(\d+)\)K$`)
	speedLine = regexp.MustCompile(`finish: (\d+):(\d+):(\d+) speed: ([\d,]+) \(([\d,]+)\)(?: want: ([\d,]+))? K/sec$`)
)

// readProc finds the numbers in a recorded /proc/drbd.
func readProc(t *testing.T, text string) (source string, list []drbdtext.Resource) {
	t.Helper()
	g := NewWithT(t)
	number := func(s string) uint64 {
		n, err := strconv.ParseUint(strings.ReplaceAll("0"+s, ",", ""), 10, 64)
		g.Expect(err).NotTo(HaveOccurred())
		return n
	}
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if s, ok := strings.CutPrefix(line, "srcversion: "); ok {
			source = strings.TrimSpace(s)
		}
		if m := stateLine.FindStringSubmatch(line); m != nil {
			r := drbdtext.Resource{Minor: int(number(m[1])), Protocol: m[7], ALSuspended: m[9] == "s"}
			r.State = stateOf(t, m[2], m[3], m[4], m[5], m[6])
			list = append(list, r)
		}
		if len(list) == 0 {
			continue
		}
		r := &list[len(list)-1]
		if m := countLine.FindStringSubmatch(line); m != nil {
			n := make([]uint64, len(m))
			for i := 1; i < len(m); i++ {
				n[i] = number(m[i])
			}
			r.Counters = drbdtext.Counters{
				SentKiB: n[1], ReceivedKiB: n[2], WrittenKiB: n[3], ReadKiB: n[4], ALWrites: n[5], BitmapWrites: n[6],
				Lower: int(n[7]), Pending: int(n[8]), Unacked: int(n[9]), Upper: int(n[10]), Epochs: int(n[11]),
			}
			r.OutOfSync = n[12]
		}
		if m := barLine.FindStringSubmatch(line); m != nil {
			r.Sync = &drbdtext.Sync{LeftKiB: number(m[1]), TotalKiB: number(m[2])}
		}
		if m := speedLine.FindStringSubmatch(line); m != nil {
			r.Sync.Finish = time.Duration(number(m[1])*3600+number(m[2])*60+number(m[3])) * time.Second
			r.Sync.Speed, r.Sync.Average, r.Sync.Want = number(m[4]), number(m[5]), number(m[6])
		}
	}
	return source, list
}

func stateOf(t *testing.T, conn, role, peer, disk, peerDisk string) (s drbdwire.State) {
	t.Helper()
	g := NewWithT(t)
	var err [5]error
	s.Conn, err[0] = drbdwire.ParseConnState(conn)
	s.Role, err[1] = drbdwire.ParseRole(role)
	s.Peer, err[2] = drbdwire.ParseRole(peer)
	s.Disk, err[3] = drbdwire.ParseDiskState(disk)
	s.PeerDisk, err[4] = drbdwire.ParseDiskState(peerDisk)
	g.Expect(err[:]).To(HaveEach(BeNil()))
	return s
}

// TestProcIsWhatTheKernelPrints reads the numbers out of what a kernel's
// /proc/drbd said, and writes the text again.
func TestProcIsWhatTheKernelPrints(t *testing.T) {
	files, err := filepath.Glob("testdata/proc/*.txt")
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	NewWithT(t).Expect(len(files)).To(BeNumerically(">", 10))
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			g := NewWithT(t)
			rec, err := recorded.Load(file)
			g.Expect(err).NotTo(HaveOccurred())
			source, list := readProc(t, string(rec.Stdout))
			g.Expect(drbdtext.Proc(source, list)).To(Equal(string(rec.Stdout)))
		})
	}
}

func TestProcBetweenMinors(t *testing.T) {
	g := NewWithT(t)
	down := drbdwire.State{Role: drbdwire.Secondary, PeerDisk: drbdwire.DUnknown}
	text := drbdtext.Proc("pollux", []drbdtext.Resource{{Minor: 12, State: down}, {Minor: 0, State: down}})
	g.Expect(text).To(Equal("version: 8.4.11 (api:1/proto:86-101)\nsrcversion: pollux \n" +
		" 0: cs:Unconfigured\n\n12: cs:Unconfigured\n"))
}

func TestProgressOfAVerifyThatIsStuck(t *testing.T) {
	g := NewWithT(t)
	r := drbdtext.Resource{
		Minor: 0, Protocol: "C",
		State: drbdwire.State{
			Role: drbdwire.Primary, Peer: drbdwire.Secondary, Conn: drbdwire.VerifyS, Disk: drbdwire.UpToDate,
			PeerDisk: drbdwire.UpToDate, UserPause: true, Suspended: true,
		},
		Sync: &drbdtext.Sync{TotalKiB: 8 << 20, LeftKiB: 4 << 20, Want: 1234567, Finish: -1},
	}
	g.Expect(drbdtext.Proc("x", []drbdtext.Resource{r})).To(HaveSuffix(
		"C s--u--\n    ns:0 nr:0 dw:0 dr:0 al:0 bm:0 lo:0 pe:0 ua:0 ap:0 ep:0 wo:f oos:0\n" +
			"\t[=========>..........] verified: 50.1% (4096/8192)M\n" +
			"\tfinish: 99999:59:59 speed: 0 (0) want: 1,234,567 K/sec (stalled)\n"))
}
