package drbdtext

import (
	"time"

	"github.com/optionc/pollux/daemon/format/drbdwire"
)

// JSON is a resource in the shape that "drbdsetup status --json" of version 9
// has. Sizes are in KiB, those that begin with rs or ov in sectors.
// Source: drbd.conf and its tools, section 8.7.
type JSON struct {
	Name   string `json:"name"`
	NodeID int    `json:"node-id"`
	Role   string `json:"role"`
	JSONState
}

// JSONState is all of it but the name.
type JSONState struct {
	Suspended        bool             `json:"suspended"`
	SuspendedUser    bool             `json:"suspended-user"`
	SuspendedNoData  bool             `json:"suspended-no-data"`
	SuspendedFencing bool             `json:"suspended-fencing"`
	SuspendedQuorum  bool             `json:"suspended-quorum"`
	ForceIOFailures  bool             `json:"force-io-failures"`
	WriteOrdering    string           `json:"write-ordering"`
	Devices          []JSONDevice     `json:"devices"`
	Connections      []JSONConnection `json:"connections"`
}

// JSONDevice is the volume on this node.
type JSONDevice struct {
	Volume       uint16 `json:"volume"`
	Minor        int    `json:"minor"`
	DiskState    string `json:"disk-state"`
	Client       bool   `json:"client"`
	Quorum       bool   `json:"quorum"`
	Size         uint64 `json:"size"`
	Read         uint64 `json:"read"`
	Written      uint64 `json:"written"`
	ALWrites     uint64 `json:"al-writes"`
	BMWrites     uint64 `json:"bm-writes"`
	UpperPending int    `json:"upper-pending"`
	LowerPending int    `json:"lower-pending"`
}

// JSONConnection is the peer.
type JSONConnection struct {
	PeerNodeID      int              `json:"peer-node-id"`
	Name            string           `json:"name"`
	ConnectionState string           `json:"connection-state"`
	Congested       bool             `json:"congested"`
	PeerRole        string           `json:"peer-role"`
	APInFlight      uint64           `json:"ap-in-flight"`
	RSInFlight      uint64           `json:"rs-in-flight"`
	PeerDevices     []JSONPeerDevice `json:"peer_devices"`
}

// JSONPeerDevice is the peer's copy of the volume.
type JSONPeerDevice struct {
	Volume           uint16     `json:"volume"`
	ReplicationState string     `json:"replication-state"`
	PeerDiskState    string     `json:"peer-disk-state"`
	PeerClient       bool       `json:"peer-client"`
	ResyncSuspended  string     `json:"resync-suspended"`
	Received         uint64     `json:"received"`
	Sent             uint64     `json:"sent"`
	OutOfSync        uint64     `json:"out-of-sync"`
	Pending          int        `json:"pending"`
	Unacked          int        `json:"unacked"`
	HasSync          bool       `json:"has-sync-details"`
	HasVerify        bool       `json:"has-online-verify-details"`
	PercentInSync    Hundredths `json:"percent-in-sync"`
	*JSONSync
}

// JSONSync is there while a resync or a verify runs.
type JSONSync struct {
	Total       uint64     `json:"rs-total"`
	OVLeft      *uint64    `json:"ov-left,omitempty"`
	Want        uint64     `json:"want"`
	Recent      Hundredths `json:"db0/dt0 [MiB/s]"`
	Finish      int64      `json:"estimated-seconds-to-finish"`
	Average     Hundredths `json:"db/dt [MiB/s]"`
	PercentDone Hundredths `json:"percent-resync-done"`
}

// JSON gives the resource in the shape of version 9.
func (r *Resource) JSON() JSON {
	s, c := r.State, r.Counters
	j := JSONState{
		WriteOrdering: "flush",
		Suspended:     s.Suspended || s.SuspNoData || s.SuspFencing,
		SuspendedUser: s.Suspended, SuspendedNoData: s.SuspNoData, SuspendedFencing: s.SuspFencing,
		Devices: []JSONDevice{{
			Volume: r.Volume, Minor: r.Minor, DiskState: s.Disk.String(), Quorum: true, Size: r.SizeKiB,
			Read: c.ReadKiB, Written: c.WrittenKiB, ALWrites: c.ALWrites, BMWrites: c.BitmapWrites,
			UpperPending: c.Upper, LowerPending: c.Lower,
		}},
		Connections: []JSONConnection{},
	}
	if r.hasNet() {
		j.Connections = append(j.Connections, JSONConnection{
			PeerNodeID: r.PeerID, Name: r.PeerName, ConnectionState: connection(s.Conn), PeerRole: s.Peer.String(),
			PeerDevices: []JSONPeerDevice{r.jsonPeer()},
		})
	}
	return JSON{Name: r.Name, NodeID: r.NodeID, Role: s.Role.String(), JSONState: j}
}

func (r *Resource) jsonPeer() JSONPeerDevice {
	s, c := r.State, r.Counters
	p := JSONPeerDevice{
		Volume: r.Volume, ReplicationState: replication(s.Conn), PeerDiskState: s.PeerDisk.String(),
		ResyncSuspended: resyncSuspended(s), Received: c.ReceivedKiB, Sent: c.SentKiB, OutOfSync: r.OutOfSync,
		Pending: c.Pending, Unacked: c.Unacked, PercentInSync: percent(r.SizeKiB-min(r.OutOfSync, r.SizeKiB), r.SizeKiB),
	}
	if r.Sync == nil {
		return p
	}
	y := r.Sync
	p.JSONSync = &JSONSync{
		Total: y.TotalKiB * 2, Want: y.Want, Recent: mebi(y.Speed), Average: mebi(y.Average),
		Finish: int64(y.Finish / time.Second), PercentDone: y.percentDone(),
	}
	if s.Conn == drbdwire.VerifyS || s.Conn == drbdwire.VerifyT {
		left := y.LeftKiB * 2
		p.HasVerify, p.OVLeft = true, &left
	} else {
		p.HasSync = true
	}
	return p
}
