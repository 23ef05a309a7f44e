package drbdconf

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A dialect is the version that a resource was written for, as far as its
// words tell.
type dialect uint8

const (
	drbd84 dialect = 0
	drbd83 dialect = 1
	drbd07 dialect = 2
)

func (b *body) writtenFor(d dialect) { b.dialect = max(b.dialect, d) }

// An oldGroup is the syncer group of DRBD 0.7: lower groups resync first.
type oldGroup struct {
	number int
	pos    Pos
}

// renamed returns the statement with another word in front.
func renamed(s statement, name string) statement {
	args := slices.Clone(s.args)
	args[0].text = name
	s.args = args
	return s
}

// one reads a statement as an option of a section and adds it to a layer.
func (r *reader) one(v vocabulary, to *layer, s statement) {
	r.options(v, to, []statement{s})
}

// netOption reads a statement of net, of any version.
func (r *reader) netOption(b *body, to *layer, s statement) {
	value := s.after(1).text
	switch s.word() {
	case "on-disconnect":
		b.writtenFor(drbd07)
		r.onDisconnect(b, s)
		return
	case "fencing":
		r.diskOption(b, &b.disk, s) // DRBD 9 moved it here
		return
	case "rr-conflict":
		if value == "retry-connect" || value == "auto-discard" {
			r.warn(s.pos(), "rr-conflict %s is read as disconnect: %s", value, drbd9)
			return
		}
	}
	r.one(netSection, to, s)
}

// onDisconnect reads what DRBD 0.7 did when the connection broke.
func (r *reader) onDisconnect(b *body, s statement) {
	v, ok := r.value(s, "stand_alone, reconnect or freeze_io")
	if !ok {
		return
	}
	switch v.text {
	case "reconnect":
	case "stand_alone":
		r.warn(s.pos(), "on-disconnect stand_alone is ignored: a node always reconnects today")
	case "freeze_io":
		r.put(&b.disk, setting{name: "fencing", value: "resource-and-stonith", pos: s.pos(), weak: true})
		r.warn(s.pos(), "on-disconnect freeze_io is read as disk { fencing resource-and-stonith; }: "+
			"I/O freezes until the handler fence-peer succeeds")
	default:
		r.failAt(v, "stand_alone, reconnect or freeze_io")
	}
}

// haltOnIOError is what on-io-error panic did, as a handler.
const haltOnIOError = "echo o > /proc/sysrq-trigger ; halt -f"

// diskOption reads a statement of disk, of any version.
func (r *reader) diskOption(b *body, to *layer, s statement) {
	if s.word() != "on-io-error" || s.after(1).text != "panic" {
		r.one(diskSection, to, s)
		return
	}
	b.writtenFor(drbd07)
	if _, ok := r.value(s, "one of "+onIOErrors.list()); !ok {
		return
	}
	r.put(to, setting{name: "on-io-error", value: "call-local-io-error", pos: s.pos()})
	r.put(&b.handlers, setting{name: "local-io-error", value: haltOnIOError, pos: s.pos(), weak: true})
	r.warn(s.pos(), "on-io-error panic is read as call-local-io-error with a handler that halts this node")
}

// handler reads a statement of handlers.
func (r *reader) handler(b *body, s statement) {
	if s.word() == "outdate-peer" {
		b.writtenFor(drbd83)
		s = renamed(s, "fence-peer")
	}
	r.one(handlerSection, &b.handlers, s)
}

// inconDegrCmd reads the one handler of DRBD 0.7.
func (r *reader) inconDegrCmd(b *body, s statement) {
	b.writtenFor(drbd07)
	b.inconDegr = true
	r.one(handlerSection, &b.handlers, renamed(s, "pri-on-incon-degr"))
	r.warn(s.pos(), "incon-degr-cmd is read as handler pri-on-incon-degr: it runs when a node with inconsistent data "+
		"is to become Primary, as then, and when a Primary has no good data any more")
}

// syncerWords say which section has the options of syncer today. Where the
// name has changed too, it is given.
var syncerWords = map[string]struct {
	section vocabulary
	name    string
}{
	"rate": {diskSection, "resync-rate"}, "after": {diskSection, "resync-after"},
	"verify-alg": {netSection, ""}, "csums-alg": {netSection, ""}, "use-rle": {netSection, ""},
	"c-plan-ahead": {diskSection, ""}, "c-delay-target": {diskSection, ""}, "c-fill-target": {diskSection, ""},
	"c-max-rate": {diskSection, ""}, "c-min-rate": {diskSection, ""},
	"cpu-mask": {resourceSection, ""}, "on-no-data-accessible": {resourceSection, ""},
}

// syncerOption reads a statement of syncer, the section that 8.4 has dissolved.
func (r *reader) syncerOption(b *body, s statement) {
	b.writtenFor(drbd83)
	switch s.word() {
	case "group":
		b.writtenFor(drbd07)
		if n, ok := r.syncerNumber(s, 0, 1000); ok {
			b.group = &oldGroup{number: n, pos: s.pos()}
		}
		return
	case "al-extents":
		if n, ok := r.syncerNumber(s, 7, 65534); ok {
			if n < 67 {
				r.warn(s.pos(), "al-extents %d is read as 67, the least today", n)
			}
			r.put(&b.disk, setting{name: "al-extents", value: strconv.Itoa(max(n, 67)), pos: s.pos()})
		}
		return
	case "delay-probe-volume", "delay-probe-interval", "throttle-threshold", "hold-off-threshold":
		r.warn(s.pos(), "%s is ignored: %s", s.word(), noUse)
		return
	case "rate":
		// A fixed rate, which is no controller; see weak.
		r.put(&b.disk, setting{name: "c-plan-ahead", value: "0", pos: s.pos(), weak: true})
		r.warn(s.pos(), "syncer rate is read as disk { resync-rate; } and, unless it is given, c-plan-ahead 0: "+
			"a fixed rate, as it was then")
	}
	w, known := syncerWords[strings.TrimPrefix(s.word(), "no-")]
	if !known {
		r.failAt(s.args[0], "an option of section syncer"+nearest(s.word(), []string{
			"rate", "group", "al-extents", "after", "verify-alg", "csums-alg", "use-rle", "cpu-mask",
		}))
		return
	}
	if w.name != "" {
		s = renamed(s, w.name)
	}
	to := map[vocabulary]*layer{diskSection: &b.disk, netSection: &b.net, resourceSection: &b.options}[w.section]
	r.one(w.section, to, s)
}

func (r *reader) syncerNumber(s statement, low, high int64) (int, bool) {
	want := fmt.Sprintf("%d to %d", low, high)
	v, ok := r.value(s, want)
	if !ok {
		return 0, false
	}
	n, ok := parseNumber(v.text, 1)
	if !ok || n < low || n > high {
		r.fail(v.Pos, s.word()+" "+v.text, want)
		return 0, false
	}
	return int(n), true
}
