package drbdwire

import "fmt"

// A Role is what a node may do with a resource: only a Primary opens it.
type Role uint8

// The roles. Source: DRBD 8.4 state, section 1.
const (
	RoleUnknown Role = 0
	Primary     Role = 1
	Secondary   Role = 2
)

// String is the field's own word for the role.
func (r Role) String() string { return nameOf("role", uint8(r), "Unknown", "Primary", "Secondary") }

// A DiskState says what the data of one copy are worth, from worst to best.
type DiskState uint8

// The disk states. Source: DRBD 8.4 state, section 1.
const (
	Diskless     DiskState = 0
	Attaching    DiskState = 1
	Failed       DiskState = 2
	Negotiating  DiskState = 3
	Inconsistent DiskState = 4
	Outdated     DiskState = 5
	DUnknown     DiskState = 6
	Consistent   DiskState = 7
	UpToDate     DiskState = 8
)

// String is the field's own word for the disk state.
func (d DiskState) String() string {
	return nameOf("disk", uint8(d), "Diskless", "Attaching", "Failed", "Negotiating", "Inconsistent", "Outdated",
		"DUnknown", "Consistent", "UpToDate")
}

// A ConnState is what a volume's connection is doing.
type ConnState uint8

// The connection states. Source: DRBD 8.4 state, section 1.
const (
	StandAlone     ConnState = 0
	Disconnecting  ConnState = 1
	Unconnected    ConnState = 2
	Timeout        ConnState = 3
	BrokenPipe     ConnState = 4
	NetworkFailure ConnState = 5
	ProtocolError  ConnState = 6
	TearDown       ConnState = 7
	WFConnection   ConnState = 8
	WFReportParams ConnState = 9
	Connected      ConnState = 10
	StartingSyncS  ConnState = 11
	StartingSyncT  ConnState = 12
	WFBitMapS      ConnState = 13
	WFBitMapT      ConnState = 14
	WFSyncUUID     ConnState = 15
	SyncSource     ConnState = 16
	SyncTarget     ConnState = 17
	VerifyS        ConnState = 18
	VerifyT        ConnState = 19
	PausedSyncS    ConnState = 20
	PausedSyncT    ConnState = 21
	Ahead          ConnState = 22
	Behind         ConnState = 23
	ConnMask       ConnState = 31
)

// String is the field's own word for the connection state.
func (c ConnState) String() string {
	return nameOf("conn", uint8(c), "StandAlone", "Disconnecting", "Unconnected", "Timeout", "BrokenPipe",
		"NetworkFailure", "ProtocolError", "TearDown", "WFConnection", "WFReportParams", "Connected", "StartingSyncS",
		"StartingSyncT", "WFBitMapS", "WFBitMapT", "WFSyncUUID", "SyncSource", "SyncTarget", "VerifyS", "VerifyT",
		"PausedSyncS", "PausedSyncT", "Ahead", "Behind")
}

// ParseRole reads the word for a role.
func ParseRole(name string) (Role, error) { return parseName[Role]("role", name, Secondary) }

// ParseDiskState reads the word for a disk state.
func ParseDiskState(name string) (DiskState, error) {
	return parseName[DiskState]("disk state", name, UpToDate)
}

// ParseConnState reads the word for a connection state.
func ParseConnState(name string) (ConnState, error) {
	return parseName[ConnState]("connection state", name, Behind)
}

func parseName[T interface {
	~uint8
	fmt.Stringer
}](what, name string, last T,
) (T, error) {
	for v := T(0); v <= last; v++ {
		if v.String() == name {
			return v, nil
		}
	}
	return 0, fmt.Errorf("%s: found %.40q, which is none", what, name)
}

func nameOf(what string, n uint8, names ...string) string {
	if int(n) < len(names) {
		return names[n]
	}
	return fmt.Sprintf("%s(%d)", what, n)
}

