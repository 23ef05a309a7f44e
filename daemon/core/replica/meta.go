package replica

import (
	"slices"
	"time"

	"github.com/optionc/pollux/daemon/core/planted"
	"github.com/optionc/pollux/daemon/format/drbdmeta"
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

const pageSize = 4096

// metadata is the part of the disk below that is ours: superblock, activity
// log and bitmap. One write is under way at a time, so that what a later
// write relies on is always durable first.
type metadata struct {
	disk   Disk // as far as the metadata knows it
	whole  Disk // as it was attached
	layout drbdmeta.Layout
	super  drbdmeta.Superblock
	flags  drbdmeta.Flags
	open   bool // the disk below is in use
	ready  bool // and its log is empty: writes may begin
	clean  bool // the next superblock says that nothing needs replay

	// The superblock is versioned: wanted counts changes, durable is the
	// newest change that is on disk.
	wanted, durable uint64
	onDisk          uint64 // the current generation as it is durable
	// fetched: the generation that a resync has brought here, and users of a Primary
	// have seen already, while the disk does not say yet that it has it; 0 is none.
	fetched uint64
	// untold: the generation that users of a Primary have seen last, while it has begun
	// one alone that neither they nor the peer were told anything of; 0 is none.
	untold uint64
	sized  uint64 // the size of the device as it is durable, sectors
	// behind: the disk that was let go lacks what users have written to the peer's
	// alone, or may lack it because the peer was Primary.
	behind bool
	// met: the generations of a whole copy of the peer's that this node has met while it
	// had no disk to compare with it.
	met drbdmeta.UUIDs
	// parting: the disk is let go, by order or for an error, while the peer has a whole
	// copy. What it says of itself from now on is that it is old, in case this node
	// crashes before it is attached again.
	parting bool
	last    lastWord
	// bad: a block of users' data has failed, and the disk was kept, because this
	// Primary did not reach its peer: see letGoOfBad.
	bad bool
	// givenUp: this copy is to be overwritten by order, and the resync is about to begin.
	givenUp bool
	// only: when this node lost its disk, that had writes of its users which no
	// peer has, though one may have the same generation: the source of a resync
	// that goes on alone makes no new one.
	only bool
	// served: the generation of the peer's copy that users of this Primary have seen
	// last, while the own disk is none that serves them; 0 is not known, or none.
	served uint64
	// begun: the generation that the disk which was let go may have instead of onDisk:
	// it was being written down, and users were told of nothing in it; 0 is none.
	begun uint64
	// lent: the peer may have this generation, too. It has told so, or is a Primary
	// that has shown it to its users from this disk, or this node was down since.
	lent  bool
	gates []gate

	busy    metaJob
	began   time.Duration // when the disk was asked
	writing uint64        // version of the superblock under way
	// loaded is how many bytes an attach has read of the bitmap, or emptied of the
	// activity log; logImage is what it has read of that.
	loaded   int64
	logImage []byte

	move move // to the end of a disk that has grown

	allPages   bool     // the changed bitmap pages go before the next superblock
	logEvicted []uint32 // extents whose pages precede the transaction
	logPending bool     // a transaction is filled and waits to be written
	logTx      drbdmeta.Transaction
}

type metaJob uint8

const (
	metaIdle metaJob = iota
	metaReadSuper
	metaReadLog
	metaReadBitmap
	metaPage
	metaLog
	metaLogInit
	metaSuper
	metaMove
	metaMoved
	metaOrphan // of a disk that is not in use any more
	metaLastWord
)

// A gate is something that must not happen before the superblock of a version
// is durable.
type gate struct {
	version uint64
	what    gateKind
}

type gateKind uint8

const (
	gateNone gateKind = iota
	gateAttached
	gatePromoted
	gateDemoted
	gateSource
	gateTarget
	gateFinished
	gateOrder
	gateClear
	gateShutdown
	gateGrown
	gateShown
	gateSkip
	gateMarked
	gateGeneration
	gateKept
)

func (m *metadata) dirty() { m.wanted++ }

// afterSuper lets what happen once everything said so far is durable. A node
// without a disk has nothing to wait for.
func (r *Resource) afterSuper(what gateKind) {
	if !r.meta.open {
		r.pass(what)
		return
	}
	r.meta.gates = append(r.meta.gates, gate{r.meta.wanted, what})
}

// awaits tells whether something waits for a superblock.
func (m *metadata) awaits(what gateKind) bool {
	return slices.ContainsFunc(m.gates, func(g gate) bool { return g.what == what })
}

func (r *Resource) passGates() {
	for len(r.meta.gates) > 0 && r.meta.gates[0].version <= r.meta.durable {
		what := r.meta.gates[0].what
		r.passed = true
		r.meta.gates = append(r.meta.gates[:0], r.meta.gates[1:]...)
		r.pass(what)
	}
}

func (r *Resource) pass(what gateKind) {
	switch what {
	case gateAttached:
		r.attached()
	case gatePromoted:
		r.promoted()
	case gateDemoted:
		r.demoted()
	case gateSource:
		r.sourceReady()
	case gateTarget:
		r.targetReady()
	case gateFinished:
		r.targetFinished()
	case gateOrder:
		r.order.durable = true
	case gateClear:
		r.clearOnRecord()
	case gateShutdown:
		r.closed()
	case gateGrown:
		r.sizeDurable()
	case gateShown:
		r.showSize()
	case gateSkip:
		r.skipSync()
	case gateMarked:
		r.tellMarked()
	case gateGeneration:
		r.tellGeneration()
	case gateKept:
		r.sendState()
	case gateNone:
	}
}

// seen gives the generation that counts when the disk is lost: users were told of
// nothing in a later one.
func (m *metadata) seen() uint64 {
	if m.fetched != 0 {
		return m.fetched
	}
	if m.untold != 0 {
		return m.untold
	}
	return m.onDisk
}

// generationDurable tells whether everything said about generations is on
// record, so that a write may go on without the peer.
func (r *Resource) generationDurable() bool {
	return !r.meta.open || r.meta.durable >= r.meta.wanted
}

// advanceMeta starts the next metadata write, the most urgent first: pages of
// evicted extents, the transaction that evicts them, the other pages that
// were asked for, the superblock.
func (r *Resource) advanceMeta() {
	m := &r.meta
	for m.open && m.busy == metaIdle && r.state.Disk > drbdwire.Attaching {
		switch {
		case m.logPending && !planted.On(planted.EvictedPagesLate) && r.writeEvictedPage():
		case m.logPending:
			m.logPending = false
			r.startMeta(metaLog, m.layout.ActivityLog+r.log.Block()*pageSize, m.logTx.Append(r.scratch()), true)
		case m.move.stage != moveNone:
			r.advanceMove()
		case m.allPages && r.writeNextPage():
		case m.allPages:
			m.allPages = false
		case m.durable < m.wanted:
			r.writeSuper()
		case len(m.gates) > 0:
			r.passGates()
		default:
			return
		}
	}
}

func (r *Resource) writeEvictedPage() bool {
	for i, extent := range r.meta.logEvicted {
		if page := r.bits.PageOf(extent); r.bits.Dirty(page) {
			r.meta.logEvicted = r.meta.logEvicted[i:]
			r.writePage(page)
			return true
		}
	}
	r.meta.logEvicted = r.meta.logEvicted[:0]
	return false
}

func (r *Resource) writeNextPage() bool {
	page, ok := r.bits.NextDirty(0)
	if ok {
		r.writePage(page)
	}
	return ok
}

// pagesAtOnce is how many neighbouring pages go in one write: a bitmap that
// changed as a whole has a hundred thousand of them.
const pagesAtOnce = 64

// writePage writes a page, and the changed ones behind it.
func (r *Resource) writePage(page int) {
	data, first := r.scratch(), page
	for page < r.bits.Pages() && page < first+pagesAtOnce && r.bits.Dirty(page) {
		data = r.bits.AppendPage(data, page)
		r.bits.MarkClean(page)
		page++
	}
	r.startMeta(metaPage, r.meta.layout.Bitmap+int64(first)*pageSize, data, false)
}

func (r *Resource) writeSuper() {
	m := &r.meta
	m.super.UUIDs, m.super.Flags, m.super.Clean = r.uuids, m.flags, m.clean
	if m.clean {
		m.super.Flags |= drbdmeta.MDALClean
	}
	m.super.Size = r.size
	m.super.ALExtents = uint32(r.cfg.ALExtents)
	m.writing = m.wanted
	r.startMeta(metaSuper, m.layout.Superblock, m.super.Append(r.scratch()), true)
}

func (r *Resource) startMeta(job metaJob, offset int64, data []byte, fua bool) {
	r.meta.busy, r.meta.began = job, r.now
	r.stats.MetaWrites++
	r.arena = append(r.arena, data...)
	data = r.arena[len(r.arena)-len(data):]
	r.emit(Effect{Kind: MetaWrite, ID: uint64(job), Offset: offset, Size: uint32(len(data)), Data: data, FUA: fua && !planted.On(planted.MetaInCache)})
}

func (r *Resource) readMeta(job metaJob, offset, size int64) {
	r.meta.busy, r.meta.began = job, r.now
	r.emit(Effect{Kind: MetaRead, ID: uint64(job), Offset: offset, Size: uint32(size)})
}

// scratch is an empty slice that appends to memory of its own.
func (r *Resource) scratch() []byte { return make([]byte, 0, pageSize) }

// metaDone takes the answer to the one metadata request that was under way.
func (r *Resource) metaDone(in Input) {
	m := &r.meta
	job := m.busy
	m.busy = metaIdle
	if job == metaOrphan {
		r.sayLastWord()
		r.diskIdle()
		return
	}
	if !r.check(uint64(job) == in.ID, "an answer to metadata I/O that was not under way") {
		return
	}
	if job == metaLastWord {
		r.saidLastWord(in.Failed)
		return
	}
	if in.Failed {
		r.metaFailed(job)
		return
	}
	switch job {
	case metaReadSuper:
		r.superRead(in.Data)
	case metaReadLog:
		r.logRead(in.Data)
	case metaReadBitmap:
		r.bitmapRead(in.Data)
	case metaLogInit:
		r.logEmptied()
	case metaLog:
		r.log.Committed()
		r.stats.ALWrites++
	case metaPage:
		r.stats.BitmapWrites++
	case metaSuper:
		if m.super.UUIDs.Current&^1 != m.onDisk&^1 {
			m.fetched = 0
		}
		m.durable, m.onDisk = m.writing, m.super.UUIDs.Current
		m.sized = m.super.Size
		m.last.keep(m.super, m.layout.Superblock)
		r.passGates()
	case metaMoved:
		r.moved()
	case metaMove, metaIdle, metaOrphan, metaLastWord: // advanceMove goes on by itself
	}
}

// metaFailed gives the disk up, whatever on-io-error says: a node that can't
// write down what it knows can't be trusted after a crash.
func (r *Resource) metaFailed(job metaJob) {
	switch {
	case job == metaReadSuper, job == metaReadLog, job == metaReadBitmap, job == metaLogInit,
		r.state.Disk == drbdwire.Negotiating:
		r.attachFailed("an i/o error on the metadata")
	default:
		r.ioError("an i/o error on the metadata")
	}
}
