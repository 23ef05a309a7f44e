package drbdconf

import "fmt"

// Show is what "drbdsetup show" of 8.4 prints about a resource that this host
// runs: what differs from the defaults, and both ends of the connection.
func (r *Resource) Show(own *Host) string {
	var p printer
	p.open("resource " + quote(r.Name))
	showSection(&p, resourceSection, &own.Options)
	showSection(&p, netSection, &r.Net)
	for i := range r.Hosts {
		if h := &r.Hosts[i]; h != own {
			p.open("_remote_host")
			p.statement("address", h.Address.statement())
			p.close()
		}
	}
	p.open("_this_host")
	p.statement("address", own.Address.statement())
	for i := range own.Volumes {
		v := &own.Volumes[i]
		p.open(fmt.Sprintf("volume %d", v.Number))
		p.statement("device", fmt.Sprintf("minor %d", v.Minor))
		if v.Disk != "" {
			p.statement("disk", `"`+v.Disk+`"`)
			p.statement("meta-disk", v.Meta.String())
			showSection(&p, diskSection, &v.Options)
		}
		p.close()
	}
	p.close()
	p.close()
	return string(p.text)
}

// showSection writes a section even if nothing is in it. A secret stays one.
func showSection[T any](p *printer, s *section[T], t *T) {
	defaults, _ := build(s)
	p.open(s.name)
	for _, o := range s.options {
		switch value := o.show(t); {
		case value == o.show(&defaults):
		case o.secret:
			p.line("# " + o.name + " is set")
		case o.bare:
			p.line(o.name + ";")
		default:
			p.option(o.name, value)
		}
	}
	p.close()
}
