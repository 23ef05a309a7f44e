package haconf_test

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/format/haconf"
)

func read(tb testing.TB, path string) []byte {
	tb.Helper()
	text, err := os.ReadFile(path)
	NewWithT(tb).Expect(err).NotTo(HaveOccurred())
	return text
}

func TestTheFirstHAFile(t *testing.T) {
	g := NewWithT(t)
	ha, err := haconf.ParseHA("ha.cf", read(t, "testdata/seed/ha.cf"))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(ha.Nodes).To(Equal([]string{"milo1", "milo2"}))
	g.Expect(ha.Keepalive).To(Equal(5 * time.Second))
	g.Expect(ha.Deadtime).To(Equal(90 * time.Second))
	g.Expect(ha.Warntime).To(Equal(45 * time.Second))
	g.Expect(ha.Initdead).To(Equal(90 * time.Second))
	g.Expect(ha.Deadping).To(Equal(90 * time.Second))
	g.Expect(ha.MaxResendWait).To(Equal(250 * time.Millisecond))
	g.Expect(ha.AutoFailback).To(Equal(haconf.FailbackOn))
	g.Expect(ha.LogFacility).To(Equal("local0"))
	g.Expect(ha.UDPPort).To(Equal(694))
	g.Expect(ha.HopFudge).To(Equal(1))
	g.Expect(ha.LogBadPackets).To(BeTrue())
	g.Expect(ha.Media).To(Equal([]haconf.Medium{
		{Kind: haconf.Unicast, Device: "xen-br0", Address: "192.168.0.1", Port: 694, Line: 5},
		{Kind: haconf.Unicast, Device: "xen-br0", Address: "192.168.0.2", Port: 694, Line: 6},
	}))
	g.Expect(ha.Clients).To(HaveLen(6))
	g.Expect(ha.Clients[0]).To(Equal(haconf.Client{Name: "cl_status", UIDs: []string{"root"}}))
	g.Expect(ha.Warnings).To(BeEmpty())
}

// base is the shortest ha.cf that is right and says nothing in a warning.
const base = "node a b\nbcast eth0\nauto_failback on\n"

func TestParameters(t *testing.T) {
	g := NewWithT(t)
	ha, err := haconf.ParseHA("ha.cf", []byte(base+"keepalive 0500ms # half\ndeadtime 4\ninitdead 12\nlogfile /var/a,b\n"))
	g.Expect(err).NotTo(HaveOccurred())
	for name, want := range map[string]string{
		"keepalive": "0500ms", "deadtime": "4", "initdead": "12", "warntime": "2000ms", "deadping": "4000ms",
		"udpport": "694", "auto_failback": "on", "msgfmt": "classic", "logfile": "/var/a,b", "max_rexmit_delay": "250",
		"log_badpack": "true", "pacemaker": "false",
	} {
		value, ok := ha.Parameter(name)
		g.Expect(ok).To(BeTrue(), name)
		g.Expect(value).To(Equal(want), name)
	}
	for _, name := range []string{"node", "bcast", "watchdog", "nonsense"} {
		_, ok := ha.Parameter(name)
		g.Expect(ok).To(BeFalse(), name)
	}
	for name, value := range ha.Parameters() {
		g.Expect(name).To(Equal("keepalive"))
		g.Expect(value).To(Equal("0500ms"))
		break
	}
}

func TestTimes(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"2": 2 * time.Second, "0.5": time.Second / 2, "500ms": time.Second / 2, "500000us": time.Second / 2,
		".25": time.Second / 4, "3.": 3 * time.Second, "1500MS": 1500 * time.Millisecond, "0.0015": 1500 * time.Microsecond,
		"1.5ms": 1500 * time.Microsecond, "0.1234567891": 123456789,
	} {
		g := NewWithT(t)
		ha, err := haconf.ParseHA("ha.cf", []byte(base+"keepalive "+text))
		g.Expect(err).NotTo(HaveOccurred(), text)
		g.Expect(ha.Keepalive).To(Equal(want), text)
	}
	for _, text := range []string{
		"0", "0.5ms", "-1", "+1", "5s", "5m", "ms", ".", "1.2.3", "1e3", "1 2",
		"99999999999999999999", "2147483649", "0x5", "1_0",
	} {
		_, err := haconf.ParseHA("ha.cf", []byte(base+"keepalive "+text))
		NewWithT(t).Expect(err).To(HaveOccurred(), text)
	}
}

