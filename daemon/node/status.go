package node

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/optionc/pollux/daemon/core/liveness"
	"github.com/optionc/pollux/daemon/core/machine"
	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/daemon/core/resync"
)

// Status is what `pollux status --json` prints. Fields are added, never
// changed.
type Status struct {
	Node      string           `json:"node"`
	Peer      string           `json:"peer"`
	Resources []ResourceStatus `json:"resources"`
	Cluster   *ClusterStatus   `json:"cluster,omitempty"`
	Warnings  []string         `json:"warnings,omitempty"`
	// Sequence numbers the changes of state: an Event with a higher one is newer.
	Sequence uint64 `json:"sequence"`
}

// ResourceStatus is one resource on this node. State names are DRBD's.
type ResourceStatus struct {
	Name         string        `json:"name"`
	Role         string        `json:"role"`
	PeerRole     string        `json:"peer-role"`
	Connection   string        `json:"connection"`
	Disk         string        `json:"disk"`
	PeerDisk     string        `json:"peer-disk"`
	Protocol     string        `json:"protocol"`
	SizeKiB      uint64        `json:"size-kib"`
	OutOfSyncKiB uint64        `json:"out-of-sync-kib"`
	Resync       *ResyncStatus `json:"resync,omitempty"`
	Verify       *VerifyStatus `json:"verify,omitempty"`
	// Verified is what the last online verify found.
	Verified    *VerifiedStatus `json:"verified,omitempty"`
	Generations [4]string       `json:"generations"`
	Flags       string          `json:"flags"`
	Device      string          `json:"device,omitempty"` // where users find it; empty unless Primary
	Users       int             `json:"users"`
	Frozen      string          `json:"frozen,omitempty"`
	Note        string          `json:"note,omitempty"` // the last refusal or failure
	Counters    Counters        `json:"counters"`
	// What DRBD's own tools show of it; see Text.
	Minor       int    `json:"minor"`
	NodeID      int    `json:"node-id"`      // by the order of drbd.conf
	Address     string `json:"address"`      // as drbdsetup writes it: ipv4:192.168.0.1:7789
	PeerAddress string `json:"peer-address"` // of the other node
	StateWord   uint32 `json:"state-word"`   // the state as P_STATE packs it
	MetaFlags   uint32 `json:"meta-flags"`   // Flags as a number
	Down        bool   `json:"down,omitempty"`
	// Room for data on the disks of both nodes; 0 is unknown.
	RoomKiB     uint64 `json:"room-kib,omitempty"`
	PeerRoomKiB uint64 `json:"peer-room-kib,omitempty"`
	// Decisions are the last ones of this node about the resource, newest first.
	Decisions []Decision `json:"decisions,omitempty"`
}

// Decision is one thing that a replica decided.
type Decision struct {
	Time    time.Time `json:"time"`  // when it was taken last
	Times   int       `json:"times"` // in a row
	About   string    `json:"about"`
	Outcome string    `json:"outcome"`
	Rule    string    `json:"rule,omitempty"`
	Inputs  string    `json:"inputs,omitempty"`
	Instead string    `json:"instead,omitempty"` // what else could have been done
}

// Counters count since the daemon started, in bytes and requests.
type Counters struct {
	SentBytes        uint64 `json:"sent-bytes"`
	ReceivedBytes    uint64 `json:"received-bytes"`
	DiskReadBytes    uint64 `json:"disk-read-bytes"`
	DiskWrittenBytes uint64 `json:"disk-written-bytes"`
	ALWrites         uint64 `json:"al-writes"`
	BitmapWrites     uint64 `json:"bitmap-writes"`
	Pending          int    `json:"pending"`
	Unacked          int    `json:"unacked"`
	Queued           int    `json:"queued"`
	Lower            int    `json:"lower"`
}

// ResyncStatus is a resync that is running.
type ResyncStatus struct {
	PercentDone  float64 `json:"percent-done"`
	DoneKiB      uint64  `json:"done-kib"`
	TotalKiB     uint64  `json:"total-kib"`
	KiBPerSecond uint64  `json:"kib-per-second"`
	AverageKiB   uint64  `json:"average-kib-per-second"` // since the start
	ETASeconds   int64   `json:"eta-seconds"`            // -1 while nothing moves
}

