package drbdconf

import (
	"fmt"
)

// A body is what one resource or common section says, before common is merged
// into resources and old words get their meaning.
type body struct {
	name string // empty for common
	pos  Pos

	net, disk, startup, options, handlers layer

	hosts    []*hostBody
	volumes  volumeSet // statements that the hosts inherit
	ignoreOn []string
	once     map[string]Pos // sections that may stand only once

	// What a connection section of DRBD 9 says, over the above.
	links       []*link
	linkNet     layer
	linkDisk    layer
	linkVolumes map[uint16]layer

	engine  *Engine // nil if not given
	dialect dialect
	// inconDegr: the handler pri-on-incon-degr stands there as incon-degr-cmd.
	inconDegr bool
	group     *oldGroup // syncer group of DRBD 0.7
}

// top gives a statement at the top of a file its meaning.
func (r *reader) top(s statement) {
	switch s.word() {
	case "global":
		r.globalBlock(s)
	case "common":
		if !r.opens(s, 1) {
			return
		}
		if r.common != nil {
			r.fail(s.pos(), "second section common", "one: the first is at "+r.common.pos.String())
			return
		}
		r.common = &body{pos: s.pos()}
		r.body(r.common, s.body)
	case "resource":
		r.resource(s)
	default:
		r.failAt(s.args[0], "resource, global, common, include or skip"+
			nearest(s.word(), []string{"resource", "global", "common", "include", "skip"}))
	}
}

// opens says whether the statement is n words and a block.
func (r *reader) opens(s statement, n int) bool {
	if len(s.args) != n || !s.block {
		r.failAt(s.after(n), fmt.Sprintf("'{' after '%s'", clip(s.args[min(n, len(s.args))-1].text)))
		return false
	}
	return true
}

// value returns the one word of a statement that has no block.
func (r *reader) value(s statement, what string) (token, bool) {
	switch {
	case len(s.args) < 2 || !s.args[1].isText():
		r.failAt(s.after(1), what)
		return token{}, false
	case len(s.args) > 2 || s.block:
		r.failAt(s.after(2), fmt.Sprintf("';' after '%s'", clip(s.args[1].text)))
		return token{}, false
	}
	return s.args[1], true
}

func (r *reader) globalBlock(s statement) {
	if !r.opens(s, 1) {
		return
	}
	switch {
	case r.globalPos != Pos{}:
		r.fail(s.pos(), "second section global", "one: the first is at "+r.globalPos.String())
		return
	case len(r.resources) > 0:
		r.fail(s.pos(), "section global after a resource", "it before the first resource")
		return
	}
	r.globalPos = s.pos()
	var l layer
	r.options(globalSection, &l, s.body)
	r.global, _ = build(globalSection, l)
	for _, o := range s.body {
		r.oldGlobal = r.oldGlobal || o.word() == "disable-io-hints"
	}
}

func (r *reader) resource(s statement) {
	if len(s.args) < 2 || !s.args[1].isText() || !isResourceName(s.args[1].text) {
		r.failAt(s.after(1), "the name of a resource: no '/', no blanks")
		return
	}
	if !r.opens(s, 2) {
		return
	}
	b := &body{name: s.args[1].text, pos: s.pos(), linkVolumes: map[uint16]layer{}}
	for _, other := range r.resources {
		if other.name == b.name {
			r.fail(s.args[1].Pos, "second resource "+b.name, "another name: the first is at "+other.pos.String())
		}
	}
	r.resources = append(r.resources, b)
	r.body(b, s.body)
}

// bodyWords are the statements of a resource, for the hint about a misspelt
// one.
var bodyWords = []string{
	"protocol", "on", "floating", "ignore-on", "disk", "net", "syncer", "startup", "handlers", "options", "device",
	"meta-disk", "flexible-meta-disk", "engine", "volume", "connection", "connection-mesh", "incon-degr-cmd",
}

// body gives the statements of common or of a resource their meaning.
func (r *reader) body(b *body, statements []statement) {
	b.once = map[string]Pos{}
	for _, s := range statements {
		switch s.word() {
		case "net", "startup", "handlers", "options", "syncer":
			r.sectionOf(b, s)
		case "disk":
			if s.block {
				r.sectionOf(b, s)
			} else {
				r.inResource(b, s)
			}
		case "protocol":
			if v, ok := r.value(s, "a protocol: A, B or C"); ok {
				r.netOption(b, &b.net, statement{args: []token{s.args[0], v}, end: s.end})
			}
		case "engine":
			if v, ok := r.value(s, "an engine: "+engines.list()); ok {
				e, err := ParseEngine(v.text)
				if err != nil {
					r.failAt(v, "one of "+engines.list())
					continue
				}
				b.engine = &e
			}
		case "incon-degr-cmd":
			r.inconDegrCmd(b, s)
		case "proxy":
			r.warn(s.pos(), "proxy is ignored: replication is direct")
		case "template-file":
			r.warn(s.pos(), "template-file is ignored: %s", drbd9)
		default:
			r.inResource(b, s)
		}
	}
}

// inResource gives the statements their meaning that only a resource has.
func (r *reader) inResource(b *body, s statement) {
	if b.name == "" {
		r.failAt(s.args[0], "net, disk, startup, options, handlers or syncer in common"+nearest(s.word(), bodyWords))
		return
	}
	switch s.word() {
	case "on", "floating":
		r.host(b, s)
	case "stacked-on-top-of":
		r.fail(s.pos(), s.word(), "no stacked resource: a resource has two nodes here, a third copy is not supported")
	case "ignore-on":
		if v, ok := r.value(s, "a host name"); ok {
			b.ignoreOn = append(b.ignoreOn, v.text)
		}
	case "device", "disk", "meta-disk", "flexible-meta-disk":
		r.volumeStatement(b.volumes.implicit(s), s)
	case "volume":
		r.volume(&b.volumes, s)
	case "connection":
		r.connection(b, s)
	case "connection-mesh":
		r.mesh(b, s)
	default:
		r.failAt(s.args[0], "a statement of a resource"+nearest(s.word(), bodyWords))
	}
}

// sectionOf reads a block of options.
func (r *reader) sectionOf(b *body, s statement) {
	if !r.opens(s, 1) {
		return
	}
	if first, again := b.once[s.word()]; again {
		r.fail(s.pos(), "second section "+s.word(), "one: the first is at "+first.String())
		return
	}
	b.once[s.word()] = s.pos()
	switch s.word() {
	case "net":
		for _, o := range s.body {
			r.netOption(b, &b.net, o)
		}
	case "disk":
		for _, o := range s.body {
			r.diskOption(b, &b.disk, o)
		}
	case "startup":
		r.options(startupSection, &b.startup, s.body)
	case "options":
		r.options(resourceSection, &b.options, s.body)
	case "handlers":
		for _, o := range s.body {
			r.handler(b, o)
		}
	case "syncer":
		for _, o := range s.body {
			r.syncerOption(b, o)
		}
	}
}
