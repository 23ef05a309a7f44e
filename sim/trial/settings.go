package trial

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/optionc/pollux/daemon/core/handshake"
	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/daemon/core/witness"
	"github.com/optionc/pollux/daemon/format/drbdwire"
	"github.com/optionc/pollux/daemon/format/haconf"
	"github.com/optionc/pollux/faults/plan"
	"github.com/optionc/pollux/sim/world"
)

// A setter gives one thing of a setup a value.
type setter func(s *setup, value string) error

func number(at func(s *setup) *int) setter {
	return func(s *setup, value string) (err error) {
		*at(s), err = strconv.Atoi(value)
		return err
	}
}

func span(at func(s *setup) *time.Duration) setter {
	return func(s *setup, value string) (err error) {
		*at(s), err = time.ParseDuration(value)
		return err
	}
}

func toggle(at func(s *setup) *bool) setter {
	return func(s *setup, value string) error {
		switch value {
		case "yes", "no":
			*at(s) = value == "yes"
			return nil
		default:
			return fmt.Errorf("found %q, want yes or no", value)
		}
	}
}

func word(at func(s *setup) *string) setter {
	return func(s *setup, value string) error {
		*at(s) = strings.TrimPrefix(value, "none")
		return nil
	}
}

func policy(at func(r *replica.Config) *drbdwire.AfterSB) setter {
	return func(s *setup, value string) error {
		for p := drbdwire.AfterSBDisconnect; p <= drbdwire.AfterSBViolently; p++ {
			if p.String() == value {
				*at(s.resource()) = p
				return nil
			}
		}
		return fmt.Errorf("found %q, which is no after-sb policy", value)
	}
}

func (s *setup) resource() *replica.Config { return &s.world.Machine.Resources[0] }

