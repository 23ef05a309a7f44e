package node_test

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/format/drbdtext"
	"github.com/optionc/pollux/daemon/node"
)

// /proc/drbd and drbdadm status show a verify as they show a resync.
func TestAVerifyIsShownAsAResyncIs(t *testing.T) {
	g := NewWithT(t)
	progress := node.ResyncStatus{DoneKiB: 4096, TotalKiB: 16384, KiBPerSecond: 1024, ETASeconds: 12}
	want := &drbdtext.Sync{TotalKiB: 16384, LeftKiB: 12288, Speed: 1024, Finish: 12 * time.Second}
	for _, r := range []node.ResourceStatus{
		{Resync: &progress}, {Verify: &node.VerifyStatus{ResyncStatus: progress}},
	} {
		g.Expect(r.Text("milo2").Sync).To(Equal(want))
	}
	g.Expect((&node.ResourceStatus{}).Text("milo2").Sync).To(BeNil())
}
