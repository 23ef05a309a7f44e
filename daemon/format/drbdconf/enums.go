package drbdconf

// A Protocol says when a write is complete.
type Protocol uint8

// The protocols, with their numbers on the wire.
const (
	ProtocolA Protocol = 1 // on the local disk, and handed to the network
	ProtocolB Protocol = 2 // also in the peer's memory
	ProtocolC Protocol = 3 // also on the peer's disk
)

var protocols = words[Protocol]{
	{"A", ProtocolA}, {"B", ProtocolB}, {"C", ProtocolC}, {"a", ProtocolA}, {"b", ProtocolB}, {"c", ProtocolC},
}

// String is A, B or C.
func (p Protocol) String() string { return protocols.name(p) }

// UsageCount is the answer to a question that nobody asks any more.
type UsageCount uint8

// The answers.
const (
	UsageAsk UsageCount = 0
	UsageYes UsageCount = 1
	UsageNo  UsageCount = 2
)

var usageCounts = words[UsageCount]{{"yes", UsageYes}, {"no", UsageNo}, {"ask", UsageAsk}}

// OnIOError says what an error of the backing device leads to.
type OnIOError uint8

// The reactions to an error of the backing device.
const (
	PassOn           OnIOError = 0 // report it to the user of the device
	CallLocalIOError OnIOError = 1 // run the handler local-io-error
	Detach           OnIOError = 2 // go on without the disk, over the network
)

var onIOErrors = words[OnIOError]{
	{"pass_on", PassOn}, {"call-local-io-error", CallLocalIOError}, {"detach", Detach},
}

// Fencing says what a Primary does about a peer that it no longer hears.
type Fencing uint8

// The fencing policies.
const (
	DontCare           Fencing = 0
	ResourceOnly       Fencing = 1 // call fence-peer
	ResourceAndStonith Fencing = 2 // freeze I/O, call fence-peer, go on when it succeeds
)

var fencings = words[Fencing]{
	{"dont-care", DontCare}, {"resource-only", ResourceOnly}, {"resource-and-stonith", ResourceAndStonith},
}

// ReadBalancing says which copy serves a read.
type ReadBalancing uint8

// The ways to share reads.
const (
	PreferLocal         ReadBalancing = 0
	PreferRemote        ReadBalancing = 1
	RoundRobin          ReadBalancing = 2
	LeastPending        ReadBalancing = 3
	WhenCongestedRemote ReadBalancing = 4
	Striping32K         ReadBalancing = 5
	Striping64K         ReadBalancing = 6
	Striping128K        ReadBalancing = 7
	Striping256K        ReadBalancing = 8
	Striping512K        ReadBalancing = 9
	Striping1M          ReadBalancing = 10
)

var readBalancings = words[ReadBalancing]{
	{"prefer-local", PreferLocal},
	{"prefer-remote", PreferRemote},
	{"round-robin", RoundRobin},
	{"least-pending", LeastPending},
	{"when-congested-remote", WhenCongestedRemote},
	{"32K-striping", Striping32K},
	{"64K-striping", Striping64K},
	{"128K-striping", Striping128K},
	{"256K-striping", Striping256K},
	{"512K-striping", Striping512K},
	{"1M-striping", Striping1M},
}

// AfterSB says whose data survive a split brain.
type AfterSB uint8

// The policies after a split brain, with their numbers on the wire;
// ASBDiscardNode has none, see Resource.AfterSB0Pri. Source: DRBD 8.4 wire,
// P_PROTOCOL.
const (
	ASBDisconnect          AfterSB = 0
	ASBDiscardYoungerPri   AfterSB = 1
	ASBDiscardOlderPri     AfterSB = 2
	ASBDiscardZeroChanges  AfterSB = 3
	ASBDiscardLeastChanges AfterSB = 4
	ASBDiscardLocal        AfterSB = 5
	ASBDiscardRemote       AfterSB = 6
	ASBConsensus           AfterSB = 7
	ASBDiscardSecondary    AfterSB = 8
	ASBCallPriLost         AfterSB = 9
	ASBViolently           AfterSB = 10
	ASBDiscardNode         AfterSB = 255
)

var (
	afterSB0s = words[AfterSB]{
		{"disconnect", ASBDisconnect},
		{"discard-younger-primary", ASBDiscardYoungerPri},
		{"discard-older-primary", ASBDiscardOlderPri},
		{"discard-zero-changes", ASBDiscardZeroChanges},
		{"discard-least-changes", ASBDiscardLeastChanges},
		{"discard-local", ASBDiscardLocal},
		{"discard-remote", ASBDiscardRemote},
	}
	afterSB1s = words[AfterSB]{
		{"disconnect", ASBDisconnect},
		{"consensus", ASBConsensus},
		{"violently-as0p", ASBViolently},
		{"discard-secondary", ASBDiscardSecondary},
		{"call-pri-lost-after-sb", ASBCallPriLost},
	}
	afterSB2s = words[AfterSB]{
		{"disconnect", ASBDisconnect}, {"violently-as0p", ASBViolently}, {"call-pri-lost-after-sb", ASBCallPriLost},
	}
)

// RRConflict says what happens when roles and the direction of a resync
// contradict each other.
type RRConflict uint8

// The reactions to such a conflict.
const (
	RRDisconnect  RRConflict = 0
	RRViolently   RRConflict = 1
	RRCallPriLost RRConflict = 2
)

var rrConflicts = words[RRConflict]{
	{"disconnect", RRDisconnect}, {"violently", RRViolently}, {"call-pri-lost", RRCallPriLost},
}

// OnCongestion says what a full network does to a Primary of protocol A.
type OnCongestion uint8

// The reactions to congestion.
const (
	Block              OnCongestion = 0 // writes wait
	PullAhead          OnCongestion = 1 // mark blocks instead of sending them, resync later
	DisconnectOnFilled OnCongestion = 2
)

var onCongestions = words[OnCongestion]{
	{"block", Block}, {"pull-ahead", PullAhead}, {"disconnect", DisconnectOnFilled},
}

// A Snapshot says whether the backing device is kept as it is, in a snapshot of
// LVM, before a resync overwrites it. It is pollux's own option.
type Snapshot uint8

// The choices. A snapshot that can't be taken is a warning, or forbids the resync.
const (
	SnapshotNo      Snapshot = 0
	SnapshotTry     Snapshot = 1
	SnapshotRequire Snapshot = 2
)

var snapshots = words[Snapshot]{{"no", SnapshotNo}, {"try", SnapshotTry}, {"require", SnapshotRequire}}

// OnNoData says what a request gets when no good copy is within reach.
type OnNoData uint8

// The answers.
const (
	IOError   OnNoData = 0
	SuspendIO OnNoData = 1 // it waits
)

var onNoDatas = words[OnNoData]{{"io-error", IOError}, {"suspend-io", SuspendIO}}
