package record

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"time"

	"github.com/optionc/pollux/daemon/core/journal"
	"github.com/optionc/pollux/daemon/core/machine"
)

// Segment is a part of a recording without a gap.
type Segment struct {
	About   About
	Entries []journal.Entry
	// Damaged: the segment ends earlier than it was written.
	Damaged bool

	checkpoint []byte
}

// ErrOtherVersion is wrapped by the error about a recording that only another
// version of the cores can replay.
var ErrOtherVersion = errors.New("it was recorded by another version of the cores")

// Machine is the node as it was at the beginning of the segment.
func (s *Segment) Machine() (*machine.Machine, error) {
	if s.About.Layout != Layout() {
		return nil, fmt.Errorf("%w: replay it with %s (layout %08x), this is %s (layout %08x)", ErrOtherVersion,
			s.About.Version, s.About.Layout, Version(), Layout())
	}
	m, err := restore(s.checkpoint)
	if err != nil {
		return nil, fmt.Errorf("checkpoint: %w", err)
	}
	return m, nil
}

// Read understands the bytes of a recording. What is damaged is left out, up
// to the next segment; it fails when nothing is left.
func Read(b []byte) ([]Segment, error) {
	var out []Segment
	for len(b) > 0 {
		frame, rest, ok := nextFrame(b)
		if !ok {
			if len(out) > 0 {
				out[len(out)-1].Damaged = true
			}
			// A frame that begins a segment may follow.
			at := bytes.Index(b[1:], []byte(mark))
			if at < 0 {
				break
			}
			b = b[1+at:]
			continue
		}
		b = rest
		var about About
		if json.Unmarshal(frame, &about) == nil && about.Node != "" {
			s := Segment{About: about}
			if s.checkpoint, rest, ok = nextFrame(b); ok {
				b = rest
				out = append(out, s)
			}
			continue
		}
		if len(out) > 0 && !out[len(out)-1].Damaged {
			out[len(out)-1].add(frame)
		}
	}
	if len(out) == 0 {
		return nil, errors.New("no segment of a recording is in it")
	}
	return out, nil
}

// nextFrame takes a whole frame off the front.
func nextFrame(b []byte) (payload, rest []byte, ok bool) {
	if len(b) < frameFront || string(b[:len(mark)]) != mark {
		return nil, nil, false
	}
	n := uint64(binary.LittleEndian.Uint32(b[len(mark):]))
	sum := binary.LittleEndian.Uint32(b[len(mark)+4:])
	b = b[frameFront:]
	if n > uint64(len(b)) || crc32.Checksum(b[:n], castagnoli) != sum {
		return nil, nil, false
	}
	return b[:n], b[n:], true
}

func (s *Segment) add(frame []byte) {
	last := time.Duration(s.About.At)
	if n := len(s.Entries); n > 0 {
		last = s.Entries[n-1].At
	}
	for len(frame) > 0 {
		e, rest, err := journal.Decode(frame, last)
		if err != nil {
			s.Damaged = true
			return
		}
		s.Entries = append(s.Entries, e)
		frame, last = rest, e.At
	}
}