// setters are all that a scenario can set. Names are those of drbd.conf and
// ha.cf where there are such; luck is counted of a million.
var setters = map[string]setter{
	"protocol": func(s *setup, value string) error {
		at := strings.Index("ABC", value)
		if len(value) != 1 || at < 0 {
			return fmt.Errorf("found %q, want A, B or C", value)
		}
		s.resource().Protocol = drbdwire.ProtocolA + drbdwire.WireProtocol(at)
		return nil
	},
	"al-extents":     number(func(s *setup) *int { return &s.resource().ALExtents }),
	"max-epoch-size": number(func(s *setup) *int { return &s.resource().MaxEpochSize }),
	"ko-count":       number(func(s *setup) *int { return &s.resource().KoCount }),
	"timeout":        span(func(s *setup) *time.Duration { return &s.resource().Timeout }),
	"ping-int":       span(func(s *setup) *time.Duration { return &s.resource().PingInt }),
	"ping-timeout":   span(func(s *setup) *time.Duration { return &s.resource().PingTimeout }),
	"disk-timeout":   span(func(s *setup) *time.Duration { return &s.resource().DiskTimeout }),
	"use-rle":        toggle(func(s *setup) *bool { return &s.resource().UseRLE }),
	"suspend-io":     toggle(func(s *setup) *bool { return &s.resource().SuspendIONoData }),
	"cram-hmac-alg": func(s *setup, value string) error {
		s.resource().CramAlg, s.resource().SharedSecret = strings.TrimPrefix(value, "none"), "of both nodes"
		return nil
	},
	"data-integrity-alg": word(func(s *setup) *string { return &s.resource().IntegrityAlg }),
	"csums-alg":          word(func(s *setup) *string { return &s.resource().CsumsAlg }),
	"wfc-timeout":        span(func(s *setup) *time.Duration { return &s.resource().WFCTimeout }),
	"degr-wfc-timeout":   span(func(s *setup) *time.Duration { return &s.resource().DegrWFCTimeout }),
	"after-sb-0pri":      policy(func(r *replica.Config) *drbdwire.AfterSB { return &r.AfterSB0 }),
	"after-sb-1pri":      policy(func(r *replica.Config) *drbdwire.AfterSB { return &r.AfterSB1 }),
	"after-sb-2pri":      policy(func(r *replica.Config) *drbdwire.AfterSB { return &r.AfterSB2 }),
	"always-asbp":        toggle(func(s *setup) *bool { return &s.resource().AlwaysASBP }),
	"fencing": func(s *setup, value string) error {
		at := slices.Index([]string{"dont-care", "resource-only", "resource-and-stonith"}, value)
		if at < 0 {
			return fmt.Errorf("found %q, want dont-care, resource-only or resource-and-stonith", value)
		}
		s.resource().Fencing = [...]replica.Fencing{
			replica.DontCare, replica.ResourceOnly, replica.ResourceAndStonith,
		}[at]
		s.resource().Handlers = []string{replica.HandlerFencePeer, replica.HandlerUnfencePeer}
		return nil
	},
	"on-congestion": func(s *setup, value string) error {
		at := slices.Index([]string{"block", "pull-ahead", "disconnect"}, value)
		if at < 0 {
			return fmt.Errorf("found %q, want block, pull-ahead or disconnect", value)
		}
		s.resource().OnCongestion = [...]replica.OnCongestion{
			replica.CongestionBlocks, replica.CongestionPullsAhead, replica.CongestionDisconnects,
		}[at]
		return nil
	},
	"congestion-fill": func(s *setup, value string) (err error) { // sectors
		s.resource().CongestionFill, err = strconv.ParseUint(value, 10, 32)
		return err
	},
	"rr-conflict": func(s *setup, value string) error {
		at := slices.Index([]string{"disconnect", "call-pri-lost"}, value)
		if at < 0 {
			return fmt.Errorf("found %q, want disconnect or call-pri-lost", value)
		}
		s.resource().RRConflict = [...]handshake.RRConflict{handshake.RRDisconnect, handshake.RRCallPriLost}[at]
		return nil
	},
	"resync-rate": func(s *setup, value string) error { // KiB/s, as in drbd.conf without a unit
		n, err := strconv.ParseUint(value, 10, 32)
		s.resource().Resync.Rate, s.resource().Resync.PlanAhead = uint32(n), 0
		return err
	},

	"keepalive": span(func(s *setup) *time.Duration { return &s.world.Machine.Liveness.Keepalive }),
	"deadtime": func(s *setup, value string) (err error) {
		s.deadtime, err = time.ParseDuration(value)
		s.world.Machine.Liveness.Deadtime = s.deadtime
		return err
	},
	"initdead": span(func(s *setup) *time.Duration { return &s.world.Machine.Liveness.Initdead }),
	"auto_failback": func(s *setup, value string) error {
		at := slices.Index([]string{"on", "off"}, value)
		if at < 0 {
			return fmt.Errorf("found %q, want on or off", value)
		}
		s.world.Machine.Failover.Failback = [...]haconf.Failback{haconf.FailbackOn, haconf.FailbackOff}[at]
		return nil
	},
	"failback_after":  span(func(s *setup) *time.Duration { return &s.world.Machine.Failover.Patience.Steady }),
	"failback-period": span(func(s *setup) *time.Duration { return &s.world.Machine.Failover.Patience.Period }),

	"policy": func(s *setup, value string) error {
		at := slices.Index([]string{"last-man", "freeze", "witness"}, value)
		if at < 0 {
			return fmt.Errorf("found %q, want last-man, freeze or witness", value)
		}
		store := s.world.Witness.Store // said before
		s.lease(witness.Policy(at), leaseFor)
		s.world.Witness.Store = store
		return nil
	},
	"witness":         func(s *setup, value string) error { return s.thirdPlace(value) },
	"witness-twice":   number(func(s *setup) *int { return &s.world.Witness.Twice }),
	"lease":           span(func(s *setup) *time.Duration { return &s.world.Machine.Witness.Lease }),
	"witness-latency": span(func(s *setup) *time.Duration { return &s.world.Witness.Latency }),
	"witness-loss":    number(func(s *setup) *int { return &s.world.Witness.Loss }),
	"witness-stray":   number(func(s *setup) *int { return &s.world.Witness.Stray }),

	"clients": number(func(s *setup) *int { return &s.load.Clients }),
	"spots":   number(func(s *setup) *int { return &s.load.Spots }),
	"think":   span(func(s *setup) *time.Duration { return &s.load.Think }),
	"reads":   number(func(s *setup) *int { return &s.load.Reads }),
	"flushes": number(func(s *setup) *int { return &s.load.Flushes }),
	"trims":   number(func(s *setup) *int { return &s.load.Trims }),
	"zeros":   number(func(s *setup) *int { return &s.load.Zeros }),

	"size": func(s *setup, value string) error { // MiB, metadata included
		n, err := strconv.ParseUint(value, 10, 16)
		s.world.Sectors = n * mib
		return err
	},
	"fresh":       toggle(func(s *setup) *bool { return &s.world.Fresh }),
	"disk-read":   span(func(s *setup) *time.Duration { return &s.world.Disk.Read }),
	"disk-write":  span(func(s *setup) *time.Duration { return &s.world.Disk.Write }),
	"disk-sync":   span(func(s *setup) *time.Duration { return &s.world.Disk.Sync }),
	"disk-keeps":  number(func(s *setup) *int { return &s.world.Keep }),
	"latency":     span(func(s *setup) *time.Duration { return &s.world.Net.Latency }),
	"jitter":      span(func(s *setup) *time.Duration { return &s.world.Net.Jitter }),
	"loss":        number(func(s *setup) *int { return &s.world.Net.Loss }),
	"duplication": number(func(s *setup) *int { return &s.world.Net.Duplication }),
	"link-rate": func(s *setup, value string) (err error) { // bytes per second
		s.world.Net.Rate, err = strconv.ParseInt(value, 10, 64)
		return err
	},
	"bytes":        toggle(func(s *setup) *bool { return &s.world.Bytes }),
	"reset-milo1":  number(func(s *setup) *int { return &s.world.ResetAt[0] }),
	"reset-milo2":  number(func(s *setup) *int { return &s.world.ResetAt[1] }),
	"linger":       span(func(s *setup) *time.Duration { return &s.world.Linger }),
	"loss-burst":   span(func(s *setup) *time.Duration { return &s.world.Net.Burst }),
	"clock-milo1":  number(func(s *setup) *int { return &s.world.Drift[0] }), // ppm
	"clock-milo2":  number(func(s *setup) *int { return &s.world.Drift[1] }),
	"late-timers":  number(func(s *setup) *int { return &s.world.Late }),
	"tools":        span(func(s *setup) *time.Duration { return &s.world.Tools.Latency }),
	"fence-shoots": toggle(func(s *setup) *bool { return &s.world.Handlers.Shoots }), // or asks the peer
	"tools-fail":   number(func(s *setup) *int { return &s.world.Tools.Fail }),
	"tools-half":   number(func(s *setup) *int { return &s.world.Tools.Half }),
	"tools-lie":    number(func(s *setup) *int { return &s.world.Tools.Lie }),
	"tools-hang":   number(func(s *setup) *int { return &s.world.Tools.Hang }),
	"tools-blind":  number(func(s *setup) *int { return &s.world.Tools.Blind }),
	"stonith":      toggle(func(s *setup) *bool { return &s.world.Machine.Failover.Fence }),
	"fence-fails":  number(func(s *setup) *int { return &s.world.Handlers.Fail }),
	"watch-lies":   number(func(s *setup) *int { return &s.world.Tools.WatchLies }),
	"watch-late":   number(func(s *setup) *int { return &s.world.Tools.WatchLate }),
	"monitor":      span(func(s *setup) *time.Duration { return &s.world.Machine.Failover.Monitor.Every }),
	"restarts":     number(func(s *setup) *int { return &s.world.Machine.Failover.Monitor.Restarts }),
	"period":       span(func(s *setup) *time.Duration { return &s.world.Machine.Failover.Monitor.Period }),
	"calm":         span(func(s *setup) *time.Duration { return &s.calm }),
	"verify-alg":   word(func(s *setup) *string { return &s.resource().VerifyAlg }),
	"apart":        toggle(func(s *setup) *bool { return &s.rules.Apart }),
}