func TestInitdeadUnlessWritten(t *testing.T) {
	for deadtime, want := range map[string]time.Duration{
		"4": 12 * time.Second, "6": 12 * time.Second, "8": 16 * time.Second, "10": 20 * time.Second, "11": 11 * time.Second,
	} {
		g := NewWithT(t)
		ha, err := haconf.ParseHA("ha.cf", []byte(base+"deadtime "+deadtime))
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(ha.Initdead).To(Equal(want), deadtime)
	}
}

func TestMedia(t *testing.T) {
	g := NewWithT(t)
	ha, err := haconf.ParseHA("ha.cf", []byte(strings.Join([]string{
		"node a b", "auto_failback off", "udpport 1694", "baud 9600",
		"ucast eth0 peer.example.org", "bcast eth0, eth1", "mcast eth0 225.0.0.1 695 2 1",
		"ucast6 eth0 fe80::1%eth0", "mcast6 eth0 ff02::1 694 1 0", "serial /dev/ttyS0", "baud 19200",
		"serial /dev/ttyS1", "ping 10.0.0.1 gate", "ping_group gates 10.0.0.1 10.0.0.2", "udp eth2", "udpport 694",
		"ping6 fd00::fe gate", "ping fe80::1%eth0", "ping_group gates6 fd00::fe 10.0.0.1",
	}, "\n")))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(ha.Media).To(Equal([]haconf.Medium{
		{Kind: haconf.Unicast, Device: "eth0", Address: "peer.example.org", Port: 1694, Line: 5},
		{Kind: haconf.Broadcast, Device: "eth0", Port: 1694, Line: 6},
		{Kind: haconf.Broadcast, Device: "eth1", Port: 1694, Line: 6},
		{Kind: haconf.Multicast, Device: "eth0", Address: "225.0.0.1", Port: 695, TTL: 2, Loop: true, Line: 7},
		{Kind: haconf.Unicast6, Device: "eth0", Address: "fe80::1%eth0", Port: 1694, Line: 8},
		{Kind: haconf.Multicast6, Device: "eth0", Address: "ff02::1", Port: 694, TTL: 1, Line: 9},
		{Kind: haconf.Ping, Address: "10.0.0.1", Line: 13},
		{Kind: haconf.Ping, Address: "gate", Line: 13},
		{Kind: haconf.PingGroup, Address: "gates", Members: []string{"10.0.0.1", "10.0.0.2"}, Line: 14},
		{Kind: haconf.Broadcast, Device: "eth2", Port: 1694, Line: 15},
		{Kind: haconf.Ping6, Address: "fd00::fe", Line: 17},
		{Kind: haconf.Ping6, Address: "gate", Line: 17},
		{Kind: haconf.Ping, Address: "fe80::1%eth0", Line: 18},
		{Kind: haconf.PingGroup, Address: "gates6", Members: []string{"fd00::fe", "10.0.0.1"}, Line: 19},
	}))
	g.Expect(ha.UDPPort).To(Equal(694))
	const serial = " has no effect: there is no heartbeat over serial lines; a second network does the same, " +
		"as ucast eth1 192.168.1.2"
	g.Expect(ha.Warnings).To(ContainElements(haconf.Warning{Line: 10, Text: "serial /dev/ttyS0" + serial},
		haconf.Warning{Line: 12, Text: "serial /dev/ttyS1" + serial}))
	g.Expect(ha.Warnings).To(ContainElement(haconf.Warning{Line: 15, Text: "udp is the old name of bcast; write bcast"}))
	g.Expect(ha.Warnings).To(ContainElement(haconf.Warning{
		Line: 16, Text: "udpport stands behind the medium of line 5, which keeps port 1694; move it up",
	}))
	for kind, want := range map[haconf.Kind]string{haconf.Multicast6: "mcast6", haconf.Ping6: "ping6", 99: ""} {
		g.Expect(kind.String()).To(Equal(want))
	}
}

