package trial

import (
	"time"

	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/daemon/core/resync"
	"github.com/optionc/pollux/daemon/format/drbdwire"
	"github.com/optionc/pollux/daemon/format/haconf"
	"github.com/optionc/pollux/sim/workload"
	"github.com/optionc/pollux/sim/world"
)

// page makes a setup that leaves nothing to luck but the seed's timing: the
// wiki page's configuration over a WAN of 20 ms, with the deadtime of ten
// seconds that most users have, and a guest with four clients. Named scenarios
// start from it.
func (s *setup) page() {
	s.world.Sectors, s.world.Fresh = 24*mib, false
	s.world.Disk = world.DiskTimes{Read: 2 * time.Millisecond, Write: 2 * time.Millisecond, Sync: 4 * time.Millisecond}
	s.world.Net = world.NetTimes{Latency: 10 * time.Millisecond, Jitter: 2 * time.Millisecond}
	s.world.Tools = world.ToolLuck{Latency: time.Second}
	s.world.Handlers = world.HandlerLuck{Latency: time.Second}
	s.world.Keep, s.world.Late = 0, 0
	s.load = workload.Load{Clients: 4, Think: 100 * time.Millisecond, Spots: 20, Reads: 300_000, Flushes: 20_000}
	r := s.resource()
	r.Protocol, r.ALExtents, r.PingInt, r.KoCount, r.MaxEpochSize = drbdwire.ProtocolC, 257, 10*time.Second, 7, 2048
	r.SuspendIONoData, r.UseRLE, r.CramAlg, r.SharedSecret = false, true, "", ""
	r.IntegrityAlg, r.CsumsAlg, r.RSDiscardGranularity, r.Handlers, r.Fencing = "", "", 0, nil, replica.DontCare
	r.Resync = resync.Params{Rate: 10_240, MaxRate: 102_400}
	r.WFCTimeout, r.DegrWFCTimeout, r.AlwaysASBP, r.RRConflict = 0, 0, false, 0
	r.AfterSB0, r.AfterSB1, r.AfterSB2 = 0, 0, 0
	alive := &s.world.Machine.Liveness
	alive.Keepalive, alive.Deadtime, alive.Initdead = time.Second, 10*time.Second, 20*time.Second
	s.deadtime = alive.Deadtime
	s.world.Machine.Failover.Failback = haconf.FailbackOn
	s.plan, s.calm = nil, 90*time.Second
}
