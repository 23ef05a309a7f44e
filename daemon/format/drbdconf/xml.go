package drbdconf

import (
	"fmt"
	"strings"
)

// XML is what "drbdadm dump-xml" of 8.4 prints about a resource.
func (r *Resource) XML() string {
	var p printer
	p.line(fmt.Sprintf(`<resource name="%s" conf-file-line="%s:%d">`, escape(r.Name), escape(r.Pos.File), r.Pos.Line))
	p.depth++
	for i := range r.Hosts {
		r.Hosts[i].xml(&p)
	}
	xmlSection(&p, resourceSection, &r.Options, r.given.options)
	xmlSection(&p, netSection, &r.Net, r.given.net)
	xmlSection(&p, diskSection, &r.Disk, r.given.disk)
	xmlSection(&p, startupSection, &r.Startup, r.given.startup)
	xmlSection(&p, handlerSection, &r.Handlers, 0)
	p.depth--
	p.line("</resource>")
	return string(p.text)
}

func (h *Host) xml(p *printer) {
	p.line(fmt.Sprintf(`<host name="%s">`, escape(strings.Join(h.Names, " "))))
	p.depth++
	for i := range h.Volumes {
		v := &h.Volumes[i]
		p.line(fmt.Sprintf(`<volume vnr="%d">`, v.Number))
		p.depth++
		p.line(fmt.Sprintf(`<device minor="%d">%s</device>`, v.Minor, escape(v.Device)))
		if v.Disk != "" {
			p.line("<disk>" + escape(v.Disk) + "</disk>")
			p.line(v.Meta.xml())
		}
		p.depth--
		p.line("</volume>")
	}
	family := "ipv4"
	if h.Address.IPv6 {
		family = "ipv6"
	}
	p.line(fmt.Sprintf(`<address family="%s" port="%d">%s</address>`, family, h.Address.Port, escape(h.Address.IP)))
	p.depth--
	p.line("</host>")
}

func (m MetaDisk) xml() string {
	switch m.Kind {
	case MetaIndexed:
		return fmt.Sprintf(`<meta-disk index="%d">%s</meta-disk>`, m.Index, escape(m.Device))
	case MetaFlexible:
		return "<flexible-meta-disk>" + escape(m.Device) + "</flexible-meta-disk>"
	default:
		return "<meta-disk>internal</meta-disk>"
	}
}

func xmlSection[T any](p *printer, s *section[T], t *T, given uint64) {
	defaults, _ := build(s)
	start := len(p.text)
	p.line(`<section name="` + s.name + `">`)
	p.depth++
	empty := len(p.text)
	for i, o := range s.options {
		value := o.show(t)
		switch {
		case value == o.show(&defaults) && given&(1<<i) == 0:
		case o.bare && value == "yes":
			p.line(`<option name="` + o.name + `"/>`)
		case o.bare:
		default:
			p.line(fmt.Sprintf(`<option name="%s" value="%s"/>`, o.name, escape(unquote(value))))
		}
	}
	p.depth--
	if len(p.text) == empty {
		p.text = p.text[:start]
		return
	}
	p.line("</section>")
}

// unquote takes the quotes off that a file needs.
func unquote(s string) string {
	if len(s) < 2 || s[0] != '"' {
		return s
	}
	s = s[1 : len(s)-1]
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

func escape(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;").Replace(s)
}
