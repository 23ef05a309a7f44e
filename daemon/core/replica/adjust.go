package replica

import (
	"encoding/binary"
	"time"

	"github.com/optionc/pollux/daemon/core/handshake"
	"github.com/optionc/pollux/daemon/core/resync"
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

// adjustment is what of a configuration may change while the resource runs:
// neither how the disk is laid out nor what this connection was agreed to be.
// All of it has a fixed size.
type adjustment struct {
	AfterSB0, AfterSB1, AfterSB2                   drbdwire.AfterSB
	AlwaysASBP                                     bool
	RRConflict                                     handshake.RRConflict
	PingInt, PingTimeout, Timeout                  time.Duration
	KoCount, MaxEpochSize                          int64
	SuspendIONoData, WaitAfterSB                   bool
	DiskTimeout                                    time.Duration
	CMinRate                                       uint32
	WFCTimeout, DegrWFCTimeout, OutdatedWFCTimeout time.Duration
	Resync                                         resync.Params
}

// Adjustment is the Data of an OrderAdjust.
func (c *Config) Adjustment() ([]byte, error) {
	return binary.Append(nil, binary.BigEndian, &adjustment{
		AfterSB0: c.AfterSB0, AfterSB1: c.AfterSB1, AfterSB2: c.AfterSB2, AlwaysASBP: c.AlwaysASBP,
		RRConflict: c.RRConflict, PingInt: c.PingInt, PingTimeout: c.PingTimeout, Timeout: c.Timeout,
		KoCount: int64(c.KoCount), MaxEpochSize: int64(c.MaxEpochSize), SuspendIONoData: c.SuspendIONoData,
		WaitAfterSB: c.WaitAfterSB, DiskTimeout: c.DiskTimeout, CMinRate: c.CMinRate, WFCTimeout: c.WFCTimeout,
		DegrWFCTimeout: c.DegrWFCTimeout, OutdatedWFCTimeout: c.OutdatedWFCTimeout, Resync: c.Resync,
	})
}

// adjust takes over what has changed.
func (r *Resource) adjust(data []byte) {
	var to adjustment
	if _, err := binary.Decode(data, binary.BigEndian, &to); err != nil {
		r.refuse(drbdwire.NotSupported, "adjust: "+err.Error())
		return
	}
	c := &r.cfg
	c.AfterSB0, c.AfterSB1, c.AfterSB2 = to.AfterSB0, to.AfterSB1, to.AfterSB2
	c.AlwaysASBP, c.RRConflict = to.AlwaysASBP, to.RRConflict
	c.PingInt, c.PingTimeout, c.Timeout, c.KoCount = to.PingInt, to.PingTimeout, to.Timeout, int(to.KoCount)
	c.MaxEpochSize = int(to.MaxEpochSize)
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
	r.set(r.state, "adjusted") // users may not have to wait any more
	r.finish(drbdwire.Success, "")
}
