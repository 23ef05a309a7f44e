// Package drbdadm is the command of that name as DRBD 8.4 has it: it finds
// resources in drbd.conf and says what drbdsetup and drbdmeta would be called
// for. Both are carried out here: the first by polluxd, the second on the disk.
//
// Source: drbd.conf and its tools, section 7.1, and the outputs that drbdadm
// was recorded with.
package drbdadm

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/optionc/pollux/cmd/pollux/drbdsetup"
	"github.com/optionc/pollux/daemon/format/drbdconf"
	"github.com/optionc/pollux/daemon/format/drbdtext"
)

// Exit statuses. Source: drbd.conf and its tools, section 7.1.
const (
	exitUsage  = 1
	exitConfig = 10
)

// Tool is the command.
type Tool struct {
	Stdout, Stderr io.Writer
	Stdin          *os.File
	// ConfigDir has drbd.conf.
	ConfigDir string
	// Node is the name of this node.
	Node string
	// Setup carries out what drbdsetup is called for.
	Setup *drbdsetup.Tool
}

// A call is one run of the command.
type call struct {
	*Tool
	file    string
	dryRun  bool
	verbose bool
	backend []string // options for drbdsetup
	conf    *drbdconf.Config
}

// Run carries a command out and gives its exit status.
func (t *Tool) Run(ctx context.Context, args []string) int {
	c := &call{Tool: t, file: filepath.Join(t.ConfigDir, "drbd.conf")}
	words, done, code := c.parse(args)
	if done {
		return code
	}
	if len(words) == 0 || words[0] == "help" {
		c.usage()
		return exitUsage
	}
	cmd, ok := find(words[0])
	if !ok {
		return c.wrong("unknown command '%s'", words[0])
	}
	for _, option := range c.backend {
		if !cmd.takes(option) {
			return c.wrong("unrecognized option '%s'", option)
		}
	}
	var err error
	if c.conf, err = drbdconf.Parse(c.file, os.ReadFile, filepath.Glob); err != nil {
		c.complain("%s", err)
		return exitConfig
	}
	if cmd.whole != nil {
		return cmd.whole(ctx, c, words[1:])
	}
	if len(words) == 1 {
		c.complain("%s: missing argument: want 'all', or the names of resources", cmd.name)
		return exitUsage
	}
	targets, code := c.targets(words[1:])
	if code != 0 {
		return code
	}
	for _, target := range targets {
		if failed := cmd.run(ctx, c, target); failed != 0 && code == 0 {
			code = failed
		}
	}
	return code
}

// parse takes options from anywhere among the words. Those that drbdadm does
// not know are drbdsetup's.
func (c *call) parse(args []string) (words []string, done bool, code int) {
	backendOnly := false
	for i := 0; i < len(args); i++ {
		word := args[i]
		name, value, hasValue := strings.Cut(word, "=")
		next := func() bool {
			if !hasValue && i+1 < len(args) {
				i++
				value, hasValue = args[i], true
			}
			return hasValue
		}
		switch {
		case word == "--":
			backendOnly = true
		case backendOnly && strings.HasPrefix(word, "-"):
			c.backend = append(c.backend, word)
		case !strings.HasPrefix(word, "-") || word == "-":
			words = append(words, word)
			backendOnly = false
		case word == "-d" || word == "--dry-run":
			c.dryRun = true
		case word == "-v" || len(words) == 0 && word == "--verbose":
			c.verbose = true
		case word == "-V" || word == "--version":
			c.version()
			return nil, true, 0
		case word == "-S" || word == "--stacked":
			return nil, true, c.wrong("stacked resources are not supported")
		case name == "-c" || name == "--config-file":
			if !next() {
				return nil, true, c.wrong("option '%s' requires an argument", word)
			}
			c.file = value
			if value == "-" {
				c.file = "/dev/stdin"
			}
		case name == "-s" || name == "-m" || name == "-P" || name == "--drbdsetup" || name == "--drbdmeta" ||
			name == "--peer" || name == "-t" || name == "--config-to-test":
			_ = next() // both are here, there is one peer, and -c tests a file
		default:
			c.backend = append(c.backend, word)
		}
	}
	return words, false, 0
}

func (c *call) wrong(format string, args ...any) int {
	c.complain("drbdadm: %s\ntry 'drbdadm help'", fmt.Sprintf(format, args...))
	return exitUsage
}

func (t *Tool) complain(format string, args ...any) {
	_, _ = fmt.Fprintf(t.Stderr, format+"\n", args...)
}

func (t *Tool) print(format string, args ...any) { _, _ = fmt.Fprintf(t.Stdout, format, args...) }

// version prints what scripts look for: the numbers of the DRBD that this
// stands in for.
func (c *call) version() {
	c.print("DRBDADM_BUILDTAG=pollux\nDRBDADM_API_VERSION=1\nDRBD_KERNEL_VERSION_CODE=0x08040b\n")
	c.print("DRBDADM_VERSION_CODE=0x08040b\nDRBDADM_VERSION=%s\n", drbdtext.Version)
}

func (c *call) usage() {
	c.print("\nUSAGE: drbdadm COMMAND [OPTION...] {all|RESOURCE[/VOLUME]...}\n\nCommands are:\n")
	for _, cmd := range commands() {
		c.print("    %s\n", cmd.name)
	}
	c.print("\nOptions are -c FILE, -d (say what would be done), -v, -V; others are passed to drbdsetup.\n")
}

// A target is one resource that a command is about, as this node has it.
type target struct {
	resource  *drbdconf.Resource
	own, peer *drbdconf.Host
	volumes   []*drbdconf.Volume // all of them, or the one that was named
}

// targets finds what the words name.
func (c *call) targets(words []string) ([]target, int) {
	var list []target
	for _, word := range words {
		before := len(list)
		name, volume, _ := strings.Cut(word, "/")
		for i := range c.conf.Resources {
			r := &c.conf.Resources[i]
			own, ok := r.Host(c.Node)
			if !ok {
				continue
			}
			peer, _ := r.Peer(c.Node)
			t := target{resource: r, own: own, peer: peer}
			for v := range own.Volumes {
				vol := &own.Volumes[v]
				if word == "all" || word == fmt.Sprintf("minor-%d", vol.Minor) || word == vol.Device ||
					name == r.Name && (volume == "" || volume == fmt.Sprint(vol.Number)) {
					t.volumes = append(t.volumes, vol)
				}
			}
			if len(t.volumes) > 0 {
				list = append(list, t)
			}
		}
		if len(list) == before && word != "all" {
			c.complain("'%s' not defined in your config (for this host).", word)
			return nil, exitUsage
		}
	}
	return list, 0
}
