package replica

import (
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

// Buf is a handle of a payload that the core never looks into: a pooled
// aligned buffer in production, a row of version numbers in the simulator.
// Zero is no payload.
//
// An Input that carries a Buf hands one reference to the core. Write, Send and
// Complete lend it to the shell, which holds a reference of its own until it
// is done; Free gives the core's reference back. Every Buf that came in leaves
// by exactly one Free.
type Buf uint32

// A Socket is one of the two TCP connections of a link.
type Socket uint8

// The two sockets of a link. Source: spec drbd-wire section 1.
const (
	DataSocket Socket = 0
	MetaSocket Socket = 1
)

// An Op is what a user of the exported device, or this core of the disk below,
// asks for.
type Op uint8

// The operations on blocks.
const (
	OpRead  Op = 1
	OpWrite Op = 2
	OpFlush Op = 3
	// OpTrim discards; the range reads as zeros afterwards.
	OpTrim Op = 4
	// OpZero writes zeros and keeps the space allocated.
	OpZero Op = 5
)

// An InputKind says what happened.
type InputKind uint8

// The inputs, with the fields of Input that each one uses.
const (
	// Tick: time has passed; wanted whenever Deadline is reached.
	Tick InputKind = 1
	// LinkUp: both sockets to the peer stand, first packets exchanged. Conn is
	// a number never used before; Resolve says that this side accepted the
	// meta socket.
	LinkUp InputKind = 2
	// LinkDown: the link Conn is gone; Text says why. Reported once, also
	// after Hangup.
	LinkDown InputKind = 3
	// Packet: Command arrived on Socket of Conn. Data is the payload up to the
	// bulk data (valid during the Step only); Buf and Size hold the bulk data
	// of P_DATA, P_DATA_REPLY and P_RS_DATA_REPLY.
	Packet InputKind = 4
	// BadPacket: bytes that are no packet came on Socket of Conn; Text says
	// what is wrong.
	BadPacket InputKind = 5
	// DiskDone answers Read (with Buf), Write, Zero, Trim and Flush (with Op
	// OpFlush) of number ID; Failed if the disk returned an error.
	DiskDone InputKind = 6
	// MetaDone answers MetaRead (with Data) and MetaWrite of number ID.
	MetaDone InputKind = 7
	// Request: a user of the exported device asks for Op on Sector and Size;
	// a write brings Buf. ID is echoed in Complete. FUA: durable before
	// Complete.
	Request InputKind = 8
	// Order: an administrator or the failover core wants something. ID is
	// echoed in Answer.
	Order InputKind = 9
	// DeviceDone answers Expose and Withdraw; Failed with Text naming who holds
	// the device, or why it can't be made.
	DeviceDone InputKind = 10
	// Digested answers Digest of number ID with the digest in Data, which is
	// valid during the Step only.
	Digested InputKind = 11
	// Called answers Call with the handler's Exit status; -1 says that it did
	// not run to its end, and Text why.
	Called InputKind = 40
	// Measured answers Measure with Disk; Failed with Text if that could not be.
	Measured InputKind = 30
	// Depend: another resource's resync goes before that of this one, if Force,
	// or is over.
	Depend InputKind = 41

	// Hold: this node may not serve its users, if Force, or may again; Text says
	// why. Failed: nothing that could be saved uses the device, so what waits ends
	// with an error.
	Hold InputKind = 60

	// Observed and Delegated are for core/foreign alone, which stands in for a
	// Resource that another engine replicates.
	//
	// Observed: the engine's State is seen to be that, its generation ID, its
	// size Sector, its Marked blocks. Text is why it has given the peer up, if it
	// has just done that.
	Observed InputKind = 50
	// Delegated answers Delegate of number ID: Exit is the engine's code, Text
	// what it said.
	Delegated InputKind = 51
)

// An OrderKind says what an administrator wants.
type OrderKind uint8

// The orders.
const (
	// OrderAttach: use the disk below, whose sizes are in Input.Disk.
	OrderAttach OrderKind = 1
	// OrderDetach: stop using the disk below.
	OrderDetach OrderKind = 2
	// OrderConnect: leave StandAlone. Force means --discard-my-data.
	OrderConnect OrderKind = 3
	// OrderDisconnect: go StandAlone.
	OrderDisconnect OrderKind = 4
	// OrderPrimary: promote; Force makes data that is not UpToDate the truth.
	OrderPrimary OrderKind = 5
	// OrderSecondary: demote.
	OrderSecondary OrderKind = 6
	// OrderInvalidate: my data is bad, fetch all from the peer.
	OrderInvalidate OrderKind = 7
	// OrderInvalidateRemote: the peer's data is bad, send it all.
	OrderInvalidateRemote OrderKind = 8
	// OrderOutdate: mark the own data as old.
	OrderOutdate OrderKind = 9
	// OrderResize: let the device grow with the disks below. Sector is the
	// configured size, 0 for none; AssumeClean and AssumePeer count.
	OrderResize OrderKind = 30
	// OrderNewCurrentUUID: begin a new generation of the data. Force means
	// --clear-bitmap.
	OrderNewCurrentUUID OrderKind = 31
	// OrderShutdown: demoted already; write everything down and mark the
	// metadata clean. Nothing else may follow.
	OrderShutdown OrderKind = 10
	// OrderPauseSync: no resync goes on, or begins, until OrderResumeSync.
	OrderPauseSync OrderKind = 11
	// OrderResumeSync ends an OrderPauseSync.
	OrderResumeSync OrderKind = 12
	// OrderVerify: compare the copies from Sector on, or FromLast, to Until.
	OrderVerify OrderKind = 13
	// OrderAbortVerify ends an OrderVerify early.
	OrderAbortVerify OrderKind = 14
	// OrderSuspendIO: users' requests wait until OrderResumeIO, which also ends
	// every other wait of theirs.
	OrderSuspendIO OrderKind = 40
	OrderResumeIO  OrderKind = 41
	// OrderAdjust: take over what may change while the resource runs. Data is
	// Config.Adjustment, valid during the Step only.
	OrderAdjust OrderKind = 50
)

// Disk describes the disk below, as measured by the shell.
type Disk struct {
	// DataSectors is the size of the device that holds the data, in sectors of
	// 512 bytes.
	DataSectors uint64
	// MetaSectors is the size of the device that holds the metadata; the same
	// device when the metadata is internal.
	MetaSectors uint64
	// LastSectors is MetaSectors when internal metadata was last seen there, 0 if
	// nobody knows. It is looked for there if it is not at the end.
	LastSectors uint64
}

// Input is one thing that happened. Which fields count depends on Kind.
type Input struct {
	Kind    InputKind
	Op      Op
	Order   OrderKind
	Socket  Socket
	Resolve bool
	FUA     bool
	Force   bool
	Failed  bool
	Command drbdwire.Command
	Volume  uint16
	Conn    uint32
	Buf     Buf
	Size    uint32 // bytes
	ID      uint64
	Sector  uint64 // units of 512 bytes
	Until   uint64 // the first sector that is not meant; 0 is the end of the device
	Exit    int
	State   uint32 // as drbdwire.State packs it
	Data    []byte
	Text    string
	Disk    Disk
	// AssumeClean: what is added is equal on both disks already.
	AssumeClean bool
	// AssumePeer: a peer that is not connected has the room that this disk has.
	AssumePeer bool
	Marked     uint64 // KiB that may differ from the peer's
}

// An EffectKind says what the shell has to do.
type EffectKind uint8

// The effects, with the fields of Effect that each one uses.
const (
	// Dial: find the peer, in both directions, until LinkUp.
	Dial EffectKind = 1
	// Hangup: stop dialling, or drop the link Conn; in the second case LinkDown
	// follows.
	Hangup EffectKind = 2
	// Send: put Data, then Size bytes of Buf, on Socket of Conn. Data is valid
	// until Recycle.
	Send EffectKind = 3
	// Read, Write, Zero, Trim and Flush the data disk; answered by DiskDone
	// with the same ID. FUA: on stable storage before DiskDone.
	Read  EffectKind = 4
	Write EffectKind = 5
	Zero  EffectKind = 6
	Trim  EffectKind = 7
	Flush EffectKind = 8
	// MetaRead and MetaWrite Size bytes at byte Offset of the metadata device;
	// answered by MetaDone. FUA on a MetaWrite: everything completed before it
	// on that device, and it itself, are on stable storage before MetaDone.
	// Data is valid until Recycle.
	MetaRead  EffectKind = 9
	MetaWrite EffectKind = 10
	// Complete answers the Request ID; a good read lends Buf. Failed is EIO.
	Complete EffectKind = 11
	// Free gives back the core's reference to Buf.
	Free EffectKind = 12
	// Answer answers the Order ID with Code and, when refused, Text.
	Answer EffectKind = 13
	// Expose: a device of Sector sectors may be opened by users now; answered by
	// DeviceDone.
	Expose EffectKind = 14
	// Withdraw: refuse new users; answered by DeviceDone, which has failed while
	// somebody still holds the device.
	Withdraw EffectKind = 15
	// Changed: the state differs from the one last reported and is State now;
	// Text is one line about what changed and why. Status has it all.
	Changed EffectKind = 16
	// CloseDisk: the shell may close the disk below.
	CloseDisk EffectKind = 17
	// Broken: an assertion of the core failed; the device is frozen. Text says
	// which.
	Broken EffectKind = 18
	// Digest makes the digest, by the algorithm that Text names, of the first
	// Size bytes of Buf; or tells whether they are all zero, where Text is
	// AllZero. Answered by Digested with the same ID.
	Digest EffectKind = 19
	// Call runs the handler that drbd.conf names Text; answered by Called.
	Call EffectKind = 40
	// Decided: the core took a decision; Text is one line about it. Status has
	// the last ones.
	Decided EffectKind = 41
	// Measure the disks below again, since they may have grown; answered by
	// Measured.
	Measure EffectKind = 30
	// Grown: the device that is exposed, or will be as said before, has Sector
	// sectors from now on.
	Grown EffectKind = 31
	// Located: the internal metadata is at the end of a disk of Sector sectors;
	// to be remembered for Disk.LastSectors.
	Located EffectKind = 32
	// Delegate: let the engine carry Order out; answered by Delegated. Only
	// core/foreign asks for it.
	Delegate EffectKind = 50
)

// Effect is one thing for the shell to do. Effects are carried out in the
// order in which they stand.
type Effect struct {
	Kind   EffectKind
	Socket Socket
	FUA    bool
	Failed bool
	Force  bool
	Order  OrderKind
	Conn   uint32
	Buf    Buf
	Size   uint32 // bytes
	Code   drbdwire.Code
	State  uint32 // as drbdwire.State packs it
	ID     uint64
	Sector uint64 // units of 512 bytes
	Offset int64  // bytes
	Data   []byte
	Text   string
}
