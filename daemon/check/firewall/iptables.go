package firewall

import (
	"fmt"
	"slices"
	"strings"
)

// ParseIPTables reads what iptables-save prints, or ip6tables-save.
func ParseIPTables(text []byte, ipv6 bool) (*Ruleset, error) {
	r := &Ruleset{chains: map[place]*chain{}}
	family, table := "ip", ""
	if ipv6 {
		family = "ip6"
	}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		switch {
		case line == "" || line[0] == '#' || line == "COMMIT":
		case line[0] == '*':
			table = line[1:]
		case line[0] == ':':
			name, rest, _ := strings.Cut(line[1:], " ")
			c := &chain{place: place{table, name}, family: family, policy: accept}
			if strings.HasPrefix(rest, "DROP") {
				c.policy = drop
			}
			r.chains[c.place] = c
			if name == "INPUT" || name == "PREROUTING" {
				r.bases = append(r.bases, c)
			}
		case strings.HasPrefix(line, "-A "):
			words := split(line)
			if len(words) < 2 || r.chains[place{table, words[1]}] == nil {
				return nil, fmt.Errorf("rule %q of table %s: its chain is not declared", line, table)
			}
			c := r.chains[place{table, words[1]}]
			c.rules = append(c.rules, iptablesRule(line, words[2:]))
		default:
			return nil, fmt.Errorf("line %q is none of iptables-save", line)
		}
	}
	return r, nil
}

// split takes a line apart into words; a word with blanks is in quotes.
func split(line string) (words []string) {
	var word strings.Builder
	quoted, escaped, started := false, false, false
	for _, c := range line {
		switch {
		case escaped:
			escaped = false
			word.WriteRune(c)
		case c == '\\' && quoted:
			escaped = true
		case c == '"':
			quoted, started = !quoted, true
		case c == ' ' && !quoted:
			if started {
				words = append(words, word.String())
			}
			word.Reset()
			started = false
		default:
			started = true
			word.WriteRune(c)
		}
	}
	if started {
		words = append(words, word.String())
	}
	return words
}

// quiet are options that say nothing about which packets fit.
var quiet = []string{"-m", "--comment"}

func iptablesRule(line string, words []string) rule {
	r := rule{text: line, act: action{out: onward}}
	for len(words) > 0 {
		not := words[0] == "!"
		if not {
			words = words[1:]
		}
		if len(words) == 0 {
			r.tests = append(r.tests, unknown)
			break
		}
		option, args := words[0], words[1:]
		n := slices.IndexFunc(args, func(w string) bool { return w == "!" || len(w) > 1 && w[0] == '-' })
		if n < 0 {
			n = len(args)
		}
		if slices.Contains(quiet, option) { // a comment may look like anything
			n = min(1, len(args))
		}
		words = args[n:]
		args = args[:n]
		switch {
		case slices.Contains(quiet, option):
		case (option == "-j" || option == "-g") && len(args) == 1:
			r.act = iptablesTarget(args[0], option == "-g")
			return r // what follows is how it does that
		default:
			r.tests = append(r.tests, iptablesTest(option, args, not))
		}
	}
	return r
}

// harmless targets let the packet go on to the next rule.
var harmless = []string{
	"LOG", "NFLOG", "ULOG", "MARK", "CONNMARK", "CT", "NOTRACK", "TCPMSS", "SET", "CHECKSUM", "CLASSIFY", "DSCP", "TOS",
	"AUDIT", "SECMARK", "CONNSECMARK", "TRACE", "ACCOUNT", "LED", "HMARK", "IDLETIMER", "RATEEST", "TEE",
}

// foreign targets may do anything.
var foreign = []string{"DNAT", "REDIRECT", "TPROXY", "NETMAP", "QUEUE", "NFQUEUE", "SYNPROXY", "CLUSTERIP", "DNPT", "SNPT"}

func iptablesTarget(name string, leave bool) action {
	switch {
	case name == "ACCEPT":
		return action{out: accept}
	case name == "DROP" || name == "REJECT":
		return action{out: drop}
	case name == "RETURN":
		return action{out: back}
	case slices.Contains(harmless, name):
		return action{out: onward}
	case slices.Contains(foreign, name):
		return action{out: anything}
	}
	return action{target: name, leave: leave}
}

func iptablesTest(option string, args []string, not bool) test {
	if option == "--tcp-flags" && len(args) == 2 {
		return func(p Packet) truth {
			return p.flagsAre(flags(args[0]), flags(args[1])).unless(not && p.Protocol == "tcp")
		}
	}
	if len(args) != 1 {
		return unknown
	}
	values := strings.Split(args[0], ",")
	one := iptablesField(option)
	if one == nil {
		return unknown
	}
	return func(p Packet) truth {
		return anyOf(values, func(v string) truth { return one(p, v) }).unless(not)
	}
}

func flags(list string) []string {
	if list == "NONE" {
		return nil
	}
	return strings.Split(list, ",")
}

// iptablesField is how an option looks at a packet; nil is one that is not
// known. Source: iptables-extensions(8).
func iptablesField(option string) func(p Packet, v string) truth {
	switch option {
	case "-s":
		return func(p Packet, v string) truth { return within(p.Source, v) }
	case "-d":
		return func(p Packet, v string) truth { return within(p.Dest, v) }
	case "-i":
		return func(p Packet, v string) truth { return p.comesBy(v, "+") }
	case "-p":
		return Packet.isProtocol
	case "--dport", "--dports":
		return func(p Packet, v string) truth {
			if low, high, ok := ports(v, ":"); ok {
				return p.toPorts(low, high)
			}
			return maybe
		}
	case "--sport", "--sports":
		return func(_ Packet, v string) truth {
			if low, high, ok := ports(v, ":"); ok {
				return fromPorts(low, high)
			}
			return maybe
		}
	case "--ctstate", "--state":
		return func(_ Packet, v string) truth { return isState(v) }
	case "--dst-type":
		return Packet.isTo
	}
	return nil
}
