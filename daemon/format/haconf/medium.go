package haconf

import (
	"slices"
	"strings"
)

// A Medium is one way to the peer, or to a ping node.
type Medium struct {
	Kind    Kind
	Device  string   // network interface
	Address string   // of the peer, of the multicast group, of the ping node; name of the ping group
	Members []string // of a ping group
	Port    int      // UDP
	TTL     int      // multicast, 0 to 4
	Loop    bool     // multicast: the node hears itself
	Line    int
}

// Kind is the directive that a medium comes from.
type Kind uint8

// The kinds of media.
const (
	Unicast    Kind = 1
	Broadcast  Kind = 2
	Multicast  Kind = 3
	Unicast6   Kind = 4
	Multicast6 Kind = 5
	Ping       Kind = 7
	PingGroup  Kind = 8
	Ping6      Kind = 9
)

// ReachesPeer says whether heartbeats of the peer come over the medium. Ping nodes only show that the network works.
func (k Kind) ReachesPeer() bool { return k != Ping && k != PingGroup && k != Ping6 }

// String is the kind's directive in ha.cf.
func (k Kind) String() string {
	names := [...]string{"", "ucast", "bcast", "mcast", "ucast6", "mcast6", "", "ping", "ping_group", "ping6"}
	if int(k) >= len(names) {
		return ""
	}
	return names[k]
}

const maxMedia = 64

func (p *haParser) addMedium(at word, m Medium) {
	if len(p.ha.Media) == maxMedia {
		p.fail(at, "at most %d media", maxMedia)
		return
	}
	m.Line = at.line
	p.ha.Media = append(p.ha.Media, m)
}

// device checks the name of a network interface.
func (p *haParser) device(w word) bool {
	const most = 15 // of Linux
	if len(w.text) > most || strings.ContainsAny(w.text, "/:") {
		p.fail(w, "a network interface, as 'ip link' names it: at most %d characters, without '/' and ':'", most)
		return false
	}
	return true
}

func readUnicast(kind Kind) reader {
	return func(p *haParser, s statement) {
		example := "192.168.0.2"
		if kind == Unicast6 {
			example = "fd00::2"
		}
		if !p.count(s, 2, 2, "an interface and the peer's address, as: %s eth0 %s", kind, example) || !p.device(s.args[0]) {
			return
		}
		address := s.args[1]
		ok := isIPv4(address.text) || !looksLikeIPv4(address.text) && isName(address.text)
		want := "the peer's IPv4 address or host name"
		if kind == Unicast6 {
			ok, want = isIPv6(address.text) || isName(address.text), "the peer's IPv6 address or host name"
		}
		if !ok {
			p.fail(address, "%s", want)
			return
		}
		p.addMedium(s.name, Medium{Kind: kind, Device: s.args[0].text, Address: address.text, Port: p.ha.UDPPort})
	}
}

func readMulticast(kind Kind) reader {
	return func(p *haParser, s statement) {
		example := "225.0.0.1"
		if kind == Multicast6 {
			example = "ff02::6:94"
		}
		if !p.count(s, 5, 5, "interface, group, port, ttl and loop, as: %s eth0 %s 694 1 0", kind, example) ||
			!p.device(s.args[0]) {
			return
		}
		group := s.args[1]
		if kind == Multicast6 && (!isIPv6(group.text) || !strings.HasPrefix(strings.ToLower(group.text), "ff")) {
			p.fail(group, "an IPv6 multicast group: an address that starts with ff")
		}
		first, _, _ := strings.Cut(group.text, ".")
		if _, ok := parseInt(first, 224, 239); kind == Multicast && (!ok || !isIPv4(group.text)) {
			p.fail(group, "a multicast group: an address from 224.0.0.0 to 239.255.255.255")
		}
		port := p.integer(s.args[2], 1, 65535)
		ttl := p.integer(s.args[3], 0, 4)
		loop := p.integer(s.args[4], 0, 1)
		p.addMedium(s.name, Medium{
			Kind: kind, Device: s.args[0].text, Address: group.text, Port: port, TTL: ttl,
			Loop: loop == 1,
		})
	}
}

func readBroadcast(p *haParser, s statement) {
	if s.name.text == "udp" {
		p.warn(s.name.line, "udp is the old name of bcast; write bcast")
	}
	p.count(s, 1, maxMedia, "one or more interfaces")
	for _, w := range s.args {
		if p.device(w) {
			p.addMedium(w, Medium{Kind: Broadcast, Device: w.text, Port: p.ha.UDPPort})
		}
	}
}

func readSerial(p *haParser, s statement) {
	p.count(s, 1, maxMedia, "one or more serial lines, as /dev/ttyS0")
	for _, w := range s.args {
		if p.path(w) {
			p.serial = append(p.serial, w)
		}
	}
}

func readPing(kind Kind) reader {
	return func(p *haParser, s statement) {
		p.count(s, 1, maxMedia, "one or more hosts that answer pings")
		for _, w := range s.args {
			if kind == Ping6 && looksLikeIPv4(w.text) {
				p.fail(w, "a host name or an IPv6 address: those of IPv4 stand behind ping")
				continue
			}
			if p.host(w) {
				p.addMedium(w, Medium{Kind: kind, Address: w.text})
			}
		}
	}
}

func readPingGroup(p *haParser, s statement) {
	if !p.count(s, 2, maxMedia, "a name for the group, and the hosts that answer pings") || !p.host(s.args[0]) {
		return
	}
	m := Medium{Kind: PingGroup, Address: s.args[0].text}
	for _, w := range s.args[1:] {
		if p.host(w) {
			m.Members = append(m.Members, w.text)
		}
	}
	p.addMedium(s.name, m)
}

// finishSerial tells of what is no medium here: a second network does the same.
func (p *haParser) finishSerial() {
	alone := !slices.ContainsFunc(p.ha.Media, func(m Medium) bool { return m.Kind.ReachesPeer() })
	for _, w := range p.serial {
		if alone {
			p.fail(w, "a network that reaches the peer, as ucast eth1 192.168.1.2: there is no heartbeat over serial lines")
			continue
		}
		p.warn(w.line, "serial %s has no effect: there is no heartbeat over serial lines; a second network does the same, "+
			"as ucast eth1 192.168.1.2", w.text)
	}
}

func refuseFibreChannel(p *haParser, s statement) {
	p.fail(s.name, "another medium, as ucast: there is no heartbeat over fibre channel; remove the line")
}

// host checks the name or address of a ping node.
func (p *haParser) host(w word) bool {
	if !isIPv6(w.text) && (!isName(w.text) || looksLikeIPv4(w.text) && !isIPv4(w.text)) {
		p.fail(w, "a host name or an IP address")
		return false
	}
	return true
}
