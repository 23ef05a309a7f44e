// Package haconf reads the three files that Heartbeat's users have: ha.cf, haresources and authkeys. It opens no file:
// the caller brings the bytes, and for authkeys the mode.
//
// What Heartbeat 3.0.6 refuses at its start is refused here, with the line, the column and the way out. What it takes
// and does not do as its author would expect is a Warning.
package haconf

import (
	"iter"
	"time"
)

// HA is the file ha.cf. Source: Heartbeat wire, section 11.
type HA struct {
	Nodes []string // the members, in lower case, as they stand in the file

	Keepalive     time.Duration // from one heartbeat to the next
	Deadtime      time.Duration // silent for so long: dead
	Warntime      time.Duration // silent for so long: late; half of Deadtime unless written
	Initdead      time.Duration // Deadtime for a peer that has not been heard since the start
	Deadping      time.Duration // Deadtime of a ping node
	MaxResendWait time.Duration // max_rexmit_delay: the longest wait before a lost message is asked for

	Media         []Medium
	UDPPort       int // of the last udpport line; each Medium has the port that was in force at its line
	AutoFailback  Failback
	FailbackAfter Patience
	Monitor       Monitor
	HopFudge      int // added to the number of nodes in the field ttl

	GenerationFromClock bool // hbgenmethod time
	BareNetstring       bool // msgfmt netstring: send packets without the field auth

	LogFacility   string // a syslog facility's name, or empty
	LogFile       string // path, or empty
	DebugFile     string // path, or empty
	Debug         int    // 0 to 255
	LogBadPackets bool

	Watchdog string // path of the watchdog device, or empty
	Env      []Variable
	Clients  []Client // who may use the control socket, Heartbeat's own defaults included
	Children []Child
	Stonith  []Stonith

	Guests Guests

	Witness Witness
	Policy  string        // one of the policies
	Lease   time.Duration // how long a promise of the witness, or of the peer, lasts

	Warnings   []Warning
	parameters []parameter
}

// Monitor says how what runs is looked after: the directive monitor, which Heartbeat has not. Without it all is zero.
type Monitor struct {
	Every    time.Duration // from one look to the next
	Restarts int           // of a group within Period, before the other node is asked
	Period   time.Duration
}

// Patience says how long groups wait before they go back, and how often they may: the directive failback_after, which
// Heartbeat has not. Without it all is zero.
type Patience struct {
	Steady time.Duration // the other copy was fit, and the link steady, for so long
	Period time.Duration // in which groups go back once; 0: always
}

// Failback says whether groups return to their preferred node.
type Failback uint8

// What auto_failback may say.
const (
	FailbackOff    Failback = 0
	FailbackOn     Failback = 1
	FailbackLegacy Failback = 2 // as before Heartbeat 1.2: the preferred node asks for each group when it starts
)

// A Variable is given to scripts as HA_NAME.
type Variable struct{ Name, Value string }

// A Client is a named user of the control socket: any of the users, or anybody in one of the groups, may be it.
type Client struct {
	Name       string // "default" stands for all others, "anon" for clients without name
	UIDs, GIDs []string
}

// A Child is a program that runs while the daemon does.
type Child struct {
	User     string
	Command  string // path and arguments
	FailFast bool   // its end reboots the node
	Line     int
}

// A Stonith is a device that switches nodes off.
type Stonith struct {
	Host string // the node that uses it; "*": any. The last one that fits is used
	Type string
	File string   // path of a file with the arguments, from stonith
	Args []string // from stonith_host
	Line int
}

// parameter is a directive's value as text.
type parameter struct{ name, value string }

// Parameter returns what cl_status hbparameter prints: a directive's value as it is written, else its default. Some
// have neither; directives of which there may be many, as node, have none.
func (h *HA) Parameter(name string) (string, bool) {
	for n, value := range h.Parameters() {
		if n == name {
			return value, true
		}
	}
	return "", false
}

// Parameters returns all that Parameter knows, in an order that does not change. Scripts get them as HA_NAME.
func (h *HA) Parameters() iter.Seq2[string, string] {
	return func(yield func(name, value string) bool) {
		for _, p := range h.parameters {
			if !yield(p.name, p.value) {
				return
			}
		}
	}
}
