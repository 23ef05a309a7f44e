//go:build planted

package planted

// Entry is a bug of the catalogue.
type Entry struct {
	Bug    Bug
	Name   string
	Source string // what it stands for
}

// Catalogue is all of them.
var Catalogue = []Entry{
	{AckBeforeDisk, "AckBeforeDisk", "DRBD: what protocol C is for; 8.4.7 touched this path"},
	{SkipActivityLog, "SkipActivityLog", "DRBD 8.3.2 (log read in part)"},
	{LoseBitmap, "LoseBitmap", "DRBD 8.3.2; apply-al enforced in 8.4.0"},
	{GuestBeforePrimary, "GuestBeforePrimary", "Heartbeat: order of haresources"},
	{PromoteStale, "PromoteStale", "DRBD: reason for the disk states"},
	{WriteDuringCompare, "WriteDuringCompare", "DRBD 8.2.5 (verify against writes), 9.0.9"},
	{NoPeerWait, "NoPeerWait", "DRBD: what protocol B and C are for; 8.4.7 touched this path"},
	{UndurableGeneration, "UndurableGeneration", "DRBD 8.3.9 (forgotten metadata updates), 9.0.20"},
	{ForgetInFlight, "ForgetInFlight", "DRBD 8.4.8 (divergence after a write error on the secondary)"},
	{ClearOnSend, "ClearOnSend", "DRBD 8.3.3 (resync forgotten when the last acknowledgement is lost)"},
	{NoBlockOrder, "NoBlockOrder", "DRBD 8.3.13, 8.4.2 (conflicting writes while a resync runs)"},
	{ForgetOwnBitmap, "ForgetOwnBitmap", "DRBD 9.0.26, 9.1.1 (bitmap copies); LINBIT/drbd 118"},
	{CrashFlagOnce, "CrashFlagOnce", "DRBD 9.0.31 (crashed primaries)"},
	{NoCrashFlag, "NoCrashFlag", "DRBD 8.0 (flag introduced for it)"},
	{SplitUnseen, "SplitUnseen", "DRBD 9.0.26 (detect reliably on both nodes), 8.0.5"},
	{PeerCacheAck, "PeerCacheAck", "DRBD 8.0.9, 9.1.15 (flush marking on the secondary)"},
	{OwnCacheAck, "OwnCacheAck", "DRBD: reason for disk-flushes; no-disk-flushes on volatile caches"},
	{MetaInCache, "MetaInCache", "DRBD 8.0.9, 8.4.3 (md-flushes option not obeyed)"},
	{StaleLink, "StaleLink", "DRBD 9.1.1 (wrong magic after a reconnect), 9.1.3"},
	{NoPing, "NoPing", "DRBD 9.1.8 (peers that died silently)"},
	{PromoteOutdated, "PromoteOutdated", "DRBD: reason for the state Outdated; drbd9-tests"},
	{PromoteUnsure, "PromoteUnsure", "DRBD: reason for wfc-timeout and the state Consistent"},
	{TargetUnmarked, "TargetUnmarked", "DRBD 8.3.3 (lost P_SYNC_UUID), 9.0.23"},
	{ShownTooEarly, "ShownTooEarly", "pollux, seed 581 at 9da2bea; DRBD 9.1.14 (promote races)"},
	{DropReceived, "DropReceived", "pollux, seed 205 at 9da2bea"},
	{DemoteEarly, "DemoteEarly", "DRBD 9.1.7 (two-phase demote)"},
	{NeverOutdated, "NeverOutdated", "DRBD: reason for dopd and fence-peer"},
	{HastyTakeover, "HastyTakeover", "pollux, seeds 581 and 889 at 9da2bea"},
	{TellUndurable, "TellUndurable", "pollux, seed 12901 at 0567fae"},
	{ForgetServed, "ForgetServed", "pollux, seed 853 at aa33bc7"},
	{DetachUnasked, "DetachUnasked", "DRBD 8.4.2 (detach of the last disk)"},
	{DetachUndrained, "DetachUndrained", "DRBD 8.4.3 (detach races with writes)"},
	{PartialAck, "PartialAck", "pollux, seed 1739 at aa33bc7"},
	{TwoPrimariesMeet, "TwoPrimariesMeet", "DRBD 9.1.9, 9.1.14 (promote on stale views)"},
	{EvictedPagesLate, "EvictedPagesLate", "DRBD 8.3.2, 8.4.0 (activity log and bitmap out of step)"},
	{ReadAround, "ReadAround", "DRBD 8.4.1 (read balancing); etcd: stale reads after a pause"},
	{WriteAround, "WriteAround", "DRBD 8.3.13 (overlapping writes)"},
	{IgnoreError, "IgnoreError", "DRBD: on-io-error pass_on in 0.7; 8.4.8"},
	{PeerIgnoresError, "PeerIgnoresError", "DRBD 8.4.8 (divergence after a write error on the secondary)"},
	{NegAckIgnored, "NegAckIgnored", "DRBD 8.4.8; 9.0.20 (negative acknowledgements)"},
	{DeadTooSoon, "DeadTooSoon", "linux-ha list: deadtime below the latency of a loaded node"},
	{NeverDead, "NeverDead", "Heartbeat 1.2 (nodes that came back half)"},
	{OldPacketsCount, "OldPacketsCount", "Heartbeat: reason for generation numbers"},
	{StopUnseen, "StopUnseen", "resource-agents PR 195; Pacemaker: stop failures without fencing"},
	{TrustExitCode, "TrustExitCode", "Heartbeat 1.x: scripts of haresources"},
	{NoBootGate, "NoBootGate", "Heartbeat 1.2.1, 1.2.2 (auto_failback after a quick restart)"},
	{StopFromLeft, "StopFromLeft", "Heartbeat: order of haresources"},
	{LoseTrim, "LoseTrim", "DRBD 8.4.3 (discards)"},
	{ResyncTooShort, "ResyncTooShort", "drbd9-tests: resync of odd sizes; DRBD 8.4.11 (bitmap at the end)"},
	{NoNewGeneration, "NoNewGeneration", "DRBD 9.1.9 (new identifier not sent to a connecting peer)"},
	{BlindFailback, "BlindFailback", "Heartbeat with drbddisk: failback during a resync"},
	{AckUnflushed, "AckUnflushed", "DRBD: a flush that fails degrades to drain; found by reading"},
	{LentGeneration, "LentGeneration", "pollux, seed 957 (apart) at 02288bc"},
}
