// Package planted holds the bugs that can be planted in the cores, to show
// that the simulator's oracles find them. A release build has none: without
// the build tag "planted" every question is answered by a constant false, and
// the compiler drops the branch.
package planted

// A Bug is one mistake that such systems really made.
type Bug uint8

// The bugs. Each is drawn from the change log of a system of this kind.
const (
	// AckBeforeDisk: the Secondary acknowledges a write when it has it in
	// memory, under protocol C.
	AckBeforeDisk Bug = 1
	// SkipActivityLog: data is written although its extent is not on disk in
	// the activity log.
	SkipActivityLog Bug = 2
	// LoseBitmap: the bits that the activity log names are forgotten when a
	// crashed Primary attaches again.
	LoseBitmap Bug = 3
	// GuestBeforePrimary: a group is started from right to left.
	GuestBeforePrimary Bug = 4
	// PromoteStale: promotion does not ask what the data are worth.
	PromoteStale Bug = 5
	// WriteDuringCompare: users' writes are not held while their block is read
	// for a resync or a verify.
	WriteDuringCompare Bug = 6
	// NoPeerWait: a write is told done before the peer has it, in protocols B and C.
	NoPeerWait Bug = 7
	// UndurableGeneration: a write goes on without the peer before the new generation
	// is on disk.
	UndurableGeneration Bug = 8
	// ForgetInFlight: writes that the peer has not acknowledged are not marked when
	// the connection ends.
	ForgetInFlight Bug = 9
	// ClearOnSend: a resync clears a bit when the block is asked for, and when it is
	// sent.
	ClearOnSend Bug = 10
	// NoBlockOrder: the target lets two writes to one block be under way at once.
	NoBlockOrder Bug = 11
	// ForgetOwnBitmap: the target of a resync takes the bitmap of the source for the
	// whole of what differs.
	ForgetOwnBitmap Bug = 12
	// CrashFlagOnce: the mark of a crashed Primary is lost at the second start.
	CrashFlagOnce Bug = 13
	// NoCrashFlag: a crashed Primary does not say that it was one.
	NoCrashFlag Bug = 14
	// SplitUnseen: in a split brain the node that accepted the connection wins,
	// silently.
	SplitUnseen Bug = 15
	// PeerCacheAck: the peer acknowledges what is only in its cache.
	PeerCacheAck Bug = 16
	// OwnCacheAck: a write is told done when it is in the own disk's cache.
	OwnCacheAck Bug = 17
	// MetaInCache: metadata is left in the cache of the disk.
	MetaInCache Bug = 18
	// StaleLink: packets of a connection that has ended still count.
	StaleLink Bug = 19
	// NoPing: nobody asks a silent peer whether it lives.
	NoPing Bug = 20
	// PromoteOutdated: a copy that is known to be old is promoted.
	PromoteOutdated Bug = 21
	// PromoteUnsure: a node that has started and heard nothing is promoted.
	PromoteUnsure Bug = 22
	// TargetUnmarked: a resync overwrites the target, and its superblock does not say that
	// it is behind.
	TargetUnmarked Bug = 23
	// ShownTooEarly: a new Primary shows the device while the last one's writes are
	// on their way to the disk.
	ShownTooEarly Bug = 24
	// DropReceived: what protocol B acknowledged in memory is dropped when the
	// Primary dies.
	DropReceived Bug = 25
	// DemoteEarly: a demotion does not wait for the writes under way.
	DemoteEarly Bug = 26
	// NeverOutdated: a copy whose Primary lived on is not marked as old.
	NeverOutdated Bug = 27
	// HastyTakeover: a takeover does not wait until it is known whether the Primary
	// went on.
	HastyTakeover Bug = 28
	// TellUndurable: a node tells in a handshake generations that it has not written
	// down.
	TellUndurable Bug = 29
	// ForgetServed: a refused attach makes a Primary forget what it has served.
	ForgetServed Bug = 30
	// DetachUnasked: the only good copy may be detached.
	DetachUnasked Bug = 31
	// DetachUndrained: a detach does not wait for what is under way.
	DetachUndrained Bug = 32
	// PartialAck: a write that only the unfinished target of a resync has is told
	// done.
	PartialAck Bug = 33
	// TwoPrimariesMeet: two Primaries are connected.
	TwoPrimariesMeet Bug = 34
	// EvictedPagesLate: an extent leaves the activity log before its bits are on
	// disk.
	EvictedPagesLate Bug = 35
	// ReadAround: a read overtakes the write before it.
	ReadAround Bug = 36
	// WriteAround: two writes of users to one block are under way at once.
	WriteAround Bug = 37
	// IgnoreError: an error of the own disk counts as done.
	IgnoreError Bug = 38
	// PeerIgnoresError: the peer acknowledges a write that its disk has refused.
	PeerIgnoresError Bug = 39
	// NegAckIgnored: a write that the peer has refused counts as done there.
	NegAckIgnored Bug = 40
	// DeadTooSoon: a peer counts as dead after a quarter of its deadtime.
	DeadTooSoon Bug = 41
	// NeverDead: a silent peer never counts as dead.
	NeverDead Bug = 42
	// OldPacketsCount: packets of an earlier life of the peer count.
	OldPacketsCount Bug = 43
	// StopUnseen: a stop that failed counts as done.
	StopUnseen Bug = 44
	// TrustExitCode: a start that reports success is not looked at.
	TrustExitCode Bug = 45
	// NoBootGate: a node that crashed starts its groups before it has heard from its
	// peer.
	NoBootGate Bug = 46
	// StopFromLeft: a group is stopped from left to right.
	StopFromLeft Bug = 47
	// LoseTrim: a discard is not sent to the peer.
	LoseTrim Bug = 48
	// ResyncTooShort: the last block of a device is never resynced.
	ResyncTooShort Bug = 49
	// NoNewGeneration: a Primary that goes on alone keeps its generation.
	NoNewGeneration Bug = 50
	// BlindFailback: groups go back before the data there is up to date.
	BlindFailback Bug = 51
	// AckUnflushed: the end of an epoch is acknowledged although the disk failed with
	// its writes in the cache.
	AckUnflushed Bug = 52
	// LentGeneration: a node that is promoted alone goes on in the generation that its
	// peer's users have been shown.
	LentGeneration Bug = 53

	// GrantAfterRestart: a witness that has started anew gives leases at once.
	GrantAfterRestart Bug = 70
	// LeaseFromAnswer: a lease lasts from when the answer came, not from when it
	// was asked for.
	LeaseFromAnswer Bug = 71
	// TakeoverWithoutLease: the peer's death is enough for a takeover.
	TakeoverWithoutLease Bug = 72
	// WakesUnfrozen: a node that was paused looks at its lease when a timer says so.
	WakesUnfrozen Bug = 73
	// FreezeWithoutStop: a node that loses its lease freezes, and stops nothing.
	FreezeWithoutStop Bug = 74
	// OldQuestionCounts: a question to a witness's earlier life proves who held the
	// lease.
	OldQuestionCounts Bug = 75
	// WitnessForgetsData: the witness gives the lease to a node whose data is old.
	WitnessForgetsData Bug = 76
	// AloneUntold: a Primary goes on alone before anybody who has a vote knows.
	AloneUntold Bug = 77
	// LeaseNeverEnds: a lease that was won is kept until it is given back.
	LeaseNeverEnds Bug = 78
	// GateUnvouched: a node that crashed starts when it has the lease, also of a witness
	// that does not know whether newer data are elsewhere.
	GateUnvouched Bug = 79
	// SwapIgnored: what a witness stores is replaced whoever has written since it was
	// read.
	SwapIgnored Bug = 80
	// OldMemoryRenews: what a witness stored before a node began to look renews that
	// node's lease.
	OldMemoryRenews Bug = 81
	// MonitorDeaf: what a monitor sees stopped is left stopped.
	MonitorDeaf Bug = 60
	// MonitorBlindActs: what a monitor can't see counts as dead.
	MonitorBlindActs Bug = 61
	// MonitorStale: what a monitor saw before a group moved counts afterwards.
	MonitorStale Bug = 62
	// RestartsUnlimited: what dies again and again is restarted for ever.
	RestartsUnlimited Bug = 63
	// FenceUnconfirmed: a takeover does not wait for the fencing device's answer.
	FenceUnconfirmed Bug = 64
	// FenceFailureCounts: a fencing device that failed counts as one that did it.
	FenceFailureCounts Bug = 65
)
