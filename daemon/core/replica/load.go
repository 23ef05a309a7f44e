package replica

import "github.com/optionc/pollux/daemon/format/drbdmeta"

const (
	// metaPiece is the most that one request moves of a bitmap or of an activity
	// log: the bitmap of 16 TiB has 512 MiB, and is not to be in memory twice.
	metaPiece = 1 << 20
	// maxLog is the largest activity log, in bytes. Everything but its newest 73
	// blocks is there for the sake of a RAID below.
	maxLog = 64 << 20
)

// loadBitmap asks for the next piece of the bitmap, and then for the log.
func (r *Resource) loadBitmap() {
	m := &r.meta
	if left := int64(r.bits.Pages())*pageSize - m.loaded; left > 0 {
		r.readMeta(metaReadBitmap, m.layout.Bitmap+m.loaded, min(left, metaPiece))
		return
	}
	m.loaded, m.logImage = 0, nil
	r.loadLog()
}

func (r *Resource) bitmapRead(data []byte) {
	m := &r.meta
	for at := 0; at < len(data); at += pageSize {
		r.bits.LoadPage(int(m.loaded/pageSize), data[at:])
		m.loaded += pageSize
	}
	r.loadBitmap()
}

// loadLog asks for the next piece of the activity log, which is judged as a
// whole: its oldest transaction may be anywhere.
func (r *Resource) loadLog() {
	m := &r.meta
	left := m.layout.ALSize - int64(len(m.logImage))
	r.readMeta(metaReadLog, m.layout.ActivityLog+int64(len(m.logImage)), min(left, metaPiece))
}

func (r *Resource) logRead(data []byte) {
	m := &r.meta
	m.logImage = append(m.logImage, data...)
	if int64(len(m.logImage)) < m.layout.ALSize {
		r.loadLog()
		return
	}
	image := m.logImage
	m.logImage = nil
	r.replay(image)
}

// attached goes on once the bits of the replayed log are durable: only then
// may the log be emptied.
func (r *Resource) attached() {
	r.meta.loaded = 0
	r.emptyLog()
}

func (r *Resource) emptyLog() {
	m := &r.meta
	size := min(m.layout.ALSize-m.loaded, metaPiece)
	blocks := make([]byte, 0, size)
	for int64(len(blocks)) < size {
		blocks = drbdmeta.AppendInitialized(blocks)
	}
	r.startMeta(metaLogInit, m.layout.ActivityLog+m.loaded, blocks, true)
	m.loaded += size
}

// logEmptied ends the attach once all of the log is empty.
func (r *Resource) logEmptied() {
	if r.meta.loaded < r.meta.layout.ALSize {
		r.emptyLog()
		return
	}
	r.replayed()
}
