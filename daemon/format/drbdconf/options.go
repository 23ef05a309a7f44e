package drbdconf

import "time"

// NetOptions say how two hosts talk. Source: drbd.conf, section 4, net.
type NetOptions struct {
	Protocol            Protocol
	Timeout             time.Duration // 0.1 s to 60 s; for an answer to a write, before the peer counts as dead
	ConnectInt          time.Duration // 1 s to 120 s; between attempts to connect
	PingInt             time.Duration // 1 s to 120 s; of silence before a keep-alive packet
	PingTimeout         time.Duration // 0.1 s to 30 s; for the answer to it
	SocketCheckTimeout  time.Duration // 0 s to 30 s; 0 uses PingTimeout
	KOCount             int           // 0 to 200; Timeouts that one write may take, 0 any number
	MaxBuffers          int           // 32 to 131072 pages of 4 KiB
	MaxEpochSize        int           // 1 to 20000 writes between two barriers
	UnplugWatermark     int           // 1 to 131072; of no effect
	SndbufSize          int64         // bytes, 0 to 10 MiB; 0 lets the system choose
	RcvbufSize          int64         // bytes, 0 to 10 MiB; 0 lets the system choose
	TCPCork             bool
	AllowTwoPrimaries   bool
	CramHMACAlg         string // digest that peers prove SharedSecret with; empty for no proof
	SharedSecret        string // at most 63 characters
	AfterSB0Pri         AfterSB
	DiscardNode         string // the host of ASBDiscardNode
	AfterSB1Pri         AfterSB
	AfterSB2Pri         AfterSB
	AlwaysASBP          bool
	RRConflict          RRConflict
	DataIntegrityAlg    string // digest sent with every write; empty for none
	CSumsAlg            string // digest compared before a resync sends a block; empty for none
	CSumsAfterCrashOnly bool
	VerifyAlg           string // digest of online verify; empty for none
	UseRLE              bool   // send the bitmap run-length encoded
	OnCongestion        OnCongestion
	CongestionFill      int64 // sectors of 512 bytes in flight, 0 to 10 GiB; 0 for no limit
	CongestionExtents   int   // 67 to 65534 active extents of the activity log
}

// DiskOptions say how a host uses one backing device. Source: drbd.conf,
// section 4, disk.
type DiskOptions struct {
	Size                   int64 // sectors of 512 bytes, 0 to 1 PiB; 0 takes what the devices have
	OnIOError              OnIOError
	Fencing                Fencing
	MaxBioBvecs            int // of no effect
	DiskBarrier            bool
	DiskFlushes            bool // flush the backing device where the peer's users flush
	DiskDrain              bool // wait for all writes before a barrier
	MDFlushes              bool // flush metadata writes
	ResyncRate             int  // KiB/s, 1 to 4194304; the fixed rate, or the first one if CPlanAhead is not 0
	ResyncAfter            ResyncAfter
	ALExtents              int           // 67 to 65534 extents of 4 MiB that may be written at the same time
	ALUpdates              bool          // keep the activity log
	CPlanAhead             time.Duration // 0 s to 30 s; 0 turns the controller of the resync rate off
	CDelayTarget           time.Duration // 0.1 s to 10 s
	CFillTarget            int64         // sectors of 512 bytes in flight, 0 to 512 MiB; 0 goes by CDelayTarget
	CMaxRate               int           // KiB/s, 250 to 4194304
	CMinRate               int           // KiB/s, 0 to 4194304; what a resync may take when users are busy, 0 any
	DiskTimeout            time.Duration // 0 s to 600 s for one request; 0 waits for ever
	ReadBalancing          ReadBalancing
	RSDiscardGranularity   int64 // bytes, 0 to 1 MiB; a resync turns zeros of this size into discards, 0 never
	DiscardZeroesIfAligned bool
	DisableWriteSame       bool
	SnapshotBeforeResync   Snapshot
}

// StartupOptions say how long a starting node waits for its peer. Source:
// drbd.conf, section 4, startup.
type StartupOptions struct {
	WFCTimeout         time.Duration // up to 300000 s; 0 waits for ever
	DegrWFCTimeout     time.Duration // same, for a node that was alone before it stopped
	OutdatedWFCTimeout time.Duration // same, for a node that knew that its peer was outdated
	WaitAfterSB        bool
	StackedTimeouts    bool
	BecomePrimaryOn    []string // host names, or the one word both
}

// ResourceOptions concern a resource as one host runs it. Source: drbd.conf,
// section 4, options.
type ResourceOptions struct {
	CPUMask            string // hexadecimal; empty for any
	OnNoDataAccessible OnNoData
}

// ResyncAfter names the volume whose resync comes first. The zero value waits
// for none.
type ResyncAfter struct {
	Resource string
	Volume   uint16
}
