package replica

import (
	"time"

	"github.com/optionc/pollux/daemon/core/handshake"
	"github.com/optionc/pollux/daemon/core/resync"
	"github.com/optionc/pollux/daemon/format/drbdmeta"
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

// Config is what one resource is configured to do. All of it comes from
// drbd.conf; names and defaults are DRBD's.
type Config struct {
	Name     string
	Meta     drbdmeta.Kind
	MetaSlot int // of KindIndexed
	// Protocol is the wire protocol: when the user sees a write completed.
	Protocol drbdwire.WireProtocol
	// ALExtents is the number of slots of the activity log, 67 to 65534.
	ALExtents int
	// UserSize limits the device, in sectors; 0 is no limit.
	UserSize uint64

	AfterSB0, AfterSB1, AfterSB2 drbdwire.AfterSB
	AlwaysASBP                   bool
	RRConflict                   handshake.RRConflict

	// PingInt is how long the meta socket may be silent before a ping.
	PingInt time.Duration
	// PingTimeout is how long a ping may stay unanswered.
	PingTimeout time.Duration
	// Timeout times KoCount is how long a write may stay unacknowledged by the
	// peer; KoCount 0 is for ever.
	Timeout time.Duration
	KoCount int
	// MaxEpochSize is the most writes between two barriers.
	MaxEpochSize int

	// The start-up waits: how long a node that can't know whether its data is
	// the newest waits for its peer. Zero is for ever.
	WFCTimeout, DegrWFCTimeout time.Duration

	// SuspendIONoData: without any good copy, I/O waits instead of failing.
	SuspendIONoData bool
	// OutdatedWFCTimeout is how long a node waits for a peer that it knows to be
	// outdated; zero is not at all.
	OutdatedWFCTimeout time.Duration
	// WaitAfterSB: no start-up wait runs out while the node is StandAlone.
	WaitAfterSB bool
	// InconDegrCmd: pri-on-incon-degr is called as DRBD 0.7 did, too: when a node
	// with inconsistent data, and without its peer, was to become Primary.
	InconDegrCmd bool
	// CMinRate is how fast a resync is, in KiB/s, while users use the disk; 0 is
	// as fast as it can be.
	CMinRate uint32

	CramAlg, SharedSecret string

	// IntegrityAlg is the algorithm of the digest that goes with every block on
	// its way to the peer; "" is none. The peer must have the same.
	IntegrityAlg string
	// PassOn: an error of the disk does not end its use, see dataError.
	PassOn bool
	// CallLocalIOError: the handler local-io-error hears of errors of the disk.
	CallLocalIOError bool
	// DiskTimeout is how long the disk may take for a request; 0 is for ever.
	DiskTimeout time.Duration

	// OnCongestion counts in protocol A, when CongestionFill sectors are in flight,
	// or CongestionExtents of the activity log in use; zero is no limit.
	OnCongestion      OnCongestion
	CongestionFill    uint64
	CongestionExtents int

	// Snapshot keeps what a whole copy held before a resync overwrites it.
	Snapshot Snapshot

	// Fencing is what is done about a peer that can't be reached any more.
	Fencing Fencing

	// Handlers are the names of the handlers that drbd.conf has.
	Handlers []string
	// CsumsAlg is the algorithm by which a resync finds blocks that need not be
	// sent, "" is none; with CsumsAfterCrashOnly it does so only after this
	// node crashed as Primary. The peer must have the same algorithm.
	CsumsAlg            string
	CsumsAfterCrashOnly bool
	// VerifyAlg is the algorithm by which an online verify compares the copies;
	// "" is no online verify. The peer must have the same.
	VerifyAlg string
	// RSDiscardGranularity is the size in bytes of the requests of a resync
	// whose blocks the peer may find to be all zeros; 0 is never.
	RSDiscardGranularity uint32

	Resync resync.Params
	UseRLE bool

	// Seed feeds the generation identifiers and challenges. It must differ at
	// every start.
	Seed uint64
}