func TestAllOtherDirectives(t *testing.T) {
	g := NewWithT(t)
	ha, err := haconf.ParseHA("ha.cf", []byte(base+strings.Join([]string{
		"warntime 5", "deadping 8", "initdead 120", "hbgenmethod time", "hopfudge 2", "msgfmt netstring", "compression bz2",
		"compression_threshold 4", "traditional_compression yes", "autojoin none", "uuidfrom file", "cluster page",
		"quorum_server q", "max_rexmit_delay 100", "stonith external/ipmi /etc/ha.d/ipmi.cf",
		"stonith_host A null a,b c", "stonith_host * ssh b", "watchdog /dev/watchdog",
		"respawn hacluster /usr/lib/heartbeat/ipfail  -v", "failfast root /bin/x", "apiauth anon gid=staff,wheel uid=root",
		"env FOO=a b=c", "env BAR=", "logfacility none", "debugfile /var/log/ha-debug", "use_logd off",
		"conn_logd_time 60", "syslogmsgfmt Yes", "debug 3", "log_badpack off", "realtime N", "rtprio -5", "memreserve 1",
		"coredumps 1", "coreroot /var/core", "use_apphbd 0", "normalpoll true", "crm off", "pacemaker No",
		"crm_daemon_dir /x", "crmd_spawns_pengine 1", "record_config_changes 1", "record_pengine_inputs 1",
		"enable_config_writes 1", "nice_failback on",
	}, "\n")))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(ha.Warntime).To(Equal(5 * time.Second))
	g.Expect(ha.Deadping).To(Equal(8 * time.Second))
	g.Expect(ha.GenerationFromClock).To(BeTrue())
	g.Expect(ha.BareNetstring).To(BeTrue())
	g.Expect(ha.HopFudge).To(Equal(2))
	g.Expect(ha.MaxResendWait).To(Equal(100 * time.Millisecond))
	g.Expect(ha.Debug).To(Equal(3))
	g.Expect(ha.LogBadPackets).To(BeFalse())
	g.Expect(ha.LogFacility).To(BeEmpty())
	g.Expect(ha.DebugFile).To(Equal("/var/log/ha-debug"))
	g.Expect(ha.Watchdog).To(Equal("/dev/watchdog"))
	g.Expect(ha.AutoFailback).To(Equal(haconf.FailbackOn), "nice_failback does not undo auto_failback")
	g.Expect(ha.Stonith).To(Equal([]haconf.Stonith{
		{Host: "*", Type: "external/ipmi", File: "/etc/ha.d/ipmi.cf", Line: 18},
		{Host: "a", Type: "null", Args: []string{"a,b", "c"}, Line: 19},
		{Host: "*", Type: "ssh", Args: []string{"b"}, Line: 20},
	}))
	g.Expect(ha.Children).To(Equal([]haconf.Child{
		{User: "hacluster", Command: "/usr/lib/heartbeat/ipfail  -v", Line: 22},
		{User: "root", Command: "/bin/x", FailFast: true, Line: 23},
	}))
	g.Expect(ha.Env).To(Equal([]haconf.Variable{{Name: "FOO", Value: "a b=c"}, {Name: "BAR"}}))
	g.Expect(ha.Clients).To(HaveLen(5), "anon replaces its default")
	anon := haconf.Client{Name: "anon", UIDs: []string{"root"}, GIDs: []string{"staff", "wheel"}}
	g.Expect(ha.Clients[0]).To(Equal(anon))
	g.Expect(ha.Warnings).To(HaveLen(8), "five of Pacemaker, respawn, failfast and nice_failback")
}

