package drbdconf

import (
	"strings"
	"time"
)

// The tables of this file are drbd.conf, section 4, one line an option: name,
// range, default, and the field it sets.

const (
	drbd9   = "it is a word of DRBD 9"
	noUse   = "it has no effect any more"
	anyRate = 4 << 20 // KiB/s
)

var globalSection = &section[Global]{
	name: "global",
	options: []option[Global]{
		bareFlag("disable-ip-verification", func(g *Global) *bool { return &g.DisableIPVerification }),
		count("minor-count", 1, 255, 0, func(g *Global) *int { return &g.MinorCount }),
		duration("dialog-refresh", time.Second, 0, 600, 1, func(g *Global) *time.Duration { return &g.DialogRefresh }),
		bareFlag("udev-always-use-vnr", func(g *Global) *bool { return &g.UdevAlwaysUseVNR }),
		choice("usage-count", usageCounts, UsageAsk, func(g *Global) *UsageCount { return &g.UsageCount }),
		duration("cmd-timeout-short", time.Second, 0, 900, 5,
			func(g *Global) *time.Duration { return &g.CmdTimeoutShort }),
		duration("cmd-timeout-medium", time.Second, 0, 900, 600,
			func(g *Global) *time.Duration { return &g.CmdTimeoutMedium }),
		duration("cmd-timeout-long", time.Second, 0, 900, 0,
			func(g *Global) *time.Duration { return &g.CmdTimeoutLong }),
	},
	ignored: map[string]string{
		"disable-io-hints":               noUse,
		"require-drbd-module-version-eq": drbd9,
		"require-drbd-module-version-ne": drbd9,
		"require-drbd-module-version-gt": drbd9,
		"require-drbd-module-version-ge": drbd9,
		"require-drbd-module-version-lt": drbd9,
		"require-drbd-module-version-le": drbd9,
	},
}

var netSection = &section[NetOptions]{
	name: "net",
	options: []option[NetOptions]{
		choice("protocol", protocols, ProtocolC, func(n *NetOptions) *Protocol { return &n.Protocol }),
		duration("timeout", tenth, 1, 600, 60, func(n *NetOptions) *time.Duration { return &n.Timeout }),
		duration("connect-int", time.Second, 1, 120, 10, func(n *NetOptions) *time.Duration { return &n.ConnectInt }),
		duration("ping-int", time.Second, 1, 120, 10, func(n *NetOptions) *time.Duration { return &n.PingInt }),
		duration("ping-timeout", tenth, 1, 300, 5, func(n *NetOptions) *time.Duration { return &n.PingTimeout }),
		duration("socket-check-timeout", tenth, 0, 300, 0,
			func(n *NetOptions) *time.Duration { return &n.SocketCheckTimeout }),
		count("ko-count", 0, 200, 7, func(n *NetOptions) *int { return &n.KOCount }),
		count("max-buffers", 32, 131072, 2048, func(n *NetOptions) *int { return &n.MaxBuffers }),
		count("max-epoch-size", 1, 20000, 2048, func(n *NetOptions) *int { return &n.MaxEpochSize }),
		count("unplug-watermark", 1, 131072, 128, func(n *NetOptions) *int { return &n.UnplugWatermark }),
		amount("sndbuf-size", 1, 0, 10<<20, 0, func(n *NetOptions) *int64 { return &n.SndbufSize }),
		amount("rcvbuf-size", 1, 0, 10<<20, 0, func(n *NetOptions) *int64 { return &n.RcvbufSize }),
		flag("tcp-cork", true, func(n *NetOptions) *bool { return &n.TCPCork }),
		flag("allow-two-primaries", false, func(n *NetOptions) *bool { return &n.AllowTwoPrimaries }),
		text("cram-hmac-alg", 63, func(n *NetOptions) *string { return &n.CramHMACAlg }),
		secret("shared-secret", 63, func(n *NetOptions) *string { return &n.SharedSecret }),
		afterSB0(),
		choice("after-sb-1pri", afterSB1s, ASBDisconnect, func(n *NetOptions) *AfterSB { return &n.AfterSB1Pri }),
		choice("after-sb-2pri", afterSB2s, ASBDisconnect, func(n *NetOptions) *AfterSB { return &n.AfterSB2Pri }),
		flag("always-asbp", false, func(n *NetOptions) *bool { return &n.AlwaysASBP }),
		choice("rr-conflict", rrConflicts, RRDisconnect, func(n *NetOptions) *RRConflict { return &n.RRConflict }),
		text("data-integrity-alg", 63, func(n *NetOptions) *string { return &n.DataIntegrityAlg }),
		text("csums-alg", 63, func(n *NetOptions) *string { return &n.CSumsAlg }),
		flag("csums-after-crash-only", false, func(n *NetOptions) *bool { return &n.CSumsAfterCrashOnly }),
		text("verify-alg", 63, func(n *NetOptions) *string { return &n.VerifyAlg }),
		flag("use-rle", true, func(n *NetOptions) *bool { return &n.UseRLE }),
		choice("on-congestion", onCongestions, Block, func(n *NetOptions) *OnCongestion { return &n.OnCongestion }),
		amount("congestion-fill", sector, 0, 20971520, 0, func(n *NetOptions) *int64 { return &n.CongestionFill }),
		count("congestion-extents", 67, 65534, 1237, func(n *NetOptions) *int { return &n.CongestionExtents }),
	},
	ignored: map[string]string{
		"transport": drbd9, "allow-remote-read": drbd9, "_name": drbd9,
	},
}

