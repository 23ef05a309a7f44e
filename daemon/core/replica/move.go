package replica

import (
	"github.com/optionc/pollux/daemon/format/drbdmeta"
)

// move is internal metadata on its way to the end of a disk that has grown.
// Until the new superblock is written the old metadata stays as it is, or, where
// both places overlap, the new superblock says first that everything may
// differ. So a crash finds one of them that can be believed. The activity log
// does not change meanwhile: a write to an extent that is not in it waits.
//
//	apart:      log, bitmap, superblock
//	overlapping: superblock with FullSync, log, bitmap, superblock
type move struct {
	stage moveStage
	to    drbdmeta.Layout
	disk  Disk
	image []byte // the log as it belongs at the new place
	done  int64  // bytes of the part under way
}

type moveStage uint8

const (
	moveNone moveStage = iota
	moveBegin
	moveLog
	moveBitmap
	moveSuper
)

// fullSync says that any block may differ, whatever log and bitmap are like.
const fullSync = drbdmeta.MDFullSync | drbdmeta.MDALDisabled

// mayBeFound tells whether a superblock at the new place was written, or may have
// been: an attach believes it, and does not look at the old place.
func (v *move) mayBeFound(from drbdmeta.Layout) bool {
	return v.stage == moveSuper || v.stage > moveBegin && v.overlaps(from)
}

// overlaps tells whether the new place covers some of the old one.
func (v *move) overlaps(from drbdmeta.Layout) bool {
	return v.to.Bitmap < from.Superblock+drbdmeta.BlockSize
}

// advanceMove writes the next piece.
func (r *Resource) advanceMove() {
	m := &r.meta
	v := &m.move
	switch v.stage {
	case moveBegin:
		v.image = r.log.AppendRing(nil)
		v.stage = moveLog
		if v.overlaps(m.layout) {
			s := m.super.At(v.to)
			s.Flags |= fullSync
			r.startMeta(metaMove, v.to.Superblock, s.Append(r.scratch()), true)
			return
		}
		r.advanceMove()
	case moveLog:
		n := min(int64(len(v.image))-v.done, metaPiece)
		r.startMeta(metaMove, v.to.ActivityLog+v.done, v.image[v.done:v.done+n], false)
		if v.done += n; v.done == int64(len(v.image)) {
			v.stage, v.done, v.image = moveBitmap, 0, nil
		}
	case moveBitmap:
		r.moveBitmap()
	case moveSuper:
		// What the last superblock said, and nothing newer: that has to wait for
		// pages of the bitmap.
		s := m.super.At(v.to)
		r.startMeta(metaMoved, v.to.Superblock, s.Append(r.scratch()), true)
	case moveNone:
	}
}

func (r *Resource) moveBitmap() {
	v := &r.meta.move
	pages := int64(r.bits.Pages())
	page := v.done / pageSize
	if page == pages {
		v.stage = moveSuper
		r.advanceMove()
		return
	}
	data := r.scratch()
	for end := min(page+pagesAtOnce, pages); page < end; page++ {
		data = r.bits.AppendPage(data, int(page))
		r.bits.MarkClean(int(page))
	}
	r.startMeta(metaMove, v.to.Bitmap+v.done, data, false)
	v.done = page * pageSize
}

// moved goes on at the new place.
func (r *Resource) moved() {
	m := &r.meta
	m.super = m.super.At(m.move.to)
	m.layout, m.disk = m.move.to, m.move.disk
	m.last.keep(m.super, m.layout.Superblock)
	m.move = move{}
	if r.order.kind == OrderAttach {
		r.attachDone()
		return
	}
	r.located()
	r.agree()
}

// moveBehindGrown starts a move at the end of an attach that has found the
// metadata where the disk once ended, so that the peer is told of all the room.
func (r *Resource) moveBehindGrown() bool {
	m := &r.meta
	if r.cfg.Meta != drbdmeta.KindInternal || m.whole.MetaSectors == m.disk.MetaSectors {
		return false
	}
	to, err := r.layoutOn(m.whole)
	if err != nil || to.Superblock == m.layout.Superblock {
		return false
	}
	m.move = move{stage: moveBegin, to: to, disk: m.whole}
	return true
}

// located tells where the metadata is, so that it is found again when the disk
// grows while nobody looks.
func (r *Resource) located() {
	if r.cfg.Meta == drbdmeta.KindInternal {
		r.emit(Effect{Kind: Located, Sector: r.meta.disk.MetaSectors})
	}
}
