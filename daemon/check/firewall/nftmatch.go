package firewall

import (
	"net/netip"
	"strconv"
	"strings"
)

// A field tells whether a part of the packet is a value, as libnftables-json(5)
// writes values: a scalar, a prefix, a range.
type field func(p Packet, value any) truth

// match reads a relation between a field of the packet and values.
func (n *nft) match(table string, m map[string]any) test {
	field, needs := n.field(m["left"]), n.needs(m["left"])
	values, ok := n.elements(table, m["right"])
	if field == nil || !ok {
		return func(p Packet) truth { return min(needs(p), maybe) }
	}
	op, _ := m["op"].(string)
	switch op {
	case "==", "in", "!=":
	case "<", ">", "<=", ">=":
		if values = span(op, values); values == nil {
			return unknown
		}
	default:
		return unknown
	}
	return func(p Packet) truth {
		fits := anyOf(values, func(v any) truth { return field(p, unwrap(v)) })
		return min(needs(p), fits.unless(op == "!="))
	}
}

// span makes a range of a comparison with a number.
func span(op string, values []any) []any {
	if len(values) != 1 {
		return nil
	}
	number, ok := values[0].(float64)
	if !ok {
		return nil
	}
	low, high := 0.0, float64(highestEphemeral)
	switch op {
	case "<":
		high = number - 1
	case "<=":
		high = number
	case ">":
		low = number + 1
	case ">=":
		low = number
	}
	return []any{map[string]any{"range": []any{low, high}}}
}

// elements are the values on the right side: those of a set, or the one.
func (n *nft) elements(table string, right any) ([]any, bool) {
	switch v := right.(type) {
	case string:
		if name, isSet := strings.CutPrefix(v, "@"); isSet {
			elements, ok := n.sets[place{table, name}]
			return elements, ok
		}
	case map[string]any:
		if set, ok := v["set"].([]any); ok {
			return set, true
		}
	case []any:
		return v, true
	}
	return []any{right}, true
}

// unwrap takes an element out of what is said of it: a comment, a time, a
// counter.
func unwrap(v any) any {
	if wrapped, ok := v.(map[string]any); ok {
		if elem, ok := wrapped["elem"].(map[string]any); ok {
			return elem["val"]
		}
	}
	return v
}

// payload takes an expression like udp dport apart.
func payload(left any) (protocol, name string) {
	m, _ := left.(map[string]any)
	p, _ := m["payload"].(map[string]any)
	protocol, _ = p["protocol"].(string)
	name, _ = p["field"].(string)
	return protocol, name
}

// needs is what a packet must be for a field to be there at all; without it
// the rule does not fit, whatever the relation.
func (n *nft) needs(left any) test {
	m, _ := left.(map[string]any)
	if masked, ok := m["&"].([]any); ok && len(masked) == 2 {
		return n.needs(masked[0])
	}
	if parts, ok := m["concat"].([]any); ok {
		var tests []test
		for _, part := range parts {
			tests = append(tests, n.needs(part))
		}
		return func(p Packet) truth { return all(tests, p) }
	}
	protocol, _ := payload(left)
	return func(p Packet) truth {
		switch protocol {
		case "", "th", "ether":
			return yes
		case "ip":
			return truthOf(!p.IPv6)
		case "ip6":
			return truthOf(p.IPv6)
		}
		return truthOf(p.Protocol == protocol)
	}
}

// field reads the left side; nil is one that is not known.
func (n *nft) field(left any) field {
	m, _ := left.(map[string]any)
	if parts, ok := m["concat"].([]any); ok {
		return n.concat(parts)
	}
	if masked, ok := m["&"].([]any); ok && len(masked) == 2 {
		if protocol, name := payload(masked[0]); protocol == "tcp" && name == "flags" {
			mask := words(masked[1])
			return func(p Packet, v any) truth { return p.flagsAre(mask, words(v)) }
		}
		return nil
	}
	if ct, ok := m["ct"].(map[string]any); ok {
		return connectionField(ct["key"])
	}
	if fib, ok := m["fib"].(map[string]any); ok {
		if list := words(fib["flags"]); fib["result"] == "type" && len(list) == 1 && list[0] == "daddr" {
			return scalar(Packet.isTo)
		}
		return nil
	}
	if meta, ok := m["meta"].(map[string]any); ok {
		key, _ := meta["key"].(string)
		return metaField(key)
	}
	return payloadField(payload(left))
}

