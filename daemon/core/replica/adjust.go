package replica

import "github.com/optionc/pollux/daemon/format/drbdwire"

// adjust takes over from a changed configuration what may change while the
// resource runs: neither how the disk is laid out nor what this connection was
// agreed to be.
func (r *Resource) adjust(to *Config) {
	c := &r.cfg
	c.AfterSB0, c.AfterSB1, c.AfterSB2 = to.AfterSB0, to.AfterSB1, to.AfterSB2
	c.AlwaysASBP, c.RRConflict = to.AlwaysASBP, to.RRConflict
	c.PingInt, c.PingTimeout, c.Timeout, c.KoCount = to.PingInt, to.PingTimeout, to.Timeout, to.KoCount
	c.MaxEpochSize = to.MaxEpochSize
	c.SuspendIONoData = to.SuspendIONoData
	c.DiskTimeout = to.DiskTimeout
	c.CMinRate = to.CMinRate
	// The next wait counts by these; one that is under way ends as it began.
	c.WFCTimeout, c.DegrWFCTimeout, c.OutdatedWFCTimeout = to.WFCTimeout, to.DegrWFCTimeout, to.OutdatedWFCTimeout
	c.WaitAfterSB = to.WaitAfterSB
	if c.Resync != to.Resync {
		c.Resync = to.Resync
		r.sync.planner.Adjust(r.now, to.Resync)
	}
	r.finish(drbdwire.Success, "")
}
