package drbdtext

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/optionc/pollux/daemon/format/drbdwire"
)

// Version is the release of DRBD whose texts these are.
const Version = "8.4.11"

// Proc is the text of /proc/drbd. source stands where the kernel has the hash
// of its module's source. Source: drbd.conf and its tools, section 8.1.
func Proc(source string, resources []Resource) string {
	var b strings.Builder
	fmt.Fprintf(&b, "version: %s (api:1/proto:86-101)\nsrcversion: %s \n", Version, source)
	byMinor := slices.SortedFunc(slices.Values(resources), func(a, b Resource) int { return a.Minor - b.Minor })
	before := -1
	for i := range byMinor {
		if r := &byMinor[i]; r.Minor != before+1 {
			b.WriteByte('\n')
		}
		before = byMinor[i].Minor
		byMinor[i].proc(&b)
	}
	return b.String()
}

func (r *Resource) proc(b *strings.Builder) {
	if r.isUnconfigured() {
		fmt.Fprintf(b, "%2d: cs:Unconfigured\n", r.Minor)
		return
	}
	s, c := r.State, r.Counters
	protocol := " "
	if r.hasNet() {
		protocol = r.Protocol
	}
	fmt.Fprintf(b, "%2d: cs:%s ro:%s/%s ds:%s/%s %s %s\n", r.Minor, s.Conn, s.Role, s.Peer, s.Disk, s.PeerDisk,
		protocol, r.flags())
	fmt.Fprintf(b, "    ns:%d nr:%d dw:%d dr:%d al:%d bm:%d lo:%d pe:%d ua:%d ap:%d ep:%d wo:f oos:%d\n",
		c.SentKiB, c.ReceivedKiB, c.WrittenKiB, c.ReadKiB, c.ALWrites, c.BitmapWrites,
		c.Lower, c.Pending, c.Unacked, c.Upper, c.Epochs, r.OutOfSync)
	if r.Sync != nil {
		r.Sync.proc(b, s.Conn)
	}
}

// flags are the six letters behind the protocol: I/O suspended, resync paused
// by dependency, peer or user, congestion (which needs no letter here), and
// the activity log.
func (r *Resource) flags() string {
	s := r.State
	io := byte('r')
	if s.Suspended || s.SuspNoData || s.SuspFencing {
		io = 's'
	}
	letter := func(on bool, c byte) byte {
		if on {
			return c
		}
		return '-'
	}
	return string([]byte{
		io, letter(s.AfterPause, 'a'), letter(s.PeerPause, 'p'), letter(s.UserPause, 'u'), '-',
		letter(r.ALSuspended, 's'),
	})
}

// places is the width of the progress bar.
const places = 20

// proc writes the two lines of progress.
func (s *Sync) proc(b *strings.Builder, conn drbdwire.ConnState) {
	perMille := s.perMille()
	x := int(perMille / 50)
	word := "sync'ed"
	if conn == drbdwire.VerifyS || conn == drbdwire.VerifyT {
		word = "verified"
	}
	left, total, unit := s.LeftKiB, s.TotalKiB, "K"
	if total > 4<<20 {
		left, total, unit = left>>10, total>>10, "M"
	}
	fmt.Fprintf(b, "\t[%s>%s] %s:%3d.%d%% (%d/%d)%s\n", strings.Repeat("=", max(x-1, 0)),
		strings.Repeat(".", places-x), word, perMille/10, perMille%10, left, total, unit)
	fmt.Fprintf(b, "\tfinish: %s speed: %s (%s)", hours(s.Finish), thousands(s.Speed), thousands(s.Average))
	if conn == drbdwire.SyncTarget || conn == drbdwire.VerifyS {
		fmt.Fprintf(b, " want: %s", thousands(s.Want))
	}
	b.WriteString(" K/sec")
	if s.Finish < 0 {
		b.WriteString(" (stalled)")
	}
	b.WriteByte('\n')
}

// perMille is how much is over. The kernel counts in units of 4 MiB, and one
// more in all than there are, so that it never divides by zero; the recorded
// lines agree with that.
func (s *Sync) perMille() uint64 {
	const unit = 4096 // KiB
	left, total := s.LeftKiB/unit, s.TotalKiB/unit+1
	return 1000 - min(left*1000/total, 1000)
}

// hours is a time as h:mm:ss. One that nobody knows is long.
func hours(d time.Duration) string {
	if d < 0 {
		return "99999:59:59"
	}
	seconds := int64(d / time.Second)
	return fmt.Sprintf("%d:%02d:%02d", seconds/3600, seconds/60%60, seconds%60)
}

// thousands groups the digits of a number by threes.
func thousands(n uint64) string {
	digits := strconv.FormatUint(n, 10)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}
