// Package resync knows which blocks differ between the two copies of a device,
// and in what order and at what speed a sync target fetches them.
//
// Bitmap marks the blocks, Planner makes the requests of the target, and
// Progress tells how far they got. None of them does I/O or looks at a clock:
// time is passed in.
package resync

import (
	"encoding/binary"
	"fmt"
	"math/bits"
)

// The sizes that tie sectors, blocks and pages together.
// Source: DRBD 8.4 metadata, sections 1 and 5.
const (
	// BlockSize is what one bit stands for, in bytes.
	BlockSize = 4096
	// PageSize is the unit in which a bitmap is read and written, in bytes.
	PageSize = 4096

	sectorSize   = 512
	blockSectors = BlockSize / sectorSize
	pageWords    = PageSize / 8
	pageBits     = PageSize * 8
	extentBits   = 1024 // one activity log extent, 4 MiB
	pageExtents  = pageBits / extentBits
)

// Bitmap says which blocks of 4 KiB differ, or may differ, between the two
// copies: bit i stands for the sectors 8i to 8i+7, and 1 is out of sync. The
// last block may be shorter than 4 KiB.
//
// The words hold the bits as they lie on disk and on the wire, bit 0 first;
// bits after the last block are always 0. For every page Bitmap knows whether
// it differs from what was last written.
//
// Source: DRBD 8.4 metadata, section 5. The kernel forgets the last 256 KiB of
// devices whose size is a multiple of that; this one does not.
type Bitmap struct {
	sectors uint64
	bits    uint64
	words   []uint64
	set     uint64   // all set bits
	inPage  []uint16 // set bits of each page, at most 32768
	changed []bool   // by page
}

// NewBitmap makes an all clean bitmap for a device of so many sectors of 512
// bytes. Nobody knows yet what is on disk: until LoadPage or MarkClean says so,
// every page is dirty.
func NewBitmap(sectors uint64) *Bitmap {
	b := &Bitmap{}
	b.Resize(sectors, false)
	return b
}

// Bits is the number of blocks of the device.
func (b *Bitmap) Bits() uint64 { return b.bits }

// Count is the number of blocks out of sync. It costs nothing.
func (b *Bitmap) Count() uint64 { return b.set }

// Sectors is the size of the device in sectors of 512 bytes.
func (b *Bitmap) Sectors() uint64 { return b.sectors }

// Set marks every block that the range touches as out of sync. The size is in
// bytes; what lies after the end of the device is left out. It returns how
// many bits were 0 before.
func (b *Bitmap) Set(sector uint64, size uint32) uint64 {
	first, end := b.outward(sector, size)
	return b.setBits(first, end)
}

// Clear marks every block that the range covers completely as in sync; the
// last block of the device is covered by a range that reaches the last sector.
// It returns how many bits were 1 before.
func (b *Bitmap) Clear(sector uint64, size uint32) uint64 {
	first, end := b.inward(sector, size)
	return b.clearBits(first, end)
}

// Any tells whether some block that the range touches is out of sync.
func (b *Bitmap) Any(sector uint64, size uint32) bool {
	first, end := b.outward(sector, size)
	bit, ok := b.NextSet(first)
	return ok && bit < end
}

// SetAll marks the whole device as out of sync.
func (b *Bitmap) SetAll() { b.setBits(0, b.bits) }

// SetFrom marks everything from sector on as out of sync.
func (b *Bitmap) SetFrom(sector uint64) { b.setBits(min(sector/blockSectors, b.bits), b.bits) }

// ClearAll marks the whole device as in sync.
func (b *Bitmap) ClearAll() { b.clearBits(0, b.bits) }

// SetExtent marks one extent of the activity log, 4 MiB, as out of sync.
// Extents after the end of the device do nothing.
func (b *Bitmap) SetExtent(extent uint32) {
	first := uint64(extent) * extentBits
	b.setBits(min(first, b.bits), min(first+extentBits, b.bits))
}

// NextSet finds the first block at or after from that is out of sync.
func (b *Bitmap) NextSet(from uint64) (bit uint64, ok bool) {
	for from < b.bits {
		if b.inPage[from/pageBits] == 0 {
			from = (from/pageBits + 1) * pageBits
			continue
		}
		if word := b.words[from/64] >> (from % 64); word != 0 {
			return from + uint64(bits.TrailingZeros64(word)), true
		}
		from = (from/64 + 1) * 64
	}
	return 0, false
}

// Words are the live words, for a bitmap exchange with the peer. Whoever sets
// bits in them calls Merged afterwards; nobody clears bits in them.
func (b *Bitmap) Words() []uint64 { return b.words }

// Merged counts again after bits were set in Words. Pages that gained bits
// become dirty; bits after the last block are dropped.
func (b *Bitmap) Merged() {
	b.trim()
	b.set = 0
	for page := range b.inPage {
		if n := b.countPage(page); n != b.inPage[page] {
			b.inPage[page] = n
			b.changed[page] = true
		}
		b.set += uint64(b.inPage[page])
	}
}

// Resize fits the bitmap to a device of another size. Blocks that are new,
// the last partial one included, are out of sync if setNew. Pages that are new
// or lost bits are dirty.
func (b *Bitmap) Resize(sectors uint64, setNew bool) {
	oldBits, whole := b.bits, b.sectors/blockSectors
	grown := sectors > b.sectors
	b.sectors = sectors
	b.bits = (sectors + blockSectors - 1) / blockSectors
	pages := int((b.bits + pageBits - 1) / pageBits)
	b.words = fit(b.words, int((b.bits+63)/64))
	b.inPage = fit(b.inPage, pages)
	known := len(b.changed)
	b.changed = fit(b.changed, pages)
	for page := known; page < pages; page++ {
		b.changed[page] = true
	}
	if b.bits < oldBits {
		b.Merged()
	}
	if grown && setNew {
		b.setBits(whole, b.bits)
	}
}