// State is the whole state of a volume as P_STATE carries it: the sender's
// view, where Peer and PeerDisk are what it thinks of the receiver.
//
//	bits    0-1   2-3   4-8   9-12  13-16     17         18       19       20       21        22
//	field   Role  Peer  Conn  Disk  PeerDisk  Suspended  AfterSP  PeerSP   UserSP   SuspNoD   SuspFen
//
// A demotion is over for its node before the peer hears of it by P_STATE: until
// then the peer is refused a promotion, because of two Primaries (seen with
// 8.4.11).
//
// Source: DRBD 8.4 wire, section 5.5.
type State struct {
	Role, Peer     Role
	Conn           ConnState
	Disk, PeerDisk DiskState
	// Suspended: I/O suspended by the user; SuspNoData: no data accessible;
	// SuspFencing: waiting for the fence-peer handler.
	Suspended, SuspNoData, SuspFencing bool
	// AfterPause, PeerPause, UserPause: the three reasons for a paused resync.
	AfterPause, PeerPause, UserPause bool
}

// Pack gives the 32 bits of P_STATE.
func (s State) Pack() uint32 {
	v := uint32(s.Role)&3 | uint32(s.Peer)&3<<2 | uint32(s.Conn)&31<<4 | uint32(s.Disk)&15<<9 | uint32(s.PeerDisk)&15<<13
	for i, set := range [...]bool{s.Suspended, s.AfterPause, s.PeerPause, s.UserPause, s.SuspNoData, s.SuspFencing} {
		if set {
			v |= 1 << (17 + i)
		}
	}
	return v
}

// UnpackState is the inverse of Pack; bits 23 to 31 are ignored.
func UnpackState(v uint32) State {
	return State{
		Role: Role(v & 3), Peer: Role(v >> 2 & 3), Conn: ConnState(v >> 4 & 31),
		Disk: DiskState(v >> 9 & 15), PeerDisk: DiskState(v >> 13 & 15),
		Suspended: v>>17&1 == 1, AfterPause: v>>18&1 == 1, PeerPause: v>>19&1 == 1,
		UserPause: v>>20&1 == 1, SuspNoData: v>>21&1 == 1, SuspFencing: v>>22&1 == 1,
	}
}

// Code is the answer to a request for a state change: 1 and more is granted.
type Code int32

// The codes. Source: DRBD 8.4 state, section 2.4.
const (
	CWNoNeed           Code = 4
	CWSuccess          Code = 3
	NothingToDo        Code = 2
	Success            Code = 1
	TwoPrimaries       Code = -1
	NoUpToDateDisk     Code = -2
	NoLocalDisk        Code = -4
	NoRemoteDisk       Code = -5
	ConnectedOutdates  Code = -6
	PrimaryNOP         Code = -7
	ResyncRunning      Code = -8
	AlreadyStandAlone  Code = -9
	FailedByPeer       Code = -10
	IsDiskless         Code = -11
	DeviceInUse        Code = -12
	NoNetConfig        Code = -13
	NoVerifyAlg        Code = -14
	NeedConnection     Code = -15
	LowerThanOutdated  Code = -16
	NotSupported       Code = -17
	InTransientState   Code = -18
	ConcurrentStChg    Code = -19
	OtherVolPeerPri    Code = -20
	OutdateWithoutConn Code = -21
)

// String is the text that an administrator of DRBD knows and greps for.
func (c Code) String() string {
	texts := [...]string{
		1: "Multiple primaries not allowed by config", 2: "Need access to UpToDate data",
		4: "Can not resync without local disk", 5: "Can not resync without remote disk",
		6: "Refusing to be Outdated while Connected", 7: "Refusing to be Primary while peer is not outdated",
		8: "Can not start OV/resync since it is already active", 9: "Can not disconnect a StandAlone device",
		10: "State change was refused by peer node",
		11: "Device is diskless, the requested operation requires a disk",
		12: "Device is held open by someone", 13: "Have no net/connection configuration",
		14: "Need a verify algorithm to start online verify", 15: "Need a connection to start verify or resync",
		16: "Disk state is lower than outdated", 17: "Peer does not support protocol",
		18: "In transient state, retry after next state change",
		19: "Concurrent state changes detected and aborted", 20: "Other vol primary on peer not allowed by config",
		21: "Need a connection for a graceful disconnect/outdate peer",
	}
	switch {
	case c >= Success:
		return "Success"
	case c < 0 && int(c) > -len(texts) && texts[-c] != "":
		return texts[-c]
	default:
		return fmt.Sprintf("state change code %d", int32(c))
	}
}