func TestHAWarns(t *testing.T) {
	for text, want := range map[string]string{
		"node a b\nbcast eth0":                           "auto_failback is missing",
		base + "deadtime 4\nkeepalive 1\ninitdead 6":     "initdead under 10 s",
		base + "warntime 31":                             "warntime is not below deadtime",
		base + "node B c":                                "node b is named twice",
		base + "deadtime 20\ndeadtime 25":                "deadtime stands on line 4 too",
		base + "uuidfrom nodename":                       "uuidfrom nodename has no effect",
		base + "apiauth nobody":                          "nobody may be that client",
		"node a b\nbcast eth0\nnice_failback on":         "write auto_failback off",
		"node a b\nbcast eth0\nnice_failback off":        "write auto_failback legacy",
		"node a b\nudp eth0\nauto_failback legacy\n\n\n": "udp is the old name of bcast",
	} {
		g := NewWithT(t)
		ha, err := haconf.ParseHA("ha.cf", []byte(text))
		g.Expect(err).NotTo(HaveOccurred(), text)
		g.Expect(fmt.Sprint(ha.Warnings)).To(ContainSubstring(want))
		g.Expect(ha.Warnings).To(HaveLen(1), text)
	}
}

func TestNiceFailback(t *testing.T) {
	for text, want := range map[string]haconf.Failback{
		"nice_failback on": haconf.FailbackOff, "nice_failback off": haconf.FailbackLegacy, "": haconf.FailbackLegacy,
		"auto_failback LEGACY": haconf.FailbackLegacy, "auto_failback No": haconf.FailbackOff,
		"nice_failback on\nauto_failback on": haconf.FailbackOn, "auto_failback y\nnice_failback on": haconf.FailbackOn,
	} {
		g := NewWithT(t)
		ha, err := haconf.ParseHA("ha.cf", []byte("node a b\nbcast eth0\n"+text))
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(ha.AutoFailback).To(Equal(want), text)
	}
}