var diskSection = &section[DiskOptions]{
	name: "disk",
	options: []option[DiskOptions]{
		amount("size", sector, 0, 1<<41, 0, func(d *DiskOptions) *int64 { return &d.Size }),
		choice("on-io-error", onIOErrors, Detach, func(d *DiskOptions) *OnIOError { return &d.OnIOError }),
		choice("fencing", fencings, DontCare, func(d *DiskOptions) *Fencing { return &d.Fencing }),
		count("max-bio-bvecs", 0, 128, 0, func(d *DiskOptions) *int { return &d.MaxBioBvecs }),
		flag("disk-barrier", false, func(d *DiskOptions) *bool { return &d.DiskBarrier }),
		flag("disk-flushes", true, func(d *DiskOptions) *bool { return &d.DiskFlushes }),
		flag("disk-drain", true, func(d *DiskOptions) *bool { return &d.DiskDrain }),
		flag("md-flushes", true, func(d *DiskOptions) *bool { return &d.MDFlushes }),
		amount("resync-rate", kib, 1, anyRate, 250, func(d *DiskOptions) *int { return &d.ResyncRate }),
		resyncAfter(),
		count("al-extents", 67, 65534, 1237, func(d *DiskOptions) *int { return &d.ALExtents }),
		flag("al-updates", true, func(d *DiskOptions) *bool { return &d.ALUpdates }),
		duration("c-plan-ahead", tenth, 0, 300, 20, func(d *DiskOptions) *time.Duration { return &d.CPlanAhead }),
		duration("c-delay-target", tenth, 1, 100, 10, func(d *DiskOptions) *time.Duration { return &d.CDelayTarget }),
		amount("c-fill-target", sector, 0, 1<<20, 100, func(d *DiskOptions) *int64 { return &d.CFillTarget }),
		amount("c-max-rate", kib, 250, anyRate, 102400, func(d *DiskOptions) *int { return &d.CMaxRate }),
		amount("c-min-rate", kib, 0, anyRate, 250, func(d *DiskOptions) *int { return &d.CMinRate }),
		duration("disk-timeout", tenth, 0, 6000, 0, func(d *DiskOptions) *time.Duration { return &d.DiskTimeout }),
		choice("read-balancing", readBalancings, PreferLocal,
			func(d *DiskOptions) *ReadBalancing { return &d.ReadBalancing }),
		amount("rs-discard-granularity", 1, 0, 1<<20, 0,
			func(d *DiskOptions) *int64 { return &d.RSDiscardGranularity }),
		flag("discard-zeroes-if-aligned", true, func(d *DiskOptions) *bool { return &d.DiscardZeroesIfAligned }),
		flag("disable-write-same", false, func(d *DiskOptions) *bool { return &d.DisableWriteSame }),
		choice("snapshot-before-resync", snapshots, SnapshotNo,
			func(d *DiskOptions) *Snapshot { return &d.SnapshotBeforeResync }),
	},
	ignored: map[string]string{"bitmap": drbd9},
}

var startupSection = &section[StartupOptions]{
	name: "startup",
	options: []option[StartupOptions]{
		duration("wfc-timeout", time.Second, 0, 300000, 0,
			func(s *StartupOptions) *time.Duration { return &s.WFCTimeout }),
		duration("degr-wfc-timeout", time.Second, 0, 300000, 0,
			func(s *StartupOptions) *time.Duration { return &s.DegrWFCTimeout }),
		duration("outdated-wfc-timeout", time.Second, 0, 300000, 0,
			func(s *StartupOptions) *time.Duration { return &s.OutdatedWFCTimeout }),
		flag("wait-after-sb", false, func(s *StartupOptions) *bool { return &s.WaitAfterSB }),
		bareFlag("stacked-timeouts", func(s *StartupOptions) *bool { return &s.StackedTimeouts }),
		{
			name: "become-primary-on",
			list: true,
			set: func(s *StartupOptions, value string) string {
				s.BecomePrimaryOn = nil
				if value != "" {
					s.BecomePrimaryOn = strings.Fields(value)
				}
				return ""
			},
			show: func(s *StartupOptions) string { return strings.Join(s.BecomePrimaryOn, " ") },
		},
	},
}

var resourceSection = &section[ResourceOptions]{
	name: "options",
	options: []option[ResourceOptions]{
		cpuMask(),
		choice("on-no-data-accessible", onNoDatas, IOError,
			func(o *ResourceOptions) *OnNoData { return &o.OnNoDataAccessible }),
	},
	ignored: map[string]string{
		"quorum": drbd9, "on-no-quorum": drbd9, "quorum-minimum-redundancy": drbd9, "auto-promote": drbd9,
		"auto-promote-timeout": drbd9, "peer-ack-window": drbd9, "peer-ack-delay": drbd9, "twopc-timeout": drbd9,
		"twopc-retry-timeout": drbd9, "max-io-depth": drbd9, "on-suspended-primary-outdated": drbd9,
	},
}

// handlerNames are the events that a command can be given for.
var handlerNames = []string{
	"pri-on-incon-degr", "pri-lost-after-sb", "pri-lost", "initial-split-brain", "split-brain", "fence-peer",
	"unfence-peer", "local-io-error", "before-resync-target", "after-resync-target", "before-resync-source",
	"out-of-sync",
}

// handlerSection has one option for each event.
var handlerSection = func() *section[map[string]string] {
	s := &section[map[string]string]{
		name:    "handlers",
		ignored: map[string]string{"quorum-lost": drbd9, "disconnected": drbd9},
	}
	for _, name := range handlerNames {
		s.options = append(s.options, option[map[string]string]{
			name: name,
			set: func(m *map[string]string, command string) string {
				switch {
				case command == "":
					delete(*m, name)
				case *m != nil: // nil when the value is only checked
					(*m)[name] = command
				}
				return ""
			},
			show: func(m *map[string]string) string { return quote((*m)[name]) },
		})
	}
	return s
}()
