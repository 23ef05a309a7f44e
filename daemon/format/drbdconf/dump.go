package drbdconf

import (
	"fmt"
	"strings"
)

// Dump writes the configuration in drbdadm's normal form. Parse makes the same
// model of it again. What stood in common is written in every resource, old
// words are written as they are read today, and comments are gone.
//
// Source: drbd.conf, section 8.8, and the output of drbdadm 8.4.
func (c *Config) Dump() string {
	p := printer{text: []byte(c.DumpGlobal())}
	for i := range c.Resources {
		c.Resources[i].dump(&p)
		p.text = append(p.text, '\n')
	}
	return string(p.text)
}

// DumpGlobal writes what concerns no resource.
func (c *Config) DumpGlobal() string {
	var p printer
	dumpSection(&p, globalSection, &c.Global, nil, 0)
	if len(p.text) > 0 {
		p.text = append(p.text, '\n')
	}
	return string(p.text)
}

// Dump writes the section of one resource in the same form.
func (r *Resource) Dump() string {
	var p printer
	r.dump(&p)
	return string(p.text)
}

func (r *Resource) dump(p *printer) {
	p.open("resource " + quote(r.Name))
	if r.Engine != EnginePollux {
		p.statement("engine", r.Engine.String())
	}
	for _, name := range r.IgnoreOn {
		p.statement("ignore-on", quote(name))
	}
	for i := range r.Hosts {
		r.Hosts[i].dump(p, r)
	}
	dumpSection(p, resourceSection, &r.Options, nil, r.given.options)
	dumpSection(p, netSection, &r.Net, nil, r.given.net)
	dumpSection(p, diskSection, &r.Disk, nil, r.given.disk)
	dumpSection(p, startupSection, &r.Startup, nil, r.given.startup)
	dumpSection(p, handlerSection, &r.Handlers, nil, 0)
	p.close()
}

func (h *Host) dump(p *printer, r *Resource) {
	if len(h.Names) == 0 {
		p.open("floating " + h.Address.statement())
	} else {
		p.open("on " + strings.Join(h.Names, " "))
	}
	if len(h.Volumes) == 1 && h.Volumes[0].Number == 0 {
		h.Volumes[0].dump(p, r)
	} else {
		for i := range h.Volumes {
			p.open(fmt.Sprintf("volume %d", h.Volumes[i].Number))
			h.Volumes[i].dump(p, r)
			p.close()
		}
	}
	if len(h.Names) > 0 {
		p.statement("address", h.Address.statement())
	}
	dumpSection(p, resourceSection, &h.Options, &r.Options, 0)
	p.close()
}

func (v *Volume) dump(p *printer, r *Resource) {
	dumpSection(p, diskSection, &v.Options, &r.Disk, 0)
	p.statement("device", fmt.Sprintf("%s minor %d", quote(v.Device), v.Minor))
	disk := "none"
	if v.Disk != "" {
		disk = quote(v.Disk)
	}
	p.statement("disk", disk)
	if v.Meta.Kind == MetaIndexed { // drbdadm lines this one up for a host, not for a volume
		p.line(fmt.Sprintf("%-16s %s;", "meta-disk", v.Meta))
		return
	}
	p.statement("meta-disk", v.Meta.String())
}

// statement is the address as the file has it.
func (a Address) statement() string {
	if a.IPv6 {
		return "ipv6 " + a.String()
	}
	return "ipv4 " + a.String()
}

// dumpSection writes the options of t that differ from base, or from the
// defaults if base is nil, and those that the file gave; nothing if there are
// none.
func dumpSection[T any](p *printer, s *section[T], t, base *T, given uint64) {
	if base == nil {
		defaults, _ := build(s)
		base = &defaults
	}
	start := len(p.text)
	p.open(s.name)
	empty := len(p.text)
	dumpOptions(p, s, t, base, given)
	if len(p.text) == empty {
		p.text = p.text[:start]
		p.depth--
		return
	}
	p.close()
}

func dumpOptions[T any](p *printer, s *section[T], t, base *T, given uint64) {
	for i, o := range s.options {
		value := o.show(t)
		switch {
		case value == o.show(base) && given&(1<<i) == 0:
		case o.bare && value == "yes":
			p.line(o.name + ";")
		case o.bare:
		default:
			p.option(o.name, value)
		}
	}
}

// A printer indents by four and lines values up the way drbdadm does.
type printer struct {
	text  []byte
	depth int
}

func (p *printer) line(s string) {
	p.text = append(p.text, strings.Repeat("    ", p.depth)+s+"\n"...)
}

func (p *printer) open(s string) {
	p.line(s + " {")
	p.depth++
}

func (p *printer) close() {
	p.depth--
	p.line("}")
}

// width is that of a name: values begin at the same column at any depth.
func (p *printer) width() int { return max(24-4*p.depth, 0) }

func (p *printer) statement(name, value string) {
	p.line(fmt.Sprintf("%-*s %s;", p.width(), name, value))
}

func (p *printer) option(name, value string) {
	if p.depth < 2 { // global
		p.line(name + " " + value + ";")
		return
	}
	p.line(fmt.Sprintf("%-*s %3s;", p.width(), name, value))
}
