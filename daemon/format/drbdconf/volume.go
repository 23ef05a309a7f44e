package drbdconf

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A volumeBody is what the statements about one volume say, in one place.
type volumeBody struct {
	number uint16
	pos    Pos
	bare   bool // its statements stand without a volume section around them

	device  *device
	disk    *string // empty for none
	meta    *MetaDisk
	options layer
	once    map[string]Pos
}

type device struct {
	path  string
	minor int
}

// A volumeSet is the volumes of one host, or those that hosts inherit.
type volumeSet []*volumeBody

func (v volumeSet) get(number uint16) *volumeBody {
	for _, b := range v {
		if b.number == number {
			return b
		}
	}
	return nil
}

// implicit is volume 0, which is meant by a statement outside of volume { }.
func (v *volumeSet) implicit(s statement) *volumeBody {
	for _, b := range *v {
		if b.bare {
			return b
		}
	}
	b := &volumeBody{pos: s.pos(), bare: true, once: map[string]Pos{}}
	*v = append(*v, b)
	return b
}

// number reads the number of a volume section.
func (r *reader) number(s statement) (uint16, bool) {
	t := s.after(1)
	n, err := strconv.ParseUint(t.text, 10, 16)
	if err != nil || !t.isText() {
		r.failAt(t, "the number of a volume, 0 to 65535")
		return 0, false
	}
	return uint16(n), r.opens(s, 2)
}

// volume reads volume N { }.
func (r *reader) volume(to *volumeSet, s statement) {
	n, ok := r.number(s)
	if !ok {
		return
	}
	if other := to.get(n); other != nil && !other.bare {
		r.fail(s.pos(), fmt.Sprintf("second volume %d", n), "one: the first is at "+other.pos.String())
		return
	}
	v := &volumeBody{number: n, pos: s.pos(), once: map[string]Pos{}}
	*to = append(*to, v)
	for _, o := range s.body {
		r.volumeStatement(v, o)
	}
}

// volumeStatement reads one of the four statements about a volume.
func (r *reader) volumeStatement(v *volumeBody, s statement) {
	kind := strings.TrimPrefix(s.word(), "flexible-")
	if kind == "disk" && s.block {
		kind = "disk {"
	}
	if first, again := v.once[kind]; again {
		r.fail(s.pos(), "second "+kind, "one: the first is at "+first.String())
		return
	}
	v.once[kind] = s.pos()
	switch kind {
	case "device":
		r.device(v, s)
	case "disk":
		if t, ok := r.path(s); ok {
			if t == "none" {
				t = ""
			}
			v.disk = &t
		}
	case "disk {":
		if r.opens(s, 1) {
			r.options(diskSection, &v.options, s.body)
		}
	case "meta-disk":
		r.metaDisk(v, s)
	default:
		r.failAt(s.args[0], "device, disk, meta-disk or flexible-meta-disk"+
			nearest(s.word(), []string{"device", "disk", "meta-disk", "flexible-meta-disk"}))
	}
}

// path reads the path of a device.
func (r *reader) path(s statement) (string, bool) {
	t, ok := r.value(s, "the path of a device")
	if ok && t.text == "" {
		r.fail(t.Pos, t.text, "the path of a device")
		return "", false
	}
	return t.text, ok
}

const maxMinor = 1<<20 - 1

// device reads "device /dev/drbdN", "device /dev/drbd_NAME minor N" or
// "device minor N".
func (r *reader) device(v *volumeBody, s statement) {
	if s.block {
		r.failAt(s.end, "';' after the device")
		return
	}
	name, rest := s.after(1), 2
	d := device{minor: -1}
	if name.isWord("minor") {
		name, rest = token{}, 1
	}
	if s.after(rest).isWord("minor") {
		t := s.after(rest + 1)
		n, ok := parseNumber(t.text, 1)
		if !ok || !t.isText() || n > maxMinor {
			r.failAt(t, fmt.Sprintf("a minor number, 0 to %d", maxMinor))
			return
		}
		d.minor = int(n)
		rest += 2
	}
	if !r.noMore(s, rest) {
		return
	}
	if name.kind == tokenEnd {
		d.path = "/dev/drbd" + strconv.Itoa(d.minor)
		v.device = &d
		return
	}
	short := strings.TrimPrefix(name.text, "/dev/")
	tail, isDRBD := strings.CutPrefix(short, "drbd")
	inName, err := strconv.Atoi(tail)
	switch {
	case !name.isText(), !isDRBD, tail == "", !isName(short):
		r.failAt(name, "a device /dev/drbdN, or /dev/drbd_NAME minor N")
		return
	case err == nil && (inName < 0 || inName > maxMinor || strconv.Itoa(inName) != tail):
		r.failAt(name, fmt.Sprintf("a device /dev/drbdN, N being 0 to %d", maxMinor))
		return
	case err == nil && d.minor >= 0 && d.minor != inName:
		r.failAt(name, fmt.Sprintf("/dev/drbd%d, or no minor %d", d.minor, d.minor))
		return
	case err != nil && (tail[0] != '_' || d.minor < 0):
		r.failAt(name, "a device /dev/drbdN, or /dev/drbd_NAME minor N")
		return
	case err == nil:
		d.minor = inName
	}
	d.path = "/dev/" + short
	v.device = &d
}

// metaDisk reads "meta-disk internal", "meta-disk DEV" or "meta-disk DEV [N]".
func (r *reader) metaDisk(v *volumeBody, s statement) {
	name := s.after(1)
	if !name.isText() || name.text == "" || s.block {
		r.failAt(name, "internal, or the path of a device for metadata")
		return
	}
	m := MetaDisk{Kind: MetaFlexible, Device: name.text}
	rest := 2
	switch {
	case name.text == "internal":
		m = MetaDisk{}
	case s.after(2).is("[") && s.word() == "meta-disk":
		index := s.after(3)
		n, err := strconv.ParseUint(index.text, 10, 31)
		if err != nil || !index.isText() {
			r.failAt(index, "the number of a slot on the metadata device")
			return
		}
		if !s.after(4).is("]") {
			r.failAt(s.after(4), "']' after the number of the slot")
			return
		}
		m.Kind, m.Index, rest = MetaIndexed, int(n), 5
	}
	if r.noMore(s, rest) {
		v.meta = &m
	}
}

// numbers lists the volumes of several sets, in order.
func numbers(sets ...volumeSet) []uint16 {
	var all []uint16
	for _, set := range sets {
		for _, v := range set {
			all = append(all, v.number)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}