// ClusterStatus is what liveness and failover say.
type ClusterStatus struct {
	PeerState  string  `json:"peer-state"`
	PeerSilent float64 `json:"peer-silent-seconds"`
	Stage      string  `json:"stage"`
	Holding    string  `json:"holding"`
	Failback   string  `json:"failback,omitempty"`
	// FailbackAt is when groups go back if nothing comes between.
	FailbackAt  *time.Time    `json:"failback-at,omitempty"`
	Maintenance bool          `json:"maintenance,omitempty"`
	Groups      []GroupStatus `json:"groups"`
	BadPackets  uint64        `json:"bad-packets"`
	CommsUp     bool          `json:"communication-up"`
	PeerPresent bool          `json:"peer-present"`
	// PeerHolding is what the peer has said that it holds, as it names it: none,
	// local, foreign or all.
	PeerHolding string       `json:"peer-holding,omitempty"`
	Links       []LinkStatus `json:"links,omitempty"`
	// How regularly the peer's heartbeats come, and the deadtime, in seconds, that
	// keeps clear of the longest silence so far.
	PeerJitter          float64 `json:"peer-jitter-seconds,omitempty"`
	PeerLongestSilence  float64 `json:"peer-longest-silence-seconds,omitempty"`
	RecommendedDeadtime float64 `json:"recommended-deadtime-seconds,omitempty"`
	// Nodes are all nodes of ha.cf, in its order; ping nodes come last.
	Nodes []Member `json:"nodes,omitempty"`
	// Differs has the files of which the peer has others.
	Differs []string `json:"differs,omitempty"`
	// Displaced are the guests of this node alone that make room for those of groups.
	Displaced []string `json:"displaced,omitempty"`
	// Witness is there with the policies freeze and witness.
	Witness *WitnessStatus `json:"witness,omitempty"`
	// Decisions are the last ones of this node about groups, newest first.
	Decisions []Decision `json:"decisions,omitempty"`
}

// What a node can be.
const (
	TypeNormal = "normal"
	TypePing   = "ping"
)

// Member is one node of ha.cf, in the words of cl_status.
type Member struct {
	Name  string       `json:"name"`
	Type  string       `json:"type"`
	State string       `json:"state"`
	Links []LinkStatus `json:"links,omitempty"`
}

// LinkStatus is one interface by which the peer is heard.
type LinkStatus struct {
	Medium string `json:"medium"`
	Up     bool   `json:"up"`
}

// GroupStatus is one line of haresources on this node.
type GroupStatus struct {
	Key       string   `json:"key"`
	Preferred string   `json:"preferred"`
	State     string   `json:"state"`
	Reason    string   `json:"reason,omitempty"`
	Resources []string `json:"resources"` // "name state", from left to right
}

// warnings are those of the files, and what this node goes without.
func (n *Node) warnings() []string {
	if why, ok := n.unwatched.Load().(string); ok {
		return append(slices.Clone(n.site.Warnings), why)
	}
	return n.site.Warnings
}

// Status describes the node as it is now.
func (n *Node) Status() Status {
	s := Status{Node: n.site.Node, Peer: n.site.Peer, Warnings: n.warnings()}
	n.ask(func(m *machine.Machine) {
		st := m.Status()
		s.Sequence = n.changes
		for i := range st.Resources {
			s.Resources = append(s.Resources, n.resourceStatus(i, &st.Resources[i]))
		}
		if st.Cluster {
			s.Cluster = n.clusterStatus(&st)
		}
	})
	return s
}

func (n *Node) resourceStatus(i int, r *replica.Status) ResourceStatus {
	d := n.devices[i]
	s := ResourceStatus{
		Name: r.Name, Role: r.State.Role.String(), PeerRole: r.State.Peer.String(),
		Connection: r.State.Conn.String(), Disk: r.State.Disk.String(), PeerDisk: r.State.PeerDisk.String(),
		Protocol: r.Protocol.String(), SizeKiB: r.Size / 2, OutOfSyncKiB: r.OutOfSync, Flags: r.Flags.String(),
		RoomKiB: r.Room / 2, PeerRoomKiB: r.PeerRoom / 2,
		Users: d.front.Users(), Frozen: r.Frozen, Note: r.Note,
		Counters: Counters{
			SentBytes: r.Stats.Sent, ReceivedBytes: r.Stats.Received, DiskReadBytes: r.Stats.DiskRead,
			DiskWrittenBytes: r.Stats.DiskWritten, ALWrites: r.Stats.ALWrites, BitmapWrites: r.Stats.BitmapWrites,
			Pending: r.Stats.Pending, Unacked: r.Stats.Unacked, Queued: r.Stats.Queued, Lower: r.Stats.Lower,
		},
		Minor: d.conf.Volume.Minor, Address: toolAddress(d.conf.Own.Address), PeerAddress: toolAddress(d.conf.Peer.Address),
		StateWord: r.State.Pack(), MetaFlags: uint32(r.Flags), Down: d.isDown(),
	}
	if d.conf.Own == &d.conf.Conf.Hosts[1] {
		s.NodeID = 1
	}
	for j, u := range []uint64{r.UUIDs.Current, r.UUIDs.Bitmap, r.UUIDs.History0, r.UUIDs.History1} {
		s.Generations[j] = fmt.Sprintf("%016X", u)
	}
	for _, x := range slices.Backward(r.Decisions) {
		s.Decisions = append(s.Decisions, Decision{
			Time: n.clock.Started().Add(x.At), Times: x.Times, About: x.About, Outcome: x.Outcome, Rule: x.Rule, Inputs: x.Inputs,
		})
	}
	if why := d.why(); why != "" {
		s.Note = why
	}
	if s.Role == "Primary" {
		s.Device = d.path()
	}
	s.Verify, s.Verified = verifyStatus(r)
	if r.Resync != nil {
		s.Resync = resyncStatus(r.Resync)
	}
	return s
}

