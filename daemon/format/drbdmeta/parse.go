package drbdmeta

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// ErrNotADump is a text that dump-md did not print, or not as a whole.
var ErrNotADump = errors.New("no whole dump of v08 meta-data")

// FlagsComment stands before the flags in a comment of the dumps that pollux
// prints: the form of the tool has no place for them.
const FlagsComment = "# v08 flags "

// Parsed is what a dump says: everything of a superblock but where it lies,
// and the bitmap.
type Parsed struct {
	Super  Superblock
	Bitmap []byte
	// HasFlags: the dump has the comment with the flags. Without it the tool
	// restores none, and the disk counts as Inconsistent.
	HasFlags bool
}

// ParseDump reads what "drbdmeta dump-md" printed. A dump of meta-data that
// were in use is no such dump. It fails with ErrNotADump, and names the line.
// Source: DRBD meta-data, section 9.
func ParseDump(text string) (Parsed, error) {
	p := dumpParser{out: Parsed{Super: Superblock{Clean: true, ALExtents: DefaultALExtents}}}
	for i, line := range strings.Split(text, "\n") {
		if err := p.line(line); err != nil {
			return Parsed{}, fmt.Errorf("line %d: %w: %w", i+1, err, ErrNotADump)
		}
	}
	switch {
	case !p.version || p.uuids != 4 || p.depth != 0 || !p.sized:
		return Parsed{}, fmt.Errorf("it ends early: %w", ErrNotADump)
	case int64(len(p.out.Bitmap)) != p.out.Super.BitmapBytes():
		return Parsed{}, fmt.Errorf("bitmap of %d bytes, want %d for %d sectors: %w", len(p.out.Bitmap),
			p.out.Super.BitmapBytes(), p.out.Super.Size, ErrNotADump)
	}
	p.out.Super.Flags |= MDALClean // the log is written anew
	return p.out, nil
}

type dumpParser struct {
	out     Parsed
	version bool
	sized   bool
	uuids   int
	depth   int
	bitmap  bool // in bm { }
}

func (p *dumpParser) line(line string) error {
	if flags, ok := strings.CutPrefix(line, FlagsComment); ok {
		n, err := strconv.ParseUint(strings.TrimSpace(flags), 0, 32)
		p.out.Super.Flags, p.out.HasFlags = Flags(n)&^MDALClean, true
		return err
	}
	if extents, ok := strings.CutPrefix(line, "# al-extents "); ok {
		n, err := strconv.ParseUint(strings.Trim(extents, "; "), 10, 16)
		p.out.Super.ALExtents = uint32(n)
		return err
	}
	line, _, _ = strings.Cut(line, "#")
	line = strings.TrimSpace(line)
	switch {
	case line == "":
	case strings.HasSuffix(line, "{"):
		p.depth++
		p.bitmap = strings.HasPrefix(line, "bm ")
	case line == "}":
		p.depth--
		p.bitmap = false
	case p.bitmap:
		return p.words(line)
	default:
		return p.settings(line)
	}
	return nil
}

// words reads "0x1; 0x2;" and "16 times 0x3;" as words of the bitmap.
func (p *dumpParser) words(line string) error {
	for part := range strings.SplitSeq(line, ";") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		count := uint64(1)
		if n, word, ok := strings.Cut(part, " times "); ok {
			var err error
			if count, err = strconv.ParseUint(n, 10, 40); err != nil {
				return err
			}
			part = word
		}
		word, err := strconv.ParseUint(part, 0, 64)
		if err != nil {
			return err
		}
		if room := p.out.Super.BitmapBytes() - int64(len(p.out.Bitmap)); int64(count) > room/wordBytes {
			return fmt.Errorf("more bitmap than %d sectors have", p.out.Super.Size)
		}
		for range count {
			p.out.Bitmap = binary.LittleEndian.AppendUint64(p.out.Bitmap, word)
		}
	}
	return nil
}

// settings reads "0x1; 0x2;" as UUIDs, and "name value;".
func (p *dumpParser) settings(line string) error {
	for part := range strings.SplitSeq(line, ";") {
		name, value, named := strings.Cut(strings.TrimSpace(part), " ")
		if name == "" {
			continue
		}
		if !named {
			value = name
		}
		if name == "version" {
			p.version = value == `"v08"`
			if !p.version {
				return fmt.Errorf("meta-data %s", value)
			}
			continue
		}
		n, err := strconv.ParseUint(value, 0, 64)
		if err != nil {
			return fmt.Errorf("found %q", part)
		}
		if err := p.set(name, named, n); err != nil {
			return err
		}
	}
	return nil
}

func (p *dumpParser) set(name string, named bool, n uint64) error {
	s := &p.out.Super
	if !named {
		if p.uuids == 4 {
			return errors.New("more than four UUIDs")
		}
		*[]*uint64{&s.UUIDs.Current, &s.UUIDs.Bitmap, &s.UUIDs.History0, &s.UUIDs.History1}[p.uuids] = n
		p.uuids++
		return nil
	}
	switch name {
	case "flags": // not those of v08
	case "la-size-sect":
		if n > maxSectors {
			return fmt.Errorf("size of %d sectors", n)
		}
		s.Size, p.sized = n, true
	case "bm-byte-per-bit":
		if n != BlockSize {
			return fmt.Errorf("%d bytes per bit, want %d", n, BlockSize)
		}
	case "device-uuid":
		s.DeviceUUID = n
	case "la-peer-max-bio-size":
		s.PeerMaxBio = uint32(n)
	case "al-stripes":
		s.Stripes = uint32(min(n, maxLogBlocks+1))
	case "al-stripe-size-4k":
		s.StripeSize4k = uint32(min(n, maxLogBlocks+1))
	default:
		return fmt.Errorf("found %q", name)
	}
	return nil
}
