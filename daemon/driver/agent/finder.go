// Package agent finds what a word of haresources means, and asks it for its
// status, starts it and stops it: what is built in, the scripts that Heartbeat
// and System V know, and the agents of the Open Cluster Framework (OCF).
//
//	drbddisk::r1                        built in, or a script
//	LVM::my_vg                          built in, or a script
//	Filesystem::/dev/drbd1::/data::ext4 a script: Filesystem /dev/drbd1 /data ext4 start
//	192.168.0.9/24/eth0                 IPaddr::192.168.0.9/24/eth0
//	ocf:heartbeat:Xinetd::service=tftp  OCF: the arguments are its parameters
package agent

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/optionc/pollux/daemon/core/failover"
	"github.com/optionc/pollux/daemon/driver/command"
)

// Where scripts are, unless a Finder says otherwise.
const (
	DefaultConfDir = "/etc/ha.d"
	DefaultInitDir = "/etc/init.d"
	DefaultOCFRoot = "/usr/lib/ocf"
)

// How long a script may take, unless a Finder says otherwise. A guest's clean
// shutdown can take minutes.
const (
	DefaultStatusLimit = time.Minute
	DefaultOrderLimit  = 10 * time.Minute
)

// A Resource is something that runs on one node at a time.
type Resource interface {
	// Status looks, and changes nothing. The text says what was seen. A question
	// that could not be answered is Unknown, with the error that says why.
	Status(ctx context.Context) (failover.State, string, error)
	// Start is over when the resource runs; nothing happens if it runs already.
	Start(ctx context.Context) error
	// Stop is over when the resource is stopped; nothing happens if it is
	// already.
	Stop(ctx context.Context) error
}

// A Monitor is a Resource that knows more of itself than whether anything of
// it runs.
type Monitor interface {
	// Monitor is Status, but Stopped if not all of it works as it should.
	Monitor(ctx context.Context) (failover.State, string, error)
}

// Hasty is a Resource that can be stopped the hard way.
type Hasty interface {
	// StopWithin is Stop, and ends by force what takes longer than that.
	StopWithin(ctx context.Context, within time.Duration) error
}

// A Maker makes a Resource that is built in, from the arguments of its word.
type Maker func(args []string) (Resource, error)

// Finder knows where resources come from. The zero values of its directories
// and limits are the defaults of this package.
type Finder struct {
	// Override is a directory whose scripts replace everything else of the
	// same name, for tests and demonstrations; "" is none.
	Override string
	// Builtin are the resources that need no script, by the name before "::".
	Builtin map[string]Maker
	// ConfDir holds resource.d, which is searched first.
	ConfDir string
	// InitDir is searched after that.
	InitDir string
	// OCFRoot holds resource.d/PROVIDER/AGENT.
	OCFRoot string
	// Env is what scripts find in their environment; see Settings.
	Env []string
	// StatusLimit and OrderLimit bound one call of a script.
	StatusLimit, OrderLimit time.Duration
	// Run is command.Exec; a func in tests.
	Run command.Runner
}

// Find gives the resource that a word of haresources names. A script that is
// not there is an error that says where it was looked for.
func (f Finder) Find(word string) (Resource, error) {
	parts := strings.Split(word, "::")
	name, args := parts[0], parts[1:]
	if isAddress(name) {
		name, args = "IPaddr", append([]string{name}, args...)
	}
	if provider, agent, ok := ocfName(name); ok {
		return f.ocf(word, provider, agent, args)
	}
	if !plainName(name) {
		return nil, fmt.Errorf("resource %q: %q is no name of a script", word, name)
	}
	if f.Override != "" {
		if path := filepath.Join(f.Override, name); executable(path) {
			return f.script(path, args), nil
		}
	}
	if maker := f.Builtin[name]; maker != nil {
		resource, err := maker(args)
		if err != nil {
			return nil, fmt.Errorf("resource %q: %w", word, err)
		}
		return resource, nil
	}
	dirs := []string{filepath.Join(or(f.ConfDir, DefaultConfDir), "resource.d"), or(f.InitDir, DefaultInitDir)}
	for _, dir := range dirs {
		if path := filepath.Join(dir, name); executable(path) {
			return f.script(path, args), nil
		}
	}
	return nil, fmt.Errorf("resource %q: no executable file %s in %s", word, name, strings.Join(dirs, " or "))
}

func (f Finder) script(path string, args []string) Resource {
	return script{path: path, args: args, call: f.caller(nil)}
}

// caller runs a script within the limits.
func (f Finder) caller(env []string) caller {
	c := caller{
		run: f.Run, env: append(append([]string(nil), f.Env...), env...),
		statusLimit: f.StatusLimit, orderLimit: f.OrderLimit,
	}
	if c.statusLimit <= 0 {
		c.statusLimit = DefaultStatusLimit
	}
	if c.orderLimit <= 0 {
		c.orderLimit = DefaultOrderLimit
	}
	return c
}

// isAddress says whether a word is of the form a.b.c.d or a.b.c.d/more.
func isAddress(word string) bool {
	host, _, _ := strings.Cut(word, "/")
	address, err := netip.ParseAddr(host)
	return err == nil && address.Is4()
}

// ocfName splits ocf:PROVIDER:AGENT.
func ocfName(name string) (provider, agent string, ok bool) {
	rest, ok := strings.CutPrefix(name, "ocf:")
	if !ok {
		return "", "", false
	}
	provider, agent, ok = strings.Cut(rest, ":")
	return provider, agent, ok
}

// plainName says that joining name to a directory stays in the directory.
func plainName(name string) bool {
	return name != "" && name[0] != '.' && !strings.ContainsAny(name, "/\x00")
}

func executable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}