func (n *nft) concat(parts []any) field {
	var fields []field
	for _, part := range parts {
		f := n.field(part)
		if f == nil {
			return nil
		}
		fields = append(fields, f)
	}
	return func(p Packet, v any) truth {
		m, _ := v.(map[string]any)
		values, _ := m["concat"].([]any)
		if len(values) != len(fields) {
			return maybe
		}
		result := yes
		for i, f := range fields {
			result = min(result, f(p, unwrap(values[i])))
		}
		return result
	}
}

// connectionField is what connection tracking says of a first packet, whose
// addresses nobody has changed.
func connectionField(key any) field {
	switch key {
	case "state":
		return scalar(func(_ Packet, v string) truth { return isState(v) })
	case "status":
		return scalar(func(_ Packet, v string) truth {
			if v == "dnat" || v == "snat" {
				return no
			}
			return maybe
		})
	}
	return nil
}

func metaField(key string) field {
	switch key {
	case "iif", "iifname":
		return scalar(func(p Packet, v string) truth { return p.comesBy(v, "*") })
	case "l4proto":
		return scalar(Packet.isProtocol)
	case "nfproto":
		return scalar(func(p Packet, v string) truth { return truthOf((v == "ipv6") == p.IPv6) })
	case "protocol":
		return scalar(func(p Packet, v string) truth { return truthOf(v == "ip6" && p.IPv6 || v == "ip" && !p.IPv6) })
	}
	return nil
}

func payloadField(protocol, name string) field {
	switch name {
	case "dport":
		return portField(Packet.toPorts)
	case "sport":
		return portField(func(_ Packet, low, high int) truth { return fromPorts(low, high) })
	case "saddr":
		if protocol == "ip" || protocol == "ip6" {
			return addressField(func(p Packet) netip.Addr { return p.Source })
		}
	case "daddr":
		if protocol == "ip" || protocol == "ip6" {
			return addressField(func(p Packet) netip.Addr { return p.Dest })
		}
	case "protocol", "nexthdr":
		return scalar(Packet.isProtocol)
	case "type":
		if strings.HasPrefix(protocol, "icmp") { // needs says no already
			return func(Packet, any) truth { return no }
		}
	}
	return nil
}

// scalar is a field of names, or of numbers.
func scalar(one func(p Packet, v string) truth) field {
	return func(p Packet, v any) truth {
		text, ok := text(v)
		if !ok {
			return maybe
		}
		return one(p, text)
	}
}

func portField(one func(p Packet, low, high int) truth) field {
	return func(p Packet, v any) truth {
		if low, high, ok := rangeOf(v); ok {
			l, err1 := strconv.Atoi(low)
			h, err2 := strconv.Atoi(high)
			if err1 == nil && err2 == nil {
				return one(p, l, h)
			}
			return maybe
		}
		if word, ok := text(v); ok {
			if low, high, ok := ports(word, "-"); ok {
				return one(p, low, high)
			}
		}
		return maybe
	}
}

func addressField(of func(p Packet) netip.Addr) field {
	return func(p Packet, v any) truth {
		if low, high, ok := rangeOf(v); ok {
			return between(of(p), low, high)
		}
		if m, ok := v.(map[string]any); ok {
			prefix, _ := m["prefix"].(map[string]any)
			addr, ok1 := text(prefix["addr"])
			bits, ok2 := text(prefix["len"])
			if ok1 && ok2 {
				return within(of(p), addr+"/"+bits)
			}
			return maybe
		}
		if addr, ok := text(v); ok {
			return within(of(p), addr)
		}
		return maybe
	}
}

func rangeOf(v any) (low, high string, ok bool) {
	m, _ := v.(map[string]any)
	ends, _ := m["range"].([]any)
	if len(ends) != 2 {
		return "", "", false
	}
	low, ok1 := text(ends[0])
	high, ok2 := text(ends[1])
	return low, high, ok1 && ok2
}

// text is a scalar as it would be written.
func text(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), true
	}
	return "", false
}

// words is a list of names, or the one.
func words(v any) (list []string) {
	if word, ok := text(v); ok {
		return []string{word}
	}
	several, _ := v.([]any)
	for _, one := range several {
		if word, ok := text(one); ok {
			list = append(list, word)
		}
	}
	return list
}