// apply sets what a scenario says, in its order.
func (s *setup) apply(settings []plan.Setting) error {
	for _, x := range settings {
		set, ok := setters[x.Name]
		if !ok {
			return fmt.Errorf("setting %s is none of %s", x.Name,
				strings.Join(slices.Sorted(maps.Keys(setters)), ", "))
		}
		if err := set(s, x.Value); err != nil {
			return fmt.Errorf("setting %s: %w", x.Name, err)
		}
	}
	for _, f := range s.plan {
		err := knows(f.On)
		if err == nil {
			err = s.bears(f)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", strings.TrimSpace(plan.Plan{f}.String()), err)
		}
	}
	s.judge()
	return nil
}

// bears fails if there is nothing that a fault could happen to.
func (s *setup) bears(f plan.Fault) error {
	switch r := s.resource(); {
	case (f.Kind == plan.CutWitness || f.Node == plan.Witness) && s.world.Machine.Witness.Policy != witness.ByWitness:
		return errors.New("there is no witness (set policy witness)")
	case f.Kind == plan.OldDisk && f.Node == plan.Witness && !s.world.Witness.Store:
		return errors.New("the witness keeps nothing (set witness store)")
	case f.Kind == plan.DeadFence && !s.world.Machine.Failover.Fence && r.Fencing == replica.DontCare:
		return errors.New("there is nothing to fence with (set stonith yes, or set fencing)")
	default:
		return nil
	}
}

// judge derives the rules from what the setup has become.
func (s *setup) judge() {
	r := s.resource()
	s.rules.Protocol, s.rules.GoesOn = r.Protocol, r.WFCTimeout
	if r.DegrWFCTimeout > 0 {
		s.rules.GoesOn = min(r.WFCTimeout, r.DegrWFCTimeout)
	}
	fast := max(0, s.world.Drift[0], s.world.Drift[1])
	s.rules.GoesOn -= time.Duration(s.rules.GoesOn.Nanoseconds() / 1e6 * int64(fast)) // a node's clock measures it
	s.rules.Fenced = r.Fencing == replica.ResourceAndStonith
	s.rules.Shot = s.world.Machine.Failover.Fence
	s.rules.PassesOn = r.PassOn
	s.rules.AfterSB0, s.rules.AfterSB1 = r.AfterSB0, r.AfterSB1
	s.judgeLease()
	s.rules.First = 0
	if s.world.Fresh {
		s.rules.First = world.Garbage(0)
	}
	for _, f := range s.plan {
		s.calm = max(s.calm, f.At)
		if f.Kind == plan.Crowd {
			s.world.Machine.Failover.Rooms = []bool{true}
		}
	}
}
