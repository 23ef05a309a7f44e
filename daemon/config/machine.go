package config

import (
	"slices"
	"strings"
	"time"

	"github.com/optionc/pollux/daemon/core/failover"
	"github.com/optionc/pollux/daemon/core/handshake"
	"github.com/optionc/pollux/daemon/core/liveness"
	"github.com/optionc/pollux/daemon/core/machine"
	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/daemon/core/resync"
	"github.com/optionc/pollux/daemon/core/witness"
	"github.com/optionc/pollux/daemon/format/drbdconf"
	"github.com/optionc/pollux/daemon/format/drbdmeta"
	"github.com/optionc/pollux/daemon/format/drbdwire"
	"github.com/optionc/pollux/daemon/format/haconf"
	"github.com/optionc/pollux/daemon/format/hbwire"
)

// Identity is what a node needs besides its files: who it is, kept since its
// first start, and what must differ at every start.
type Identity struct {
	UUID       hbwire.UUID
	Generation uint64
	Seed       uint64
}

// Machine gives the configuration of the cores.
func (s *Site) Machine(id Identity) machine.Config {
	c := machine.Config{Cluster: s.HA != nil, Files: s.Files, ResyncAfter: s.resyncAfter()}
	for i, r := range s.Resources {
		rc := r.replica(s.Node)
		rc.Seed = id.Seed + uint64(i)*0x9e3779b97f4a7c15
		c.Resources = append(c.Resources, rc)
		c.Foreign = append(c.Foreign, r.Conf.Engine == drbdconf.EngineKernel)
	}
	if s.HA == nil {
		return c
	}
	encoding := hbwire.Netstring
	if s.HA.BareNetstring {
		encoding = hbwire.BareNetstring
	}
	c.Liveness = liveness.Config{
		Node: s.Node, Peer: s.Peer, UUID: id.UUID, Generation: id.Generation,
		Keepalive: s.HA.Keepalive, Deadtime: s.HA.Deadtime, Warntime: s.HA.Warntime, Initdead: s.HA.Initdead,
		MaxResendDelay: s.HA.MaxResendWait, Keys: s.Keys, Encoding: encoding,
		TTL: uint64(len(s.HA.Nodes) + s.pingNodes() + s.HA.HopFudge), Media: s.media(), Seed: id.Seed,
	}
	c.Failover = failover.Config{
		Node: s.Node, Peer: s.Peer, Failback: s.HA.AutoFailback, Groups: s.Groups,
		Patience: failover.Patience(s.HA.FailbackAfter), Monitor: failover.Monitor(s.HA.Monitor), Fence: s.Stonith() != nil,
	}
	for _, g := range s.Groups {
		c.Failover.Rooms = append(c.Failover.Rooms, len(s.GuestDirs(g)) > 0)
	}
	c.Witness = witness.Config{
		Policy:  witness.Policy(slices.Index(policies, s.HA.Policy)),
		Cluster: s.Pair(), Lease: s.Lease(),
	}
	return c
}

// Pair is what a witness calls the two nodes, on both of them.
func (s *Site) Pair() string { return strings.Join(slices.Sorted(slices.Values(s.HA.Nodes)), "+") }

// Lease is how long a promise lasts, as messages can say it.
func (s *Site) Lease() time.Duration { return s.HA.Lease.Round(time.Millisecond) }

// policies are the words of ha.cf in the order of witness.Policy.
var policies = []string{haconf.PolicyLastMan, haconf.PolicyFreeze, haconf.PolicyWitness}

// Stonith is the device of ha.cf that this node uses, or nil: the last one that
// is for it.
func (s *Site) Stonith() *haconf.Stonith {
	var found *haconf.Stonith
	for i := range s.HA.Stonith {
		if d := &s.HA.Stonith[i]; d.Host == "*" || strings.EqualFold(d.Host, s.Node) {
			found = d
		}
	}
	return found
}

func (s *Site) pingNodes() (count int) {
	for _, m := range s.HA.Media {
		if !m.Kind.ReachesPeer() {
			count++
		}
	}
	return count
}

func (s *Site) media() []string {
	var names []string
	for _, m := range s.HA.Media {
		if m.Kind.ReachesPeer() {
			names = append(names, m.Device)
		}
	}
	return names
}

