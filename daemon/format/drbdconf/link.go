package drbdconf

import (
	"fmt"
	"slices"
)

// A link is one host line of a connection section of DRBD 9: whom it connects,
// and where that host listens for it.
type link struct {
	host    string
	address *Address
	port    uint16 // 0 if not given
	pos     Pos
}

// connection reads a connection section. Between two hosts there can be but
// one, so what it says holds for the resource.
func (r *reader) connection(b *body, s statement) {
	if !s.block {
		r.failAt(s.end, "'{' after 'connection'")
		return
	}
	if len(s.args) > 1 {
		r.warn(s.args[1].Pos, "the name of a connection is ignored")
	}
	if !r.oneLink(b, s) {
		return
	}
	for _, o := range s.body {
		switch o.word() {
		case "host":
			r.linkHost(b, o)
		case "path":
			r.path9(b, o)
		default:
			r.linkStatement(b, o)
		}
	}
}

// oneLink says whether this is the only section that connects hosts.
func (r *reader) oneLink(b *body, s statement) bool {
	if first, again := b.once["connection"]; again {
		r.fail(s.pos(), "second section "+s.word(), "one between two hosts: the first is at "+first.String())
		return false
	}
	b.once["connection"] = s.pos()
	return true
}

// mesh reads a connection-mesh section.
func (r *reader) mesh(b *body, s statement) {
	if !r.opens(s, 1) || !r.oneLink(b, s) {
		return
	}
	for _, o := range s.body {
		if o.word() != "hosts" {
			r.linkStatement(b, o)
			continue
		}
		for _, t := range o.args[1:] {
			if !t.isText() || !isName(t.text) {
				r.failAt(t, "a host name")
				return
			}
			b.links = append(b.links, &link{host: t.text, pos: t.Pos})
		}
	}
}

// linkStatement reads what connection and connection-mesh have in common.
func (r *reader) linkStatement(b *body, s statement) {
	switch s.word() {
	case "net":
		if r.opens(s, 1) {
			for _, o := range s.body {
				r.netOption(b, &b.linkNet, o)
			}
		}
	case "disk":
		if r.opens(s, 1) {
			r.options(diskSection, &b.linkDisk, s.body)
		}
	case "volume":
		r.linkVolume(b, s)
	default:
		r.failAt(s.args[0], "host, path, net, disk or volume")
	}
}

// linkVolume reads volume N { disk { } } of a connection into what the hosts
// inherit.
func (r *reader) linkVolume(b *body, s statement) {
	n, ok := r.number(s)
	if !ok {
		return
	}
	for _, o := range s.body {
		if o.word() != "disk" || !r.opens(o, 1) {
			r.failAt(o.args[0], "disk { } in a volume of a connection")
			continue
		}
		v := b.linkVolumes[n]
		r.options(diskSection, &v, o.body)
		b.linkVolumes[n] = v
	}
}

// path9 reads a path section: one of several ways between the same hosts. The
// first one is taken.
func (r *reader) path9(b *body, s statement) {
	if len(b.links) > 1 {
		r.warn(s.pos(), "path is ignored: the first one is used")
		return
	}
	if !r.opens(s, 1) {
		return
	}
	for _, o := range s.body {
		if o.word() != "host" {
			r.failAt(o.args[0], "host in path")
			continue
		}
		r.linkHost(b, o)
	}
}

// linkHost reads "host NAME [address … | port N]".
func (r *reader) linkHost(b *body, s statement) {
	name := s.after(1)
	if !name.isText() || !isName(name.text) {
		r.failAt(name, "a host name")
		return
	}
	l := &link{host: name.text, pos: s.pos()}
	rest := 2
	switch {
	case s.after(2).isWord("address"):
		a, end, ok := r.addressAt(s, 3)
		if !ok {
			return
		}
		l.address, rest = &a, end
	case s.after(2).isWord("port"):
		port, ok := r.port(s.after(3))
		if !ok {
			return
		}
		l.port, rest = port, 4
	}
	if s.block || rest < len(s.args) {
		r.failAt(s.after(rest), "';' after the host: a proxy is not supported")
		return
	}
	b.links = append(b.links, l)
}

// joinLinks gives the hosts what a connection says about their addresses.
func (r *reader) joinLinks(b *body) {
	for _, l := range b.links {
		i := slices.IndexFunc(b.hosts, func(h *hostBody) bool { return slices.Contains(h.names, l.host) })
		if i < 0 {
			r.fail(l.pos, "host "+l.host, "the host of a section 'on "+l.host+"' in resource "+b.name)
			continue
		}
		h := b.hosts[i]
		switch {
		case l.address != nil:
			h.address = l.address
		case l.port != 0 && h.address != nil:
			a := *h.address
			a.Port = l.port
			h.address = &a
		}
	}
	if n := len(b.links); n != 0 && (n != 2 || b.links[0].host == b.links[1].host) {
		r.fail(b.links[0].pos, fmt.Sprintf("connection of resource %s with %s", b.name, plural(n, "host")),
			"its two hosts")
	}
}
