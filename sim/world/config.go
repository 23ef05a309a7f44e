package world

import (
	"time"

	"github.com/optionc/pollux/daemon/core/machine"
)

const never = machine.Never

// Config is what a world is made from.
type Config struct {
	Seed uint64
	// Machine is the configuration of both nodes, as seen from milo1; names
	// change places for milo2, and seeds and generations are filled in.
	Machine machine.Config
	// Sectors is the size of the disk below, metadata included.
	Sectors uint64
	// Growth is what both disks have room to grow by later, sectors.
	Growth uint64
	// Fresh disks have never held data and differ; others are in sync.
	Fresh bool

	Disk     DiskTimes
	Net      NetTimes
	Tools    ToolLuck
	Handlers HandlerLuck
	Witness  WitnessLuck

	// Bytes: packets and payloads are bytes that the nodes encode and decode, in
	// streams that are cut anywhere, and not values that change hands.
	Bytes bool
	// ResetAt, where packets are bytes: the connection is reset when a node has
	// received so many bytes since the start of the world, whatever they are in
	// the middle of. 0 is never.
	ResetAt [2]int

	// Linger, where packets are values: what arrives after the end of its
	// connection and is handed up all the same is so much later.
	Linger time.Duration

	// Keep is how many of a million unflushed sector writes survive a power
	// loss.
	Keep int
	// Drift is by how many millionths each node's monotonic clock is too fast.
	Drift [2]int
	// Late is how many of a million timers are late by up to 300 ms; all are
	// late by up to 2 ms.
	Late int
}

// DiskTimes are the longest times that requests to a disk take.
type DiskTimes struct{ Read, Write, Sync time.Duration }

// NetTimes describe both directions of both links.
type NetTimes struct {
	Latency, Jitter time.Duration
	// Loss and Duplication of datagrams, of a million.
	Loss, Duplication int
	// Burst is how long all datagrams are lost at most once one is.
	Burst time.Duration
	// Rate of the link that carries the data, bytes per second; 0 is no limit.
	Rate int64
}

// ToolLuck is how programs behave, each of a million calls.
type ToolLuck struct {
	Latency time.Duration // the longest
	Fail    int           // it fails and has done nothing
	Half    int           // it fails and has done what it should
	Lie     int           // it succeeds and has done nothing
	Hang    int           // it is given up after half a minute, and may still do it
	Blind   int           // a look does not see anything
	// Of looks at what is to run: WatchLies say the opposite, WatchLate come
	// after up to half a minute, and nothing is seen by half of those.
	WatchLies, WatchLate int
}
