package drbdsetup

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/optionc/pollux/daemon/node"
)

// about says what the first argument of a command names.
type about uint8

const (
	nothing      about = iota
	aMinor             // of a device
	aResource          // by name
	aConnection        // resource, local and remote address
	twoAddresses       // local and remote
	aThing             // a resource or a minor; none is all
)

// A command is one word of drbdsetup.
type command struct {
	name  string
	about about
	// flags take no value, values take one. A command that is open takes any
	// option: polluxd has the configuration file's.
	flags, values []string
	open          bool
	// absent lets the command run on a resource that is down.
	absent bool
	run    func(context.Context, *call) int
}

// commands are all that there are.
func commands() []command {
	detail := []string{"verbose", "statistics", "json"}
	waits := []string{"wfc-timeout", "degr-wfc-timeout", "outdated-wfc-timeout", "wait-after-sb"}
	return []command{
		{name: "primary", about: aMinor, flags: []string{"force", "overwrite-data-of-peer", "do-what-I-say"}, run: order},
		{name: "secondary", about: aMinor, run: order},
		{name: "attach", about: aMinor, open: true, run: order},
		{name: "disk-options", about: aMinor, open: true, run: accept},
		{name: "detach", about: aMinor, flags: []string{"force"}, run: order},
		{name: "connect", about: aConnection, open: true, run: connect},
		{name: "net-options", about: twoAddresses, open: true, run: accept},
		{name: "disconnect", about: twoAddresses, flags: []string{"force"}, run: disconnect},
		{name: "resize", about: aMinor, open: true, run: order},
		{name: "resource-options", about: aResource, open: true, run: accept},
		{name: "new-current-uuid", about: aMinor, flags: []string{"clear-bitmap"}, run: order},
		{name: "invalidate", about: aMinor, run: order},
		{name: "invalidate-remote", about: aMinor, run: order},
		{name: "pause-sync", about: aMinor, run: order},
		{name: "resume-sync", about: aMinor, run: order},
		{name: "suspend-io", about: aMinor, run: order},
		{name: "resume-io", about: aMinor, run: order},
		{name: "outdate", about: aMinor, run: order},
		{name: "verify", about: aMinor, values: []string{"start", "stop"}, run: order},
		{name: "down", about: aResource, absent: true, run: down},
		{name: "state", about: aMinor, run: role},
		{name: "role", about: aMinor, run: role},
		{name: "sh-status", about: aThing, run: shStatus},
		{name: "cstate", about: aMinor, run: cstate},
		{name: "dstate", about: aMinor, run: dstate},
		{name: "show-gi", about: aMinor, run: showGI},
		{name: "get-gi", about: aMinor, run: getGI},
		{name: "show", about: aThing, flags: []string{"show-defaults"}, run: show},
		{name: "status", about: aThing, flags: detail, values: []string{"color"}, run: status},
		{name: "check-resize", about: aMinor, run: accept},
		{name: "events2", about: aThing, flags: []string{"timestamps", "statistics", "now"}, run: events2},
		{name: "wait-connect", about: aMinor, values: waits, run: waitConnect},
		{name: "wait-sync", about: aMinor, values: waits, run: waitSync},
		{name: "new-resource", about: aResource, absent: true, open: true, run: accept},
		{name: "new-minor", about: aResource, absent: true, open: true, run: newMinor},
		{name: "del-minor", about: aMinor, absent: true, run: accept},
		{name: "del-resource", about: aResource, absent: true, run: accept},
	}
}

func find(name string) (command, bool) {
	for _, c := range commands() {
		if c.name == name {
			return c, true
		}
	}
	return command{}, false
}

// parse sorts words into arguments and options; it says what is wrong.
func (c *call) parse(cmd command, words []string) string {
	for i := 0; i < len(words); i++ {
		name, isOption := strings.CutPrefix(words[i], "-")
		if !isOption || name == "" {
			c.args = append(c.args, words[i])
			continue
		}
		name = strings.TrimPrefix(name, "-")
		name, value, hasValue := strings.Cut(name, "=")
		switch {
		case slices.Contains(cmd.flags, name) && !hasValue, cmd.open && !slices.Contains(cmd.values, name):
		case slices.Contains(cmd.values, name) && hasValue:
		case slices.Contains(cmd.values, name) && i+1 < len(words):
			i++
			value = words[i]
		default:
			return "unrecognized option '" + words[i] + "'"
		}
		c.options[name] = value
	}
	least := map[about]int{aMinor: 1, aResource: 1, aConnection: 3, twoAddresses: 2}[cmd.about]
	if len(c.args) < least {
		return "missing argument"
	}
	return ""
}

// has tells whether an option was given.
func (c *call) has(names ...string) bool {
	return slices.ContainsFunc(names, func(name string) bool {
		_, ok := c.options[name]
		return ok
	})
}

// about finds the resource that the command is about; it fails as the kernel
// does if there is none.
func (c *call) about(cmd command) int {
	if cmd.about == nothing || cmd.about == aThing && (len(c.args) == 0 || c.args[0] == "all") {
		return 0
	}
	c.subject = c.args[0]
	switch cmd.about {
	case twoAddresses:
		c.subject = "??"
		c.resource = c.lookup(func(r *node.ResourceStatus) bool {
			return r.Address == c.args[0] && r.PeerAddress == c.args[1]
		})
	case aMinor:
		minor, isDevice := minorOf(c.args[0])
		if minor >= 0 {
			c.subject = strconv.Itoa(minor)
		}
		c.resource = c.lookup(func(r *node.ResourceStatus) bool {
			return minor == r.Minor || !isDevice && r.Device == c.args[0]
		})
	default:
		minor, _ := minorOf(c.args[0])
		c.resource = c.lookup(func(r *node.ResourceStatus) bool {
			return r.Name == c.args[0] || cmd.about == aThing && r.Minor == minor
		})
	}
	if c.resource != nil && (!c.resource.Down || cmd.absent) {
		return 0
	}
	switch {
	case cmd.absent:
		return 0 // what is not there is down already
	case cmd.about == twoAddresses:
		return c.fail(162, "Invalid configuration request", "unknown connection")
	case cmd.about == aMinor:
		return c.fail(127, "Device minor not allocated", "unknown minor")
	case cmd.name == "status":
		c.complain("%s: No such resource", c.subject)
		return ExitError
	default:
		return c.fail(158, "Unknown resource", "unknown resource")
	}
}

func (c *call) lookup(fits func(r *node.ResourceStatus) bool) *node.ResourceStatus {
	for i := range c.status.Resources {
		if fits(&c.status.Resources[i]) {
			return &c.status.Resources[i]
		}
	}
	return nil
}

// minorOf reads 1, minor-1 and /dev/drbd1; -1 is none of them.
func minorOf(word string) (minor int, isDevice bool) {
	digits, isDevice := strings.CutPrefix(word, "/dev/drbd")
	digits = strings.TrimPrefix(strings.TrimPrefix(digits, "minor-"), "_")
	minor, err := strconv.Atoi(digits)
	if err != nil || minor < 0 {
		return -1, false
	}
	return minor, isDevice
}
