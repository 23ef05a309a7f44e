package haconf

import (
	"math"
	"slices"
	"strings"
	"time"
)

// A directive is one word that a line of ha.cf may start with.
type directive struct {
	name   string
	preset string // its value unless it is written; empty: none, or computed
	many   bool   // may stand on many lines; then it is no parameter
	read   reader
}

// A reader takes a directive's values into haParser.ha, or says why it cannot.
type reader func(p *haParser, s statement)

// directives is the table of all. A reader of which HA has no field checks the value and keeps it as a parameter
// alone. Source: Heartbeat wire, section 11.
func directives() []directive {
	return append(haDirectives(), systemDirectives()...)
}

// haDirectives are those about the cluster.
func haDirectives() []directive {
	return []directive{
		{"node", "", true, readNode},
		{"keepalive", "1000ms", false, readTime(func(h *HA) *time.Duration { return &h.Keepalive })},
		{"deadtime", "30000ms", false, readTime(func(h *HA) *time.Duration { return &h.Deadtime })},
		{"warntime", "", false, readTime(func(h *HA) *time.Duration { return &h.Warntime })},
		{"initdead", "", false, readTime(func(h *HA) *time.Duration { return &h.Initdead })},
		{"deadping", "", false, readTime(func(h *HA) *time.Duration { return &h.Deadping })},
		{"max_rexmit_delay", "250", false, readResendWait},
		{"hbgenmethod", "file", false, readChoice("file", "time", func(h *HA) *bool { return &h.GenerationFromClock })},
		{"auto_failback", "legacy", false, readFailback},
		{"failback_after", "", false, readFailbackAfter},
		{"monitor", "", false, readMonitor},
		{"guests_at_once", "", false, readInt(1, maxAtOnce, func(h *HA) *int { return &h.Guests.AtOnce })},
		{"displace", "", true, readDisplace},
		{"nice_failback", "", false, readNiceFailback},
		{"hopfudge", "1", false, readInt(0, 255, func(h *HA) *int { return &h.HopFudge })},
		{"msgfmt", "classic", false, readChoice("classic", "netstring", func(h *HA) *bool { return &h.BareNetstring })},
		{"compression", "zlib", false, readChoice("zlib", "bz2", nil)},
		{"compression_threshold", "2", false, readInt(1, math.MaxInt32, nil)},
		{"traditional_compression", "no", false, readBool(nil)},
		{"autojoin", "none", false, readAutojoin},
		{"uuidfrom", "file", false, readUUIDFrom},
		{"cluster", "linux-ha", false, readWord},
		{"quorum_server", "", false, readWord},
		{"udpport", "694", false, readUDPPort},
		{"baud", "19200", false, readBaud},
		{"ucast", "", true, readUnicast(Unicast)},
		{"ucast6", "", true, readUnicast(Unicast6)},
		{"mcast", "", true, readMulticast(Multicast)},
		{"mcast6", "", true, readMulticast(Multicast6)},
		{"bcast", "", true, readBroadcast},
		{"udp", "", true, readBroadcast},
		{"serial", "", true, readSerial},
		{"ping", "", true, readPing(Ping)},
		{"ping6", "", true, readPing(Ping6)},
		{"ping_group", "", true, readPingGroup},
		{"hbaping", "", true, refuseFibreChannel},
		{"stonith", "", true, readStonith},
		{"witness", "", false, readWitness},
		{"policy", "", false, readPolicy},
		{"lease", "", false, readTime(func(h *HA) *time.Duration { return &h.Lease })},
		{"stonith_host", "", true, readStonithHost},
	}
}