func TestHARefuses(t *testing.T) {
	for text, want := range map[string]string{
		"bcast eth0":                              "ha.cf: found nothing, want a line with the two nodes",
		"node a b\nping 10.0.0.1":                 "ha.cf: found nothing, want a medium that reaches",
		base + "  deadtme 5":                      "ha.cf:4:3: found 'deadtme', want a directive of ha.cf (did you mean 'd",
		base + "Keepalive 5":                      "ha.cf:4:1: found 'Keepalive', want a directive of ha.cf (did you mean",
		base + "frobnicate":                       "ha.cf:4:1: found 'frobnicate', want a directive of ha.cf; remove",
		base + "keepalive 5s":                     "ha.cf:4:11: found '5s', want a time: a number, for seconds",
		base + "keepalive":                        "ha.cf:4:1: found 'keepalive', want a time",
		base + "keepalive 5\tms":                  "ha.cf:4:13: found 'ms', want no more than a time",
		base + "keepalive 0":                      "ha.cf:4:11: found '0', want at least 1ms",
		base + "keepalive 5\ndeadtime 10":         "ha.cf:5: found 'deadtime 10', want more than twice keepalive (5s)",
		base + "keepalive 15":                     "ha.cf:4: found 'deadtime 30000ms', want more than twice keepalive (15s)",
		base + "deadping 2":                       "ha.cf:4: found 'deadping 2', want more than twice",
		base + "initdead 29":                      "ha.cf:4: found 'initdead 29', want at least deadtime (30s)",
		base + "crm respawn":                      "ha.cf:4:1: found 'crm respawn', want crm off: resources come from",
		base + "pacemaker on":                     "ha.cf:4:1: found 'pacemaker on', want pacemaker off",
		base + "crm":                              "want off behind crm",
		base + "autojoin any":                     "ha.cf:4:10: found 'any', want none: with haresources no node joins",
		base + "auto_failback maybe":              "found 'maybe', want on, off or legacy",
		base + "nice_failback maybe":              "found 'maybe', want on or off",
		base + "realtime maybe":                   "found 'maybe', want on or off",
		base + "hbgenmethod clock":                "found 'clock', want file or time",
		base + "uuidfrom clock":                   "found 'clock', want file or nodename",
		base + "udpport 65536":                    "ha.cf:4:9: found '65536', want a number from 1 to 65535",
		base + "udpport +694":                     "found '+694', want a number",
		base + "baud 300":                         "found '300', want a rate: one of 9600",
		base + "debug 256":                        "found '256', want a number from 0 to 255",
		base + "max_rexmit_delay 0":               "found '0', want a number from 1",
		base + "logfacility local9":               "found 'local9', want a syslog facility",
		base + "logfile ha-log":                   "found 'ha-log', want a path that starts with '/'",
		base + "serial ttyS0":                     "found 'ttyS0', want a path that starts with '/'",
		base + "ucast eth0":                       "ha.cf:4:1: found 'ucast', want an interface and the peer's",
		base + "ucast eth0 192.168.0.256":         "ha.cf:4:12: found '192.168.0.256', want the peer's IPv4",
		base + "ucast eth0 192.168.0.01":          "found '192.168.0.01', want the peer's IPv4",
		base + "ucast eth0:1 192.168.0.1":         "ha.cf:4:7: found 'eth0:1', want a network interface",
		base + "ucast6 eth0 zz::1":                "found 'zz::1', want the peer's IPv6",
		base + "mcast eth0 10.0.0.1 694 1 0":      "found '10.0.0.1', want a multicast group",
		base + "mcast eth0 225.0.0.1 694 5 0":     "found '5', want a number from 0 to 4",
		base + "mcast eth0 225.0.0.1 694 1":       "want interface, group, port, ttl and loop",
		base + "mcast6 eth0 fe80::1 1 1 1":        "found 'fe80::1', want an IPv6 multicast group",
		base + "bcast":                            "want one or more interfaces behind bcast",
		base + "ping 10.0.0.300":                  "found '10.0.0.300', want a host name or an IP address",
		base + "ping fd00:fe":                     "found 'fd00:fe', want a host name or an IP address",
		base + "ping6 10.0.0.1":                   "found '10.0.0.1', want a host name or an IPv6 address",
		base + "ping_group g":                     "want a name for the group",
		base + "hbaping x":                        "found 'hbaping', want another medium",
		base + "node -x":                          "found '-x', want a node name",
		base + "node " + strings.Repeat("x", 100): "want a node name as 'uname -n' prints it",
		base + "env 1A=2":                         "ha.cf:4:5: found '1A=2', want NAME=VALUE",
		base + "env A":                            "want NAME=VALUE",
		"node a b\nserial /dev/ttyS0":             "ha.cf:2:8: found '/dev/ttyS0', want a network that reaches the peer",
		base + "respawn hacluster":                "ha.cf:4:18: found nothing, want a user and a command behind respawn",
		base + "apiauth x pid=1":                  "ha.cf:4:11: found 'pid=1', want uid= or gid=",
		base + "apiauth x uid=a\napiauth x uid=b": "ha.cf:5:9: found 'x', want one apiauth line for each client",
		base + "stonith null":                     "want a device type and a configuration file",
		base + "stonith_host a":                   "want a node or '*', a device type",
		base + "stonith_host a/b null":            "found 'a/b', want the name of the node",
		base + "cluster a b":                      "found 'b', want no more than one word",
		base + "node a\x00b":                      `ha.cf:4:7: found '\x00', want text without control characters`,
		base + "#" + strings.Repeat("x", 5120):    "want a line of at most 5120 bytes",
		strings.Repeat("\n", 1<<20+1):             "want a file of at most 1048576 bytes",
		base + strings.Repeat("bcast e\n", 64):    "ha.cf:67:7: found 'e', want at most 64 media",
	} {
		_, err := haconf.ParseHA("ha.cf", []byte(text))
		NewWithT(t).Expect(err).To(MatchError(ContainSubstring(want)))
	}
}

func TestHASaysAllThatIsWrong(t *testing.T) {
	g := NewWithT(t)
	_, err := haconf.ParseHA("ha.cf", []byte(base+"keepalive x\ndeadtime y\n"))
	g.Expect(strings.Split(err.Error(), "\n")).To(HaveLen(2))
	var first *haconf.ParseError
	g.Expect(err).To(MatchError(ContainSubstring("4:11")))
	g.Expect(errors.As(err, &first)).To(BeTrue())
	g.Expect(*first).To(And(HaveField("Line", 4), HaveField("Col", 11), HaveField("Found", "x")))

	_, err = haconf.ParseHA("ha.cf", []byte(strings.Repeat("what\n", 1000)))
	g.Expect(strings.Split(err.Error(), "\n")).To(HaveLen(20), "something else altogether is not listed line by line")
}
