// Package disk is a model of a disk with a volatile write cache: what was
// written is read back at once, but survives a power loss only if it was
// flushed, or written through. Everything else survives or not, sector by
// sector, in the order of the writes.
//
// The content of a sector is any comparable value: a version number in a
// simulation, 512 bytes behind an NBD server. The model has no clock and draws
// no numbers of its own; who uses it says when a request completes, and who
// survives.
package disk

import (
	"errors"
	"fmt"
	"maps"
	"slices"
)

// SectorSize is the unit of everything here, and what a disk writes as a
// whole, in bytes.
const SectorSize = 512

// ErrMedium is why a sector that was made bad can't be read.
var ErrMedium = errors.New("medium error")

// Disk is a disk of sectors whose content is a C.
type Disk[C any] struct {
	media []C      // what a power loss leaves
	now   []C      // what a read sees
	since []uint64 // number of the write that media holds
	cache []cached[C]
	count uint64 // writes so far
	bad   map[int]bool
}

// cached is one sector of a completed write that is not on the medium yet.
type cached[C any] struct {
	number uint64
	sector int
	value  C
}

// New is a disk whose sectors all hold blank.
func New[C any](sectors int, blank C) *Disk[C] {
	d := &Disk[C]{media: make([]C, sectors), now: make([]C, sectors), since: make([]uint64, sectors)}
	for i := range sectors {
		d.media[i], d.now[i] = blank, blank
	}
	return d
}

// Sectors is the size.
func (d *Disk[C]) Sectors() int { return len(d.now) }

// Read copies what a reader sees at sector into dst. It fails on a sector that
// was made bad.
func (d *Disk[C]) Read(sector int, dst []C) error {
	if err := d.check("read", sector, len(dst)); err != nil {
		return err
	}
	for i := 0; i < len(dst) && len(d.bad) > 0; i++ {
		if d.bad[sector+i] {
			return fmt.Errorf("read of sector %d: %w", sector+i, ErrMedium)
		}
	}
	copy(dst, d.now[sector:])
	return nil
}

// Seen is what readers see, sector by sector, bad ones too. It aliases the
// disk and must not be changed.
func (d *Disk[C]) Seen() []C { return d.now }

// Write completes a write: readers see it from now on. Durable says that it
// was written through (FUA). A write mends a bad sector.
func (d *Disk[C]) Write(sector int, src []C, durable bool) error {
	if err := d.check("write", sector, len(src)); err != nil {
		return err
	}
	d.count++
	copy(d.now[sector:], src)
	for s := sector; s < sector+len(src) && len(d.bad) > 0; s++ {
		delete(d.bad, s)
	}
	if durable { // nothing newer can be on the medium
		copy(d.media[sector:], src)
		for s := sector; s < sector+len(src); s++ {
			d.since[s] = d.count
		}
		return nil
	}
	for i, c := range src {
		d.cache = append(d.cache, cached[C]{d.count, sector + i, c})
	}
	return nil
}

// Stamp names what is complete now. A flush that is submitted now makes
// durable exactly that, however long it takes.
func (d *Disk[C]) Stamp() uint64 { return d.count }

// Flush completes a flush that was submitted at stamp.
func (d *Disk[C]) Flush(stamp uint64) {
	kept := d.cache[:0]
	for _, w := range d.cache {
		if w.number > stamp {
			kept = append(kept, w)
			continue
		}
		d.settle(w)
	}
	d.cache = kept
}

// Unflushed is how many sector writes a power loss could take.
func (d *Disk[C]) Unflushed() int { return len(d.cache) }

// PowerLoss drops the cache: of each sector write in it, in order, survives
// decides whether it had reached the medium. Requests that are under way are
// the caller's: it may Write any part of them before.
func (d *Disk[C]) PowerLoss(survives func() bool) {
	for _, w := range d.cache {
		if survives() {
			d.settle(w)
		}
	}
	d.cache = d.cache[:0]
	copy(d.now, d.media)
}

// MakeBad makes sectors unreadable until they are written.
func (d *Disk[C]) MakeBad(sector, n int) {
	if d.bad == nil {
		d.bad = map[int]bool{}
	}
	for i := range n {
		d.bad[sector+i] = true
	}
}

// Bad is how many sectors are unreadable.
func (d *Disk[C]) Bad() int { return len(d.bad) }

// Heal makes every sector readable again: a disk that tries long enough
// succeeds now and then.
func (d *Disk[C]) Heal() { clear(d.bad) }

// Clone is a disk of its own that is like d now, its cache included.
func (d *Disk[C]) Clone() *Disk[C] {
	c := *d
	c.media, c.now, c.since = slices.Clone(d.media), slices.Clone(d.now), slices.Clone(d.since)
	c.cache, c.bad = slices.Clone(d.cache), maps.Clone(d.bad)
	return &c
}

// settle puts a sector on the medium, unless a newer write is there already.
func (d *Disk[C]) settle(w cached[C]) {
	if w.number >= d.since[w.sector] {
		d.media[w.sector], d.since[w.sector] = w.value, w.number
	}
}

func (d *Disk[C]) check(op string, sector, n int) error {
	if sector < 0 || n < 0 || sector > len(d.now)-n {
		return fmt.Errorf("%s of %d sectors at %d: beyond the end of a disk of %d", op, n, sector, len(d.now))
	}
	return nil
}