// Pages is the number of pages that hold the bitmap on disk.
func (b *Bitmap) Pages() int { return len(b.inPage) }

// PageOf is the page that holds the bits of an extent of the activity log.
func (b *Bitmap) PageOf(extent uint32) int { return int(extent / pageExtents) }

// AppendPage appends the 4096 bytes of a page as they belong on disk. Whoever
// writes them calls MarkClean at once, not when the write is done: bits that
// change in between are not in this copy.
func (b *Bitmap) AppendPage(dst []byte, page int) []byte {
	words := b.pageWords(page)
	for _, word := range words {
		dst = binary.LittleEndian.AppendUint64(dst, word)
	}
	return append(dst, make([]byte, PageSize-8*len(words))...)
}

// LoadPage replaces a page by the first 4096 bytes of data, which were read
// from disk, and makes it clean. Bits after the last block are ignored.
func (b *Bitmap) LoadPage(page int, data []byte) {
	if len(data) < PageSize {
		panic(fmt.Sprintf("resync: bitmap page %d of %d bytes, want at least %d", page, len(data), PageSize))
	}
	words := b.pageWords(page)
	for i := range words {
		words[i] = binary.LittleEndian.Uint64(data[8*i:])
	}
	b.trim()
	b.set -= uint64(b.inPage[page])
	b.inPage[page] = b.countPage(page)
	b.set += uint64(b.inPage[page])
	b.changed[page] = false
}

// Dirty tells whether a page may differ from what is on disk: it changed after
// the last MarkClean or LoadPage.
func (b *Bitmap) Dirty(page int) bool { return b.changed[page] }

// MarkClean notes that the page as it is now is on its way to the disk.
func (b *Bitmap) MarkClean(page int) { b.changed[page] = false }

// NextDirty finds the first dirty page at or after from.
func (b *Bitmap) NextDirty(from int) (page int, ok bool) {
	for page := max(from, 0); page < len(b.changed); page++ {
		if b.changed[page] {
			return page, true
		}
	}
	return 0, false
}

// outward gives the blocks that a range touches.
func (b *Bitmap) outward(sector uint64, size uint32) (first, end uint64) {
	if sector >= b.sectors || size == 0 {
		return 0, 0
	}
	last := sector + (uint64(size)-1)/sectorSize
	return sector / blockSectors, min(last/blockSectors+1, b.bits)
}

// inward gives the blocks that a range covers.
func (b *Bitmap) inward(sector uint64, size uint32) (first, end uint64) {
	if sector >= b.sectors {
		return 0, 0
	}
	stop := sector + uint64(size)/sectorSize
	end = stop / blockSectors
	if stop >= b.sectors {
		end = b.bits
	}
	first = (sector + blockSectors - 1) / blockSectors
	return first, max(first, end)
}

// extent gives the sectors and bytes of some blocks, cut at the device's end.
func (b *Bitmap) extent(first, end uint64) (sector uint64, size uint32) {
	sector = first * blockSectors
	return sector, uint32((min(end*blockSectors, b.sectors) - sector) * sectorSize)
}

func (b *Bitmap) isSet(bit uint64) bool { return b.words[bit/64]>>(bit%64)&1 == 1 }

func (b *Bitmap) setBits(first, end uint64) (fresh uint64) {
	for first < end {
		mask, next := wordMask(first, end)
		word := &b.words[first/64]
		if gained := mask &^ *word; gained != 0 {
			n := uint16(bits.OnesCount64(gained))
			*word |= gained
			b.inPage[first/pageBits] += n
			b.changed[first/pageBits] = true
			fresh += uint64(n)
		}
		first = next
	}
	b.set += fresh
	return fresh
}

func (b *Bitmap) clearBits(first, end uint64) (gone uint64) {
	for first < end {
		mask, next := wordMask(first, end)
		word := &b.words[first/64]
		if lost := mask & *word; lost != 0 {
			n := uint16(bits.OnesCount64(lost))
			*word &^= lost
			b.inPage[first/pageBits] -= n
			b.changed[first/pageBits] = true
			gone += uint64(n)
		}
		first = next
	}
	b.set -= gone
	return gone
}

// wordMask gives the bits of first's word that lie in first to end-1, and
// where the next word starts.
func wordMask(first, end uint64) (mask, next uint64) {
	next = min((first/64+1)*64, end)
	return ^uint64(0) << (first % 64) & (^uint64(0) >> (63 - (next-1)%64)), next
}

// trim clears the bits after the last block.
func (b *Bitmap) trim() {
	if tail := b.bits % 64; tail != 0 {
		b.words[len(b.words)-1] &= 1<<tail - 1
	}
}

func (b *Bitmap) pageWords(page int) []uint64 {
	return b.words[page*pageWords : min((page+1)*pageWords, len(b.words))]
}

func (b *Bitmap) countPage(page int) (n uint16) {
	for _, word := range b.pageWords(page) {
		n += uint16(bits.OnesCount64(word))
	}
	return n
}

// fit cuts a slice, or makes one of just that length, filled up with zeros:
// the words of a large device take half a gigabyte.
func fit[T any](s []T, n int) []T {
	if n <= len(s) {
		return s[:n]
	}
	longer := make([]T, n)
	copy(longer, s)
	return longer
}
