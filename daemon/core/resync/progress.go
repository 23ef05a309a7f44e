package resync

import "time"

// markTime is the age at which a mark of the speed window is replaced. There
// are two marks, so the window is 3 to 6 seconds long.
// Source: DRBD 8.4 states, section 11.1 (two 3-second marks).
const markTime = 3 * time.Second

// Progress follows a resync or a verify run: how far it is and how fast.
type Progress struct {
	total, left uint64 // blocks of 4 KiB
	start       time.Duration
	older       mark
	newer       mark
}

type mark struct {
	at   time.Duration
	left uint64
}

// Report is what a user wants to know about a run.
type Report struct {
	Total, Done uint64        // blocks of 4 KiB
	PerMille    uint32        // of Total that is done; 1000 only when all is
	Speed       uint64        // KiB/s in the last 3 to 6 seconds
	Average     uint64        // KiB/s since the start
	ETA         time.Duration // until the end at Speed; Never when nothing moves
}

// NewProgress starts to follow a run over total blocks.
func NewProgress(now time.Duration, total uint64) Progress {
	m := mark{at: now, left: total}
	return Progress{total: total, left: total, start: now, older: m, newer: m}
}

// Update tells how many blocks are left now. If that is more than there were
// at the start, because bits were set meanwhile, the run has become longer.
func (p *Progress) Update(now time.Duration, left uint64) {
	p.left = left
	p.total = max(p.total, left)
	if now-p.newer.at >= markTime {
		p.older, p.newer = p.newer, mark{at: now, left: left}
	}
}

// Report says where the run is now.
func (p *Progress) Report(now time.Duration) Report {
	done := p.total - p.left
	r := Report{Total: p.total, Done: done, PerMille: 1000, ETA: Never}
	if p.left > 0 {
		r.PerMille = perMille(done, p.total)
	}
	r.Average = kibPerSecond(done, now-p.start)
	r.Speed = kibPerSecond(p.older.left-min(p.older.left, p.left), now-p.older.at)
	switch {
	case p.left == 0:
		r.ETA = 0
	case r.Speed > 0:
		r.ETA = time.Duration(min(p.left*(BlockSize/1024)/r.Speed, uint64(Never/time.Second))) * time.Second
	}
	return r
}

// perMille of blocks; bitmaps have fewer than 2^48 bits, so this fits.
func perMille(done, total uint64) uint32 { return uint32(done * 1000 / total) }

// kibPerSecond is the speed of so many blocks in that time.
func kibPerSecond(blocks uint64, took time.Duration) uint64 {
	ms := uint64(max(took, 0) / time.Millisecond)
	if ms == 0 {
		return 0
	}
	return blocks * (BlockSize / 1024) * 1000 / ms
}