// replica gives the configuration of one resource's core.
func (r Resource) replica(node string) replica.Config {
	n, d := r.Conf.Net, r.Volume.Options
	degraded := r.Conf.Startup.DegrWFCTimeout
	if wfc := r.Conf.Startup.WFCTimeout; wfc > 0 && (degraded == 0 || degraded > wfc) {
		degraded = wfc // as drbdsetup wait-connect has it
	}
	c := replica.Config{
		Name: r.Conf.Name, Meta: drbdmeta.Kind(r.Volume.Meta.Kind), MetaSlot: r.Volume.Meta.Index,
		Protocol: drbdwire.WireProtocol(n.Protocol), ALExtents: d.ALExtents, UserSize: uint64(d.Size),
		AfterSB0:   drbdwire.AfterSB(r.Conf.AfterSB0Pri(node)),
		AfterSB1:   drbdwire.AfterSB(n.AfterSB1Pri),
		AfterSB2:   drbdwire.AfterSB(n.AfterSB2Pri),
		AlwaysASBP: n.AlwaysASBP, RRConflict: handshake.RRConflict(n.RRConflict),
		PingInt: n.PingInt, PingTimeout: n.PingTimeout, Timeout: n.Timeout, KoCount: n.KOCount,
		MaxEpochSize: n.MaxEpochSize,
		WFCTimeout:   r.Conf.Startup.WFCTimeout, DegrWFCTimeout: degraded,
		SuspendIONoData: r.Own.Options.OnNoDataAccessible == drbdconf.SuspendIO,
		OnCongestion:    replica.OnCongestion(n.OnCongestion), CongestionFill: uint64(n.CongestionFill),
		CongestionExtents: n.CongestionExtents,
		Snapshot:          replica.Snapshot(d.SnapshotBeforeResync),
		PassOn:            d.OnIOError == drbdconf.PassOn,
		CallLocalIOError:  d.OnIOError == drbdconf.CallLocalIOError, DiskTimeout: d.DiskTimeout,
		OutdatedWFCTimeout: r.Conf.Startup.OutdatedWFCTimeout, WaitAfterSB: r.Conf.Startup.WaitAfterSB,
		InconDegrCmd: r.Conf.InconDegrCmd, CMinRate: minRate(r),
		Fencing: replica.Fencing(d.Fencing),
		CramAlg: n.CramHMACAlg, SharedSecret: n.SharedSecret,
		IntegrityAlg: n.DataIntegrityAlg,
		CsumsAlg:     n.CSumsAlg, CsumsAfterCrashOnly: n.CSumsAfterCrashOnly,
		VerifyAlg:            n.VerifyAlg,
		RSDiscardGranularity: uint32(d.RSDiscardGranularity),
		Resync:               resyncParams(d, n), UseRLE: n.UseRLE,
	}
	for name := range r.Conf.Handlers {
		c.Handlers = append(c.Handlers, name)
	}
	slices.Sort(c.Handlers)
	return c
}

// defaultRate is DRBD's own default of resync-rate, in KiB/s. A file that does
// not say otherwise gets a resync as fast as the link and the disks are:
// nobody wants to wait a week for a disk.
const defaultRate = 250

// defaultCeiling is DRBD's own default of c-max-rate, in KiB/s; the same is
// true of that.
const defaultCeiling = 100 << 10

// roomyMinRate is what a resync may take, in KiB/s, while users use the disk,
// where no file says it. DRBD's own default of 250 makes a resync last for days.
const roomyMinRate = 8 << 10

func minRate(r Resource) uint32 {
	if !r.Conf.GivesDisk("c-min-rate") {
		return roomyMinRate
	}
	return uint32(r.Volume.Options.CMinRate)
}

// resyncAfter gives the order of the resyncs by the indexes of the resources.
func (s *Site) resyncAfter() []int {
	var after []int
	for _, r := range s.Resources {
		after = append(after, slices.IndexFunc(s.Resources, func(o Resource) bool {
			return o.Conf.Name == r.Volume.Options.ResyncAfter.Resource
		}))
	}
	return after
}

func resyncParams(d drbdconf.DiskOptions, n drbdconf.NetOptions) resync.Params {
	p := resync.Params{
		Rate: uint32(d.ResyncRate), PlanAhead: uint32(d.CPlanAhead / (100 * time.Millisecond)),
		DelayTarget: uint32(d.CDelayTarget / (100 * time.Millisecond)), FillTarget: uint32(d.CFillTarget),
		MaxRate: uint32(d.CMaxRate), MaxBuffers: uint32(n.MaxBuffers),
	}
	if d.CMaxRate == defaultCeiling {
		p.MaxRate = 0
	}
	if d.ResyncRate == defaultRate && d.CPlanAhead > 0 {
		p.Rate, p.PlanAhead = 0, 0
	}
	return p
}
