package drbdmeta

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"strings"
)

// GetGI is the generation in the form of "drbdmeta get-gi": four UUIDs, then
// Consistent, WasUpToDate, PrimaryInd, ConnectedInd, FullSync, PeerOutdated
// and CrashedPrimary. Source: DRBD meta-data, section 9.
func (s Superblock) GetGI() string {
	u := s.UUIDs
	var b strings.Builder
	fmt.Fprintf(&b, "%016X:%016X:%016X:%016X", u.Current, u.Bitmap, u.History0, u.History1)
	for _, flag := range []Flags{
		MDConsistent, MDWasUpToDate, MDPrimaryInd, MDConnectedInd, MDFullSync, MDPeerOutdated, MDCrashedPrimary,
	} {
		if s.Flags&flag != 0 {
			b.WriteString(":1")
		} else {
			b.WriteString(":0")
		}
	}
	return b.String()
}

// DState is the disk state in the form of "drbdmeta dstate".
// Source: DRBD meta-data, section 9.
func (s Superblock) DState() string {
	switch {
	case s.Flags&MDConsistent == 0:
		return "Inconsistent"
	case s.Flags&MDWasUpToDate == 0:
		return "Outdated"
	case s.Flags&MDPeerOutdated != 0:
		return "UpToDate"
	default:
		return "Consistent"
	}
}

// BitmapBytes is how much of the bitmap the last agreed size uses: whole pages
// of 4096 bytes.
func (s Superblock) BitmapBytes() int64 {
	const pageSectors = 8 * BlockSize * blockSectors
	pages := s.Size / pageSectors
	if s.Size%pageSectors != 0 {
		pages++
	}
	return int64(pages) * BlockSize
}

// Dump is the meta-data in the form of "drbdmeta dump-md", without its header
// that names the time and the command. The superblock was read at byte offset
// at; bitmap holds its BitmapBytes. The flags line says nothing: the tool
// prints a word there that v08 does not have. Source: DRBD meta-data, section 9.
func Dump(s Superblock, at int64, bitmap []byte) string {
	var b strings.Builder
	line := func(format string, values ...any) { fmt.Fprintf(&b, format+"\n", values...) }
	line("version \"v08\";\n")
	if s.NeedsReplay() {
		line("This_is_an_unclean_meta_data_dump._Don't_trust_the_bitmap.")
		line("# You should \"apply-al\" first, if you plan to restore this.\n")
	}
	stripes, stripeSize4k := s.striping()
	l, u := s.Layout(at), s.UUIDs
	line("# md_size_sect %d", s.MDSize)
	line("# md_offset %d", l.Superblock)
	line("# al_offset %d", l.ActivityLog)
	line("# bm_offset %d\n", l.Bitmap)
	line("uuid {")
	line("    0x%016X; 0x%016X; 0x%016X; 0x%016X;", u.Current, u.Bitmap, u.History0, u.History1)
	line("    flags 0x00000000;")
	line("}")
	line("# al-extents %d;", s.ALExtents)
	line("la-size-sect %d;", s.Size)
	line("bm-byte-per-bit %d;", BlockSize)
	line("device-uuid 0x%016X;", s.DeviceUUID)
	line("la-peer-max-bio-size %d;", s.PeerMaxBio)
	line("al-stripes %d;", stripes)
	line("al-stripe-size-4k %d;", stripeSize4k)
	line("# bm-bytes %d;", s.BitmapBytes())
	line("bm {")
	set := dumpWords(line, bitmap[:min(int64(len(bitmap)), s.BitmapBytes())])
	line("}")
	line("# bits-set %d;", set)
	return b.String()
}

const (
	dumpLine  = 4  // words on a line
	dumpStep  = 32 // words between two comments that say where we are
	wordBytes = 8
	wordKiB   = 64 * BlockSize / 1024
)

// dumpWords prints the bitmap as words, runs of equal lines as one, and counts
// the bits.
func dumpWords(line func(string, ...any), bitmap []byte) (set int) {
	words := make([]uint64, len(bitmap)/(dumpLine*wordBytes)*dumpLine)
	for i := range words {
		words[i] = binary.LittleEndian.Uint64(bitmap[i*wordBytes:])
		set += bits.OnesCount64(words[i])
	}
	for i := 0; i < len(words); {
		if i%dumpStep == 0 {
			line("   # at %dkB", i*wordKiB)
		}
		if n := run(words[i:]); n > dumpLine {
			line("    %d times 0x%016X;", n, words[i])
			i += n
			continue
		}
		w := words[i : i+dumpLine]
		line("    0x%016X; 0x%016X; 0x%016X; 0x%016X;", w[0], w[1], w[2], w[3])
		i += dumpLine
	}
	return set
}

// run is how many words from the first on are equal, in whole lines. As the
// tool has it, only words with two equal halves make a run.
func run(words []uint64) int {
	n := 0
	for n < len(words) && words[n] == words[0] && uint32(words[0]) == uint32(words[0]>>32) {
		n++
	}
	return n / dumpLine * dumpLine
}