// systemDirectives are those about the node and its daemon.
func systemDirectives() []directive {
	return []directive{
		{"watchdog", "", false, readPath(func(h *HA) *string { return &h.Watchdog })},
		{"respawn", "", true, readChild},
		{"failfast", "", true, readChild},
		{"apiauth", "", true, readClient},
		{"env", "", true, readVariable},
		{"logfacility", "", false, readFacility},
		{"logfile", "", false, readPath(func(h *HA) *string { return &h.LogFile })},
		{"debugfile", "", false, readPath(func(h *HA) *string { return &h.DebugFile })},
		{"use_logd", "", false, readBool(nil)},
		{"conn_logd_time", "60", false, readTime(nil)},
		{"syslogmsgfmt", "true", false, readBool(nil)},
		{"debug", "0", false, readInt(0, 255, func(h *HA) *int { return &h.Debug })},
		{"log_badpack", "true", false, readBool(func(h *HA) *bool { return &h.LogBadPackets })},
		{"realtime", "true", false, readBool(nil)},
		{"rtprio", "", false, readInt(math.MinInt32, math.MaxInt32, nil)},
		{"memreserve", "6500", false, readInt(1, math.MaxInt32, nil)},
		{"coredumps", "true", false, readBool(nil)},
		{"coreroot", "", false, readPath(nil)},
		{"use_apphbd", "", false, readBool(nil)},
		{"normalpoll", "true", false, readBool(nil)},
		{"pacemaker", "false", false, refuseManager},
		{"crm", "false", false, refuseManager},
		{"crm_daemon_dir", "", false, ignore},
		{"crmd_spawns_pengine", "", false, ignore},
		{"record_config_changes", "", false, ignore},
		{"record_pengine_inputs", "", false, ignore},
		{"enable_config_writes", "", false, ignore},
	}
}

// readTime reads a time of at least a millisecond, which is what the wire can say.
func readTime(to func(*HA) *time.Duration) reader {
	return func(p *haParser, s statement) {
		if !p.count(s, 1, 1, "%s", wantTime) {
			return
		}
		d, ok := parseTime(s.args[0].text)
		switch {
		case !ok:
			p.fail(s.args[0], "%s", wantTime)
		case d < time.Millisecond:
			p.fail(s.args[0], "at least 1ms")
		case to != nil:
			*to(p.ha) = d
		}
	}
}

func readResendWait(p *haParser, s statement) {
	const most = 1 << 30
	if p.count(s, 1, 1, "a number of milliseconds, 1 to %d", most) {
		p.ha.MaxResendWait = time.Duration(p.integer(s.args[0], 1, most)) * time.Millisecond
	}
}

func readInt(least, most int, to func(*HA) *int) reader {
	return func(p *haParser, s statement) {
		if !p.count(s, 1, 1, "a number from %d to %d", least, most) {
			return
		}
		if n := p.integer(s.args[0], least, most); to != nil {
			*to(p.ha) = n
		}
	}
}

func readBool(to func(*HA) *bool) reader {
	return func(p *haParser, s statement) {
		if !p.count(s, 1, 1, "%s", wantBool) {
			return
		}
		b, ok := parseBool(s.args[0].text)
		if !ok {
			p.fail(s.args[0], "%s", wantBool)
		}
		if to != nil {
			*to(p.ha) = b
		}
	}
}

func readWord(p *haParser, s statement) { p.count(s, 1, 1, "one word") }

// readPath reads a path, which may hold commas.
func readPath(to func(*HA) *string) reader {
	return func(p *haParser, s statement) {
		s.args = s.rest.split(blanks)
		if p.count(s, 1, 1, "a path that starts with '/'") && p.path(s.args[0]) && to != nil {
			*to(p.ha) = s.args[0].text
		}
	}
}

// readChoice reads one of two words, of which the second one switches something on.
func readChoice(usual, other string, to func(*HA) *bool) reader {
	return func(p *haParser, s statement) {
		switch {
		case !p.count(s, 1, 1, "%s or %s", usual, other):
		case s.args[0].text != usual && s.args[0].text != other:
			p.fail(s.args[0], "%s or %s", usual, other)
		case to != nil:
			*to(p.ha) = s.args[0].text == other
		}
	}
}

func readFacility(p *haParser, s statement) {
	facilities := strings.Fields("auth authpriv cron daemon ftp kern lpr mail news syslog user uucp " +
		"local0 local1 local2 local3 local4 local5 local6 local7 none")
	switch {
	case !p.count(s, 1, 1, "a syslog facility, as local0, or none"):
	case !slices.Contains(facilities, s.args[0].text):
		p.fail(s.args[0], "a syslog facility: one of %s", strings.Join(facilities, ", "))
	case s.args[0].text == "none":
		p.ha.LogFacility = ""
	default:
		p.ha.LogFacility = s.args[0].text
	}
}
