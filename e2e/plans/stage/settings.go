package stage

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/optionc/pollux/faults/plan"
)

// settings are what a scenario may set here; what it does not is the simulator's
// profile page.
type settings struct {
	net       map[string]string // options of drbd.conf's section net
	disk      map[string]string // and disk
	deadtime  time.Duration
	fail, lie int // of a million calls of programs, so many fail or do nothing
	keeps     int // of a million unflushed sectors, so many survive a power loss
	calm      time.Duration
	apart     bool
	clients   int
	think     time.Duration
	latency   time.Duration
	rate      int64
	solves    bool // a policy decides a split brain
	protocolC bool
}

func usual() settings {
	return settings{
		net: map[string]string{
			"protocol": "C", "timeout": "60", "connect-int": "3", "ping-int": "10", "ping-timeout": "5", "ko-count": "7",
			"max-epoch-size": "2048",
		},
		disk: map[string]string{
			"on-io-error": "detach", "al-extents": "257", "resync-rate": "10M", "c-plan-ahead": "0",
		},
		deadtime: 10 * time.Second, calm: 90 * time.Second, clients: 4, think: 100 * time.Millisecond,
		latency: 10 * time.Millisecond, protocolC: true,
	}
}

// tenths is a time as the section net has it.
func tenths(value string) (string, error) {
	d, err := time.ParseDuration(value)
	return fmt.Sprint(int(d / (100 * time.Millisecond))), err
}

// setters are the simulator's settings that mean the same here.
var setters = map[string]func(s *settings, value string) error{
	"protocol": func(s *settings, value string) error {
		s.net["protocol"], s.protocolC = value, value == "C"
		return nil
	},
	"ko-count": func(s *settings, value string) error {
		s.net["ko-count"] = value
		return nil
	},
	"timeout": func(s *settings, value string) (err error) {
		s.net["timeout"], err = tenths(value)
		return err
	},
	"ping-timeout": func(s *settings, value string) (err error) {
		s.net["ping-timeout"], err = tenths(value)
		return err
	},
	"after-sb-0pri": policy("after-sb-0pri"),
	"after-sb-1pri": policy("after-sb-1pri"),
	"after-sb-2pri": policy("after-sb-2pri"),
	"al-extents": func(s *settings, value string) error {
		s.disk["al-extents"] = value
		return nil
	},
	"resync-rate": func(s *settings, value string) error {
		s.disk["resync-rate"] = value + "K"
		return nil
	},
	"disk-timeout": func(s *settings, value string) (err error) {
		s.disk["disk-timeout"], err = tenths(value)
		return err
	},
	"deadtime": span(func(s *settings) *time.Duration { return &s.deadtime }),
	"calm":     span(func(s *settings) *time.Duration { return &s.calm }),
	"think":    span(func(s *settings) *time.Duration { return &s.think }),
	"latency":  span(func(s *settings) *time.Duration { return &s.latency }),
	"link-rate": func(s *settings, value string) (err error) {
		s.rate, err = strconv.ParseInt(value, 10, 64)
		return err
	},
	"disk-keeps": number(func(s *settings) *int { return &s.keeps }),
	"tools-fail": number(func(s *settings) *int { return &s.fail }),
	"tools-lie":  number(func(s *settings) *int { return &s.lie }),
	"clients":    number(func(s *settings) *int { return &s.clients }),
	"apart": func(s *settings, value string) error {
		s.apart = value == "yes"
		return nil
	},
}

func policy(option string) func(s *settings, value string) error {
	return func(s *settings, value string) error {
		s.net[option], s.solves = value, true
		return nil
	}
}

func number(at func(s *settings) *int) func(s *settings, value string) error {
	return func(s *settings, value string) (err error) {
		*at(s), err = strconv.Atoi(value)
		return err
	}
}

func span(at func(s *settings) *time.Duration) func(s *settings, value string) error {
	return func(s *settings, value string) (err error) {
		*at(s), err = time.ParseDuration(value)
		return err
	}
}

// settingsOf reads a scenario. What real machines can't be told is an error.
func settingsOf(scenario plan.Scenario) (settings, error) {
	s := usual()
	if scenario.Profile != "page" {
		return s, fmt.Errorf("found profile %q, want page: the others are drawn by the simulator", scenario.Profile)
	}
	for _, x := range scenario.Settings {
		set, ok := setters[x.Name]
		if !ok {
			return s, fmt.Errorf("setting %s is none of %s", x.Name, strings.Join(slices.Sorted(maps.Keys(setters)), ", "))
		}
		if err := set(&s, x.Value); err != nil {
			return s, fmt.Errorf("setting %s: %w", x.Name, err)
		}
	}
	for _, f := range scenario.Plan {
		if !canStrike(f.Kind) {
			return s, fmt.Errorf("fault %v can't be made to happen on real machines yet", f.Kind)
		}
		if !canSee(f.On) {
			return s, fmt.Errorf("trigger %s %d%% can't be seen on real machines", f.On.Word, f.On.Percent)
		}
	}
	return s, nil
}

// CanPlay says why real machines can't play a scenario; nil if they can.
func CanPlay(scenario plan.Scenario) error {
	_, err := settingsOf(scenario)
	return err
}

// survives decides what a power loss leaves of the caches.
func (s settings) survives(below func(n int) int) func() bool {
	return func() bool { return below(1_000_000) < s.keeps }
}

const agentsDir = "/etc/ha.d/agents"

// files are the node's configuration, by their names.
func (s settings) files(cluster bool) map[string]string {
	section := func(options map[string]string) (text string) {
		for _, name := range slices.Sorted(maps.Keys(options)) {
			text += fmt.Sprintf(" %s %s;", name, options[name])
		}
		return text
	}
	files := map[string]string{"/etc/drbd.conf": fmt.Sprintf(`global { usage-count no; }
resource %s {
  net {%s }
  disk {%s }
  on milo1 { device /dev/drbd1 minor 1; disk /dev/disk/data; address 192.168.0.1:7789; meta-disk internal; }
  on milo2 { device /dev/drbd1 minor 1; disk /dev/disk/data; address 192.168.0.2:7789; meta-disk internal; }
}
`, resource, section(s.net), section(s.disk))}
	if !cluster {
		return files
	}
	files["/etc/ha.d/ha.cf"] = fmt.Sprintf("node milo1 milo2\nkeepalive 1\ndeadtime %d\ninitdead 20\n"+
		"ucast eth0 192.168.0.1\nucast eth0 192.168.0.2\nauto_failback on\n", s.deadtime/time.Second)
	files["/etc/ha.d/haresources"] = "milo1 drbddisk::" + resource + " LVM::vg xenHA\n"
	files["/etc/ha.d/authkeys"] = "auth 1\n1 sha1 of-both-nodes\n"
	files[agentsDir+"/LVM"] = "#!/bin/sh\nexec guest tell vg \"$2\"\n"
	files[agentsDir+"/xenHA"] = "#!/bin/sh\nexec guest tell guest \"$1\"\n"
	return files
}

func modeOf(file string) os.FileMode {
	if strings.HasPrefix(file, agentsDir) {
		return 0o755
	}
	return 0o600
}
