package main

import (
	"context"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/driver/control"
	"github.com/optionc/pollux/daemon/node"
)

var update = flag.Bool("update", false, "write testdata/*.golden anew")

// statuses are what a daemon may say, by the name of the golden files.
var statuses = map[string]node.Status{
	"steady": {
		Node: "milo1", Peer: "milo2",
		Resources: []node.ResourceStatus{{
			Name: "r1", Role: "Primary", PeerRole: "Secondary", Connection: "Connected", Disk: "UpToDate", PeerDisk: "UpToDate",
			Protocol: "C", SizeKiB: 262_100, Generations: [4]string{"6A1FC2D9B73E5505", "0000000000000000", "", ""},
			Flags: "Consistent,PrimaryInd,ConnectedInd", Device: "/run/pollux/r1.nbd", Users: 1,
			Counters: node.Counters{SentBytes: 4096, DiskWrittenBytes: 4096, ALWrites: 1},
		}},
		Cluster: &node.ClusterStatus{
			PeerState: "up", PeerSilent: 1.234, Stage: "stable", Holding: "local", CommsUp: true, PeerPresent: true,
			Displaced: []string{"batch", "test"},
			Nodes: []node.Member{
				{Name: "milo1", Type: node.TypeNormal, State: "active"},
				{Name: "10.0.0.1", Type: node.TypePing, State: "ping"},
				{Name: "gates", Type: node.TypePing, State: "dead"},
			},
			Groups: []node.GroupStatus{{
				Key: "drbddisk::r1", Preferred: "milo1", State: "running",
				Resources: []string{"drbddisk::r1 running", "LVM::vg running", "xenHA running"},
			}},
		},
	},
	"resync": {
		Node: "milo2", Peer: "milo1",
		Resources: []node.ResourceStatus{
			{
				Name: "r1", Role: "Secondary", PeerRole: "Primary", Connection: "SyncTarget", Disk: "Inconsistent", PeerDisk: "UpToDate",
				Protocol: "C", SizeKiB: 12 << 20, OutOfSyncKiB: 6 << 20,
				Resync: &node.ResyncStatus{
					PercentDone: 50, DoneKiB: 6 << 20, TotalKiB: 12 << 20, KiBPerSecond: 10 << 10, ETASeconds: 614,
				},
			},
			{
				Name: "r2", Role: "Secondary", PeerRole: "Primary", Connection: "SyncTarget", Disk: "Inconsistent", PeerDisk: "UpToDate",
				Protocol: "A", SizeKiB: 9 << 10, OutOfSyncKiB: 512,
				Resync: &node.ResyncStatus{PercentDone: 94.4, DoneKiB: 8704, TotalKiB: 9 << 10, ETASeconds: -1},
			},
		},
	},
	"verify": {
		Node: "milo1", Peer: "milo2",
		Resources: []node.ResourceStatus{
			{
				Name: "r1", Role: "Primary", PeerRole: "Secondary", Connection: "VerifyS", Disk: "UpToDate", PeerDisk: "UpToDate",
				Protocol: "C", SizeKiB: 12 << 20, OutOfSyncKiB: 8,
				Verify: &node.VerifyStatus{
					ResyncStatus: node.ResyncStatus{
						PercentDone: 25, DoneKiB: 3 << 20, TotalKiB: 12 << 20, KiBPerSecond: 100 << 10, ETASeconds: 92,
					},
					OutOfSyncKiB: 8,
				},
			},
			{
				Name: "r2", Role: "Primary", PeerRole: "Secondary", Connection: "Connected", Disk: "UpToDate", PeerDisk: "UpToDate",
				Protocol: "C", SizeKiB: 9 << 10, Verified: &node.VerifiedStatus{ComparedKiB: 9 << 10, Complete: true},
			},
		},
	},
	"trouble": {
		Node: "milo1", Peer: "milo2", Warnings: []string{"/etc/drbd.conf:15:5: syncer group 2 is ignored"},
		Resources: []node.ResourceStatus{{
			Name: "r1", Role: "Secondary", PeerRole: "Unknown", Connection: "StandAlone", Disk: "Diskless", PeerDisk: "DUnknown",
			Protocol: "C", Frozen: "write: 3 requests, want 4", Note: "open disk /dev/sda3: in use by process 7 (polluxd)",
		}},
		Cluster: &node.ClusterStatus{
			PeerState: "dead", Stage: "stable", Holding: "none", Failback: "until r1 is UpToDate", BadPackets: 3,
			Maintenance: true,
			Groups: []node.GroupStatus{{
				Key: "drbddisk::r1", Preferred: "milo1", State: "stopped", Reason: "drbddisk::r1: the disk is Diskless",
				Resources: []string{"drbddisk::r1 stopped", "LVM::vg unknown", "xenHA stopped"},
			}},
		},
	},
}

func TestStatusForPeopleAndForPrograms(t *testing.T) {
	for name, s := range statuses {
		for kind, args := range map[string][]string{"txt": {"status"}, "json": {"status", "--json"}} {
			t.Run(name+"."+kind, func(t *testing.T) {
				g := NewWithT(t)
				_, dir := daemon(t, control.Handlers{Status: func(context.Context) (any, error) { return s, nil }})
				out, _, err := pollux(t, append(args, "--run-dir", dir)...)
				g.Expect(err).NotTo(HaveOccurred())
				golden := filepath.Join("testdata", "status-"+name+"."+kind)
				if *update {
					g.Expect(os.WriteFile(golden, []byte(out), 0o644)).To(Succeed())
				}
				want, err := os.ReadFile(golden)
				g.Expect(err).NotTo(HaveOccurred())
				g.Expect(out).To(Equal(string(want)), "if this is meant: go test ./cmd/pollux -update")
				if kind == "json" {
					var back node.Status
					g.Expect(json.Unmarshal([]byte(out), &back)).To(Succeed())
					g.Expect(back).To(BeComparableTo(s))
				}
			})
		}
	}
}

func TestSizesAreForPeople(t *testing.T) {
	g := NewWithT(t)
	for kib, want := range map[uint64]string{
		0: "0 KiB", 4: "4 KiB", 10<<10 - 1: "10239 KiB", 10 << 10: "10 MiB", 10<<20 - 1: "10239 MiB", 10 << 20: "10 GiB",
	} {
		g.Expect(size(kib)).To(Equal(want))
	}
}
