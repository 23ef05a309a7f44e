package firewall

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// truth is the answer to whether a test fits a packet.
type truth uint8

const (
	no truth = iota
	maybe
	yes
)

func truthOf(b bool) truth {
	if b {
		return yes
	}
	return no
}

// unless turns an answer around, for a test with a "not" in front.
func (t truth) unless(not bool) truth {
	if not {
		return yes - t
	}
	return t
}

// A test is one condition of a rule.
type test func(p Packet) truth

// unknown is the test that is not understood.
func unknown(Packet) truth { return maybe }

// all tells whether a packet fits each of the tests.
func all(tests []test, p Packet) truth {
	result := yes
	for _, t := range tests {
		result = min(result, t(p))
	}
	return result
}

// anyOf tells whether one of the values is the packet's.
func anyOf[V any](values []V, one func(v V) truth) truth {
	result := no
	for _, v := range values {
		result = max(result, one(v))
	}
	return result
}

// The ports that a packet may come from. Source: ip_local_port_range is
// within them on every system.
const (
	lowestEphemeral  = 1024
	highestEphemeral = 65535
)

// fromPorts tells whether the packet comes from one of the ports.
func fromPorts(low, high int) truth {
	switch {
	case high < lowestEphemeral || low > highestEphemeral:
		return no
	case low <= lowestEphemeral && high >= highestEphemeral:
		return yes
	default:
		return maybe
	}
}

func (p Packet) toPorts(low, high int) truth {
	return truthOf(low <= int(p.Port) && int(p.Port) <= high)
}

// within tells whether an address is in a network; the zero Addr may be.
func within(a netip.Addr, network string) truth {
	if !a.IsValid() {
		return maybe
	}
	if !strings.Contains(network, "/") {
		one, err := netip.ParseAddr(network)
		if err != nil {
			return maybe
		}
		return truthOf(a == one)
	}
	prefix, err := netip.ParsePrefix(network)
	if err != nil {
		return maybe
	}
	return truthOf(prefix.Contains(a))
}

// between tells whether an address is in a range, both ends included.
func between(a netip.Addr, low, high string) truth {
	l, err1 := netip.ParseAddr(low)
	h, err2 := netip.ParseAddr(high)
	if err1 != nil || err2 != nil || !a.IsValid() {
		return maybe
	}
	return truthOf(a.Compare(l) >= 0 && a.Compare(h) <= 0)
}

// comesBy tells whether the packet comes in by an interface; wild is what a
// name ends with that stands for many.
func (p Packet) comesBy(name, wild string) truth {
	if p.Interface == "" {
		return maybe
	}
	if start, many := strings.CutSuffix(name, wild); many {
		return truthOf(strings.HasPrefix(p.Interface, start))
	}
	return truthOf(p.Interface == name)
}

// isProtocol tells whether the packet is of a protocol, by name or number.
func (p Packet) isProtocol(name string) truth {
	switch name {
	case p.Protocol:
		return yes
	case "6":
		return truthOf(p.Protocol == "tcp")
	case "17":
		return truthOf(p.Protocol == "udp")
	}
	return no
}

// isState tells whether connection tracking calls the packet that.
func isState(name string) truth { return truthOf(strings.EqualFold(name, "new")) }

// isTo tells whether the packet goes to an address of a type.
func (p Packet) isTo(kind string) truth {
	switch strings.ToLower(kind) {
	case "local":
		return truthOf(!p.ToGroup)
	case "unicast":
		return no
	}
	if p.ToGroup {
		return maybe
	}
	return no
}

// flagsAre tells whether of the TCP flags in mask just those in want are set: a
// first packet has SYN alone.
func (p Packet) flagsAre(mask, want []string) truth {
	same := func(flag string) bool { return strings.EqualFold(flag, "syn") }
	if p.Protocol != "tcp" {
		return no
	}
	if !slices.ContainsFunc(mask, same) {
		return truthOf(len(want) == 0)
	}
	return truthOf(len(want) == 1 && same(want[0]))
}

// ports reads "694", "690:700", "690-700".
func ports(text, separator string) (low, high int, ok bool) {
	first, last, isRange := strings.Cut(text, separator)
	if !isRange {
		last = first
	}
	low, err1 := strconv.Atoi(first)
	high, err2 := strconv.Atoi(last)
	return low, high, err1 == nil && err2 == nil
}
