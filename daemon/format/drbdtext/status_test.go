package drbdtext_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/driver/command/recorded"
	"github.com/optionc/pollux/daemon/format/drbdtext"
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

func resource(s drbdwire.State) drbdtext.Resource {
	return drbdtext.Resource{Name: "r1", Minor: 1, Protocol: "C", State: s, PeerName: "milo2", PeerID: 1, SizeKiB: 393168}
}

// steady is the state of a Primary with nothing to do.
var steady = drbdwire.State{
	Role: drbdwire.Primary, Peer: drbdwire.Secondary, Conn: drbdwire.Connected, Disk: drbdwire.UpToDate,
	PeerDisk: drbdwire.UpToDate,
}

// TestStatusIsWhatDrbdsetupPrints: each is the state that the recording was
// made in.
func TestStatusIsWhatDrbdsetupPrints(t *testing.T) {
	for name, tc := range map[string]struct {
		conn, role, peer, disk, peerDisk string
		left                             uint64
	}{
		"primary":                {"Connected", "Primary", "Secondary", "UpToDate", "UpToDate", 0},
		"secondary":              {"Connected", "Secondary", "Primary", "UpToDate", "UpToDate", 0},
		"connected-inconsistent": {"Connected", "Secondary", "Secondary", "Inconsistent", "Inconsistent", 0},
		"peer-dead":              {"WFConnection", "Primary", "Unknown", "UpToDate", "DUnknown", 0},
		"wfconnection":           {"WFConnection", "Secondary", "Unknown", "Inconsistent", "DUnknown", 0},
		"standalone":             {"StandAlone", "Secondary", "Unknown", "UpToDate", "DUnknown", 0},
		"backing-in-use":         {"StandAlone", "Secondary", "Unknown", "Diskless", "DUnknown", 0},
		"synctarget":             {"SyncTarget", "Secondary", "Primary", "Inconsistent", "UpToDate", 381176},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			rec, err := recorded.Load("testdata/drbdadm/status-" + name + ".txt")
			g.Expect(err).NotTo(HaveOccurred())
			r := resource(stateOf(t, tc.conn, tc.role, tc.peer, tc.disk, tc.peerDisk))
			if tc.left > 0 {
				r.Sync = &drbdtext.Sync{TotalKiB: r.SizeKiB, LeftKiB: tc.left}
			}
			want, _, _ := strings.Cut(string(rec.Stdout), "version:") // some went on with cat /proc/drbd
			g.Expect(r.Status(drbdtext.Detail{})).To(Equal(want))
		})
	}
}

func TestStatusWithAllThatIsKnown(t *testing.T) {
	g := NewWithT(t)
	r := resource(steady)
	r.State.SuspFencing, r.State.UserPause = true, true
	r.Counters = drbdtext.Counters{ReadKiB: 1048576, WrittenKiB: 1048412, BitmapWrites: 48, Upper: 12}
	g.Expect(r.Status(drbdtext.Detail{Verbose: true, Statistics: true})).To(Equal(`r1 role:Primary suspended:fencing
    write-ordering:flush
  volume:0 minor:1 disk:UpToDate
      size:393168 read:1048576 written:1048412 al-writes:0 bm-writes:48
          upper-pending:12 lower-pending:0 al-suspended:no blocked:no
  peer connection:Connected role:Secondary congested:no
    volume:0 replication:Established peer-disk:UpToDate resync-suspended:user
        received:0 sent:0 out-of-sync:0 pending:0 unacked:0

`))
}

func TestJSONHasTheKeysOfVersion9(t *testing.T) {
	g := NewWithT(t)
	r := resource(steady)
	r.State.Conn, r.State.PeerDisk = drbdwire.SyncSource, drbdwire.Inconsistent
	r.OutOfSync = 196584
	r.Sync = &drbdtext.Sync{
		TotalKiB: 393168, LeftKiB: 196584, Speed: 2340, Average: 10 << 10, Finish: 132 * time.Second,
	}
	got, err := json.MarshalIndent([]drbdtext.JSON{r.JSON()}, "", "  ")
	g.Expect(err).NotTo(HaveOccurred())
	want, err := os.ReadFile("testdata/status.json")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(string(got) + "\n").To(Equal(string(want)))

	r = resource(drbdwire.State{Role: drbdwire.Secondary, PeerDisk: drbdwire.DUnknown})
	got, err = json.Marshal(r.JSON())
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(string(got)).To(ContainSubstring(`"connections":[]`))
}
