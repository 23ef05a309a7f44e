package drbdconf

import (
	"fmt"
)

// A hostBody is what one on or floating section says.
type hostBody struct {
	names   []string
	address *Address
	pos     Pos
	volumes volumeSet
	options layer
}

// label is the host as messages name it.
func (h *hostBody) label() string {
	if len(h.names) > 0 {
		return "on " + h.names[0]
	}
	return "floating " + h.address.String()
}

// host reads "on NAME… { }" or "floating ADDRESS { }".
func (r *reader) host(b *body, s statement) {
	h := &hostBody{pos: s.pos()}
	if s.word() == "floating" {
		a, ok := r.address(s)
		if !ok {
			return
		}
		h.address = &a
	} else {
		for _, name := range s.args[1:] {
			if !name.isText() || !isName(name.text) {
				r.failAt(name, "a host name, as uname -n prints it")
				return
			}
			h.names = append(h.names, name.text)
		}
		if len(h.names) == 0 || !s.block {
			r.failAt(s.end, "a host name and '{' after 'on'")
			return
		}
	}
	b.hosts = append(b.hosts, h)
	for _, o := range s.body {
		r.hostStatement(b, h, o)
	}
}

func (r *reader) hostStatement(b *body, h *hostBody, s statement) {
	switch s.word() {
	case "device", "disk", "meta-disk", "flexible-meta-disk":
		r.volumeStatement(h.volumes.implicit(s), s)
	case "volume":
		r.volume(&h.volumes, s)
	case "address":
		a, ok := r.address(s)
		if !ok {
			return
		}
		if h.address != nil {
			r.fail(s.pos(), "second address of "+h.label(), "one")
			return
		}
		h.address = &a
	case "options":
		if r.opens(s, 1) {
			r.options(resourceSection, &h.options, s.body)
		}
	case "node-id": // DRBD 9 numbers its nodes; two of them need no numbers
		if v, ok := r.value(s, "a number"); ok {
			if _, number := parseNumber(v.text, 1); !number {
				r.failAt(v, "a number")
			}
		}
	case "alternate-link-address":
		r.warn(s.pos(), "alternate-link-address is ignored: there is one link")
	case "proxy":
		r.warn(s.pos(), "proxy is ignored: replication is direct")
	default:
		r.failAt(s.args[0], fmt.Sprintf("a statement of section %s in resource %s", h.label(), b.name)+
			nearest(s.word(), []string{"device", "disk", "meta-disk", "flexible-meta-disk", "volume", "address", "options"}))
	}
}

// address reads the address of an address or floating statement.
func (r *reader) address(s statement) (Address, bool) {
	a, n, ok := r.addressAt(s, 1)
	if !ok {
		return Address{}, false
	}
	if s.word() == "address" && s.block {
		r.failAt(s.end, "';' after the address")
		return Address{}, false
	}
	return a, r.noMore(s, n)
}

// addressAt reads the address that begins at args[i] and tells where it ends.
func (r *reader) addressAt(s statement, i int) (a Address, end int, ok bool) {
	family := s.after(i)
	switch {
	case family.isWord("sdp"), family.isWord("ssocks"), family.isWord("sci"):
		r.failAt(family, "ipv4 or ipv6: other networks are not supported")
		return Address{}, 0, false
	case family.isWord("ipv6"):
		a.IPv6 = true
		i++
	case family.isWord("ipv4"):
		i++
	}
	at := s.after(i).Pos
	if a.IPv6 {
		a.IP, i, ok = r.bracketed(s, i)
		if !ok {
			return Address{}, 0, false
		}
		if _, ok := parseIPv6(a.IP); !ok {
			r.fail(at, a.IP, "an IPv6 address")
			return Address{}, 0, false
		}
	} else {
		a.IP = s.after(i).text
		if _, ok := parseIPv4(a.IP); !ok || !s.after(i).isText() {
			r.failAt(s.after(i), "an address such as 192.168.0.1:7789 or ipv6 [fd00::1]:7789")
			return Address{}, 0, false
		}
		i++
	}
	if !s.after(i).is(":") {
		r.failAt(s.after(i), fmt.Sprintf("':' and a port after '%s'", a.IP))
		return Address{}, 0, false
	}
	a.Port, ok = r.port(s.after(i + 1))
	return a, i + 2, ok
}

func (r *reader) port(t token) (uint16, bool) {
	n, ok := parseNumber(t.text, 1)
	if !t.isText() || !ok || n < 1 || n > 65535 {
		r.failAt(t, "a port, 1 to 65535")
		return 0, false
	}
	return uint16(n), true
}

// bracketed joins what stands between [ and ].
func (r *reader) bracketed(s statement, i int) (text string, end int, ok bool) {
	if !s.after(i).is("[") {
		r.failAt(s.after(i), "'[' before an IPv6 address")
		return "", 0, false
	}
	for i++; i < len(s.args); i++ {
		if s.args[i].is("]") {
			return text, i + 1, true
		}
		text += s.args[i].text
		if len(text) > maxWord {
			break
		}
	}
	r.failAt(s.after(i), "']' after an IPv6 address")
	return "", 0, false
}
