package trial_test

import (
	"fmt"
	"regexp"
	"sync"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/daemon/format/drbdwire"
	"github.com/optionc/pollux/sim/trial"
	"github.com/optionc/pollux/sim/world"
)

// told are the operations that a trace tells of.
var told = map[string]*regexp.Regexp{
	"first full sync":                regexp.MustCompile(`milo1 role Secondary -> Primary; disk Inconsistent -> UpToDate; promoted by force`),
	"disconnect":                     regexp.MustCompile(`plan: leave`),
	"resync of the bitmap":           regexp.MustCompile(`source of a resync of the bitmap`),
	"power loss of the first node":   regexp.MustCompile(`milo1 loses power`),
	"power loss of the other node":   regexp.MustCompile(`milo2 loses power`),
	"resync with checksums":          regexp.MustCompile(`KiB were equal by checksum`),
	"online verify":                  regexp.MustCompile(`Connected -> VerifyS; online verify begins`),
	"split brain, one way":           keeps("milo1"),
	"split brain, the other way":     keeps("milo2"),
	"detach on an I/O error":         regexp.MustCompile(`disk UpToDate -> Failed; an i/o error on the data`),
	"an I/O error that is passed on": regexp.MustCompile(`on-io-error is pass_on`),
	"a block that arrives damaged":   regexp.MustCompile(`a block that milo. sends is damaged`),
	"detach by order":                regexp.MustCompile(`disk Failed -> Diskless; detached by order`),
	"resize":                         regexp.MustCompile(`operator: resize on milo.: $`),
	"role swap":                      regexp.MustCompile(`role Primary -> Secondary; demoted`),
	"ping timeout":                   regexp.MustCompile(`did not answer a ping within ping-timeout`),
	"ko-count":                       regexp.MustCompile(`within ko-count times timeout`),
	"disk-timeout":                   regexp.MustCompile(`did not answer within disk-timeout`),
}

// keeps finds a split brain that ends with the changes of a node.
func keeps(node string) *regexp.Regexp {
	return regexp.MustCompile(node + ` decides: handshake .*(keeps this node's changes|the peer's changes are given up by order)`)
}

// seen are those that inputs tell of.
var seen = map[string]func(p world.Pair) bool{
	"writes":                             packet(drbdwire.CmdData),
	"trim":                               packet(drbdwire.CmdTrim),
	"zero-out":                           packet(drbdwire.CmdZeroes),
	"authentication":                     packet(drbdwire.CmdAuthResponse),
	"reads of the peer's copy":           packet(drbdwire.CmdDataReply),
	"a copy in pieces that are all zero": packet(drbdwire.CmdRSDeallocated),
	"writes without a disk": func(p world.Pair) bool {
		return packet(drbdwire.CmdData)(p) && p.PeerDisk == drbdwire.Diskless && p.Disk == drbdwire.UpToDate
	},
	"digests of what is written": func(p world.Pair) bool {
		return p.Kind == replica.Digested && p.Conn == drbdwire.Connected && p.Role == drbdwire.Secondary
	},
	"invalidate":        ordered(replica.OrderInvalidate),
	"invalidate-remote": ordered(replica.OrderInvalidateRemote),
	"outdate":           ordered(replica.OrderOutdate),
	"pause-sync":        ordered(replica.OrderPauseSync),
	"suspend-io":        ordered(replica.OrderSuspendIO),
	"secondary":         ordered(replica.OrderSecondary),
	"verify-abort":      ordered(replica.OrderAbortVerify),
	"new-current-uuid":  ordered(replica.OrderNewCurrentUUID),
	"adjust":            ordered(replica.OrderAdjust),
}

// rotten is the one that only the oracle can tell of.
const rotten = "online verify with a difference"

func packet(cmd drbdwire.Command) func(world.Pair) bool {
	return func(p world.Pair) bool { return p.Kind == replica.Packet && p.Sub == uint16(cmd) }
}

func ordered(kind replica.OrderKind) func(world.Pair) bool {
	return func(p world.Pair) bool { return p.Kind == replica.Order && p.Sub == uint16(kind) }
}

// Every operation of a replicator happens in some seed of the first few.
func TestOperations(t *testing.T) {
	if trial.Planted {
		t.Skip("as above")
	}
	var lock sync.Mutex
	times := map[string]int{}
	for i := range 240 {
		t.Run(fmt.Sprint("seed ", i+1), func(t *testing.T) {
			t.Parallel()
			pairs, found := world.Coverage{}, map[string]int{}
			opt := trial.Options{Seen: pairs, Trace: func(line string) {
				for what, text := range told {
					if text.MatchString(line) {
						found[what]++
					}
				}
			}}
			if i%3 == 2 {
				opt.Profile = trial.Apart
			}
			if r := trial.Run(uint64(i+1), opt); r.Counts.Rotten > 0 {
				found[rotten]++
			}
			lock.Lock()
			defer lock.Unlock()
			for what, n := range found {
				times[what] += n
			}
			for p, n := range pairs {
				for what, is := range seen {
					if is(p) {
						times[what] += n
					}
				}
			}
		})
	}
	t.Cleanup(func() {
		g := NewWithT(t)
		g.Expect(times[rotten]).To(BeNumerically(">", 0), rotten)
		for what := range told {
			g.Expect(times[what]).To(BeNumerically(">", 0), what)
		}
		for what := range seen {
			g.Expect(times[what]).To(BeNumerically(">", 0), what)
		}
	})
}
