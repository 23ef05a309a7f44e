package node

import (
	"time"

	"github.com/optionc/pollux/daemon/format/drbdtext"
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

// Text is the resource as the texts of DRBD's tools show it.
func (r *ResourceStatus) Text(peer string) drbdtext.Resource {
	c := r.Counters
	t := drbdtext.Resource{
		Name: r.Name, Minor: r.Minor, NodeID: r.NodeID, PeerID: 1 - r.NodeID, PeerName: peer,
		State: drbdwire.UnpackState(r.StateWord), Protocol: r.Protocol, SizeKiB: r.SizeKiB, OutOfSync: r.OutOfSyncKiB,
		Counters: drbdtext.Counters{
			SentKiB: c.SentBytes / 1024, ReceivedKiB: c.ReceivedBytes / 1024, WrittenKiB: c.DiskWrittenBytes / 1024,
			ReadKiB: c.DiskReadBytes / 1024, ALWrites: c.ALWrites, BitmapWrites: c.BitmapWrites,
			Lower: c.Lower, Pending: c.Pending, Unacked: c.Unacked, Upper: c.Queued, Epochs: 1,
		},
	}
	y := r.Resync
	if r.Verify != nil {
		y = &r.Verify.ResyncStatus
	}
	if y != nil {
		t.Sync = &drbdtext.Sync{
			TotalKiB: y.TotalKiB, LeftKiB: y.TotalKiB - min(y.DoneKiB, y.TotalKiB), Speed: y.KiBPerSecond,
			Average: y.AverageKiB, Finish: time.Duration(y.ETASeconds) * time.Second,
		}
	}
	return t
}
