package trial

import (
	"time"

	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/daemon/format/drbdwire"
	"github.com/optionc/pollux/faults/draw"
	"github.com/optionc/pollux/sim/world"
)

// drawPolicies draws what a resource does by its configuration alone, from
// luck of its own: the rest of a seed's setup stays what it was.
func (s *setup) drawPolicies(seed uint64) {
	luck := draw.New(seed, "policies")
	r := &s.world.Machine.Resources[0]
	if luck.Below(3) == 0 {
		r.Handlers = []string{
			replica.HandlerAfterResyncTarget, replica.HandlerBeforeResyncSource, replica.HandlerBeforeResyncTarget,
			replica.HandlerPriOnInconDegr,
		}
	}
	rare := func() int { return luck.Below(2) * luck.Below(100_000) }
	s.world.Handlers = world.HandlerLuck{
		Latency: luck.Between(10*time.Millisecond, 20*time.Second), Fail: rare(), Hang: rare() / 2,
		Shoots: luck.Below(2) == 0,
	}
	r.Fencing = [...]replica.Fencing{
		replica.DontCare, replica.DontCare, replica.ResourceOnly, replica.ResourceAndStonith,
	}[luck.Below(4)]
	r.Snapshot = replica.Snapshot(luck.Below(6) % 4 % 3)
	if r.Fencing == replica.ResourceAndStonith && r.Protocol == drbdwire.ProtocolA {
		r.Fencing = replica.ResourceOnly // the kernel refuses the two together
	}
	if r.Protocol == drbdwire.ProtocolC { // A and B lose what a disk that is given up alone had
		r.DiskTimeout = time.Duration(luck.Below(3)/2) * luck.Between(3*time.Second, 15*time.Second)
	}
	if r.Protocol == drbdwire.ProtocolA {
		r.OnCongestion = [...]replica.OnCongestion{
			replica.CongestionBlocks, replica.CongestionPullsAhead, replica.CongestionPullsAhead,
			replica.CongestionDisconnects,
		}[luck.Below(4)]
		r.CongestionFill = uint64(1000 + luck.Below(3000)) // which the usual load does not reach
		if r.OnCongestion == replica.CongestionDisconnects {
			r.CongestionFill *= 4
		}
	}
	r.PassOn = luck.Below(3) == 0
	if r.CallLocalIOError = luck.Below(2) == 0; r.CallLocalIOError {
		r.Handlers = append(r.Handlers, replica.HandlerLocalIOError)
	}
	r.OutdatedWFCTimeout = time.Duration(luck.Below(3)/2) * luck.Between(time.Second, 20*time.Second)
	r.WaitAfterSB = luck.Below(2) == 0
	r.CMinRate = uint32(luck.Below(2) * (250 + luck.Below(8000)))
	if r.Fencing != replica.DontCare {
		r.Handlers = append(r.Handlers, replica.HandlerFencePeer, replica.HandlerUnfencePeer)
	}
}