func resyncStatus(r *resync.Report) *ResyncStatus {
	s := &ResyncStatus{
		PercentDone: float64(r.PerMille) / 10, DoneKiB: r.Done * 4, TotalKiB: r.Total * 4, KiBPerSecond: r.Speed,
		AverageKiB: r.Average, ETASeconds: -1,
	}
	if r.ETA != resync.Never {
		s.ETASeconds = int64(r.ETA / time.Second)
	}
	return s
}

func (n *Node) clusterStatus(st *machine.Status) *ClusterStatus {
	l, f := st.Liveness, st.Failover
	c := &ClusterStatus{
		PeerState: l.Peer.State.String(), Stage: f.Stage, Holding: f.Holding, Failback: f.Failback,
		Maintenance: f.Maintenance,
		BadPackets:  l.Dropped.Unreadable, CommsUp: l.CommsUp, PeerPresent: f.Peer.Present,
		PeerHolding: f.Peer.Holding.String(),
	}
	if f.FailbackDue > 0 {
		at := n.clock.Started().Add(f.FailbackDue)
		c.FailbackAt = &at
	}
	c.Witness = n.witnessStatus(st)
	if l.Peer.HeardAt > 0 {
		c.PeerJitter, c.PeerLongestSilence = l.Peer.Jitter.Seconds(), l.Peer.Longest.Seconds()
		c.RecommendedDeadtime = l.Peer.Recommends.Seconds()
		c.PeerSilent = (n.now() - l.Peer.HeardAt).Seconds()
	}
	for name, digests := range map[string][2]string{
		"drbd.conf":   {n.site.Files.DRBD, st.PeerFiles.DRBD},
		"haresources": {n.site.Files.Resources, st.PeerFiles.Resources},
		"xen/ha.d":    {n.guests.last(), st.PeerFiles.Guests},
	} {
		if digests[1] != "" && digests[0] != digests[1] {
			c.Differs = append(c.Differs, name)
		}
	}
	slices.Sort(c.Differs)
	c.Displaced = n.displacedNow()
	c.Nodes = n.members(&l)
	for _, other := range c.Nodes {
		if strings.EqualFold(other.Name, n.site.Peer) {
			c.Links = other.Links
		}
	}
	for _, x := range slices.Backward(f.Decisions) {
		c.Decisions = append(c.Decisions, Decision{
			Time: n.clock.Started().Add(x.At), Times: x.Times, About: x.Group, Outcome: x.Outcome, Rule: x.Rule, Inputs: x.Inputs,
			Instead: x.Instead,
		})
	}
	for _, g := range f.Groups {
		gs := GroupStatus{Key: g.Key, Preferred: g.Preferred, State: g.State, Reason: g.Reason}
		for _, r := range g.Resources {
			gs.Resources = append(gs.Resources, r.Name+" "+r.State.String())
		}
		c.Groups = append(c.Groups, gs)
	}
	return c
}

// members tells what is known of each node.
func (n *Node) members(l *liveness.Snapshot) (nodes []Member) {
	for _, name := range n.site.HA.Nodes {
		s := Member{Name: name, Type: TypeNormal, State: l.State.String()}
		if strings.EqualFold(name, n.site.Peer) {
			s.State = l.Peer.State.String()
		}
		for _, link := range l.Links {
			if link.Node == name {
				s.Links = append(s.Links, LinkStatus{Medium: link.Medium, Up: link.Up})
			}
		}
		nodes = append(nodes, s)
	}
	return append(nodes, n.pingMembers()...)
}

// publish tells whoever watches.
func (n *Node) publish(e Event) {
	if n.control == nil {
		return
	}
	e.Time, e.Node = time.Now(), n.site.Node
	if err := n.control.Publish(e); err != nil {
		n.log.Warn("publish", "error", err)
	}
}
