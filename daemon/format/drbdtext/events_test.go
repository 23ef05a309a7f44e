package drbdtext_test

import (
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/driver/command/recorded"
	"github.com/optionc/pollux/daemon/format/drbdtext"
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

func TestTheDumpIsWhatDrbdsetupPrints(t *testing.T) {
	g := NewWithT(t)
	rec, err := recorded.Load("testdata/drbdadm/events2-now.txt")
	g.Expect(err).NotTo(HaveOccurred())
	r := resource(steady)
	g.Expect(r.Exists(drbdtext.Detail{}) + drbdtext.ExistsEnd).To(Equal(string(rec.Stdout)))
}

func TestEventsTellWhatChanged(t *testing.T) {
	lost := steady
	lost.Conn, lost.Peer, lost.PeerDisk = drbdwire.NetworkFailure, drbdwire.RoleUnknown, drbdwire.DUnknown
	alone := lost
	alone.Conn = drbdwire.StandAlone
	paused := steady
	paused.UserPause, paused.Suspended = true, true
	for name, tc := range map[string]struct {
		from, to drbdwire.State
		want     string
	}{
		"nothing": {steady, steady, ""},
		"the network failed": {steady, lost, `change connection name:r1 peer-node-id:0 conn-name:peer connection:NetworkFailure role:Unknown
change peer-device name:r1 peer-node-id:0 conn-name:peer volume:0 replication:Off peer-disk:DUnknown
`},
		"the peer was given up": {lost, alone, `destroy peer-device name:r1 peer-node-id:0 conn-name:peer volume:0
destroy connection name:r1 peer-node-id:0 conn-name:peer
`},
		"the peer is looked for": {alone, lost, `create connection name:r1 peer-node-id:0 conn-name:peer connection:NetworkFailure role:Unknown
create peer-device name:r1 peer-node-id:0 conn-name:peer volume:0 replication:Off peer-disk:DUnknown resync-suspended:no
`},
		"the user said stop": {steady, paused, `change resource name:r1 suspended:user
change peer-device name:r1 peer-node-id:0 conn-name:peer volume:0 resync-suspended:user
`},
	} {
		t.Run(name, func(t *testing.T) {
			from, to := resource(tc.from), resource(tc.to)
			NewWithT(t).Expect(to.Change(&from)).To(Equal(tc.want))
		})
	}
	g := NewWithT(t)
	r := resource(alone)
	g.Expect(r.Create()).To(Equal(
		"create resource name:r1 role:Primary suspended:no\ncreate device name:r1 volume:0 minor:1 disk:UpToDate\n"))
	g.Expect(r.Destroy()).To(Equal("destroy device name:r1 volume:0 minor:1\ndestroy resource name:r1\n"))
	g.Expect(r.Call("fence-peer") + r.Response("fence-peer", 4)).To(Equal(
		"call helper name:r1 peer-node-id:0 conn-name:peer helper:fence-peer\n" +
			"response helper name:r1 peer-node-id:0 conn-name:peer helper:fence-peer status:1024\n"))
	g.Expect(r.Exists(drbdtext.Detail{Statistics: true})).To(ContainSubstring(
		" disk:UpToDate size:393168 read:0 written:0 al-writes:0 bm-writes:0 upper-pending:0 lower-pending:0 " +
			"al-suspended:no blocked:no\n"))
}

// TestEventsAreReadBack: whatever a state is, its lines say it.
func TestEventsAreReadBack(t *testing.T) {
	for conn := drbdwire.StandAlone; conn <= drbdwire.Behind; conn++ {
		s := steady
		s.Conn = conn
		s.AfterPause = conn == drbdwire.PausedSyncS
		s.SuspNoData = conn == drbdwire.WFConnection
		if conn == drbdwire.StandAlone {
			s.Peer, s.PeerDisk = drbdwire.RoleUnknown, drbdwire.DUnknown
		}
		t.Run(conn.String(), func(t *testing.T) {
			g := NewWithT(t)
			r := resource(s)
			got := drbdwire.State{PeerDisk: drbdwire.DUnknown}
			for line := range strings.Lines(r.Exists(drbdtext.Detail{Statistics: true})) {
				e, err := drbdtext.ParseEvent("2026-01-02T03:04:05.678901+00:00 " + strings.TrimSpace(line))
				g.Expect(err).NotTo(HaveOccurred())
				g.Expect(e.Get("name")).To(Equal("r1"))
				g.Expect(e.Apply(&got)).To(Succeed())
			}
			g.Expect(got).To(Equal(s))

			for line := range strings.Lines(r.Destroy()) {
				e, err := drbdtext.ParseEvent(strings.TrimSpace(line))
				g.Expect(err).NotTo(HaveOccurred())
				g.Expect(e.Apply(&got)).To(Succeed())
			}
			g.Expect(got).To(Equal(drbdwire.State{Role: drbdwire.Secondary, PeerDisk: drbdwire.DUnknown}))
		})
	}
}

func TestWhatIsNoEvent(t *testing.T) {
	g := NewWithT(t)
	for _, line := range []string{"", "exists", "change resource r1", "exists connection name:r1 x"} {
		_, err := drbdtext.ParseEvent(line)
		g.Expect(err).To(HaveOccurred(), line)
	}
	e, err := drbdtext.ParseEvent("change device name:r1 volume:0 minor:1 disk:Splendid")
	g.Expect(err).NotTo(HaveOccurred())
	var s drbdwire.State
	g.Expect(e.Apply(&s)).To(MatchError("event about device r1: disk state: found \"Splendid\", which is none"))
	for _, line := range []string{"exists -", "- skipped 3"} {
		e, err := drbdtext.ParseEvent(line)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(e.Apply(&s)).To(Succeed())
	}
}

func FuzzParseEvent(f *testing.F) {
	r := resource(steady)
	for line := range strings.Lines(r.Exists(drbdtext.Detail{})) {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		e, err := drbdtext.ParseEvent(line)
		if err != nil {
			return
		}
		s := steady
		if e.Apply(&s) == nil && s != drbdwire.UnpackState(s.Pack()) {
			t.Errorf("%q makes %+v, which is no state", line, s)
		}
	})
}
