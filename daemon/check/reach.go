package check

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/optionc/pollux/daemon/check/firewall"
	"github.com/optionc/pollux/daemon/format/haconf"
)

// A Filter is what one tool says of the host's packet filter.
type Filter struct {
	Tool  string // nft, iptables, ip6tables
	Rules *firewall.Ruleset
	Err   error // it can't be read
}

// reach finds out whether the host's own packet filter lets the peer in.
func (c *checker) reach() {
	for _, f := range c.host.Filters {
		if f.Err != nil {
			c.note("firewall", "its rules are not known: %v", f.Err)
		}
	}
	for _, r := range c.site.Resources {
		if r.Peer == nil {
			continue
		}
		own, err1 := netip.ParseAddr(r.Own.Address.IP)
		peer, err2 := netip.ParseAddr(r.Peer.Address.IP)
		if err1 != nil || err2 != nil {
			continue
		}
		device := c.host.Devices[r.Own.Address.IP]
		if own.IsLoopback() {
			device = "lo"
		}
		c.letIn("resource "+r.Conf.Name, "connections of "+r.Peer.Address.IP, firewall.Packet{
			Protocol: "tcp", Port: r.Own.Address.Port, Interface: device, IPv6: own.Is6(), Source: peer, Dest: own,
		}, c.connected(r.Conf.Name))
	}
	if c.site.HA == nil {
		return
	}
	for _, m := range c.site.HA.Media {
		if p, ok := c.heartbeat(m); ok {
			c.letIn(fmt.Sprintf("ha.cf:%d", m.Line), "heartbeats of "+c.site.Peer+" over "+m.Device, p, c.heard(m.Device))
		}
	}
}

// heartbeat is the packet that the peer sends over a medium.
func (c *checker) heartbeat(m haconf.Medium) (p firewall.Packet, ok bool) {
	p = firewall.Packet{Protocol: "udp", Port: uint16(m.Port), Interface: m.Device}
	switch m.Kind {
	case haconf.Unicast, haconf.Unicast6:
		address, known := c.resolve(m)
		if known && c.isOwn(address.String()) {
			return p, false // the file is the same on both nodes
		}
		p.Source, p.IPv6 = address, m.Kind == haconf.Unicast6
	case haconf.Broadcast:
		p.ToGroup = true
	case haconf.Multicast, haconf.Multicast6:
		p.ToGroup, p.IPv6 = true, m.Kind == haconf.Multicast6
		p.Dest, _ = netip.ParseAddr(m.Address) // the zero Addr is unknown
	case haconf.Ping, haconf.PingGroup, haconf.Ping6:
		return p, false
	}
	return p, true
}

// resolve finds the address of the peer in a medium.
func (c *checker) resolve(m haconf.Medium) (address netip.Addr, known bool) {
	if address, err := netip.ParseAddr(m.Address); err == nil {
		return address, true
	}
	names, err := c.host.Resolve(m.Address)
	if err != nil {
		return netip.Addr{}, false
	}
	for _, name := range names {
		if address, err := netip.ParseAddr(name); err == nil && address.Is6() == (m.Kind == haconf.Unicast6) {
			return address, true
		}
	}
	return netip.Addr{}, false
}

// letIn says that packets of the peer are dropped. If they come nevertheless,
// they belong to what was there before the rule.
func (c *checker) letIn(where, what string, p firewall.Packet, come bool) {
	what = fmt.Sprintf("%s (%s port %d)", what, strings.ToUpper(p.Protocol), p.Port)
	doubt := ""
	for _, f := range c.host.Filters {
		if f.Rules == nil {
			continue
		}
		v := f.Rules.Judge(p)
		decides := fmt.Sprintf("%s, table %s, chain %s, %s", f.Tool, v.Table, v.Chain, v.Rule)
		switch {
		case v.Fate == firewall.Dropped && come:
			c.note(where, "%s come still, and new ones are dropped by this host's firewall: %s. Let them in: %s",
				what, decides, remedy(f, v, p))
			return
		case v.Fate == firewall.Dropped:
			c.mend(where, "%s are dropped by this host's firewall: %s. Let them in, now and in what loads the rules at boot: %s",
				what, decides, remedy(f, v, p))
			return
		case v.Fate == firewall.Unclear && doubt == "":
			doubt = fmt.Sprintf("%s may be dropped by this host's firewall, which depends on what pollux does not judge: %s. "+
				"To be sure: %s", what, decides, remedy(f, v, p))
		}
	}
	if doubt != "" && !come {
		c.note(where, "%s", doubt)
	}
}

// remedy is the command that lets a packet in.
func remedy(f Filter, v firewall.Verdict, p firewall.Packet) string {
	switch {
	case strings.HasSuffix(v.Table, " firewalld") && p.Source.IsValid():
		family := "ipv4"
		if p.IPv6 {
			family = "ipv6"
		}
		return fmt.Sprintf("firewall-cmd --permanent --add-rich-rule='rule family=%s source address=%s port port=%d protocol=%s "+
			"accept' && firewall-cmd --reload", family, p.Source, p.Port, p.Protocol)
	case f.Rules.Has("ufw-user-input") || f.Rules.Has("ufw6-user-input"):
		from := "any"
		if p.Source.IsValid() {
			from = p.Source.String()
		}
		return fmt.Sprintf("ufw allow proto %s from %s to any port %d", p.Protocol, from, p.Port)
	case f.Tool == "nft":
		from := fmt.Sprintf("iifname %q", p.Interface)
		if p.Source.IsValid() {
			from = "ip saddr " + p.Source.String()
			if p.IPv6 {
				from = "ip6 saddr " + p.Source.String()
			}
		}
		return fmt.Sprintf("nft insert rule %s %s %s %s dport %d accept", v.Table, v.Base, from, p.Protocol, p.Port)
	}
	from := "-i " + p.Interface
	if p.Source.IsValid() {
		from = "-s " + p.Source.String()
	}
	table := ""
	if v.Table != "filter" {
		table = " -t " + v.Table
	}
	return fmt.Sprintf("%s%s -I %s %s -p %s --dport %d -j ACCEPT", f.Tool, table, v.Base, from, p.Protocol, p.Port)
}
